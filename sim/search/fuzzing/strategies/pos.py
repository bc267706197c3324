"""POS: a priority for every step that is about to be taken, drawn again where steps race.

Yuan, Yang, Gu, "Partial order aware concurrency sampling" (CAV 2018). The highest priority steps;
the task's next step gets a new one, and so does every step that others are about to take and that
does not commute with the one just taken. Without the latter, what had lost a race once would lose
to the same rival again and again; with it, orders that differ only in how independent steps lie are
not what the sampling is spent on.

What a step will do is what it would do now: the first outcome of its answer. A step that has to
wait keeps what it drew. As in PCT, a retry that has got nowhere falls behind all.
"""

from __future__ import annotations

import numpy as np

from sim.engine.arrays import Index, Mask
from sim.engine.herd.herd import Herd
from sim.engine.herd.tries import Tries
from sim.engine.model.operations import Access
from sim.engine.run.draws import Stream
from sim.search.fuzzing.strategies.pct import demote, highest
from sim.search.fuzzing.strategies.shared import Shared
from sim.search.fuzzing.strategies.walk import WalkStrategy


class Pos(WalkStrategy):
    """Nothing is to be set."""

    def __init__(self, ground: Shared) -> None:
        self._tasks = len(ground.scenario.tasks)
        self._priority = np.zeros((self._tasks, 0), np.int64)

    def begin(self, herd: Herd, slots: Index) -> None:
        if self._priority.shape[1] < herd.width:
            self._priority = np.zeros((self._tasks, herd.width), np.int64)
        for task in range(self._tasks):
            self._priority[task, slots] = herd.bits(slots, Stream.POS_PRIORITY.nth(task))

    def choose(self, herd: Herd, slots: Index) -> Index:
        return highest(herd, slots, self._priority)

    def moved(self, herd: Herd, slots: Index, task: Index, row: Index, retry: Mask) -> None:
        answers = herd.answers
        for other in range(self._tasks):
            answer = herd.answer.take(other * herd.width + slots)
            racing = racing_with(answers, row, answers.first.of.take(answer)) & (answer > 0)
            at = slots[racing | (task == other)]
            self._priority[other, at] = herd.bits(at, Stream.POS_PRIORITY.nth(other))
        demote(herd, slots, self._priority, task, retry)


def racing_with(answers: Tries, one: Index, other: Index) -> Mask:
    """Which rows of two lists touch a common cell, and neither both look nor both add."""
    racing = np.zeros(len(one), np.bool_)
    for columns in answers.touch:
        mine, theirs = (
            {access: of.of.take(rows) for access, of in columns.items()} for rows in (one, other)
        )
        read, add, write = Access.READ, Access.ADD, Access.WRITE
        clash = mine[write] & (theirs[read] | theirs[add] | theirs[write])
        clash |= mine[read] & (theirs[add] | theirs[write])
        clash |= mine[add] & (theirs[read] | theirs[write])
        racing |= clash != 0
    return racing
