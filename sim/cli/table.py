"""tdpsim table."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from time import monotonic
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.console import Console

from sim.base.errors import UsageError
from sim.base.files import cache_directory
from sim.cli.exit_status import ExitStatus
from sim.cli.files import write_schedule
from sim.cli.options import (
    ColorOption,
    ForceOption,
    JsonOption,
    budget_from,
    console,
    is_ascii,
    print_json,
    progress,
    relative,
)
from sim.engine.run.schedule import parse
from sim.kvm.versions import KERNELS
from sim.scenarios.kernels import AFTER, BEFORE
from sim.scenarios.switches import FLIPS, Flip
from sim.search.budget import UNBOUNDED, Budget
from sim.surveys.cache import Kept, cells
from sim.surveys.everybody import EverybodyAtOnce, everybody
from sim.surveys.table import Derivation, TableCell, TableQuery, flip_named, questions
from sim.tdx.releases import ONE_OF_EACH, RELEASES
from sim.view.results import json_values
from sim.view.results.table import (
    READING,
    Notes,
    assumptions,
    blocks,
    everybody_line,
    flip_lines,
    made_by,
    sentences,
    table,
)

_MINUTE = 60


def table_command(
    *,
    kernel: Annotated[
        str,
        Parameter(
            name=["--kernel", "--order"],
            help=f"{', '.join(KERNELS)}; or the mail's before, after, both",
        ),
    ] = AFTER,
    module: Annotated[
        str, Parameter(help="A release of the TDX module, or all: one of each family")
    ] = "1.5.01",
    flip: Annotated[
        str | None, Parameter(help="An assumption to turn over, or all: what does it decide?")
    ] = None,
    contenders: Annotated[
        Literal["pairs", "all"],
        Parameter(help="Of three contenders two at a time, or then all of them, too: for hours"),
    ] = "pairs",
    for_: Annotated[
        str | None, Parameter(name="--for", help="With all of them: stop after 90s, 10m, 8h")
    ] = None,
    memory: Annotated[
        str | None, Parameter(help="With all of them: stop before it takes more: 500M, 16G")
    ] = None,
    jobs: Annotated[
        int | None, Parameter(help="Processes that share the cells; as many as processors")
    ] = None,
    kept: Annotated[
        bool, Parameter(help="Use what was derived before with this very model")
    ] = True,
    record: Annotated[
        Path | None,
        Parameter(help="Write each finding's witness into this directory; of a flip, what it adds"),
    ] = None,
    force: ForceOption = False,
    json: JsonOption = False,
    color: ColorOption = "auto",
) -> int:
    """Derive the table of transitions by exploring every cell of it.

    What was derived is kept in the user's cache directory, until the model or what explores it
    changes.
    """
    if jobs is not None and jobs < 1:
        raise UsageError(f"--jobs takes a number of processes, got {jobs}")
    flips = _flips(flip)
    begun, budget = monotonic(), budget_from(for_, memory)
    _check_everybody(contenders, flips, budget)
    asked = tuple(questions(_kernels(kernel), _modules(module), flips))
    cells = _derived(asked, jobs or os.cpu_count() or 1, Kept(cache_directory()) if kept else None)
    derived = Derivation.sorted(asked, cells, flips)
    if record is not None:
        _record(derived, record, force=force)
    crowds = asked if contenders == "all" else ()
    every = _everybody(crowds, cells, lambda: budget.after(monotonic() - begun), jobs)
    if json:
        known = (*derived.base.values(), *derived.flipped)
        rows = [json_values.of_cell(cell, made_by(cell)) for cell in known]
        print_json({"rows": rows, "everybody": [*map(json_values.of_everybody, every)]})
    elif flips:
        _print_flips(console(color), derived)
    else:
        _print(console(color), list(derived.base.values()))
        heading = "\nall three contenders at once, beside what pairs come to:"
        _print_lines(console(color), heading, map(everybody_line, every))
    return ExitStatus.CLEAN


def _check_everybody(contenders: str, flips: tuple[Flip, ...], budget: Budget) -> None:
    """Raises UsageError where options do not go together."""
    if contenders == "all" and flips:
        raise UsageError("--contenders all goes with the table, and not with --flip")
    if contenders != "all" and budget != UNBOUNDED:
        raise UsageError("--for and --memory go with --contenders all")


def _everybody(
    asked: Sequence[TableQuery],
    cells: dict[str, TableCell],
    left: Callable[[], Budget],
    jobs: int | None,
) -> Iterator[EverybodyAtOnce]:
    """Cells with all their contenders, with a word on stderr about how far each is."""
    tell = {question.key: progress(question.row.name) for question in asked}
    yield from everybody(
        asked,
        cells,
        left,
        jobs or os.cpu_count() or 1,
        lambda question, now: tell[question.key](now),
    )


def _kernels(name: str) -> tuple[str, ...]:
    """Raises UsageError for a kernel that is not there."""
    kernels = (BEFORE, AFTER) if name == "both" else (name,)
    if not {*kernels} <= {*KERNELS, BEFORE, AFTER}:
        raise UsageError(
            f"no kernel is named {name!r}; there are {', '.join(KERNELS)}, before, after, and both"
        )
    return kernels


def _modules(name: str) -> tuple[str, ...]:
    """Raises UsageError for a release that is not there."""
    versions = tuple(release.version for release in RELEASES)
    if name != "all" and name not in versions:
        raise UsageError(f"no module release is named {name!r}; there are {', '.join(versions)}")
    return ONE_OF_EACH if name == "all" else (name,)


def _flips(name: str | None) -> tuple[Flip, ...]:
    """Raises UsageError for an assumption that there is not."""
    flips = flip_named(name) if name else ()
    if name and not flips:
        known = ", ".join(dict.fromkeys(one.switch for one in FLIPS))
        raise UsageError(f"no assumption is named {name!r}; there are {known}, and all")
    return flips


def _record(derived: Derivation, directory: Path, *, force: bool) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for cell, told in derived.new():
        folder = directory / cell.row.name
        folder.mkdir(exist_ok=True)
        write_schedule(folder / told.name, parse(told.schedule.encode()), force=force)


def _print_flips(screen: Console, derived: Derivation) -> None:
    for flip in derived.flips:
        for text in flip_lines(flip, derived.base, derived.of_flip(flip)):
            screen.print(text, markup=False)


def _derived(asked: Sequence[TableQuery], jobs: int, kept: Kept | None) -> dict[str, TableCell]:
    """The cells by key, with a word on stderr about how far it is."""
    terminal, last = sys.stderr.isatty(), monotonic()
    found: dict[str, TableCell] = {}
    for question, cell in cells(asked, jobs, kept):
        found[question.key] = cell
        line = f"table: {len(found)} of {len(asked)} cells; {question.key}"
        if terminal:
            line = line[: os.get_terminal_size(sys.stderr.fileno()).columns - 1]
            print(
                "\r\x1b[K" + (line if len(found) < len(asked) else ""),
                end="",
                file=sys.stderr,
                flush=True,
            )
        elif monotonic() - last > _MINUTE:
            last = monotonic()
            print(line, file=sys.stderr, flush=True)
    return found


def _print(screen: Console, cells: Sequence[TableCell]) -> None:
    notes = Notes()
    _print_tables(screen, cells, notes)
    _print_lines(screen, "", notes.lines())
    heading = "\nwhere the module or the kernel changes an answer:"
    _print_lines(screen, heading, (f"  {text}" for text in sentences(cells)))
    heading = "\nassumed, where the mail leaves it open; --flip shows what each decides:"
    _print_lines(screen, heading, (f"  {text}" for text in assumptions()), "dim")
    screen.print()
    _print_lines(screen, "", READING, "dim")
    paths = [path for cell in cells for path in json_values.of_cell(cell, ())["witnesses"]]
    if paths:
        folder = Path(relative(paths[0])).parent
        screen.print(
            f"\n{len(paths)} witnesses in {folder}; `tdpsim show` draws one, `tdpsim replay` "
            "runs it again"
        )


def _print_tables(screen: Console, cells: Sequence[TableCell], notes: Notes) -> None:
    """A table for each kernel and module, but for those that say what another one said."""
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


def _print_lines(screen: Console, heading: str, lines: Iterable[str], style: str = "") -> None:
    """Lines below a heading, which is left out where there are none."""
    for number, text in enumerate(lines):
        if heading and not number:
            screen.print(heading, style="bold")
        screen.print(text, style=style, markup=False)
