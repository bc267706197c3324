"""tdpsim run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from sim.cli.files import write_schedule
from sim.cli.options import Force, Inject, Json, Patch, Settings, Without, patch_from, print_json, scenario_from
from sim.cli.status import Status
from sim.engine import live
from sim.engine.scenario import Scenario
from sim.engine.schedule import write
from sim.engine.scheduler import Picks, Walk
from sim.scenarios.recipe import UsageError
from sim.scenarios.witnesses import recording
from sim.view import contract
from sim.view.report import finding_line, patch_option


def run_command(
    scenario: str,
    /,
    *,
    seed: Annotated[int, Parameter(help="Decides everything that is left to chance")] = 0,
    strategy: Annotated[
        str,
        Parameter(
            help="walk: uniform at each step; uniform, uniform-classes: over all interleavings, or classes of them; "
            "pct:D, pos, surw: as in `tdpsim fuzz`"
        ),
    ] = "walk",
    retries: Annotated[int, Parameter(help="The uniform ones draw from runs that retry this often at most")] = 2,
    set: Settings = (),
    without: Without = (),
    patch: Patch = None,
    inject: Inject = None,
    record: Annotated[Path | None, Parameter(help="Write the run's schedule to this file")] = None,
    force: Force = False,
    json: Json = False,
) -> int:
    """Run SCENARIO once, with real trio tasks and a seeded scheduler. Exit status 1 if something is found."""
    asked = scenario_from(scenario, set, without, patch_from(patch), inject)
    run = live.run(asked, Walk(seed) if strategy == "walk" else _drawn(asked, strategy, seed, retries))
    schedule = recording(run, strategy, seed)
    if record is not None:
        write_schedule(record, schedule, force=force)
    if json:
        print_json(contract.of_run(run, schedule))
    else:
        print(f"{scenario}  {schedule.model}  seed {seed:#x}: {len(run.steps)} steps")
        print("\n".join(map(finding_line, run.findings)) or "clean")
        if record is not None:
            print(f"tdpsim replay {record}{patch_option(asked)}")
        elif run.findings:
            print(f"\nPipe this into `tdpsim replay -{patch_option(asked)}`:\n\n{write(schedule)}", end="")
    return Status.FINDING if run.findings else Status.CLEAN


def _drawn(scenario: Scenario, strategy: str, seed: int, retries: int) -> Picks:
    """What a seed draws."""
    if strategy in {"uniform", "uniform-classes"}:
        from sim.search.counting.sample import sample  # noqa: PLC0415 - a walk needs no numpy

        return sample(scenario, strategy, seed, retries)
    from sim.search.batch import Runner, StrategyError  # noqa: PLC0415 - a walk needs no numpy

    try:
        runner = Runner(scenario, strategy)
    except StrategyError as error:
        raise UsageError(f"{error}, and uniform-classes") from None
    if runner.epoch is not None:
        raise UsageError(f"{strategy} adapts, so a seed alone has no run: `tdpsim fuzz` keeps what it goes by")
    return runner.picks(seed)
