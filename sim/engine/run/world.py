"""The shared half of a state: what each cell holds, and what an operation may do to it.

Both executors stand on this file for the *values* of cells, and on nothing else in common: how a
task gets from one operation to the next is each one's own affair.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

import attrs

from sim.engine.model.cells import Cell
from sim.engine.model.errors import EngineError
from sim.engine.model.operations import HALTED, Finding, Operation, Outcome
from sim.engine.model.scenario import Property, Scenario
from sim.engine.model.values import is_same, spell

V = TypeVar("V")


@attrs.frozen
class Offer:
    """A task that could take a step: its operation, and what may come of it."""

    task: str
    operation: Operation[Any]
    outcomes: tuple[Outcome, ...]


@attrs.frozen
class Step:
    """One step of a run. `saw` is what the operation gave its task, as a schedule spells it."""

    task: str
    point: str
    result: object
    finding: Finding | None = None

    @property
    def saw(self) -> str:
        return spell(self.result)


@attrs.frozen
class Held:
    """A cell that somebody waits for: what it holds, and the step that last changed it."""

    cell: str
    value: str
    by: Step | None


@attrs.frozen
class Blocked:
    """A task that cannot step: the point at which it stands, and the cells that it waits for."""

    task: str
    point: str
    held: tuple[Held, ...]


class World:
    """What the cells hold.

    A cell comes into being when it is first touched, holding its first value.
    """

    def __init__(self) -> None:
        self.values: dict[Cell[Any], object] = {}
        self.changed_by: dict[Cell[Any], Step] = {}
        self._names: dict[str, Cell[Any]] = {HALTED.name: HALTED}

    def look(self, cell: Cell[V]) -> V:
        if cell not in self.values:
            known = self._names.setdefault(cell.name, cell)
            if known is not cell:
                raise EngineError(f"two cells are named {cell.name}")
            self.values[cell] = cell.initial
        return self.values[cell]  # type: ignore[return-value] # a cell's value has the cell's type

    @property
    def halted(self) -> bool:
        return bool(self.values.get(HALTED, False))

    def outcomes(self, task: str, operation: Operation[Any]) -> tuple[Outcome, ...]:
        """What may come of an operation here.

        Empty while it must wait, and for good after BUG().
        """
        values = tuple(self.look(cell) for cell in operation.cells)
        return () if self.halted else operation.outcomes(task, values)

    def apply(self, task: str, operation: Operation[Any], outcome: Outcome) -> Step:
        """Let one outcome happen. Raises DomainError for a value that its cell may not hold."""
        operation.check_result(outcome)
        step = Step(task, operation.point, outcome.result, outcome.finding)
        for cell, value in zip(operation.cells, outcome.values, strict=True):
            if value is not self.values.get(cell):
                cell.check(value)
                if not is_same(value, self.values.get(cell)):
                    self.changed_by[cell] = step
                self.values[cell] = value
        return step

    def blocked(self, task: str, operation: Operation[Any]) -> Blocked:
        """What a task that cannot step waits for."""
        held = (
            (cell.name, spell(self.look(cell)), self.changed_by.get(cell))
            for cell in operation.cells
        )
        return Blocked(task, operation.point, tuple(Held(*of) for of in held))

    def named(self) -> dict[str, str]:
        """Every cell that was touched, by name, in order of name."""
        return {
            cell.name: spell(value)
            for cell, value in sorted(self.values.items(), key=lambda kv: kv[0].name)
        }


def violations(properties: Iterable[Property], world: World) -> tuple[Finding, ...]:
    """The properties that do not hold here."""
    return tuple(prop.finding() for prop in properties if not prop.holds(world.look))


LIVELOCK, STARVATION = ENDLESS = ("livelock", "starvation")
"""The kinds of findings that are a way round and not a moment."""


@attrs.frozen
class Lasso:
    """A run that ends where it was after its first `stem` steps,
    so that the rest can be repeated for ever.

    `kind` says what that is: livelock if nothing leads out of it, starvation if something would.
    `tasks` are those that it is said of; all that get nowhere in it, where there are none. That it
    can be left, and who could get on then, one run does not show.
    """

    stem: int
    kind: str
    tasks: tuple[str, ...] = ()


@attrs.frozen
class Run:
    """What happened: the steps, the findings in the order they first showed,
    and who was left waiting for what.

    `blocked` is everybody who was left waiting, if nobody could step. `lasso` is set if the run
    came back to where it was, as it was asked to.
    """

    scenario: Scenario
    steps: tuple[Step, ...]
    findings: tuple[Finding, ...]
    cells: dict[str, str]
    unfinished: tuple[str, ...] = ()
    blocked: tuple[Blocked, ...] = ()
    lasso: Lasso | None = None

    @property
    def outcomes(self) -> tuple[str, ...]:
        """The findings as a schedule's `expect` names them; `("clean",)` when there are none."""
        return tuple(dict.fromkeys(map(str, self.findings))) or ("clean",)
