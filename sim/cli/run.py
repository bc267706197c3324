"""tdpsim run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from sim.cli.files import write_schedule
from sim.cli.options import Force, Json, Settings, Without, print_json, scenario_from
from sim.cli.status import Status
from sim.engine import live
from sim.engine.schedule import write
from sim.engine.scheduler import Walk
from sim.scenarios.witnesses import recording
from sim.view import contract
from sim.view.report import finding_line


def run_command(
    scenario: str,
    /,
    *,
    seed: Annotated[int, Parameter(help="Decides everything that is left to chance")] = 0,
    strategy: Literal["walk"] = "walk",
    set: Settings = (),
    without: Without = (),
    record: Annotated[Path | None, Parameter(help="Write the run's schedule to this file")] = None,
    force: Force = False,
    json: Json = False,
) -> int:
    """Run SCENARIO once, with real trio tasks and a seeded scheduler. Exit status 1 if something is found."""
    run = live.run(scenario_from(scenario, set, without), Walk(seed))
    schedule = recording(run, strategy, seed)
    if record is not None:
        write_schedule(record, schedule, force=force)
    if json:
        print_json(contract.of_run(run, schedule))
    else:
        print(f"{scenario}  {schedule.model}  seed {seed:#x}: {len(run.steps)} steps")
        print("\n".join(map(finding_line, run.findings)) or "clean")
        if record is not None:
            print(f"tdpsim replay {record}")
        elif run.findings:
            print(f"\nPipe this into `tdpsim replay -`:\n\n{write(schedule)}", end="")
    return Status.FINDING if run.findings else Status.CLEAN
