"""tdpsim show."""

from __future__ import annotations

import difflib
import re
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Literal

import attrs
from cyclopts import Parameter

from sim.analysis.moments import Moment, moments
from sim.base.errors import UsageError
from sim.cli.files import drifted, read_schedule, scenario_of
from sim.cli.options import ColorOption, PatchOption, console, is_ascii, paged, patch_from, relative
from sim.cli.replay import LooseOption, ReplayedFile
from sim.engine.run.replay import Drift
from sim.engine.run.world import Run
from sim.search.exploration import Counting
from sim.view.runs.formats import FORMATS, Drawing
from sim.view.runs.timeline import ASCII, Cut, Marks

if TYPE_CHECKING:
    FormatName = str
else:
    FormatName = Literal[tuple(FORMATS)]


def show_command(
    file: ReplayedFile,
    /,
    *,
    loose: LooseOption = False,
    patch: PatchOption = None,
    format: Annotated[
        FormatName,
        Parameter(help=" ".join(f"{one.name}: {one.doc}" for one in FORMATS.values())),
    ] = "timeline",
    steps: Annotated[str | None, Parameter(help="Of the timeline, steps A:B")] = None,
    task: Annotated[
        tuple[str, ...],
        Parameter(negative=(), show_default=False, help="Of the timeline, this task's lane"),
    ] = (),
    cell: Annotated[
        tuple[str, ...],
        Parameter(
            negative=(), show_default=False, help="Of the timeline, steps that touch this cell"
        ),
    ] = (),
    fold: Annotated[
        bool, Parameter(help="Say once what comes three times or more in one order")
    ] = True,
    odds: Annotated[
        bool,
        Parameter(
            negative=(),
            show_default=False,
            help="Before each step, the odds that a random walk finds this",
        ),
    ] = False,
    color: ColorOption = "auto",
    width: Annotated[
        int | None, Parameter(help="Columns; the terminal's by default, 80 in a pipe")
    ] = None,
) -> int:
    """Draw a recorded schedule: time downwards, a lane a task."""
    schedule = read_schedule(file)
    scenario = scenario_of(file, schedule, patch_from(patch), loose=loose)
    try:
        run, seen = moments(schedule, scenario, loose=loose)
    except Drift as drift:
        raise drifted(file, drift) from None
    screen = console(color)
    drawn = FORMATS[format].view()(
        Drawing(
            relative(file) if file != "-" else file,
            schedule,
            run,
            seen,
            width=width or screen.width,
            marks=ASCII if is_ascii(screen) else Marks(),
            cut=attrs.evolve(_cut(steps, tuple(task), run), cells=_cells(tuple(cell), seen)),
            odds=_odds(run) if odds else (),
            fold=fold,
        )
    )
    if isinstance(drawn, str):
        print(drawn, end="")
        return 0
    with paged(screen, len(drawn)):
        for line in drawn:
            screen.print(line, soft_wrap=True)
    return 0


def _cells(names: tuple[str, ...], seen: tuple[Moment, ...]) -> tuple[str, ...]:
    """Raises UsageError for cells that no step touches."""
    known = dict.fromkeys(cell for moment in seen for cell, _ in moment.touched)
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3) or sorted(known)
            raise UsageError(f"no step touches a cell named {name}; there are {', '.join(near)}")
    return names


def _odds(run: Run) -> tuple[Fraction, ...]:
    from sim.search.counting.odds import odds_along  # noqa: PLC0415 - a timeline without odds needs no numpy

    if not run.findings or run.lasso is not None:
        raise UsageError("--odds are those of a finding, and this run shows none that is a moment")
    return odds_along(run, run.findings[-1], Counting())


def _cut(steps: str | None, tasks: tuple[str, ...], run: Run) -> Cut:
    """Raises UsageError for steps or tasks that the run has not."""
    names = [one.name for one in run.scenario.tasks]
    for name in tasks:
        if name not in names:
            raise UsageError(f"no task is named {name}; there are {', '.join(names)}")
    if steps is None:
        return Cut(tasks=tasks)
    match = re.fullmatch(r"(\d*):(\d*)", steps)
    if match is None:
        raise UsageError(f"--steps takes A:B, such as 10:20, got {steps!r}")
    return Cut(int(match[1] or 1), int(match[2]) if match[2] else None, tasks)
