"""tdpsim run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from sim.base.errors import UsageError
from sim.catalog.schedules import recording
from sim.cli.exit_status import ExitStatus
from sim.cli.files import write_schedule
from sim.cli.options import (
    ForceOption,
    InjectOption,
    JsonOption,
    PatchOption,
    SetOption,
    WithoutOption,
    patch_from,
    print_json,
    scenario_from,
)
from sim.engine.model.scenario import Scenario
from sim.engine.run import trio_executor
from sim.engine.run.schedule import write
from sim.engine.run.scheduler import Picks, RandomWalk
from sim.search.fuzzing.strategies import StrategyError, draw, running
from sim.view.results import json_values
from sim.view.results.report import finding_line, patch_option
from sim.view.words import as_argument


def run_command(
    scenario: str,
    /,
    *,
    seed: Annotated[int, Parameter(help="Decides everything that is left to chance")] = 0,
    strategy: Annotated[
        str,
        Parameter(
            help=f"{', '.join(entry.name for entry in running())}; `tdpsim explain` has each in "
            "words"
        ),
    ] = "walk",
    retries: Annotated[
        int, Parameter(help="The uniform ones draw from runs that retry this often at most")
    ] = 2,
    set: SetOption = (),
    without: WithoutOption = (),
    patch: PatchOption = None,
    inject: InjectOption = None,
    record: Annotated[Path | None, Parameter(help="Write the run's schedule to this file")] = None,
    force: ForceOption = False,
    json: JsonOption = False,
) -> int:
    """Run SCENARIO once, with real trio tasks and a seeded scheduler.

    Exit status 1 if something is found.
    """
    asked = scenario_from(scenario, set, without, patch_from(patch), inject)
    run = trio_executor.run(asked, _picks(asked, strategy, seed, retries))
    schedule = recording(run, strategy, seed)
    if record is not None:
        write_schedule(record, schedule, force=force)
    if json:
        print_json(json_values.of_run(run, schedule))
    else:
        print(f"{scenario}  {schedule.model}  seed {seed:#x}: {len(run.steps)} steps")
        print("\n".join(map(finding_line, run.findings)) or "clean")
        if record is not None:
            print(f"tdpsim replay {as_argument(record)}{patch_option(asked)}")
        elif run.findings:
            print(
                f"\nPipe this into `tdpsim replay -{patch_option(asked)}`:\n\n{write(schedule)}",
                end="",
            )
    return ExitStatus.FINDING if run.findings else ExitStatus.CLEAN


def _picks(scenario: Scenario, strategy: str, seed: int, retries: int) -> Picks | RandomWalk:
    """What a seed draws.

    Raises UsageError for a strategy that does not exist, or that has no run of one seed.
    """
    if strategy == "walk":
        return RandomWalk(seed)
    try:
        drawn = draw(strategy, scenario, seed, retries)
    except StrategyError as error:
        raise UsageError(str(error)) from None
    if drawn is not None:
        return drawn
    from sim.search.fuzzing.batch import Runner  # noqa: PLC0415 - a walk needs no numpy

    return Runner(scenario, strategy).picks(seed)
