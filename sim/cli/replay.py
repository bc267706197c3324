"""tdpsim replay."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from sim.base.errors import UsageError
from sim.catalog.schedules import recording
from sim.cli.exit_status import ExitStatus
from sim.cli.files import FileTrouble, drifted, read_schedule, scenario_of, write_schedule
from sim.cli.options import (
    ForceOption,
    JsonOption,
    PatchOption,
    SetOption,
    WithoutOption,
    patch_from,
    print_json,
    scenario_from,
)
from sim.engine.model.scenario import Scenario
from sim.engine.run import automata_executor
from sim.engine.run.replay import Drift, replay
from sim.view.results import json_values
from sim.view.results.report import replay_lines

if TYPE_CHECKING:
    from sim.search.counting.numbering import Numbering

LooseOption = Annotated[
    bool,
    Parameter(
        negative=(),
        show_default=False,
        help="Another model's schedule too; check points, not what was seen",
    ),
]


ReplayedFile = Annotated[
    str,
    Parameter(
        allow_leading_hyphen=True,
        help="A schedule file, - to find one in a mail on stdin, or SCENARIO@N",
    ),
]
_NUMBERED = re.compile(r"(?P<scenario>[^@/\\]+)@(?P<number>\d+)")


def replay_command(
    file: ReplayedFile,
    /,
    *,
    loose: LooseOption = False,
    patch: PatchOption = None,
    number: Annotated[
        bool, Parameter(negative=(), show_default=False, help="Say which interleaving it is")
    ] = False,
    set: SetOption = (),
    without: WithoutOption = (),
    model: Annotated[
        str | None, Parameter(help="The digest of the model that N of SCENARIO@N was counted in")
    ] = None,
    record: Annotated[
        Path | None, Parameter(help="Write the schedule of SCENARIO@N to this file")
    ] = None,
    force: ForceOption = False,
    json: JsonOption = False,
) -> int:
    """Run a recorded schedule again, from FILE or (`-`) a mail on stdin, and compare every step.

    SCENARIO@N is its N-th interleaving, by length and then by task order, from 0; --set and
    --without go with it.

    Exit status 0: what the file expects. 1: another outcome. 3: it does not fit the model; the line
    says where.
    """
    asked = None if Path(file).exists() else _NUMBERED.fullmatch(file)
    if asked is None and any((set, without, model, record)):
        raise UsageError(
            "--set, --without, --model and --record go with SCENARIO@N; a schedule names its own"
        )
    kernel = patch_from(patch)
    if asked is None:
        schedule = read_schedule(file)
        scenario = scenario_of(file, schedule, kernel, loose=loose)
        numbering = _numbering(scenario) if number else None
    else:
        scenario = scenario_from(asked["scenario"], set, without, kernel)
        _check_model(file, scenario, model)
        numbering = _numbering(scenario)
        schedule = recording(
            automata_executor.run(scenario, numbering.picks(int(asked["number"]))), "number"
        )
    if record is not None:
        write_schedule(record, schedule, force=force)
    try:
        run = replay(schedule, scenario, loose=loose)
    except Drift as drift:
        raise drifted(file, drift) from None
    which = None if numbering is None else numbering.number_of(run)
    if json:
        print_json(json_values.of_replay(run, schedule, which))
    else:
        print("\n".join(replay_lines(run, schedule, which)))
    is_well = run.outcomes == schedule.expect if asked is None else not run.findings
    return ExitStatus.CLEAN if is_well else ExitStatus.FINDING


def _check_model(file: str, scenario: Scenario, model: str | None) -> None:
    """Raises FileTrouble where a number was counted in another model than this."""
    if model is not None and model != scenario.digest:
        message = (
            f"counted in model {model}, this is {scenario.digest}, where that is another "
            "interleaving"
        )
        raise FileTrouble(ExitStatus.DRIFT, f"{file}: {message}")


def _numbering(scenario: Scenario) -> Numbering:
    from sim.search.counting.numbering import Numbering  # noqa: PLC0415 - a schedule is replayed without numpy

    return Numbering(scenario)
