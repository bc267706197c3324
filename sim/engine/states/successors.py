"""All steps out of a chunk of states, a handful of numpy calls for those who do the same.

What asks something new is put aside, to be learned and then taken up again (`Successors.asks`,
`Successors.close`); where its steps stand among the others does not depend on that.
"""

from __future__ import annotations

from collections import Counter
from itertools import count

import attrs
import numpy as np
import numpy.typing as npt

from sim.engine.arrays import U32, U64, Index, Mask
from sim.engine.model.operations import Finding
from sim.engine.states.product import WORD
from sim.engine.states.tables import ASK, PendingQuery, Query, Table, is_wide, numbers_of
from sim.engine.states.visited import Candidates

_NONE: Index = np.empty(0, np.int64)
_NO_WORDS: U64 = np.empty(0, np.uint64)


@attrs.frozen
class Flag:
    """A transition that shows a finding: the number of the state it leaves, the task,
    and which of its outcomes.
    """

    state: int
    task: str
    outcome: int
    finding: Finding


@attrs.frozen
class ChunkResult:
    """What came of the steps out of one chunk, but for the states themselves."""

    transitions: int
    stuck: Index
    deadlocked: Index
    tops: Index
    flags: list[Flag]


def _joined(words: list[U64], i: int) -> int:
    return sum(int(word[i]) << WORD * number for number, word in enumerate(words))


class SameFootprint:
    """States of a chunk in which one task stands before an operation with the same footprint,
    and its steps there.
    """

    def __init__(
        self, table: Table, states: Index, local: Index, words: list[U64], number: int
    ) -> None:
        self.table, self.states, self._local, self._fields = (
            table,
            states,
            local,
            table.shapes[number],
        )
        self._here = [word.take(states) for word in words]
        self.before: list[Index] = []
        self.after: list[list[U64]] = []
        self.rows: list[Index] = []
        self.flags: list[tuple[int, int, Finding]] = []
        self.able: Index = _NONE

    def asks(self) -> list[tuple[Query, int]]:
        """What nobody has asked before, each with a state that asks it."""
        values = [numbers_of(field, self._here) for field in self._fields]
        unknown = np.flatnonzero(self.table.answers(self._local, values, self._fields) == ASK)
        if not is_wide(self._fields):
            question = self.table.questions(self._local, values, self._fields)
            asked, first = np.unique(question[unknown], return_index=True)
            return [
                (int(q), _joined(self._here, int(unknown[at])))
                for q, at in zip(asked, first, strict=True)
            ]
        wide = np.stack([self._local, *values]).astype(np.int64)[:, unknown]
        asked, first = np.unique(wide, axis=1, return_index=True)
        return [
            (tuple(column), _joined(self._here, int(unknown[at])))
            for column, at in zip(asked.T.tolist(), first, strict=True)
        ]

    def take(self) -> bool:
        """Take all steps, if all that they ask has been answered."""
        table = self.table
        values = [numbers_of(field, self._here) for field in self._fields]
        answer = table.answers(self._local, values, self._fields)
        able = np.flatnonzero(answer)
        if len(able) < len(answer):
            answer = answer.take(able)
        if len(answer) and answer.min() == ASK:
            return False
        self.able = self.states.take(able)
        if len(able):
            self._step(self.able, [word.take(able) for word in self._here], answer)
        self._here.clear()
        return True

    def _step(self, states: Index, here: list[U64], answer: npt.NDArray[np.int32]) -> None:
        table = self.table
        row, left = table.first.take(answer), table.outcomes.take(answer)
        for outcome in count():
            self.before.append(states)
            self.rows.append(row)
            self.after.append(
                [word + column.take(row) for word, column in zip(here, table.deltas, strict=True)]
            )
            if table.showing:
                flagged = np.flatnonzero(table.flagged.take(row))
                for shown, at in zip(*np.unique(row[flagged], return_index=True), strict=True):
                    finding = table.findings[shown]
                    if finding is not None:
                        self.flags.append((int(states[flagged[at]]), outcome, finding))
            more = np.flatnonzero(left > 1) if table.choices else _NONE
            if not len(more):
                return
            states, here = states[more], [word[more] for word in here]
            row, left = row[more] + 1, left[more] - 1


class Successors:
    """All steps out of one chunk of a level."""

    batch: Candidates

    def __init__(self, words: list[U64], low: int) -> None:
        self.low, self.words = low, words
        self.alone = np.ones(len(words[0]), np.bool_)
        self.done = np.ones(len(words[0]), np.bool_)
        self._groups: list[SameFootprint] = []
        self.unknown: list[SameFootprint] = []
        self.taken: Counter[str] = Counter()
        self.flags: list[Flag] = []

    def take(self, table: Table, running: Mask | None) -> None:
        """Let one task take its steps, in the states that are `running` (None: all of them)."""
        local = numbers_of(table.field, self.words).view(np.int64)
        shape = table.shape.take(local)
        if not table.daemon:
            self.done &= shape == 0
        if running is not None:
            shape = np.where(running, shape, 0)
            self.done |= ~running
        order = np.argsort(
            shape.astype(np.uint8) if len(table.shapes) < 1 << 8 else shape, kind="stable"
        )
        ends = np.cumsum(np.bincount(shape, minlength=len(table.shapes)))
        for number in np.flatnonzero(np.diff(ends, prepend=0)):
            if number:
                states = order[ends[number - 1] : ends[number]]
                group = SameFootprint(table, states, local.take(states), self.words, int(number))
                self._groups.append(group)
                if not group.take():
                    self.unknown.append(group)

    def asks(self) -> list[PendingQuery]:
        """What nobody has asked before."""
        return [
            (group.table.place, asked, state)
            for group in self.unknown
            for asked, state in group.asks()
        ]

    def finish(self) -> Index:
        """Take what steps are left; the row of each in the table of its task."""
        for group in self.unknown:
            group.take()
        self.unknown.clear()
        return np.concatenate([_NONE, *(row for group in self._groups for row in group.rows)])

    def close(self) -> None:
        """Take what steps are left, and make all of them candidates."""
        for group in self.unknown:
            group.take()
        before, after = [_NONE], [[_NO_WORDS] for _ in self.words]
        for group in self._groups:
            self.taken[group.table.task] += sum(map(len, group.before))
            self.alone[group.able] = False
            before += group.before
            for step in group.after:
                for mine, theirs in zip(after, step, strict=True):
                    mine.append(theirs)
            self.flags += [
                Flag(state + self.low, group.table.task, outcome, finding)
                for state, outcome, finding in group.flags
            ]
        self._groups.clear()
        self.unknown.clear()
        self.batch = Candidates(
            [np.concatenate(parts) for parts in after], np.concatenate(before) + self.low
        )

    def outcome(self, numbers: U32, *, tops: bool) -> ChunkResult:
        """What came of it, once the numbers of the candidates are known."""
        return ChunkResult(
            len(self.batch.from_),
            np.flatnonzero(self.alone) + self.low,
            np.flatnonzero(self.alone & ~self.done) + self.low,
            self._tops(numbers) if tops else _NONE,
            self.flags,
        )

    def _tops(self, numbers: U32) -> Index:
        top = ~self.alone
        above = np.flatnonzero(numbers.take(self.batch.places()) > self.batch.from_)
        top[self.batch.from_.take(above) - self.low] = False
        return np.flatnonzero(top) + self.low
