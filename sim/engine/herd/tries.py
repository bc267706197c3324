"""What each task may do, learned once and then looked up for thousands of runs at a time.

`sim.engine.states.tables` serves a search, which has states by the million and asks of all of them,
shape by shape. Runs are asked differently: one task of each is looked up per step, each before
another operation. So here all operations of all tasks share one numbering, and an answer is found
by following a footprint through a trie, a level per cell, with the value's number as the branch. A
trie needs room for what has been met only, so a footprint may be as wide as it likes, and a step
costs as many look-ups as its operation has cells.

What an operation does to its cells depends on who performs it, and not on where that task stands;
where the task goes depends on the result alone. So the one is learned per operation, the other per
local state and result. A lock that many hold in many ways has thousands of values, and is asked for
in thousands of local states, but by few operations.

Numbers are given in the order in which things are met, which depends on the runs that were made.
Nothing that leaves this file may: what a run does is told by places in the scenario's order, and by
fingerprints.
"""

from __future__ import annotations

from collections.abc import Sequence, Sized
from typing import Any, TypeVar, cast

import attrs
import numpy as np
import numpy.typing as npt

from sim.engine.arrays import Index, grown
from sim.engine.model.cells import Cell
from sim.engine.model.errors import EngineError
from sim.engine.model.operations import HALTED, Access, Finding, Operation, Outcome
from sim.engine.model.scenario import Property, Scenario
from sim.engine.model.values import key_of, spell
from sim.engine.run import fingerprint
from sim.engine.run.automata import Automata, LocalState

V = TypeVar("V")

ASK = -1
"""What stands in the trie where nobody has asked yet."""

HOLDS, BROKEN = 0, 1
"""Leaves of a property's trie."""

_NOWHERE = 0
"""The place in the tries at which there is never an answer."""

_NOTHING: Cell[None] = Cell("", None, domain=(None,))
"""The footprint of an operation that has none. Cell 0; it never changes."""

_WAYS = 1 << 25
"""Places of a trie after which it is begun anew:
properties of a storm are asked of ever new states."""

_MANY = 1 << 12
"""Values, or results, of which twice as many would be a waste."""

ValueNumbers = tuple[int, ...]


@attrs.frozen
class LearnedRow:
    """One outcome of an answer, as it was learned: of whom, and what."""

    task: int
    operation: Operation[Any]
    outcome: Outcome


class GrowingArray:
    """An array that grows; what has not been set is `fill`."""

    def __init__(self, dtype: npt.DTypeLike, fill: int = 0) -> None:
        self._fill = fill
        self.of: npt.NDArray[Any] = np.full(64, fill, dtype)

    def __setitem__(self, at: int, value: int) -> None:
        if at >= len(self.of):
            self.of = grown(self.of, at + 1, self._fill)
        self.of[at] = value


class Tries:
    """The tables of one scenario.

    Per operation: `size` and `foot` are its footprint (a cell number per level, cell 0 where there
    is none), `node` where its questions begin in `child`. Following the values leads to the number
    of an answer; 0 is that nothing can be done. An answer has `count` outcomes, the rows from
    `first` on; `nth` is a row's place among them.

    A row changes `changes` cells: the j-th of them is `cell[j]`, and becomes `value[j]`; `touch`
    has, for each 64 cells, the sets of those that it touches in each way. `shows` is its finding's
    number from 1 on, or 0, `halts` that nobody goes on, `watched` the set of properties that read
    what it changes, `print` what the step is worth in a run's number, `worth` what it adds to the
    state's, and `result` the number of its result among those of its operation.

    Per local state: `op` is its operation, `done` that there is none. `base` plus the number of a
    result is the place in `after` of an edge, which leads to the local state `to`, adds `moving` to
    the state's number, and may begin the same turn of a loop once more (`retry`).
    """

    def __init__(self, scenario: Scenario, automata: Automata | None = None) -> None:
        self.scenario, self.tasks = scenario, scenario.tasks
        self._automata = automata or Automata()
        self._is_full = False
        self.cells: list[Cell[Any]] = []
        self._cell: dict[Cell[Any], int] = {}
        self._names: dict[str, Cell[Any]] = {}
        self._values: list[list[object]] = []
        self._number: list[dict[object, int]] = []
        self._worth: list[list[int]] = []
        self._room: list[int] = []
        self.findings: list[Finding] = []
        self._finding: dict[Finding, int] = {}
        self._watched: dict[int, int] = {}
        self._stands = fingerprint.LocalFingerprints()
        self._new_operations()
        self._new_rows()
        self._new_locals()
        self.number_of(_NOTHING)
        self.number_of(HALTED)
        self._operation(0, None)
        self.asked = PropertyTries(
            scenario.properties, [self.finding(prop.finding()) for prop in scenario.properties]
        )
        self.broken = [prop for prop in range(len(scenario.properties)) if not self.look(prop, [])]
        self.start = [
            self.local(i, self._automata.start(task.name, task.call))
            for i, task in enumerate(self.tasks)
        ]
        self.first_state = np.uint64(sum(self._stand) & fingerprint.MASK)
        self.first_answers = [self._first_answer(int(self.op.of[local])) for local in self.start]

    def _new_operations(self) -> None:
        self._operations: list[tuple[int, Operation[Any] | None]] = []
        self._op: dict[tuple[int, Operation[Any] | None], int] = {}
        self._footprint: list[ValueNumbers] = []
        self.size, self.node = GrowingArray(np.int64), GrowingArray(np.int64)
        self.foot: list[GrowingArray] = []
        self.child = np.full(1 << 12, ASK, np.int64)
        self._top, self._most = _NOWHERE + 1, _WAYS
        self._known: dict[tuple[int, ValueNumbers], int] = {}
        self.count, self.first = GrowingArray(np.int64), GrowingArray(np.int64)
        self._answers = 1
        self._results: list[dict[object, int]] = []
        self._rooms: list[int] = []

    def _new_rows(self) -> None:
        self.rows: list[LearnedRow] = []
        self.nth, self.result, self.changes, self.shows = (GrowingArray(np.int64) for _ in range(4))
        self.cell: list[GrowingArray] = []
        self.value: list[GrowingArray] = []
        self.touch: list[dict[Access, GrowingArray]] = []
        self.halts, self.watched = GrowingArray(np.bool_), GrowingArray(np.int64)
        self.worth, self.print = GrowingArray(np.uint64), GrowingArray(np.uint64)

    def _new_locals(self) -> None:
        self.locals: list[tuple[int, LocalState]] = []
        self._stand: list[int] = []
        self._local: dict[tuple[int, LocalState], int] = {}
        self.op, self.base, self.done = (
            GrowingArray(np.int64),
            GrowingArray(np.int64),
            GrowingArray(np.bool_),
        )
        self.after = np.full(1 << 10, ASK, np.int64)
        self._end = self._edges = 0
        self.to, self.retry, self.moving = (
            GrowingArray(np.int64),
            GrowingArray(np.bool_),
            GrowingArray(np.uint64),
        )
        self._edge: dict[tuple[int, int], int] = {}

    def number_of(self, cell: Cell[Any]) -> int:
        """A cell's number."""
        number = self._cell.get(cell)
        if number is None:
            if self._names.setdefault(cell.name, cell) is not cell:
                raise EngineError(f"two cells are named {cell.name}")
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
        key = key_of(value)
        number = self._number[of].get(key)
        if number is None:
            cell.check(value)
            number = self._number[of][key] = len(self._values[of])
            self._values[of].append(value)
            self._is_full |= number >= self._room[of]
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
        """A local state's number."""
        number = self._local.get((task, local))
        if number is None:
            number = self._local[task, local] = len(self.locals)
            self.locals.append((task, local))
            self._stand.append(self._stands.fingerprint_of(task, local))
            op = self._operation(task, local.operation)
            self.op[number], self.done[number] = op, op == 0
            self.base[number] = self._edges_of(op)
        return number

    def _operation(self, task: int, operation: Operation[Any] | None) -> int:
        """The number of an operation of a task; 0 is none, which asks of cell 0."""
        of = (task, operation) if operation is not None else (0, None)
        number = self._op.get(of)
        if number is None:
            number = self._op[of] = len(self._operations)
            self._operations.append(of)
            footprint = tuple(
                map(self.number_of, operation.cells if operation is not None else ())
            ) or (0,)
            self._footprint.append(footprint)
            self._results.append({})
            self._rooms.append(4)
            self.size[number] = len(footprint)
            while len(self.foot) < len(footprint):
                self.foot.append(GrowingArray(np.int64))
            for level, cell in enumerate(footprint):
                self.foot[level][number] = cell
            self.node[number] = self.block(footprint[0])
        return number

    def _edges_of(self, op: int) -> int:
        """A place for every result that an operation may come to have, for the time being."""
        at, self._end = self._end, self._end + self._rooms[op]
        self.after = grown(self.after, self._end, ASK)
        return at

    def _first_answer(self, op: int) -> int:
        """An operation's answer where all cells hold their first values."""
        numbers = (0,) * len(self._footprint[op])
        self.follow(op, numbers)
        return self._known[op, numbers]

    def go(self, local: int, row: int) -> None:
        """Learn where a task goes from a local state by a row."""
        result = int(self.result.of[row])
        edge = self._edge.get((local, result))
        if edge is None:
            edge = self._edge[local, result] = self._edges
            self._edges += 1
            task, before = self.locals[local]
            name = self.tasks[task].name
            after = self._automata.step(name, before, self.rows[row].outcome.result)
            self.to[edge], self.retry[edge] = self.local(task, after), _is_retry(before, after)
            self.moving[edge] = (
                self._stand[int(self.to.of[edge])] - self._stand[local]
            ) & fingerprint.MASK
        self.after[int(self.base.of[local]) + result] = edge

    def block(self, cell: int) -> int:
        """A place in the trie for every value that a cell may come to have, for the time being."""
        at, self._top = self._top, self._top + self._room[cell]
        self.child = grown(self.child, self._top, ASK)
        return at

    def follow(self, op: int, numbers: ValueNumbers) -> None:
        """Learn the answer where an operation's footprint holds these values,
        and lay the way there.
        """
        answer = self._known.get((op, numbers))
        if answer is None:
            answer = self._known[op, numbers] = self._ask(op, numbers)
            if self._is_full:
                self._make_room()
        self._lay(int(self.node.of[op]), self._footprint[op], numbers, answer)

    def _lay(self, node: int, cells: ValueNumbers, numbers: ValueNumbers, leaf: int) -> None:
        for level, number in enumerate(numbers[:-1], 1):
            if self.child[node + number] == ASK:
                block = self.block(cells[level])
                self.child[node + number] = block
            node = int(self.child[node + number])
        self.child[node + numbers[-1]] = leaf

    def _make_room(self) -> None:
        """Lay out anew what has no room for a cell's values, or for an operation's results."""
        self._is_full = False
        if any(len(values) > most for values, most in zip(self._values, self._room, strict=True)):
            self._room = _with_room(self._room, self._values)
            self._begin_tries()
        if any(
            len(results) > most for results, most in zip(self._results, self._rooms, strict=True)
        ):
            before, self._rooms = np.array(self._rooms), _with_room(self._rooms, self._results)
            self._move(before, np.array(self._rooms))

    def _begin_tries(self) -> None:
        """Forget all ways. What lies at their ends is known still, but for what properties say."""
        self.child[: self._top], self._top = ASK, _NOWHERE + 1
        for op, footprint in enumerate(self._footprint):
            self.node[op] = self.block(footprint[0])
        self.asked.forget()
        self._most = max(_WAYS, 4 * self._top)

    def _move(self, before: Index, rooms: Index) -> None:
        """Give every local state's edges the room that its operation has now."""
        ops = self.op.of[: len(self.locals)]
        had, has = before.take(ops), rooms.take(ops)
        base, edges = self.base.of[: len(ops)].copy(), self.after
        self.base.of[: len(ops)] = np.cumsum(has) - has
        self._end = int(has.sum())
        self.after = np.full(2 * self._end, ASK)
        place = np.arange(had.sum()) - np.repeat(np.cumsum(had) - had, had)
        self.after[np.repeat(self.base.of[: len(ops)], had) + place] = edges.take(
            np.repeat(base, had) + place
        )

    def _ask(self, op: int, numbers: ValueNumbers) -> int:
        task, operation = self._operations[op]
        if operation is None:
            return 0
        values = tuple(
            self._values[self._cell[cell]][n]
            for cell, n in zip(operation.cells, numbers, strict=False)
        )
        outcomes = operation.outcomes(self.tasks[task].name, values)
        if not outcomes:
            return 0
        answer, self._answers = self._answers, self._answers + 1
        self.first[answer], self.count[answer] = len(self.rows), len(outcomes)
        for nth, outcome in enumerate(outcomes):
            self.nth[len(self.rows)] = nth
            results = self._results[op]
            operation.check_result(outcome)
            self.result[len(self.rows)] = results.setdefault(key_of(outcome.result), len(results))
            self._is_full |= len(results) > self._rooms[op]
            self._add(LearnedRow(task, operation, outcome), numbers)
        return answer

    def _add(self, row: LearnedRow, numbers: ValueNumbers) -> None:
        at, name, operation = len(self.rows), self.tasks[row.task].name, row.operation
        self.rows.append(row)
        worth, changed, watched = 0, 0, 0
        for cell, value, before in zip(operation.cells, row.outcome.values, numbers, strict=False):
            after = self._count(cell, value)
            if after == before:
                continue
            of = self._cell[cell]
            worth += self._worth[of][after] - self._worth[of][before]
            while len(self.cell) <= changed:
                self.cell.append(GrowingArray(np.int64))
                self.value.append(GrowingArray(np.int64))
            self.cell[changed][at], self.value[changed][at] = of, after
            changed, watched = changed + 1, watched | self._watched.get(of, 0)
        self.changes[at], self.watched[at], self.worth[at] = (
            changed,
            watched,
            worth & fingerprint.MASK,
        )
        self.halts[at] = HALTED in operation.cells
        self.print[at] = fingerprint.of_step(name, operation.point, spell(row.outcome.result))
        self.shows[at] = self.finding(row.outcome.finding) if row.outcome.finding else 0
        self._touch(at, operation, row.outcome)

    def _touch(self, at: int, operation: Operation[Any], outcome: Outcome) -> None:
        """Note how a step touches cells, as sets of bits.

        Whoever steps finds that nobody has called BUG().
        """
        sets = dict.fromkeys(Access, 0)
        sets[Access.READ] = 1 << self._cell[HALTED]
        for cell, access in zip(operation.cells, outcome.access, strict=False):
            sets[access] |= 1 << self._cell[cell]
        while len(self.touch) * 64 < len(self.cells):
            self.touch.append({access: GrowingArray(np.uint64) for access in Access})
        for word, columns in enumerate(self.touch):
            for access, column in columns.items():
                column[at] = (sets[access] >> 64 * word) & fingerprint.MASK

    def look(self, prop: int, held: list[int]) -> bool:
        """Learn whether a property holds where cells, in order of number, hold these values.

        All others their first.

        True as well if what was missing is learned, and all that comes after may be known.
        """
        read: dict[int, int] = {}

        def look(cell: Cell[V]) -> V:
            of = self.number_of(cell)
            read[of] = held[of] if of < len(held) else 0
            return cast("V", self._values[of][read[of]])

        if self._top > self._most:
            self._begin_tries()
        asked, said = self.asked, None
        node = int(asked.root[prop])
        for part in range(1, len(asked.of[prop].parts) + 1):
            read.clear()
            said = asked.of[prop].ask(part - 1, look, said)
            for cell in read:
                self._watch(cell, 1 << prop)
            end = asked.end(prop, part, said)
            is_news = asked.lay(self, node, read or {0: 0}, end)
            if end in {HOLDS, BROKEN} or (is_news and asked.is_begun(end)):
                break
            node = end
        return end != BROKEN

    def _watch(self, cell: int, prop: int) -> None:
        """Flag every row that changes a cell which a property reads."""
        if self._watched.get(cell, 0) & prop:
            return
        self._watched[cell] = self._watched.get(cell, 0) | prop
        for j, changed in enumerate(self.cell):
            rows = (changed.of[: len(self.rows)] == cell).nonzero()[0]
            self.watched.of[rows[self.changes.of.take(rows) > j]] |= prop


class PropertyTries:
    """What is known of properties: the ways that were looked along,
    a trie for each part and what it was told.

    A node says which `cell` is looked at next, and its branches begin at `base` in `child`; nobody
    knows where nobody has looked on yet. They lead to nodes, or to HOLDS or BROKEN, which are none.
    The end of one part's way is where the next one begins, so that a part is learned once, whatever
    the ones before it have seen on the way to telling it the same. A property's first part begins
    at `root`; where it does not hold, that is `finding`, by number.
    """

    def __init__(self, properties: tuple[Property, ...], findings: list[int]) -> None:
        self.of, self.finding = properties, np.array(findings, np.int64)
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self.cell, self.base = GrowingArray(np.int64), GrowingArray(np.int64)
        self._nodes, self._begins = 1 + max(HOLDS, BROKEN), dict[tuple[int, int, object], int]()
        self.root = np.array([self._node() for _ in self.of], np.int64)

    def end(self, prop: int, part: int, said: object) -> int:
        """Where a part's way ends by which so many of them have been asked: HOLDS, BROKEN,
        or where the next begins.
        """
        if said is False:
            return BROKEN
        if said is True or part == len(self.of[prop].parts):
            return HOLDS
        key = prop, part, key_of(said)
        if key not in self._begins:
            self._begins[key] = self._node()
        return self._begins[key]

    def is_begun(self, node: int) -> bool:
        """Whether somebody has looked on from there."""
        return bool(self.base.of[node] != _NOWHERE)

    def lay(self, answers: Tries, node: int, read: dict[int, int], end: int) -> bool:
        """Lay the way from a node by what was read, cells and their values' numbers.

        Whether there was none.
        """
        *before, (last, held) = read.items()
        for cell, number in before:
            at = self._branch(answers, node, cell) + number
            if answers.child[at] == ASK:
                answers.child[at] = self._node()
            node = int(answers.child[at])
        at = self._branch(answers, node, last) + held
        is_news = bool(answers.child[at] == ASK)
        answers.child[at] = end
        return is_news

    def _branch(self, answers: Tries, node: int, cell: int) -> int:
        """Where a node's branches begin, once it is known which cell it asks for."""
        if not self.is_begun(node):
            self.cell[node], self.base[node] = cell, answers.block(cell)
        return int(self.base.of[node])

    def _node(self) -> int:
        """One from which nobody has looked on: it asks for cell 0, and nobody has answered."""
        node, self._nodes = self._nodes, self._nodes + 1
        self.cell[node], self.base[node] = 0, _NOWHERE
        return node


def _with_room(now: list[int], sized: Sequence[Sized]) -> list[int]:
    """Room for each, and for some more where it has run out.

    A lock that many wait for has a great many values.
    """
    return [
        most if len(of) <= most else len(of) * 2 if len(of) < _MANY else len(of) * 3 // 2
        for most, of in zip(now, sized, strict=True)
    ]


def _is_retry(before: LocalState, after: LocalState) -> bool:
    """Whether a loop that the task was in begins once more,
    with a call that says the same as before.
    """
    return any(
        was.loop
        and now.loop
        and was.node.call == now.node.call
        and not now.node.seen
        and (bool(was.node.seen) or not any(frame.node.seen for frame in after.frames[level:]))
        for level, (was, now) in enumerate(zip(before.frames, after.frames, strict=False))
    )
