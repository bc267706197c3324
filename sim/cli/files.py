"""Schedules in and out of files."""

from __future__ import annotations

import sys
from pathlib import Path

from sim.base.errors import UsageError
from sim.base.files import put
from sim.cli.exit_status import ExitStatus
from sim.engine.model.scenario import Scenario
from sim.engine.run.replay import Drift
from sim.engine.run.schedule import Schedule, ScheduleError, parse, write
from sim.scenarios.library import recipe_named
from sim.scenarios.patch import Patch


class FileTrouble(Exception):
    """Something about a file, with the exit status it deserves."""

    def __init__(self, status: ExitStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


def read_schedule(name: str) -> Schedule:
    """The schedule in a file, or in what `-` reads."""
    if name.startswith("-") and name != "-":
        raise FileTrouble(
            ExitStatus.USAGE, f"no option is named {name} (a file of that name is ./{name})"
        )
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise FileTrouble(ExitStatus.USAGE, f"cannot read {name}: {error.strerror}") from None
    try:
        return parse(data)
    except ScheduleError as error:
        place = f"{name}:{error.line}" if error.line else name
        raise FileTrouble(ExitStatus.DRIFT, f"{place}: {error}") from None


def scenario_of(name: str, schedule: Schedule, patch: Patch | None, *, loose: bool) -> Scenario:
    """The scenario that a schedule names, if it is this model's."""
    try:
        scenario = recipe_named(schedule.scenario).scenario(
            schedule.params, schedule.without, patch
        )
    except UsageError as error:
        raise FileTrouble(ExitStatus.DRIFT, f"{name}: {error}") from None
    model = scenario.full_model
    if schedule.model != model and not loose:
        raise FileTrouble(
            ExitStatus.DRIFT,
            f"{name}: recorded with model {schedule.model!r}, this is {model!r}; --loose "
            "replays it all the same",
        )
    return scenario


def drifted(name: str, drift: Drift) -> FileTrouble:
    line = f":{drift.recorded.line}" if drift.recorded.line else ""
    return FileTrouble(ExitStatus.DRIFT, f"{name}{line}: {drift}")


def write_schedule(path: Path, schedule: Schedule, *, force: bool = False) -> None:
    """Write a schedule file, whole or not at all.

    Another file's contents are kept unless `force`.
    """
    text = write(schedule)
    try:
        if path.exists() and not force and path.read_text(encoding="utf-8") != text:
            raise FileTrouble(
                ExitStatus.USAGE, f"{path} is there already, and different; --force replaces it"
            )
        put(path, text)
    except OSError as error:
        raise FileTrouble(ExitStatus.USAGE, f"cannot write {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise FileTrouble(
            ExitStatus.USAGE, f"{path} is there already, and no schedule; --force replaces it"
        ) from None
