"""The product executor: all tasks at once, as look-ups over packed integers.

A state of the product is what every cell holds and where every task stands. Cells, values and local states are numbered
in the order in which they are found, each gets a field of bits, and a state is the integer made of all fields. Then

* a task's next step depends on its own field and its operation's footprint, so `state & mask` is the whole question,
  and a dictionary per local state holds the answers it has given before;
* an answer is what to *add* to the state: the differences of the fields that change, summed;
* a state is kept as itself. No hash stands in for it, so none can collide.

The first time a question is asked, the operation's effect is computed and the task's coroutine is run once
(`sim.engine.automata`); nothing of the model runs after that. A cell that is found late needs no repacking: its
field is added above the others, where every state so far has 0, the number of a cell's first value. A field that
runs out of numbers does: `Widen` is raised, the exploration starts over with wider fields, and everything learned is
kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar, cast

import attrs

from sim.engine.automata import Automata, LocalState
from sim.engine.cells import Cell
from sim.engine.errors import EngineError
from sim.engine.operations import HALTED, Finding, Outcome
from sim.engine.scenario import Scenario

V = TypeVar("V")


class Widen(Exception):
    """A field has run out of numbers; start over."""


@attrs.define(eq=False)
class _Field:
    """The bits of a state that number one thing's values, in the order in which they were found."""

    values: list[Any]
    bits: int
    shift: int = 0
    number: dict[Any, int] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.number = {value: i for i, value in enumerate(self.values)}

    @property
    def mask(self) -> int:
        return (1 << self.bits) - 1

    def of(self, state: int) -> Any:
        return self.values[(state >> self.shift) & self.mask]

    def numbered(self, value: Any) -> int:
        number = self.number.get(value)
        if number is None:
            number = self.number[value] = len(self.values)
            self.values.append(value)
        if number > self.mask:
            self.bits += 4
            raise Widen
        return number


@attrs.frozen
class Flag:
    """A transition that shows a finding."""

    state: int
    after: int
    finding: Finding


Answer = tuple[tuple[int, Finding | None], ...]
"""What a task may do: per outcome, what to add to the state and what it shows."""


class Product:
    """The states of a scenario, one step at a time from each."""

    def __init__(self, scenario: Scenario, automata: Automata | None = None) -> None:
        self.scenario = scenario
        self._automata = automata or Automata()
        starts = {task.name: self._automata.start(task.name, task.call) for task in scenario.tasks}
        self._locals = {name: _Field([start], bits=8) for name, start in starts.items()}
        self._cells: dict[Cell[Any], _Field] = {}
        self._names: dict[str, Cell[Any]] = {}
        self._top = 0
        self._field(HALTED)
        self.restart()

    def restart(self) -> int:
        """Lay the fields out anew and give the first state, which is always 0."""
        self._top = 0
        for field in (*self._locals.values(), *self._cells.values()):
            self._place(field)
        self._rows: dict[str, list[tuple[int, dict[int, Answer]] | None]] = {name: [] for name in self._locals}
        return 0

    def _place(self, field: _Field) -> None:
        field.shift = self._top
        self._top += field.bits

    def _field(self, cell: Cell[Any]) -> _Field:
        field = self._cells.get(cell)
        if field is None:
            if self._names.setdefault(cell.name, cell) is not cell:
                raise EngineError(f"two cells are named {cell.name}")
            field = self._cells[cell] = _Field([cell.initial], bits=3)
            self._place(field)
        return field

    @property
    def cells(self) -> tuple[Cell[Any], ...]:
        """The cells that were found, in order of name."""
        return tuple(sorted(self._cells, key=str))

    @property
    def width(self) -> int:
        """Bits of a state."""
        return self._top

    def cell(self, state: int, cell: Cell[V]) -> V:
        return cast("V", self._field(cell).of(state))

    def cell_mask(self, cell: Cell[Any]) -> int:
        """The bits of a state that number the cell's value."""
        field = self._field(cell)
        return field.mask << field.shift

    def local(self, state: int, task: str) -> LocalState:
        return cast("LocalState", self._locals[task].of(state))

    def halted(self, state: int) -> bool:
        return self.cell(state, HALTED)

    def answer(self, task: str, state: int) -> Answer:
        """What `task` may do in `state`; empty while it must wait, or once it has finished."""
        field = self._locals[task]
        row = (state >> field.shift) & field.mask
        mask, answers = self._row(task, row)
        answer = answers.get(state & mask)
        if answer is None:
            answer = answers[state & mask] = self._ask(task, state)
        return answer

    def outcomes(self, task: str, state: int) -> tuple[Outcome, ...]:
        """The outcomes behind `answer`, in the same order."""
        operation = self.local(state, task).operation
        if operation is None or self.halted(state):
            return ()
        return operation.outcomes(task, tuple(self.cell(state, cell) for cell in operation.cells))

    def _row(self, task: str, number: int) -> tuple[int, dict[int, Answer]]:
        rows = self._rows[task]
        while len(rows) <= number:
            rows.append(None)
        row = rows[number]
        if row is None:
            field = self._locals[task]
            operation = field.values[number].operation
            mask = 0
            if operation is not None:
                for cell in (*operation.cells, HALTED):
                    mask |= self.cell_mask(cell)
            row = rows[number] = (mask, {})
        return row

    def _ask(self, task: str, state: int) -> Answer:
        local = self.local(state, task)
        operation = local.operation
        answer = []
        for outcome in self.outcomes(task, state):
            after = self._automata.step(task, local, outcome.result)
            delta = self._difference(self._locals[task], state, after)
            assert operation is not None  # noqa: S101 - a finished task has no outcomes
            for cell, value in zip(operation.cells, outcome.values, strict=True):
                cell.check(value)
                delta += self._difference(self._field(cell), state, value)
            answer.append((delta, outcome.finding))
        return tuple(answer)

    @staticmethod
    def _difference(field: _Field, state: int, value: object) -> int:
        return (field.numbered(value) - ((state >> field.shift) & field.mask)) << field.shift

    def expand(
        self, frontier: Iterable[int], before: dict[int, int], flags: list[Flag], stuck: list[int]
    ) -> tuple[list[int], int]:
        """One breadth-first level: the new states behind `frontier`, and how many transitions led anywhere.

        `before` gets every new state with the state it was reached from, `flags` the transitions that show a finding,
        `stuck` the states in which nobody can step. Raises Widen when a field has run out of numbers.
        """
        tasks = [(name, field.shift, field.mask, self._rows[name]) for name, field in self._locals.items()]
        ask = self.answer
        found: list[int] = []
        transitions = 0
        for state in frontier:
            alone = True
            for name, shift, mask, rows in tasks:
                try:
                    row_mask, answers = rows[(state >> shift) & mask]  # type: ignore[misc] # None: not seen yet
                    answer = answers[state & row_mask]
                except (KeyError, IndexError, TypeError):
                    answer = ask(name, state)
                if answer:
                    alone = False
                    transitions += len(answer)
                    for delta, finding in answer:
                        after = state + delta
                        if after not in before:
                            before[after] = state
                            found.append(after)
                        if finding is not None:
                            flags.append(Flag(state, after, finding))
            if alone:
                stuck.append(state)
        return found, transitions
