"""tdpsim table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from sim.cli.files import write_schedule
from sim.cli.options import Color, Force, Json, console, is_ascii, print_json, progress, relative
from sim.cli.status import Status
from sim.scenarios.recipe import UsageError
from sim.scenarios.table import derive
from sim.scenarios.transitions import ORDERS
from sim.scenarios.witnesses import witnesses
from sim.tdx.releases import RELEASES
from sim.view import contract
from sim.view.table import READING, table


def table_command(
    *,
    order: Annotated[Literal["before", "after", "both"], Parameter(help="Of the steps in the setters")] = "both",
    module: Annotated[str, Parameter(help="A release of the TDX module, or all")] = "all",
    record: Annotated[Path | None, Parameter(help="Write each finding's witness into this directory")] = None,
    force: Force = False,
    json: Json = False,
    color: Color = "auto",
) -> int:
    """Derive the table of transitions by exploring every cell of it. Rows so far: 1, 2, 6, 11 and 12."""
    orders = tuple(ORDERS) if order == "both" else (order,)
    versions = tuple(release.VERSION for release in RELEASES)
    if module != "all" and module not in versions:
        raise UsageError(f"no module release is named {module!r}; there are {', '.join(versions)}")
    cells = tuple(derive(orders, versions if module == "all" else (module,), progress("table")))
    if record is not None:
        record.mkdir(parents=True, exist_ok=True)
        for cell in cells:
            for name, schedule in witnesses(cell.exploration):
                write_schedule(record / name, schedule, force=force)
    if json:
        print_json({"rows": [contract.of_cell(cell) for cell in cells]})
        return Status.CLEAN
    screen = console(color)
    grid, notes = table(cells, ascii_only=is_ascii(screen))
    screen.print(grid)
    for note in notes:
        screen.print(note)
    for line in READING:
        screen.print(line, style="dim")
    paths = [path for cell in cells for path in contract.of_cell(cell)["witnesses"]]
    if paths:
        screen.print("\nwitnesses; `tdpsim show` draws one, `tdpsim replay` runs it again:")
        for path in paths:
            print(f"  {relative(path)}")
    return Status.CLEAN
