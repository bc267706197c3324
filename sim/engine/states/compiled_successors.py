"""All steps out of a chunk of states, by compiled loops: the same steps in the same order as
`sim.engine.states.successors`, which is there for small questions and where there is no numba.
"""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from sim.engine.arrays import U32, U64, Index, Mask
from sim.engine.states import compiled
from sim.engine.states.successors import Flag, SameFootprint, Successors
from sim.engine.states.tables import ASK, Table, is_wide, numbers_of
from sim.engine.states.visited import Candidates, Visited

_NEAR = 1 << 17
_ALL: Mask = np.empty(0, np.bool_)
_NO_ROWS: Index = np.empty(0, np.int64)


class CompiledCandidates(Candidates):
    """Candidates, sifted by a compiled loop; what they were reached from counts from `low` on."""

    def __init__(self, words: tuple[U64, ...], before: U32, low: int) -> None:
        size = len(before)
        hashed, self.place = np.empty(size, np.uint64), np.empty(size, np.uint32)
        kept, near = np.empty(size, np.uint32), np.empty(_NEAR, np.uint32)
        count = compiled.sift(words, size, near, hashed, self.place, before, kept)
        self.low, self.every, self.from_ = low, before, before.astype(np.int64) + low
        self.words = [word[:count] for word in words]
        self.hashed, self._before = hashed[:count], kept[:count]

    def __len__(self) -> int:
        return len(self.hashed)

    def places(self) -> U32:
        return self.place

    def kept_in(self, visited: Visited) -> U32:
        """The same, in an index of one part."""
        visited.fills = compiled.fill
        visited.make_room(visited.count + len(self))
        number = np.empty(len(self), np.uint32)
        visited.count = compiled.keep(
            visited.index,
            self.hashed,
            tuple(self.words),
            self._before,
            self.low,
            tuple(visited.words),
            visited.before,
            visited.count,
            number,
        )
        return number


@attrs.frozen
class _TaskSteps:
    """A task's states in a chunk, by footprint, and what each is answered."""

    table: Table
    local: Index
    order: Index
    ends: Index
    answer: npt.NDArray[np.int32]
    asks: Mask

    def look_up(self, words: tuple[U64, ...]) -> bool:
        """Ask the table; whether something has not been asked before."""
        table = self.table
        unknown = compiled.look_up(
            words,
            self.order,
            self.ends,
            self.local,
            table.base,
            *table.laid_out(),
            table.known_answers,
            self.answer,
            self.asks,
        )
        for number, fields in enumerate(table.shapes):
            if number and is_wide(fields) and self.ends[number] > self.ends[number - 1]:
                here = slice(int(self.ends[number - 1]), int(self.ends[number]))
                states = self.order[here]
                values = [
                    numbers_of(field, [word.take(states) for word in words]) for field in fields
                ]
                found = table.answers(self.local.take(states), values, fields)
                self.answer[here] = found
                self.asks[number] = bool((found == ASK).any())
                unknown += bool(self.asks[number])
        return bool(unknown)


class CompiledSuccessors(Successors):
    """All steps out of one chunk of a level."""

    batch: CompiledCandidates

    def __init__(self, words: list[U64], low: int, *, keeps_rows: bool = False) -> None:
        Successors.__init__(self, words, low)
        self._words = tuple(np.ascontiguousarray(word) for word in words)
        self._every: list[_TaskSteps] = []
        self._keeps_rows = keeps_rows
        self._rows = _NO_ROWS

    def take(self, table: Table, running: Mask | None) -> None:
        size, shapes = len(self.alone), len(table.shapes)
        local, shape = np.empty(size, np.int64), np.empty(size, np.int64)
        order, ends = np.empty(size, np.int64), np.empty(shapes, np.int64)
        field = table.field
        compiled.by_shape(
            self._words[field.shift // 64],
            field.shift % 64,
            field.mask,
            table.shape,
            _ALL if running is None else running,
            table.daemon,
            local,
            shape,
            order,
            ends,
            self.done,
        )
        answer, asks = np.empty(size, np.int32), np.zeros(shapes, np.bool_)
        steps = _TaskSteps(table, local, order, ends, answer, asks)
        self._every.append(steps)
        if steps.look_up(self._words):
            for number in np.flatnonzero(asks).tolist():
                states = order[ends[number - 1] : ends[number]]
                self.unknown.append(
                    SameFootprint(table, states, local.take(states), self.words, number)
                )

    def finish(self) -> Index:
        self.close()
        return self._rows

    def close(self) -> None:
        """Take all steps, and make them candidates."""
        if self.unknown:
            waiting = {group.table.place for group in self.unknown}
            for steps in self._every:
                if steps.table.place in waiting:
                    steps.look_up(self._words)
            self.unknown.clear()
        if not self._every:
            return
        total = sum(
            compiled.count_steps(one.ends, one.answer, one.table.outcomes) for one in self._every
        )
        after = tuple(np.empty(total, np.uint64) for _ in self._words)
        before = np.empty(total, np.uint32)
        self._rows = np.empty(total if self._keeps_rows else 1, np.int64)
        left = np.empty((len(self.alone), 3), np.int64)
        pos = 0
        for steps in self._every:
            pos = self._take(steps, after, before, pos, left)
        self._every.clear()
        self.batch = CompiledCandidates(after, before, self.low)

    def _take(
        self, steps: _TaskSteps, after: tuple[U64, ...], before: U32, pos: int, left: Index
    ) -> int:
        table = steps.table
        flags: Any = np.empty((len(table.findings) + 1, 4), np.int64)
        end, many, table.stamp = compiled.take_steps(
            self._words,
            steps.order,
            steps.ends,
            steps.answer,
            table.first,
            table.outcomes,
            tuple(table.deltas),
            table.flagged,
            table.shown_at(),
            table.stamp,
            self.alone,
            after,
            before,
            self._rows,
            pos,
            flags,
            left,
        )
        self.taken[table.task] += end - pos
        shown = flags[:many]
        for _, outcome, row, state in shown[np.lexsort((shown[:, 2], shown[:, 1], shown[:, 0]))]:
            finding = table.findings[row]
            if finding is not None:
                flag = Flag(int(state) + self.low, table.task, int(outcome), finding)
                self.flags.append(flag)
        return int(end)

    def _tops(self, numbers: U32) -> Index:
        top = ~self.alone
        compiled.tops_of(numbers, self.batch.place, self.batch.every, self.low, top)
        return np.flatnonzero(top) + self.low
