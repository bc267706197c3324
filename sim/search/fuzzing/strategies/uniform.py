"""Every interleaving as likely as any other: exactly, where the graph is at hand.

A seed draws the number of a run (`sim.search.counting`), and the run is followed. Where tasks
retry, the runs are those within a bound; what is left of one that ends at the bound is walked.
"""

from __future__ import annotations

import numpy as np

from sim.engine.arrays import Index
from sim.engine.herd.herd import Herd
from sim.engine.model.scenario import Scenario
from sim.engine.run.scheduler import Picks
from sim.search.counting.sample import CLASSES, INTERLEAVINGS, interleavings, sample, sampled
from sim.search.fuzzing.strategies.shared import Shared
from sim.search.fuzzing.strategies.walk import WalkStrategy

STATES = 1 << 20
"""States that the graph may have."""

_RETRIES = 2


class Uniform(WalkStrategy):
    """Raises CountError where the graph is too large."""

    def __init__(self, ground: Shared) -> None:
        self._runs = interleavings(ground.scenario, _RETRIES, STATES)
        self._place = {task.name: i for i, task in enumerate(ground.scenario.tasks)}
        self._task = np.zeros((0, 1), np.int64)
        self._outcome = np.zeros((0, 1), np.int64)
        self._length = np.zeros(0, np.int64)

    def begin(self, herd: Herd, slots: Index) -> None:
        drawn = [sampled(self._runs, int(seed)).picks for seed in herd.seed.take(slots)]
        self._make_room(herd.width, max(map(len, drawn)))
        for slot, picks in zip(slots.tolist(), drawn, strict=True):
            self._length[slot] = len(picks)
            self._task[slot, : len(picks)] = [self._place[task] for task, _ in picks]
            self._outcome[slot, : len(picks)] = [outcome for _, outcome in picks]

    def _make_room(self, width: int, length: int) -> None:
        slots, most = self._task.shape
        if slots < width:
            self._length = np.zeros(width, np.int64)
        if slots < width or most < length:
            more = ((0, width - slots), (0, max(0, length - most)))
            self._task, self._outcome = np.pad(self._task, more), np.pad(self._outcome, more)

    def choose(self, herd: Herd, slots: Index) -> Index:
        walked = super().choose(herd, slots)
        step = herd.step.take(slots)
        on = step < self._length.take(slots)
        walked[on] = self._task[slots[on], step[on]]
        return walked

    def outcome(self, herd: Herd, slots: Index, count: Index) -> Index:
        walked = super().outcome(herd, slots, count)
        step = herd.step.take(slots)
        on = step < self._length.take(slots)
        walked[on] = self._outcome[slots[on], step[on]]
        return walked


def one_interleaving(scenario: Scenario, seed: int, retries: int) -> Picks:
    """The interleaving that a seed draws,
    of those in which each loop is retried so often at most.
    """
    return sample(scenario, INTERLEAVINGS, seed, retries)


def one_class(scenario: Scenario, seed: int, retries: int) -> Picks:
    """A run of the class that a seed draws."""
    return sample(scenario, CLASSES, seed, retries)
