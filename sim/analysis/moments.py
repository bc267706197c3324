"""The steps that caused a finding.

A step of one task depends on a step of another if it noticed that step (`sim.analysis.noticing`).
Going back from the finding, task by task, all such pairs are collected. What a task did in between
followed from what it had seen.
"""

from __future__ import annotations

import attrs

from sim.analysis.noticing import Noticing, Touched
from sim.engine.model.operations import Access
from sim.engine.model.scenario import Scenario
from sim.engine.run.automata import LocalState
from sim.engine.run.replay import follow_schedule
from sim.engine.run.schedule import Schedule
from sim.engine.run.world import Run, Step


@attrs.frozen
class Moment:
    """A step, and what led to it."""

    step: Step
    calls: tuple[str, ...]
    """The functions that its task was in, outermost first."""

    caused_by: tuple[int, ...] = ()
    """The steps of other tasks that it noticed, by number."""

    touched: tuple[tuple[str, Access], ...] = ()
    """The cells that it touched, and how."""

    changed: tuple[tuple[str, object], ...] = ()
    """The cells that it changed, and what they hold afterwards."""


class _Watching:
    """Notes the moments of a walk."""

    def __init__(self) -> None:
        self.moments: list[Moment] = []
        self._noticing = Noticing()

    def __call__(self, step: Step, local: LocalState) -> None:
        operation = local.operation
        if operation is None:
            raise AssertionError("a step of a task that has finished")
        outcomes = self._noticing.world.outcomes(step.task, operation)
        outcome = next(one for one in outcomes if one.result == step.result)
        taken = self._noticing.note_step(len(self.moments), step.task, operation, outcome)
        self.moments.append(moment(local, *taken))


def moment(
    local: LocalState, step: Step, noticed: tuple[int, ...], touched: tuple[Touched, ...]
) -> Moment:
    """A step that was taken from a local state."""
    changed = tuple((one.cell.name, one.now) for one in touched if one.now != one.was)
    how = tuple((one.cell.name, one.how) for one in touched if one.how is not None)
    return Moment(step, theirs(local), noticed, how, changed)


def theirs(local: LocalState) -> tuple[str, ...]:
    """The functions that a task is in and that the kernel or the module names, outermost first."""
    return tuple(call for call in local.calls if _is_theirs(call))


def moments(
    schedule: Schedule, scenario: Scenario, *, loose: bool = False
) -> tuple[Run, tuple[Moment, ...]]:
    """Walk a schedule and note where each step was taken. Raises Drift where it does not fit."""
    watching = _Watching()
    run = follow_schedule(schedule, scenario, loose=loose, watch=watching)
    return run, tuple(watching.moments)


def causes_of(seen: tuple[Moment, ...], last: int) -> list[int]:
    """The steps, by number and in order, that step `last` hangs on, itself among them."""
    kept, upto = {last: None}, dict[str, int]()
    todo = [last]
    while todo:
        end = todo.pop()
        task = seen[end].step.task
        for number in range(upto.get(task, -1) + 1, end + 1):
            if seen[number].step.task == task:
                for source in seen[number].caused_by:
                    kept |= {number: None, source: None}
                    todo.append(source)
        upto[task] = max(end, upto.get(task, -1))
    return sorted(kept)


def _is_theirs(call: str) -> bool:
    """Whether a function has a name in the kernel or the module.

    One underscore marks a helper of ours.
    """
    return not call.startswith("_") or call.startswith("__")
