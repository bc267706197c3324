"""All steps out of a chunk of states, by the loops of `loops.c`.

What asks something new is found first (`Successors.asks`), to be learned. Then all steps are taken
at once; so where a step stands among the others does not depend on what was known.
"""

from __future__ import annotations

import attrs
import numpy as np

from sim.engine.arrays import U64, Index, Mask
from sim.engine.model.errors import EngineError
from sim.engine.model.operations import Finding
from sim.engine.states.loops import Candidates, Chunk, TaskView
from sim.engine.states.tables import ASK, PendingQuery, Table

_NONE: Index = np.empty(0, np.int64)


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


class Successors:
    """All steps out of some states, whose first one has the number `low`.

    `taken` is how many steps each task takes, once they have been taken.
    """

    def __init__(self, tables: list[Table], states: U64, low: int, is_running: Mask | None) -> None:
        self.low, self._tables = low, tables
        self._chunk = Chunk(states, low, is_running)
        self._views = [TaskView(table, self._chunk) for table in tables]
        self._unknown = [view.look_up() for view in self._views]
        self.taken: list[int] = []
        self.flags: list[Flag] = []

    def asks(self) -> list[PendingQuery]:
        """What nobody has asked before: task by task, footprint by footprint."""
        asks = list[PendingQuery]()
        for table, view, unknown in zip(self._tables, self._views, self._unknown, strict=True):
            if not unknown:
                continue
            for footprint in np.flatnonzero(view.asks).tolist():
                here = slice(view.ends[footprint - 1], view.ends[footprint])
                asking = view.order[here][view.answer[here] == ASK]
                states = self._chunk.states.take(asking, axis=0)
                asks += [
                    (table.place, asked, state) for asked, state in table.asked(states, footprint)
                ]
        return asks

    def count(self) -> int:
        """How many steps there are, once all that they ask has been learned.

        Raises EngineError where it has not: the loops take an answer for one without a look at it.
        """
        for table, view, unknown in zip(self._tables, self._views, self._unknown, strict=True):
            if unknown and view.look_up():
                raise EngineError(f"{table.task} has asked what was not learned")
        self.taken = [view.count_steps() for view in self._views]
        return sum(self.taken)

    def take(self, to: Candidates) -> None:
        """Take them all."""
        for table, view in zip(self._tables, self._views, strict=True):
            flags = view.take_steps(to, table.rows)
            for _, outcome, row, state in np.sort(
                flags, order=("footprint", "outcome", "row")
            ).tolist():
                finding = table.findings[row]
                if finding is not None:
                    self.flags.append(Flag(state + self.low, table.task, outcome, finding))
        self._views.clear()

    def taken_alone(self, *, rows: bool = False) -> Candidates:
        """Take them all, to a place of their own."""
        to = Candidates.room(self.count(), self._chunk.states.shape[1], rows=rows)
        self.take(to)
        return to

    def tops(self) -> Mask:
        """The states that step: where a step leads to a higher number is not told yet."""
        return ~self._chunk.is_alone

    def outcome(self, is_top: Mask | None) -> ChunkResult:
        """What came of it, once steps have been taken, and those who have one to a higher number
        have been taken from `tops()`.
        """
        alone, done = self._chunk.is_alone, self._chunk.is_done
        return ChunkResult(
            sum(self.taken),
            np.flatnonzero(alone) + self.low,
            np.flatnonzero(alone & ~done) + self.low,
            _NONE if is_top is None else np.flatnonzero(is_top) + self.low,
            self.flags,
        )
