"""The steps that a finding hangs on.

A step hangs on another task's step if that changed a cell which it looks at, and something else would have come of it
without: that is asked of the operation itself, with the value that its task knew last, or the one before the change.
From the finding back, task by task, all such pairs are gathered; what a task did in between followed from what it saw.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs

from sim.engine.automata import LocalState
from sim.engine.cells import Cell
from sim.engine.operations import Access, Operation, Outcome
from sim.engine.replay import walk
from sim.engine.scenario import Scenario
from sim.engine.schedule import Schedule
from sim.engine.world import Run, Step, World


@attrs.frozen
class Moment:
    """A step, the functions its task was in, outermost first, and the steps of others that it noticed, by number.

    And the cells that it touched, each in which way, and those that it changed, with what they hold then.
    """

    step: Step
    calls: tuple[str, ...]
    noticed: tuple[int, ...] = ()
    touched: tuple[tuple[str, Access], ...] = ()
    changed: tuple[tuple[str, object], ...] = ()


class _Watching:
    """The cells' values alongside a walk, what each task knew of them, and who changed them last."""

    def __init__(self) -> None:
        self.moments: list[Moment] = []
        self._world = World()
        self._known: dict[tuple[str, Cell[Any]], object] = {}
        self._changed: dict[Cell[Any], tuple[int, object]] = {}

    def __call__(self, step: Step, local: LocalState) -> None:
        operation = local.operation
        calls = tuple(call for call in local.calls if _is_theirs(call))
        if operation is None:
            self.moments.append(Moment(step, calls))
            return
        outcome = next(one for one in self._world.outcomes(step.task, operation) if one.result == step.result)
        noticed = tuple(self._noticed(step.task, operation, outcome))
        before = [self._world.look(cell) for cell in operation.cells]
        self._world.apply(step.task, operation, outcome)
        changed = list[tuple[str, object]]()
        for cell, was in zip(operation.cells, before, strict=True):
            now = self._world.look(cell)
            self._known[step.task, cell] = now
            if now != was:
                self._changed[cell] = len(self.moments), was
                changed.append((cell.name, now))
        touched = tuple((cell.name, access) for cell, access in zip(operation.cells, outcome.access, strict=False))
        self.moments.append(Moment(step, calls, noticed, touched, tuple(changed)))

    def _noticed(self, task: str, operation: Operation[Any], outcome: Outcome) -> Iterator[int]:
        """The last changes of cells by others without which the operation would have come to something else."""
        values = [self._world.look(cell) for cell in operation.cells]
        for i, cell in enumerate(operation.cells):
            changed, was = self._changed.get(cell, (None, None))
            if changed is None or self.moments[changed].step.task == task:
                continue
            known = self._known.get((task, cell), cell.initial)
            otherwise = operation.outcomes(task, (*values[:i], was if known == values[i] else known, *values[i + 1 :]))
            if all((one.result, one.finding) != (outcome.result, outcome.finding) for one in otherwise):
                yield changed


def moments(schedule: Schedule, scenario: Scenario, *, loose: bool = False) -> tuple[Run, tuple[Moment, ...]]:
    """Walk a schedule and note where each step was taken. Raises Drift where it does not fit."""
    watching = _Watching()
    run = walk(schedule, scenario, loose=loose, watch=watching)
    return run, tuple(watching.moments)


def hangs_on(seen: tuple[Moment, ...], last: int) -> list[int]:
    """The steps, by number and in order, that step `last` hangs on, itself among them."""
    kept, upto = {last: None}, dict[str, int]()
    todo = [last]
    while todo:
        end = todo.pop()
        task = seen[end].step.task
        for number in range(upto.get(task, -1) + 1, end + 1):
            if seen[number].step.task == task:
                for source in seen[number].noticed:
                    kept |= {number: None, source: None}
                    todo.append(source)
        upto[task] = max(end, upto.get(task, -1))
    return sorted(kept)


def _is_theirs(call: str) -> bool:
    """Whether a function has a name in the kernel or the module; one underscore marks a helper of ours."""
    return not call.startswith("_") or call.startswith("__")
