"""tdpsim show."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

from sim.cli.files import drifted, read_schedule, scenario_of
from sim.cli.options import Patch, console, print_json, relative
from sim.cli.replay import File, Loose
from sim.engine.replay import Drift
from sim.scenarios.patch import load_patch
from sim.view.commit import commit
from sim.view.perfetto import perfetto
from sim.view.slice import moments
from sim.view.svg import html, svg
from sim.view.timeline import timeline


def show_command(
    file: File,
    /,
    *,
    loose: Loose = False,
    patch: Patch = None,
    format: Annotated[
        Literal["timeline", "commit", "svg", "html", "perfetto"],
        Parameter(
            help="Every step; a diagram for a mail, of what the finding hangs on; a picture; JSON for ui.perfetto.dev"
        ),
    ] = "timeline",
    width: Annotated[int | None, Parameter(help="Columns; the terminal's by default, 80 in a pipe")] = None,
) -> int:
    """Draw a recorded schedule: time downwards, a lane a task."""
    if patch is not None:
        load_patch(patch)
    schedule = read_schedule(file)
    scenario = scenario_of(file, schedule, loose=loose)
    try:
        run, seen = moments(schedule, scenario, loose=loose)
    except Drift as drift:
        raise drifted(file, drift) from None
    if format == "commit":
        print(commit(relative(file) if file != "-" else file, schedule, run, seen), end="")
        return 0
    if format in {"svg", "html"}:
        print((svg if format == "svg" else html)(schedule, run, seen), end="")
        return 0
    if format == "perfetto":
        print_json(perfetto(schedule, seen))
        return 0
    print(timeline(schedule, run, seen, width or console().width), end="")
    return 0
