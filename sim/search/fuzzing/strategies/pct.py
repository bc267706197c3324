"""PCT: priorities, and a few places where they change.

Burckhardt, Kothari, Musuvathi, Nagarakatte, "A randomized scheduler with probabilistic guarantees
of finding bugs" (ASPLOS 2010). Every task has a priority, drawn at first; the highest that can step
does. At d - 1 steps, drawn from as many as a walk takes on average, the task whose turn it was
falls behind all others, the earlier the step the further. A bug of depth d among n tasks and k
steps is found with a probability of at least 1 / (n k^(d-1)), if no run were longer than k and no
task ever waited by trying again.

Where tasks do retry, the highest would starve the others that it waits for. So a retry that has got
nowhere costs its task the priority, as a yield does in the paper's section 4: it falls behind all.
"""

from __future__ import annotations

import numpy as np

from sim.engine.arrays import Index, Mask
from sim.engine.herd.herd import Herd
from sim.engine.run.draws import Stream
from sim.search.fuzzing.strategies.shared import Shared
from sim.search.fuzzing.strategies.walk import WalkStrategy


class Pct(WalkStrategy):
    """`depth` is the d of the paper; 1 never changes a priority."""

    def __init__(self, ground: Shared, depth: int) -> None:
        self._depth, self._length = depth, ground.profile.length
        self._tasks = len(ground.scenario.tasks)
        self._priority = np.zeros((self._tasks, 0), np.int64)
        self._change = np.zeros((depth - 1, 0), np.int64)

    def begin(self, herd: Herd, slots: Index) -> None:
        if self._priority.shape[1] < herd.width:
            self._priority = np.zeros((self._tasks, herd.width), np.int64)
            self._change = np.zeros((self._depth - 1, herd.width), np.int64)
        for task in range(self._tasks):
            self._priority[task, slots] = self._depth + (
                herd.bits(slots, Stream.PCT_PRIORITY.nth(task)) >> 1
            )
        for i, change in enumerate(self._change):
            change[slots] = (
                herd.below(np.full(len(slots), self._length), slots, Stream.PCT_CHANGE.nth(i)) + 1
            )

    def choose(self, herd: Herd, slots: Index) -> Index:
        return highest(herd, slots, self._priority)

    def moved(self, herd: Herd, slots: Index, task: Index, row: Index, retry: Mask) -> None:
        del row
        steps = herd.step.take(slots)
        for i, change in enumerate(self._change):
            at = np.flatnonzero(change.take(slots) == steps)
            self._priority[task.take(at), slots.take(at)] = i
        demote(herd, slots, self._priority, task, retry)


def highest(herd: Herd, slots: Index, priority: Index) -> Index:
    """Of the tasks that can step, the one with the highest priority."""
    able = herd.able.take(slots)
    best, chosen = np.full(len(slots), np.iinfo(np.int64).min), np.zeros(len(slots), np.int64)
    for task, of in enumerate(priority):
        mine = of.take(slots)
        wins = ((able >> task) & 1 == 1) & (mine > best)
        best, chosen = np.where(wins, mine, best), np.where(wins, task, chosen)
    return chosen


def demote(herd: Herd, slots: Index, priority: Index, task: Index, retry: Mask) -> None:
    """Put tasks that have retried and got nowhere behind all others, the last of them furthest."""
    at = np.flatnonzero(retry)
    priority[task.take(at), slots.take(at)] = -herd.step.take(slots.take(at))
