"""A range of seeds, and what came of running them.

A batch is a function of the scenario, the strategy, its seeds and what an adaptive strategy had
learned by then, so whoever runs it, wherever and however often, comes to the same.
"""

from __future__ import annotations

import attrs
import numpy as np

from sim.engine.arrays import U64, Index, Mask
from sim.engine.herd.herd import WIDTH, Herd
from sim.engine.model.operations import Finding
from sim.engine.model.scenario import Scenario
from sim.engine.run.fingerprint import MASK
from sim.engine.run.scheduler import Picks
from sim.search.fuzzing.novelty import Firsts
from sim.search.fuzzing.sketch import Gatherer, Sketch
from sim.search.fuzzing.strategies import StrategyError, strategy_named
from sim.search.fuzzing.strategies.shared import Shared

__all__ = ["MOST", "Batch", "Runner", "Sighting", "StrategyError"]

MOST = 10_000
"""Steps after which a run is cut, unless something else is asked for."""


@attrs.frozen
class Sighting:
    """A finding in a batch: the first seed that showed it, after how many steps of its run,
    and how many seeds did.
    """

    finding: Finding
    seed: int
    steps: int
    seeds: int


@attrs.frozen
class Batch:
    """What came of the seeds from `first` up to `stop`.

    `cut` runs were longer than they may be. `digest` is the sum of their numbers, modulo 2**64, so
    that batches can be added up however the seeds were shared out. The sightings are in the order
    of (seed, steps). `lesson` is what an adaptive strategy wants to know of it later.
    """

    first: int
    stop: int
    steps: int
    cut: int
    digest: int
    sightings: tuple[Sighting, ...]
    sketch: Sketch
    lesson: bytes = b""


class _BatchTally:
    """What the runs of a batch come to."""

    def __init__(self, slots: int) -> None:
        self.steps = self.cut = self.digest = 0
        self.sketch = Gatherer()
        self._seen: list[Mask] = []
        self._first: dict[Finding, tuple[int, int]] = {}
        self._count: dict[Finding, int] = {}
        self._slots = slots

    def begun(self, _herd: Herd, slots: Index) -> None:
        for seen in self._seen:
            seen[slots] = False

    def stepped(self, herd: Herd, row: Index) -> None:
        del row
        self.sketch.add(herd.state.take(herd.slots), herd.seed.take(herd.slots))

    def shown(self, herd: Herd, slots: Index, finding: Index) -> None:
        for number in np.flatnonzero(np.bincount(finding)).tolist():
            while len(self._seen) < number:
                self._seen.append(np.zeros(self._slots, np.bool_))
            of, seen = slots[finding == number], self._seen[number - 1]
            of = of[~seen.take(of)]
            seen[of] = True
            self._note(herd, of, herd.answers.findings[number - 1])

    def _note(self, herd: Herd, slots: Index, finding: Finding) -> None:
        """That runs show a finding for the first time."""
        if not len(slots):
            return
        seeds = herd.seed.take(slots)
        least = int(np.argmin(seeds))
        one = int(seeds[least]), int(herd.step[slots[least]])
        self._first[finding] = min(self._first.get(finding, one), one)
        self._count[finding] = self._count.get(finding, 0) + len(slots)

    def ended(self, herd: Herd, slots: Index) -> None:
        steps = herd.step.take(slots)
        self.steps += int(steps.sum())
        self.cut += int(np.count_nonzero(herd.able.take(slots)))
        self.digest += int(herd.run.take(slots).sum(dtype=np.uint64))
        for slot, finding in herd.deadlocked(slots):
            self._note(herd, np.array([slot]), finding)

    def batch(self, first: int, stop: int, lesson: bytes) -> Batch:
        found = sorted(
            self._first, key=lambda finding: (self._first[finding], str(finding), finding.causes)
        )
        sightings = tuple(
            Sighting(finding, *self._first[finding], self._count[finding]) for finding in found
        )
        sketch = self.sketch.sketch()
        return Batch(
            first, stop, self.steps, self.cut, self.digest & MASK, sightings, sketch, lesson
        )


class _Picking:
    """A watcher that writes down the choices of one run."""

    def __init__(self) -> None:
        self.picks: list[tuple[str, int]] = []

    def begun(self, herd: Herd, slots: Index) -> None:
        pass

    def stepped(self, herd: Herd, row: Index) -> None:
        answers, (one,) = herd.answers, row.tolist()
        self.picks.append((answers.tasks[answers.rows[one].task].name, int(answers.nth.of[one])))

    def shown(self, herd: Herd, slots: Index, finding: Index) -> None:
        pass

    def ended(self, herd: Herd, slots: Index) -> None:
        pass


class Runner:
    """Runs seeds of one scenario under one strategy.

    It learns, so keep it: the first batch is the slowest.

    Raises StrategyError for a strategy that does not exist, CountError for one that the scenario is
    too large for.
    """

    def __init__(self, scenario: Scenario, strategy: str, most: int = MOST) -> None:
        self.scenario, self.strategy, self.most = scenario, strategy, most
        self._ground = Shared(scenario, most)
        self._strategy = strategy_named(strategy, self._ground)

    @property
    def epoch(self) -> int | None:
        """How many seeds lie between two points at which it adapts; None: it does not."""
        return self._strategy.epoch

    def learned(self, guidance: bytes, lessons: tuple[bytes, ...]) -> bytes:
        """What it goes by after the batches of one more epoch, in the order of their seeds.

        B"" at first.
        """
        return self._strategy.learned(guidance, [Firsts.from_bytes(lesson) for lesson in lessons])

    def batch(self, first: int, stop: int, guidance: bytes = b"") -> Batch:
        """Run the seeds from `first` up to `stop`."""
        tally = _BatchTally(WIDTH)
        herd = Herd(self._ground.answers, self.most, min(WIDTH, stop - first))
        herd.runs(_seeds(first, stop), self._strategy.chooser(guidance), tally)
        lesson = b"" if self.epoch is None else Firsts(*tally.sketch.firsts()).to_bytes()
        return tally.batch(first, stop, lesson)

    def picks(self, seed: int, guidance: bytes = b"") -> Picks:
        """The very choices that a batch takes for this seed."""
        picking = _Picking()
        herd = Herd(self._ground.answers, self.most, 1)
        herd.runs(_seeds(seed, seed + 1), self._strategy.chooser(guidance), picking)
        return Picks(tuple(picking.picks))


def _seeds(first: int, stop: int) -> U64:
    return np.uint64(first & MASK) + np.arange(stop - first, dtype=np.uint64)
