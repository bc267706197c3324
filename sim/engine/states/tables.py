"""What each task may do, learned once and then looked up by the loops of `loops.c`.

A question is a task's local state and the values of its operation's footprint. It is asked of
`sim.engine.states.product` once; from then on its answer is a row or several of 64-bit numbers to
add, one number per word of a state. States whose operations have the same footprint can be handled
together: the footprint's fields, shifted side by side, index a dense table of answers. A footprint
with too many valuations for that is wide: its part of a state is looked up by hash.

The place of a question depends on the order of local states alone, and not on what has been asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from ctypes import addressof
from itertools import accumulate
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from sim.engine.arrays import U64, Mask, address, grown
from sim.engine.model.errors import EngineError
from sim.engine.model.operations import Finding
from sim.engine.states.loops import ANSWER, FIELD, Candidates, TaskStruct
from sim.engine.states.product import WORD, Field, Product
from sim.engine.states.visited import Visited

ASK = -1
"""What stands in place of an answer that nobody has asked for."""

_WIDEST = 16
_MOST_WIDE = 1 << 22
"""Answers of a task to questions about wide footprints; learning as many takes gigabytes."""
_MASK = (1 << WORD) - 1

Query = int | tuple[int, ...]
"""A question: its place, or for a wide footprint the local state and the values."""

TableRow = tuple[tuple[int, ...], Finding | None]
"""One outcome of an answer: what to add to each word of a state, and what it shows."""

PendingQuery = tuple[int, Query, int]
"""A question, the number of the task that asks it, and a state in which it does."""


@attrs.frozen
class LearnedStep:
    """One outcome: the task's next local state, what the fields hold then, and what it shows."""

    local: int
    values: tuple[int, ...]
    finding: Finding | None


@attrs.frozen
class LearnedAnswer:
    """What a task does in a local state where the fields of its footprint hold some values, all by
    number. No steps: it waits.
    """

    local: int
    fields: tuple[Field, ...]
    values: tuple[int, ...]
    steps: list[LearnedStep]


LocalSet = dict[int, None]
MoveSet = dict[tuple[int, int], None]


def numbers_of(field: Field, states: U64) -> U64:
    """A field's numbers in many states, a row each."""
    word: U64 = states[:, field.shift // WORD]
    return (word >> np.uint64(field.shift % WORD)) & np.uint64(field.mask)


def _difference(state: int, delta: int, words: int) -> tuple[int, ...]:
    """What to add to each word of a state."""
    return tuple(((state + delta >> WORD * i) - (state >> WORD * i)) & _MASK for i in range(words))


def _unpacked(place: int, fields: tuple[Field, ...]) -> tuple[int, ...]:
    """The numbers of a narrow footprint's fields, from where a question lies behind `base`."""
    values = []
    for field in fields:
        values.append(place & field.mask)
        place >>= field.bits
    return tuple(values)


def is_wide(fields: tuple[Field, ...]) -> bool:
    """Whether a footprint has too many valuations to set a place aside for each."""
    return sum(field.bits for field in fields) > _WIDEST


class Table:
    """What one task may do: its local states, the questions they ask, and the answers so far.

    `shape[local]` numbers the footprint of a local state's operation (0: it has finished),
    `base[local]` is where its questions begin in `_narrow`. An answer is 0 for nothing, or a number
    whose outcomes are the rows from `first` on. A row has its finding in `findings`, the rows of a
    finding are in `showing`, and `which` is a row's place among the outcomes and how many of them
    there are.
    """

    def __init__(self, product: Product, number: int, moves: MoveSet, waits: LocalSet) -> None:
        task = product.scenario.tasks[number]
        self.product, self.place, self.task, self.daemon = product, number, task.name, task.daemon
        self.moves, self.waits = moves, waits
        self.field = product.local_field(task.name)
        self.shapes: list[tuple[Field, ...]] = [()]
        self._numbers: dict[tuple[Field, ...], int] = {(): 0}
        self.shape = np.full(64, ASK, np.int16)
        self.base = np.zeros(64, np.int64)
        self._narrow = np.full(256, ASK, np.int32)
        self._met = 0
        self._questions = 0
        self._wide: dict[tuple[int, ...], int] = {}
        self._wide_set: Visited | None = None
        self._new_wide: list[tuple[int, int]] = []
        """The bits of new wide questions and their answers, which the loops have not been told."""
        self._wide_answer = np.full(64, ASK, np.int32)
        self._answer = np.zeros(64, ANSWER)
        self._answers = 1
        self._deltas: U64 = np.zeros((64, product.words), np.uint64)
        self._shows: Mask = np.zeros(64, np.bool_)
        self.findings: list[Finding | None] = []
        self.showing: dict[Finding, list[int]] = {}
        self.which: list[tuple[int, int]] = []
        self.struct = TaskStruct()
        self._is_behind = True
        self._laid_out: tuple[npt.NDArray[Any], ...] = ()

    def ready(self) -> None:
        """Give the loops what was learned. Nobody may learn while they run."""
        if not self._is_behind:
            return
        self._enter_wide()
        if len(self._laid_out) == 0 or len(self._laid_out[2]) != len(self.shapes):
            self._lay_out()
        starts, fields, is_wide, wide_mask = self._laid_out
        field, wide = self.field, self._wide_set
        self.struct = TaskStruct(
            field.mask,
            field.shift // WORD,
            field.shift % WORD,
            self.daemon,
            len(self.shapes),
            address(self.shape),
            address(self.base),
            address(self._narrow),
            address(starts),
            address(fields),
            address(is_wide),
            address(wide_mask),
            None if wide is None else addressof(wide.struct),
            address(self._wide_answer),
            address(self._answer),
            address(self._deltas),
            address(self._shows),
        )
        self._is_behind = False

    def _lay_out(self) -> None:
        """The fields of all footprints, one after the other, and the bits of wide ones."""
        words = self._deltas.shape[1]
        starts, fields = [0], list[tuple[int, int, int, int]]()
        masks = np.zeros((len(self.shapes), words), np.uint64)
        for number, shape in enumerate(self.shapes):
            if is_wide(shape):
                masks[number] = self._row(self._bits(shape))
            else:
                places = accumulate((field.bits for field in shape), initial=0)
                fields += [
                    (field.shift // WORD, field.shift % WORD, place, field.mask)
                    for field, place in zip(shape, places, strict=False)
                ]
            starts.append(len(fields))
        self._laid_out = (
            np.array(starts, np.int32),
            np.array([*fields, (0, 0, 0, 0)], FIELD),
            np.array([is_wide(shape) for shape in self.shapes], np.bool_),
            masks,
        )
        if masks.any():
            self._set_of_wide()

    def _set_of_wide(self) -> Visited:
        """The bits of wide questions. It takes address space, so few tables have one."""
        if self._wide_set is None:
            self._wide_set = Visited(self._deltas.shape[1], most=_MOST_WIDE)
        return self._wide_set

    def _bits(self, fields: tuple[Field, ...]) -> int:
        """The bits of a state that a question about these fields takes."""
        return sum(field.mask << field.shift for field in (self.field, *fields))

    def _row(self, state: int) -> list[int]:
        """The words of a state."""
        return [state >> WORD * i & _MASK for i in range(self._deltas.shape[1])]

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.findings)

    @property
    def has_met_all(self) -> bool:
        """Whether there are no local states that it has not met."""
        return self._met == len(self.field.values)

    def meet(self) -> None:
        """Learn what every local state so far asks about."""
        self.shape = grown(self.shape, len(self.field.values), ASK)
        self.base = grown(self.base, len(self.field.values))
        for local in range(self._met, len(self.field.values)):
            self._meet(local)
        self._met = len(self.field.values)
        self._is_behind = True

    def _meet(self, local: int) -> None:
        fields = self.product.footprint(self.task, local)
        if fields is None:
            self.shape[local] = 0
            return
        number = self._numbers.setdefault((self.field, *fields), len(self.shapes))
        if number == len(self.shapes):
            self.shapes.append(fields)
        self.shape[local], self.base[local] = number, self._questions
        if not is_wide(fields):
            self._questions += 1 << sum(field.bits for field in fields)
            self._narrow = grown(self._narrow, self._questions, ASK)

    def asked(self, states: U64, footprint: int) -> list[tuple[Query, int]]:
        """The questions that some states ask, all about one footprint: each once, and the first
        state that asks it.
        """
        fields = self.shapes[footprint]
        local = numbers_of(self.field, states).astype(np.int64)
        values = [numbers_of(field, states) for field in fields]
        if not is_wide(fields):
            question, bits = self.base.take(local), 0
            for field, value in zip(fields, values, strict=True):
                question += (value << np.uint64(bits)).view(np.int64)
                bits += field.bits
            asked, first = np.unique(question, return_index=True)
            queries: list[Query] = asked.tolist()
        else:
            wide = np.stack([local, *values]).astype(np.int64)
            asked, first = np.unique(wide, axis=1, return_index=True)
            queries = [tuple(column) for column in asked.T.tolist()]
        rows = states.take(first, axis=0).tolist()
        whole = [sum(word << WORD * i for i, word in enumerate(row)) for row in rows]
        return list(zip(queries, whole, strict=True))

    def ask(self, asked: Query, state: int) -> None:
        """Learn the answer to a question, if it is not known, from a state that asks it."""
        known = int(self._narrow[asked]) if isinstance(asked, int) else self._wide.get(asked, ASK)
        if known != ASK:
            return
        answer = self.product.answer(self.task, state)
        local = (state >> self.field.shift) & self.field.mask
        for delta, _ in answer:
            self.moves[local, (state + delta >> self.field.shift) & self.field.mask] = None
        if not answer:
            self.waits[local] = None
        number = self._enter(
            [
                (_difference(state, delta, self._deltas.shape[1]), finding)
                for delta, finding in answer
            ]
        )
        if isinstance(asked, int):
            self._narrow[asked] = number
        else:
            self._wide[asked] = number
            bits = state & self._bits(self.shapes[self.shape[local]])
            self._new_wide.append((bits, number))
        self._is_behind = True

    def _enter_wide(self) -> None:
        """Tell the loops of new answers to wide questions. Raises EngineError."""
        if not self._new_wide:
            return
        wide, self._new_wide, new = self._set_of_wide(), [], self._new_wide
        if wide.room <= len(new):
            raise EngineError(f"{self.task} asks more than {wide.count} wide questions")
        rows = np.array([self._row(bits) for bits, _ in new], np.uint64)
        numbers = wide.keep(Candidates.of(rows, np.zeros(len(new), np.uint32)))
        self._wide_answer = grown(self._wide_answer, wide.count, ASK)
        self._wide_answer[numbers] = [answer for _, answer in new]

    def _enter(self, rows: list[TableRow]) -> int:
        """The number of an answer with these outcomes."""
        if not rows:
            return 0
        number, self._answers = self._answers, self._answers + 1
        self._answer = grown(self._answer, number + 1)
        self._answer[number] = self.rows, len(rows)
        for outcome, (delta, finding) in enumerate(rows):
            row = self.rows
            self.findings.append(finding)
            self.which.append((outcome, len(rows)))
            if finding is not None:
                self.showing.setdefault(finding, []).append(row)
            self._shows, self._deltas = grown(self._shows, row + 1), grown(self._deltas, row + 1)
            self._shows[row] = finding is not None
            self._deltas[row] = delta
        return number

    def learned(self) -> Iterator[LearnedAnswer]:
        """Every question that has been answered, local state by local state."""
        wide: dict[int, list[tuple[tuple[int, ...], int]]] = {}
        for query, number in self._wide.items():
            wide.setdefault(query[0], []).append((query[1:], number))
        for local in range(self._met):
            fields = self.shapes[self.shape[local]]
            if self.shape[local] and not is_wide(fields):
                low = int(self.base[local])
                here = self._narrow[low : low + (1 << sum(field.bits for field in fields))]
                for place in np.flatnonzero(here != ASK).tolist():
                    yield self._learned(local, _unpacked(place, fields), int(here[place]))
            for asked, number in wide.get(local, ()):
                yield self._learned(local, asked, number)

    def _learned(self, local: int, values: tuple[int, ...], number: int) -> LearnedAnswer:
        """What an answer does, in numbers of fields."""
        fields = self.shapes[self.shape[local]]
        state = (local << self.field.shift) + sum(
            value << field.shift for value, field in zip(values, fields, strict=True)
        )
        first, outcomes = self._answer[number].tolist() if number else (0, 0)
        steps = []
        for row in range(first, first + outcomes):
            words = zip(self._row(state), self._deltas[row].tolist(), strict=True)
            after = sum(((a + b) & _MASK) << WORD * i for i, (a, b) in enumerate(words))
            to = tuple((after >> field.shift) & field.mask for field in fields)
            next_local = (after >> self.field.shift) & self.field.mask
            steps.append(LearnedStep(next_local, to, self.findings[row]))
        return LearnedAnswer(local, fields, values, steps)

    def widen(self, words: int) -> None:
        """Let states have so many words."""
        more = words - self._deltas.shape[1]
        if more > 0:
            self._enter_wide()
            self._deltas = np.pad(self._deltas, ((0, 0), (0, more)))
            self._laid_out, self._is_behind = (), True
            if self._wide_set is not None:
                self._wide_set.widen(words)
