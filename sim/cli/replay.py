"""tdpsim replay."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from sim.cli.files import drifted, read_schedule, scenario_of
from sim.cli.options import Json, print_json
from sim.cli.status import Status
from sim.engine.replay import Drift, replay
from sim.view import contract
from sim.view.report import blocked_lines, going_round_lines

Loose = Annotated[
    bool,
    Parameter(negative=(), show_default=False, help="Another model's schedule too; check points, not what was seen"),
]


File = Annotated[str, Parameter(allow_leading_hyphen=True, help="A schedule file, or - to find one in a mail on stdin")]


def replay_command(file: File, /, *, loose: Loose = False, json: Json = False) -> int:
    """Run a recorded schedule again, from FILE or (`-`) a mail on stdin, and compare every step.

    Exit status 0: what the file expects. 1: another outcome. 3: it does not fit the model; the line says where.
    """
    schedule = read_schedule(file)
    scenario = scenario_of(file, schedule, loose=loose)
    try:
        run = replay(schedule, scenario, loose=loose)
    except Drift as drift:
        raise drifted(file, drift) from None
    expected = run.outcomes == schedule.expect
    if json:
        print_json({**contract.of_run(run, schedule), "expected": list(schedule.expect), "as_expected": expected})
    else:
        print(f"{schedule.scenario}  {schedule.model}: {len(run.steps)} steps, the same under both executors")
        print("\n".join([*run.outcomes, *blocked_lines(run), *going_round_lines(run)]))
        if not expected:
            print(f"but the file expects {', '.join(schedule.expect)}")
    return Status.CLEAN if expected else Status.FINDING
