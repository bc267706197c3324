"""The random walk: uniform among the tasks that can step, then among the values of a choice.

The run of a seed is that of `sim.engine.run.scheduler.RandomWalk`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.engine.arrays import Index, Mask
from sim.engine.herd.herd import Herd
from sim.engine.run.draws import Stream

if TYPE_CHECKING:
    from sim.search.fuzzing.strategies.shared import Shared  # which walks itself


class WalkStrategy:
    """Knows nothing but the dice. What the others do not decide, they leave to it."""

    def begin(self, herd: Herd, slots: Index) -> None:
        """Nothing is kept."""

    def choose(self, herd: Herd, slots: Index) -> Index:
        """Any task, each as likely as any other."""
        able = herd.able.take(slots)
        return herd.member(able, herd.below(herd.size_of(able), slots, Stream.TASK))

    def outcome(self, herd: Herd, slots: Index, count: Index) -> Index:
        """Any outcome."""
        return herd.below(count, slots, Stream.VALUE)

    def moved(self, herd: Herd, slots: Index, task: Index, row: Index, retry: Mask) -> None:
        """Nothing is learned."""


def walk(_ground: Shared) -> WalkStrategy:
    """It needs to know nothing of the scenario."""
    return WalkStrategy()
