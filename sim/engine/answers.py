"""What each task may do, learned once and then looked up for thousands of runs at a time.

`sim.engine.tables` serves a search, which has states by the million and asks of all of them, shape by shape. Runs are
asked differently: one task of each is looked up per step, each before another operation. So here all local states of
all tasks share one numbering, and an answer is found by following a footprint through a trie, a level per cell, with
the value's number as the branch. A trie needs room for what has been met only, so a footprint may be as wide as it
likes, and a step costs as many look-ups as its operation has cells.

Numbers are given in the order in which things are met, which depends on the runs that were made. Nothing that leaves
this file may: what a run does is told by places in the scenario's order, and by fingerprints.
"""

from __future__ import annotations

from typing import Any, TypeVar, cast

import attrs
import numpy as np
import numpy.typing as npt

from sim.engine import fingerprint
from sim.engine.automata import Automata, LocalState
from sim.engine.cells import Cell
from sim.engine.operations import HALTED, Access, Finding, Operation, Outcome
from sim.engine.scenario import Property, Scenario
from sim.engine.tables import room
from sim.engine.values import spell

V = TypeVar("V")

ASK = -1
"""What stands in the trie where nobody has asked yet."""

HOLDS, BROKEN = 0, 1
"""Leaves of a property's trie."""

_NOTHING: Cell[None] = Cell("", None, domain=(None,))
"""The footprint of an operation that has none. Cell 0; it never changes."""

Numbers = tuple[int, ...]


@attrs.frozen
class Row:
    """One outcome of an answer, as it was learned: of whom, and what."""

    task: int
    local: LocalState
    outcome: Outcome
    after: LocalState


class Column:
    """An array that grows; what has not been set is `fill`."""

    def __init__(self, dtype: npt.DTypeLike, fill: int = 0) -> None:
        self._fill = fill
        self.of: npt.NDArray[Any] = np.full(64, fill, dtype)

    def __setitem__(self, at: int, value: int) -> None:
        self.of = room(self.of, at + 1, self._fill)
        self.of[at] = value


class Answers:
    """The tables of one scenario.

    Per local state: `size` and `foot` are its operation's footprint (a cell number per level, cell 0 where there is
    none), `node` where its questions begin in `child`. Following the values leads to the number of an answer; 0 is that
    it can do nothing. An answer has `count` outcomes, the rows from `first` on; `nth` is a row's place among
    them. A row leads to the local state `to`, and changes `changes` cells: the j-th of them is `cell[j]`, and becomes
    `value[j]`. `shows` is its finding's number from 1 on, or 0; `worth` what it adds to the state's fingerprint,
    `print` what its step is worth in a run's; `halts` that nobody goes on, `retry` that its task begins the same turn
    of a loop once more, `watched` that it changes what a property reads. `touch` has, for each 64 cells, the sets of
    those that it touches in each way.
    """

    def __init__(self, scenario: Scenario, automata: Automata | None = None) -> None:
        self.scenario = scenario
        self._automata = automata or Automata()
        self.tasks = scenario.tasks
        self.cells: list[Cell[Any]] = []
        self._cell: dict[Cell[Any], int] = {}
        self._values: list[list[object]] = []
        self._number: list[dict[object, int]] = []
        self._worth: list[list[int]] = []
        self._room: list[int] = []
        self.locals: list[tuple[int, LocalState]] = []
        self._local: dict[tuple[int, LocalState], int] = {}
        self.size, self.node = Column(np.int64), Column(np.int64)
        self.foot: list[Column] = []
        self.done = Column(np.bool_)
        self._footprint: list[Numbers] = []
        self.child = np.full(1 << 12, ASK, np.int64)
        self._top = 0
        self._known: dict[tuple[int, Numbers], int] = {}
        self.count, self.first = Column(np.int64), Column(np.int64)
        self._answers = 1
        self.rows: list[Row] = []
        self.nth = Column(np.int64)
        self.to, self.changes = Column(np.int64), Column(np.int64)
        self.cell: list[Column] = []
        self.value: list[Column] = []
        self.shows, self.halts, self.retry = Column(np.int64), Column(np.bool_), Column(np.bool_)
        self.worth, self.print, self.watched = Column(np.uint64), Column(np.uint64), Column(np.bool_)
        self.touch: list[dict[Access, Column]] = []
        self.findings: list[Finding] = []
        self._finding: dict[Finding, int] = {}
        self._watched: dict[int, None] = {}
        self.properties = [Asked(prop, self.finding(prop.finding())) for prop in scenario.properties]
        self.number_of(_NOTHING)
        self.number_of(HALTED)
        self.start = [self.local(i, self._automata.start(task.name, task.call)) for i, task in enumerate(self.tasks)]
        begun = (fingerprint.of_local(self.tasks[i].name, local) for i, local in self.locals)
        self.first_state = np.uint64(sum(begun) & fingerprint.MASK)

    def number_of(self, cell: Cell[Any]) -> int:
        """A cell's number."""
        number = self._cell.get(cell)
        if number is None:
            number = self._cell[cell] = len(self.cells)
            self.cells.append(cell)
            self._values.append([])
            self._number.append({})
            self._worth.append([])
            self._room.append(8)
            self._count(cell, cell.initial)
        return number

    def _count(self, cell: Cell[Any], value: object) -> int:
        """A value's number among those of its cell."""
        of = self._cell[cell]
        number = self._number[of].get(value)
        if number is None:
            cell.check(value)
            number = self._number[of][value] = len(self._values[of])
            self._values[of].append(value)
            self._worth[of].append(fingerprint.of_value(cell, value))
        return number

    def finding(self, finding: Finding) -> int:
        """A finding's number, from 1 on."""
        number = self._finding.get(finding)
        if number is None:
            self.findings.append(finding)
            number = self._finding[finding] = len(self.findings)
        return number

    def local(self, task: int, local: LocalState) -> int:
        """A local state's number. One that has finished, and an operation without a footprint, ask of cell 0."""
        number = self._local.get((task, local))
        if number is None:
            number = self._local[task, local] = len(self.locals)
            self.locals.append((task, local))
            operation = local.operation
            cells = operation.cells if operation is not None else ()
            footprint = tuple(map(self.number_of, cells)) or (0,)
            self._footprint.append(footprint)
            self.size[number], self.done[number] = len(footprint), operation is None
            while len(self.foot) < len(footprint):
                self.foot.append(Column(np.int64))
            for level, cell in enumerate(footprint):
                self.foot[level][number] = cell
            self.node[number] = self.block(footprint[0])
        return number

    def block(self, cell: int) -> int:
        """A place in the trie for every value that a cell may come to have, for the time being."""
        at, self._top = self._top, self._top + self._room[cell]
        self.child = room(self.child, self._top, ASK)
        return at

    def follow(self, local: int, numbers: Numbers) -> None:
        """Learn the answer where a footprint holds these values, and lay the way there."""
        answer = self._known.get((local, numbers))
        if answer is None:
            answer = self._known[local, numbers] = self._ask(local, numbers)
            self._make_room()
        self._lay(int(self.node.of[local]), self._footprint[local], numbers, answer)

    def _lay(self, node: int, cells: Numbers, numbers: Numbers, leaf: int) -> None:
        for level, number in enumerate(numbers[:-1], 1):
            if self.child[node + number] == ASK:
                block = self.block(cells[level])
                self.child[node + number] = block
            node = int(self.child[node + number])
        self.child[node + numbers[-1]] = leaf

    def _make_room(self) -> None:
        """Begin all tries anew where a cell has more values than they have room for."""
        if all(len(values) <= most for values, most in zip(self._values, self._room, strict=True)):
            return
        for cell, values in enumerate(self._values):
            while self._room[cell] < len(values):
                self._room[cell] *= 2
        self.child[: self._top], self._top = ASK, 0
        for local, footprint in enumerate(self._footprint):
            self.node[local] = self.block(footprint[0])
        for prop in self.properties:
            prop.forget()

    def _ask(self, local: int, numbers: Numbers) -> int:
        task, state = self.locals[local]
        operation = state.operation
        if operation is None:
            return 0
        name = self.tasks[task].name
        values = tuple(self._values[self._cell[cell]][n] for cell, n in zip(operation.cells, numbers, strict=False))
        outcomes = operation.outcomes(name, values)
        if not outcomes:
            return 0
        answer, self._answers = self._answers, self._answers + 1
        self.first[answer], self.count[answer] = len(self.rows), len(outcomes)
        for nth, outcome in enumerate(outcomes):
            self.nth[len(self.rows)] = nth
            self._add(Row(task, state, outcome, self._automata.step(name, state, outcome.result)), numbers)
        return answer

    def _add(self, row: Row, numbers: Numbers) -> None:
        at, name = len(self.rows), self.tasks[row.task].name
        self.rows.append(row)
        operation = row.local.operation
        assert operation is not None  # noqa: S101 - a finished task has no outcomes
        worth = fingerprint.of_local(name, row.after) - fingerprint.of_local(name, row.local)
        changed, watched = 0, False
        for cell, value, before in zip(operation.cells, row.outcome.values, numbers, strict=False):
            after = self._count(cell, value)
            if after == before:
                continue
            of = self._cell[cell]
            worth += self._worth[of][after] - self._worth[of][before]
            while len(self.cell) <= changed:
                self.cell.append(Column(np.int64))
                self.value.append(Column(np.int64))
            self.cell[changed][at], self.value[changed][at] = of, after
            changed, watched = changed + 1, watched or of in self._watched
        self.watched[at] = watched
        self.halts[at] = HALTED in operation.cells
        self._touch(at, operation, row.outcome)
        self.changes[at], self.worth[at] = changed, worth & fingerprint.MASK
        self.to[at] = self.local(row.task, row.after)
        self.print[at] = fingerprint.of_step(name, operation.point, spell(row.outcome.result))
        self.shows[at] = self.finding(row.outcome.finding) if row.outcome.finding else 0
        self.retry[at] = _is_retry(row.local, row.after)

    def _touch(self, at: int, operation: Operation[Any], outcome: Outcome) -> None:
        """Note how a step touches cells, as sets of bits; whoever steps finds that nobody has called BUG()."""
        sets = dict.fromkeys(Access, 0)
        sets[Access.READ] = 1 << self._cell[HALTED]
        for cell, access in zip(operation.cells, outcome.access, strict=False):
            sets[access] |= 1 << self._cell[cell]
        while len(self.touch) * 64 < len(self.cells):
            self.touch.append({access: Column(np.uint64) for access in Access})
        for word, columns in enumerate(self.touch):
            for access, column in columns.items():
                column[at] = (sets[access] >> 64 * word) & fingerprint.MASK

    def look(self, prop: Asked, held: list[int]) -> None:
        """Learn whether a property holds where cells, in order of number, hold these values."""
        read: dict[int, int] = {}

        def look(cell: Cell[V]) -> V:
            of = self.number_of(cell)
            read[of] = held[of] if of < len(held) else 0
            return cast("V", self._values[of][read[of]])

        leaf = HOLDS if prop.of.holds(look) else BROKEN
        for cell in read:
            self._watch(cell)
        prop.lay(self, tuple(read) or (0,), tuple(read.values()) or (0,), leaf)

    def _watch(self, cell: int) -> None:
        """Flag every row that changes a cell which a property reads."""
        if cell in self._watched:
            return
        self._watched[cell] = None
        for row in range(len(self.rows)):
            if any(self.cell[j].of[row] == cell for j in range(int(self.changes.of[row]))):
                self.watched[row] = 1


class Asked:
    """A property, and what is known of it: the ways that were looked along, in the trie.

    A node says which `cell` is looked at next, and its branches begin at `base` in `child`. They lead to nodes, or to
    HOLDS or BROKEN, which are none.
    """

    def __init__(self, prop: Property, finding: int) -> None:
        self.of, self.finding = prop, finding
        self.cell, self.base = Column(np.int64), Column(np.int64)
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self._nodes, self.root = 1 + max(HOLDS, BROKEN), ASK

    def lay(self, answers: Answers, cells: Numbers, numbers: Numbers, leaf: int) -> None:
        """Lay a way that was looked along."""
        if self.root == ASK:
            self.root = self._node(answers, cells[0])
        node = self.root
        for cell, number in zip(cells[1:], numbers, strict=False):
            at = int(self.base.of[node]) + number
            if answers.child[at] == ASK:
                fresh = self._node(answers, cell)
                answers.child[at] = fresh
            node = int(answers.child[at])
        answers.child[int(self.base.of[node]) + numbers[-1]] = leaf

    def _node(self, answers: Answers, cell: int) -> int:
        node, self._nodes = self._nodes, self._nodes + 1
        self.cell[node], self.base[node] = cell, answers.block(cell)
        return node


def _is_retry(before: LocalState, after: LocalState) -> bool:
    """Whether a loop that the task was in begins once more, with a call that says the same as before."""
    return any(
        was.loop
        and now.loop
        and was.node.call == now.node.call
        and not any(frame.node.seen for frame in after.frames[level:])
        for level, (was, now) in enumerate(zip(before.frames, after.frames, strict=False))
    )
