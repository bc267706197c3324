"""tdpsim table."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from time import monotonic
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from sim.cli.exit_status import ExitStatus
from sim.cli.files import write_schedule
from sim.cli.options import Color, Force, Json, console, is_ascii, print_json, relative
from sim.engine.schedule import parse
from sim.kvm.versions import KERNELS
from sim.scenarios.derived import Kept, cache_directory, cells
from sim.scenarios.kernels import AFTER, BEFORE
from sim.scenarios.recipe import UsageError
from sim.scenarios.switches import FLIPS
from sim.scenarios.table import Cell, Question, flip_named, questions
from sim.tdx.releases import ONE_OF_EACH, RELEASES
from sim.view import contract
from sim.view.table import READING, Notes, assumptions, blocks, flip_lines, made_by, sentences, table

_MINUTE = 60


def table_command(
    *,
    kernel: Annotated[
        str,
        Parameter(name=["--kernel", "--order"], help=f"{', '.join(KERNELS)}; or the mail's before, after, both"),
    ] = AFTER,
    module: Annotated[str, Parameter(help="A release of the TDX module, or all: one of each family")] = "1.5.01",
    flip: Annotated[str | None, Parameter(help="An assumption to turn over, or all: what does it decide?")] = None,
    jobs: Annotated[int | None, Parameter(help="Processes that share the cells; as many as processors")] = None,
    kept: Annotated[bool, Parameter(help="Use what was derived before with this very model")] = True,
    record: Annotated[
        Path | None, Parameter(help="Write each finding's witness into this directory; of a flip, what it adds")
    ] = None,
    force: Force = False,
    json: Json = False,
    color: Color = "auto",
) -> int:
    """Derive the table of transitions by exploring every cell of it.

    What was derived is kept in the user's cache directory, until the model or what explores it changes.
    """
    kernels = (BEFORE, AFTER) if kernel == "both" else (kernel,)
    if not {*kernels} <= {*KERNELS, BEFORE, AFTER}:
        raise UsageError(f"no kernel is named {kernel!r}; there are {', '.join(KERNELS)}, before, after, and both")
    versions = tuple(release.version for release in RELEASES)
    if module != "all" and module not in versions:
        raise UsageError(f"no module release is named {module!r}; there are {', '.join(versions)}")
    flips = flip_named(flip) if flip else ()
    if flip and not flips:
        known = ", ".join(dict.fromkeys(one.switch for one in FLIPS))
        raise UsageError(f"no assumption is named {flip!r}; there are {known}, and all")
    if jobs is not None and jobs < 1:
        raise UsageError(f"--jobs takes a number of processes, got {jobs}")
    asked = tuple(questions(kernels, ONE_OF_EACH if module == "all" else (module,), flips))
    derived = _derived(asked, jobs or os.cpu_count() or 1, Kept(cache_directory()) if kept else None)
    base = [derived[question.key] for question in asked if question.flip is None]
    flipped = [derived[question.key] for question in asked if question.flip]
    if record is not None:
        record.mkdir(parents=True, exist_ok=True)
        plain = {(cell.row, cell.order, cell.module): cell.findings for cell in base if flips}
        for cell in flipped or base:
            before = plain.get((cell.row, cell.order, cell.module), ())
            for told in (told for told in cell.told if told.finding not in before):
                (record / cell.row.name).mkdir(exist_ok=True)
                write_schedule(record / cell.row.name / told.name, parse(told.schedule.encode()), force=force)
    if json:
        print_json({"rows": [contract.of_cell(cell, made_by(cell)) for cell in (*base, *flipped)]})
        return ExitStatus.CLEAN
    screen = console(color)
    if flips:
        unflipped = {question.key: derived[question.key] for question in asked if question.flip is None}
        for one in flips:
            for text in flip_lines(one, unflipped, [cell for cell in flipped if cell.flipped == one.name]):
                screen.print(text, markup=False)
        return ExitStatus.CLEAN
    _print(screen, base)
    return ExitStatus.CLEAN


def _derived(asked: Sequence[Question], jobs: int, kept: Kept | None) -> dict[str, Cell]:
    """The cells by key, with a word on stderr about how far it is."""
    terminal, last = sys.stderr.isatty(), monotonic()
    found: dict[str, Cell] = {}
    for question, cell in cells(asked, jobs, kept):
        found[question.key] = cell
        line = f"table: {len(found)} of {len(asked)} cells; {question.key}"
        if terminal:
            line = line[: os.get_terminal_size(sys.stderr.fileno()).columns - 1]
            print("\r\x1b[K" + (line if len(found) < len(asked) else ""), end="", file=sys.stderr, flush=True)
        elif monotonic() - last > _MINUTE:
            last = monotonic()
            print(line, file=sys.stderr, flush=True)
    return found


def _print(screen: Console, cells: Sequence[Cell]) -> None:
    notes = Notes()
    known: dict[tuple[tuple[str, ...], ...], str] = {}
    for headline, block in blocks(cells):
        screen.print(headline, style="bold", markup=False)
        grid = table(block, notes, ascii_only=is_ascii(screen))
        same = tuple(tuple(str(cell) for cell in column.cells) for column in grid.columns[:8])
        if same in known:
            screen.print(f"as for {known[same]}, but for the number of states\n", markup=False)
            continue
        known[same] = headline
        screen.print(grid)
        screen.print()
    for note in notes.lines():
        screen.print(note, markup=False)
    said = list(sentences(cells))
    if said:
        screen.print("\nwhere the module or the kernel changes an answer:", style="bold")
        for text in said:
            screen.print(f"  {text}", markup=False)
    screen.print("\nassumed, where the mail leaves it open; --flip shows what each decides:", style="bold")
    for text in assumptions():
        screen.print(f"  {text}", style="dim", markup=False)
    screen.print()
    for text in READING:
        screen.print(text, style="dim", markup=False)
    paths = [path for cell in cells for path in contract.of_cell(cell, ())["witnesses"]]
    if paths:
        folder = next(key for key, _ in groupby(Path(relative(path)).parent for path in paths))
        screen.print(f"\n{len(paths)} witnesses in {folder}; `tdpsim show` draws one, `tdpsim replay` runs it again")
