"""A range of seeds, and what came of running them.

A batch is a function of the scenario, the strategy, its seeds and what an adaptive strategy had learned by then, so
whoever runs it, wherever and however often, it comes to the same.
"""

from __future__ import annotations

import attrs
import numpy as np

from sim.engine import fingerprint, stepper
from sim.engine.automata import Automata
from sim.engine.operations import Finding
from sim.engine.scenario import Scenario
from sim.engine.scheduler import Picks, Walk
from sim.engine.world import Offer
from sim.search.sketch import Sketch

MOST = 10_000
"""Steps after which a run is cut, unless something else is asked for."""


class StrategyError(Exception):
    """A strategy that does not exist, or cannot do what is asked of it; the message says which can."""


@attrs.frozen
class Sighting:
    """A finding in a batch: the first seed that showed it, after how many steps of its run, and how many seeds did."""

    finding: Finding
    seed: int
    steps: int
    seeds: int


@attrs.frozen
class Batch:
    """What came of the seeds from `first` up to `stop`.

    `cut` runs were longer than they may be. `digest` is the sum of their numbers, modulo 2**64, so that batches can be
    added up however the seeds were shared out. The sightings are in the order of (seed, steps). `lesson` is what an
    adaptive strategy wants to know of it later.
    """

    first: int
    stop: int
    steps: int
    cut: int
    digest: int
    sightings: tuple[Sighting, ...]
    sketch: Sketch
    lesson: bytes = b""


class Runner:
    """Runs seeds of one scenario under one strategy. It learns, so keep it: the first batch is the slowest.

    Raises StrategyError for a strategy that does not exist.
    """

    def __init__(self, scenario: Scenario, strategy: str, most: int = MOST) -> None:
        if strategy != "walk":
            raise StrategyError(f"no strategy is named {strategy!r}; there is walk")
        self.scenario, self.strategy, self.most = scenario, strategy, most
        self._automata = Automata()

    @property
    def epoch(self) -> int | None:
        """How many seeds lie between two points at which it adapts; None: it does not."""
        return None

    def learned(self, guidance: bytes, lessons: tuple[bytes, ...]) -> bytes:
        """What it goes by after the batches of one more epoch, in the order of their seeds; b"" at first."""
        return guidance

    def batch(self, first: int, stop: int, guidance: bytes = b"") -> Batch:
        """Run the seeds from `first` up to `stop`."""
        steps, cut, digest = 0, 0, 0
        seen: dict[Finding, Sighting] = {}
        prints: list[int] = []
        for seed in range(first, stop):
            at: dict[Finding, int] = {}
            run = stepper.run(self.scenario, Walk(seed), automata=self._automata, longest=self.most)
            number = fingerprint.begun(seed)
            for step in run.steps:
                number = fingerprint.gone_on(number, fingerprint.of_step(step.task, step.point, step.saw))
                prints.append(number)
                if step.finding is not None:
                    at.setdefault(step.finding, len(at))
            for finding in run.findings:
                one = seen.get(finding)
                where = len(run.steps)
                seen[finding] = (
                    Sighting(finding, seed, where, 1) if one is None else attrs.evolve(one, seeds=one.seeds + 1)
                )
            steps, cut, digest = steps + len(run.steps), cut + (len(run.steps) == self.most), digest + number
        return Batch(
            first,
            stop,
            steps,
            cut,
            digest & fingerprint.MASK,
            tuple(seen.values()),
            Sketch.of(np.array(prints, np.uint64)),
        )

    def picks(self, seed: int, guidance: bytes = b"") -> Picks:
        """The very choices that a batch takes for this seed."""
        picked: list[tuple[str, int]] = []
        walk = Walk(seed)

        class _Noting:
            def pick(self, step: int, offers: tuple[Offer, ...]) -> tuple[int, int] | None:
                offer, outcome = walk.pick(step, offers)
                picked.append((offers[offer].task, outcome))
                return offer, outcome

        stepper.run(self.scenario, _Noting(), automata=self._automata, longest=self.most)
        return Picks(tuple(picked))
