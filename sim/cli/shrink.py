"""tdpsim shrink."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from sim.base.errors import UsageError
from sim.cli.exit_status import ExitStatus
from sim.cli.files import drifted, read_schedule, scenario_of, write_schedule
from sim.cli.options import (
    ForceOption,
    JsonOption,
    PatchOption,
    amount,
    patch_from,
    print_json,
    telling,
)
from sim.engine.model.operations import Finding
from sim.engine.run.replay import Drift, replay
from sim.engine.run.schedule import write
from sim.engine.run.world import Run
from sim.engine.states.product import Product
from sim.search.budget import Budget
from sim.search.shrinking.follow import picks_of
from sim.search.shrinking.shrink import Certainty, ShrinkError, Shrunk, schedule_of, shrink
from sim.view.results import json_values
from sim.view.results.report import finding_line, patch_option, shrunk_line, size_words
from sim.view.words import as_argument

ShrunkFile = Annotated[
    str,
    Parameter(
        allow_leading_hyphen=True, help="A schedule file, or - to find one in a mail on stdin"
    ),
]


def shrink_command(
    file: ShrunkFile,
    /,
    *,
    output: Annotated[
        Path | None,
        Parameter(
            name=("--output", "-o"), show_default=False, help="Write the schedule to this file"
        ),
    ] = None,
    finding: Annotated[
        str | None,
        Parameter(
            show_default=False,
            help="Of several findings not the last, but this: KIND, WHERE or 'KIND WHERE'",
        ),
    ] = None,
    for_: Annotated[
        str | None,
        Parameter(
            name="--for", show_default=False, help="The best there is after so long: 60s, 10m"
        ),
    ] = None,
    patch: PatchOption = None,
    force: ForceOption = False,
    json: JsonOption = False,
) -> int:
    """The smallest schedule with the same finding: fewer tasks, then fewer steps,
    then fewer preemptions.

    Exit status 4 if --for ended it: what it has come to by then is written all the same.
    """
    budget = Budget(None if for_ is None else amount(for_, "smhd", "--for"))
    schedule = read_schedule(file)
    scenario = scenario_of(file, schedule, patch_from(patch), loose=False)
    try:
        run = replay(schedule, scenario)
    except Drift as drift:
        raise drifted(file, drift) from None
    wanted = _wanted(file, run, finding)
    shrunk = _shrunk(file, run, wanted, budget)
    smaller = schedule_of(scenario, shrunk, wanted, schedule.found_by)
    if output is not None:
        write_schedule(output, smaller, force=force)
    if json:
        print_json(json_values.of_shrunk(shrunk, wanted, smaller))
    else:
        print(f"{smaller.scenario}  {smaller.model}: {finding_line(wanted)}")
        print(shrunk_line(shrunk))
        if output is not None:
            print(f"tdpsim replay {as_argument(output)}{patch_option(scenario)}")
        else:
            print(
                f"\nPipe this into `tdpsim replay -{patch_option(scenario)}`:\n\n{write(smaller)}",
                end="",
            )
    return ExitStatus.UNDECIDED if shrunk.certainty is Certainty.CUT else ExitStatus.CLEAN


def _wanted(file: str, run: Run, named: str | None) -> Finding:
    """The last finding of a run, or of those that are so named.

    Raises UsageError where there is none.
    """
    if not run.findings:
        raise UsageError(f"{file} shows no finding, so there is nothing to shrink it to")
    so_named = [one for one in run.findings if named in {None, one.kind, one.where, str(one)}]
    if not so_named:
        raise UsageError(f"{file} does not show {named}; it shows {', '.join(run.outcomes)}")
    return so_named[-1]


def _shrunk(file: str, run: Run, wanted: Finding, budget: Budget) -> Shrunk:
    tell = telling()
    try:
        return shrink(
            run.scenario,
            picks_of(Product(run.scenario), run),
            wanted,
            budget=budget,
            tick=lambda size: tell(f"{run.scenario.name}: {size_words(size)}", over=False),
        )
    except ShrinkError as error:
        raise UsageError(f"{file}: {error}") from None
    finally:
        tell("", over=True)
