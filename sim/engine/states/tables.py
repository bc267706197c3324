"""What each task may do, learned once and then looked up by the array.

A question is a task's local state and the values of its operation's footprint. It is asked of
`sim.engine.states.product` once; from then on its answer is a row or several of 64-bit numbers to
add, one number per word of a state. States whose operations have the same footprint can be handled
together: the footprint's fields, shifted side by side, index a dense table of answers. A footprint
with too many valuations for that has its answers in a dictionary.

Several processes keep tables of one task, and each is told what another has learned
(`Table.catch_up`). So the place of a question may depend on the order of local states alone, which
is the same for all of them, and not on what has been asked.
"""

from __future__ import annotations

from itertools import accumulate

import numpy as np
import numpy.typing as npt

from sim.engine.arrays import U64, Index, Mask, grown
from sim.engine.model.operations import Finding
from sim.engine.states.product import WORD, Field, Product

ASK = -1
"""What stands in place of an answer that nobody has asked for."""

_WIDEST = 16
_MASK = (1 << WORD) - 1

Query = int | tuple[int, ...]
"""A question: its place, or for a wide footprint the local state and the values."""

TableRow = tuple[tuple[int, ...], Finding | None]
"""One outcome of an answer: what to add to each word of a state, and what it shows."""

PendingQuery = tuple[int, Query, int]
"""A question, the number of the task that asks it, and a state in which it does."""

LearnedAnswer = tuple[Query, list[TableRow]]
"""A question that has been answered, and the outcomes."""

LocalSet = dict[int, None]
MoveSet = dict[tuple[int, int], None]


def numbers_of(field: Field, words: list[U64]) -> U64:
    """A field's numbers in many states."""
    return (words[field.shift // WORD] >> np.uint64(field.shift % WORD)) & np.uint64(field.mask)


def _difference(state: int, delta: int, words: int) -> tuple[int, ...]:
    """What to add to each word of a state."""
    return tuple(((state + delta >> WORD * i) - (state >> WORD * i)) & _MASK for i in range(words))


def is_wide(fields: tuple[Field, ...]) -> bool:
    """Whether a footprint has too many valuations to set a place aside for each."""
    return sum(field.bits for field in fields) > _WIDEST


class Table:
    """What one task may do: its local states, the questions they ask, and the answers so far.

    `shape[local]` numbers the footprint of a local state's operation (0: it has finished),
    `base[local]` is where its questions begin in `_answer`. An answer is 0 for nothing, or a number
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
        self._answer = np.full(256, ASK, np.int32)
        self._met = 0
        self._questions = 0
        self._wide: dict[tuple[int, ...], int] = {}
        self.first = np.zeros(64, np.int64)
        self.outcomes = np.zeros(64, np.int64)
        self._answers = 1
        self.deltas: list[U64] = [np.zeros(64, np.uint64) for _ in range(product.words)]
        self.flagged = np.zeros(64, np.bool_)
        self.findings: list[Finding | None] = []
        self.showing: dict[Finding, list[int]] = {}
        self.which: list[tuple[int, int]] = []
        self.choices = 0
        self.stamp = 1
        self._shown = np.zeros(64, np.int64)
        self._laid_out: tuple[Mask, Index, Index, U64, U64, U64] | None = None
        self.news: list[LearnedAnswer] = []

    @property
    def known_answers(self) -> npt.NDArray[np.int32]:
        """The answers to questions whose footprint is not wide, by their place."""
        return self._answer

    def shown_at(self) -> Index:
        """Per row, the stamp at which compiled loops last met it (`compiled.take_steps`)."""
        self._shown = grown(self._shown, len(self.flagged))
        return self._shown

    def laid_out(self) -> tuple[Mask, Index, Index, U64, U64, U64]:
        """The fields of all footprints that are not wide, as compiled loops take them.

        Which footprints are wide, and where the fields of each begin; then of each field its word,
        shift and mask, and where it begins in a question.
        """
        if self._laid_out is None or len(self._laid_out[0]) != len(self.shapes):
            starts, fields, places = [0], list[Field](), list[int]()
            for shape in self.shapes:
                if shape and not is_wide(shape):
                    fields += shape
                    places += accumulate((field.bits for field in shape[:-1]), initial=0)
                starts.append(len(fields))
            self._laid_out = (
                np.array([is_wide(shape) for shape in self.shapes], np.bool_),
                np.array(starts, np.int64),
                np.array([field.shift // WORD for field in fields], np.int64),
                np.array([field.shift % WORD for field in fields], np.uint64),
                np.array([field.mask for field in fields], np.uint64),
                np.array(places, np.uint64),
            )
        return self._laid_out

    @property
    def is_behind(self) -> bool:
        """Whether there are local states that it has not met."""
        return self._met < len(self.field.values)

    def meet(self) -> None:
        """Learn what every local state so far asks about."""
        self.shape = grown(self.shape, len(self.field.values), ASK)
        self.base = grown(self.base, len(self.field.values))
        for local in range(self._met, len(self.field.values)):
            self._meet(local)
        self._met = len(self.field.values)

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
            self._answer = grown(self._answer, self._questions, ASK)

    def answers(
        self, local: Index, values: list[U64], fields: tuple[Field, ...]
    ) -> npt.NDArray[np.int32]:
        """What each state is answered, from its local state and the values of that one's
        footprint; or ASK.
        """
        if not is_wide(fields):
            return self._answer.take(self.questions(local, values, fields))
        asked, which = np.unique(
            np.stack([local, *values]).astype(np.int64), axis=1, return_inverse=True
        )
        known = [self._wide.get(tuple(column), ASK) for column in asked.T.tolist()]
        return np.array(known, np.int32).take(which.reshape(-1))

    def questions(self, local: Index, values: list[U64], fields: tuple[Field, ...]) -> Index:
        """The place of the question that each state asks, where the footprint is not wide."""
        question, bits = self.base.take(local), 0
        for field, value in zip(fields, values, strict=True):
            question += (value << np.uint64(bits)).view(np.int64)
            bits += field.bits
        return question

    def ask(self, asked: Query, state: int) -> None:
        """Learn the answer to a question, if it is not known, from a state that asks it."""
        known = int(self._answer[asked]) if isinstance(asked, int) else self._wide.get(asked, ASK)
        if known != ASK:
            return
        answer = self.product.answer(self.task, state)
        local = (state >> self.field.shift) & self.field.mask
        for delta, _ in answer:
            self.moves[local, (state + delta >> self.field.shift) & self.field.mask] = None
        if not answer:
            self.waits[local] = None
        rows = [(_difference(state, delta, len(self.deltas)), finding) for delta, finding in answer]
        self.news.append((asked, rows))
        self._enter(asked, rows)

    def catch_up(self, news: list[LearnedAnswer]) -> None:
        """Take over what another process has learned."""
        for asked, rows in news:
            self._enter(asked, rows)

    def _set(self, asked: Query, answer: int) -> None:
        if isinstance(asked, int):
            self._answer[asked] = answer
        else:
            self._wide[asked] = answer

    def _enter(self, asked: Query, rows: list[TableRow]) -> None:
        if not rows:
            self._set(asked, 0)
            return
        number, self._answers = self._answers, self._answers + 1
        self.first, self.outcomes = grown(self.first, number + 1), grown(self.outcomes, number + 1)
        self.first[number], self.outcomes[number] = len(self.findings), len(rows)
        self.choices += len(rows) > 1
        for outcome, (delta, finding) in enumerate(rows):
            row = len(self.findings)
            self.findings.append(finding)
            self.which.append((outcome, len(rows)))
            if finding is not None:
                self.showing.setdefault(finding, []).append(row)
            self.flagged = grown(self.flagged, row + 1)
            self.flagged[row] = finding is not None
            self.deltas = [grown(column, row + 1) for column in self.deltas]
            for column, part in zip(self.deltas, delta, strict=True):
                column[row] = part
        self._set(asked, number)

    def widen(self, words: int) -> None:
        while len(self.deltas) < words:
            self.deltas.append(np.zeros(len(self.flagged), np.uint64))
