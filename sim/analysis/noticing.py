"""What each task knows of the cells, who changed them last, and whose change a step notices.

Forwards, and back again.

A step notices another task's step if that changed a cell which it looks at, and something else
would have come of it without: that is asked of the operation itself, with the value that its task
knew last, or the one before the change.

Whatever a step overwrites here is in the `Touched` that it gives, so that the last step can be
taken back, and taken again, without another look at the ones before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

import attrs

from sim.engine.model.cells import Cell
from sim.engine.model.operations import Access, Operation, Outcome
from sim.engine.run.world import Step, World


@attrs.frozen
class CellTouch:
    """The last time that a cell was changed: the number of the step, whose it was,
    and what was there before.
    """

    number: int
    task: str
    was: object


@attrs.frozen(eq=False)
class Touched:
    """A cell that a step touched, in which way, what it held before and after,
    and what was known of it until then.
    """

    cell: Cell[Any]
    how: Access | None
    was: object
    now: object
    known: object
    change: CellTouch | None
    by: Step | None


class Noticing:
    """The cells along a run, at its last step."""

    def __init__(self) -> None:
        self.world = World()
        self._known: dict[tuple[str, Cell[Any]], object] = {}
        self._changes: dict[Cell[Any], CellTouch] = {}

    def last_change(self, cell: Cell[Any]) -> CellTouch | None:
        return self._changes.get(cell)

    def note_step(
        self, number: int, task: str, operation: Operation[Any], outcome: Outcome
    ) -> tuple[Step, tuple[int, ...], tuple[Touched, ...]]:
        """Take a step, the run's `number`-th from 0 on.

        The steps that it noticed, and what takes it back.
        """
        noticed = tuple(self._noticed(task, operation, outcome))
        before = [self._touched(task, *one) for one in zip_longest(operation.cells, outcome.access)]
        step = self.world.apply(task, operation, outcome)
        touched = tuple(attrs.evolve(one, now=self.world.look(one.cell)) for one in before)
        self._note(number, task, touched)
        return step, noticed, touched

    def note_again(self, number: int, step: Step, touched: tuple[Touched, ...]) -> None:
        """Take a step that was taken here before and is known to come to this."""
        for one in touched:
            self.world.values[one.cell] = one.now
            if one.now != one.was:
                self.world.changed_by[one.cell] = step
        self._note(number, step.task, touched)

    def back(self, task: str, touched: tuple[Touched, ...]) -> None:
        """Take the last step back."""
        for one in touched:
            self.world.values[one.cell] = one.was
            self._known[task, one.cell] = one.known
            _restore(self.world.changed_by, one.cell, one.by)
            _restore(self._changes, one.cell, one.change)

    def _touched(self, task: str, cell: Cell[Any], how: Access | None) -> Touched:
        was, known = self.world.look(cell), self._known.get((task, cell), cell.initial)
        return Touched(
            cell, how, was, was, known, self._changes.get(cell), self.world.changed_by.get(cell)
        )

    def _note(self, number: int, task: str, touched: tuple[Touched, ...]) -> None:
        for one in touched:
            self._known[task, one.cell] = one.now
            if one.now != one.was:
                self._changes[one.cell] = CellTouch(number, task, one.was)

    def _noticed(self, task: str, operation: Operation[Any], outcome: Outcome) -> Iterator[int]:
        """The last changes of cells by others without which the operation would have come to
        something else.
        """
        values = [self.world.look(cell) for cell in operation.cells]
        for i, cell in enumerate(operation.cells):
            change = self._changes.get(cell)
            if change is None or change.task == task:
                continue
            known = self._known.get((task, cell), cell.initial)
            other = change.was if known == values[i] else known
            otherwise = operation.outcomes(task, (*values[:i], other, *values[i + 1 :]))
            if all(
                (one.result, one.finding) != (outcome.result, outcome.finding) for one in otherwise
            ):
                yield change.number


def _restore(noted: dict[Cell[Any], Any], cell: Cell[Any], before: object) -> None:
    if before is None:
        noted.pop(cell, None)
    else:
        noted[cell] = before
