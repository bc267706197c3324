"""How many interleavings there may be, where there are too many states to go through: an estimate,
and called one.

Knuth ("Estimating the efficiency of backtrack programs", 1975): the product of the numbers of ways
to go on, over the steps of a random walk, is right on average. Its spread is large, and is itself
only estimated: a few rare walks may carry most of the sum. So it comes with both: the error of the
mean, and what the middle half of the walks said.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil, isqrt

import attrs

from sim.engine.model.scenario import Scenario
from sim.engine.run.automata import Automata
from sim.engine.run.automata_executor import run
from sim.engine.run.dice import below
from sim.engine.run.draws import Stream
from sim.engine.run.world import Offer
from sim.search.counting.deadline import check_time
from sim.search.exploration import Estimate

_WALKS = 400


class _Probe:
    """A random walk over all ways to go on, and the product of how many there were."""

    def __init__(self, seed: int) -> None:
        self._seed, self.product = seed, 1

    def pick(self, step: int, offers: tuple[Offer, ...]) -> tuple[int, int]:
        ways = [
            (i, outcome) for i, offer in enumerate(offers) for outcome in range(len(offer.outcomes))
        ]
        self.product *= len(ways)
        return ways[below(len(ways), self._seed, step, Stream.ESTIMATE)]


def estimate(scenario: Scenario, retries: int | None, walks: int = _WALKS) -> Estimate:
    """Estimate how many runs there are within a bound on retries, from seeded walks."""
    automata = Automata(retries=retries)
    said = list[int]()
    for seed in range(walks):
        check_time()
        probe = _Probe(seed)
        run(attrs.evolve(scenario, properties=()), probe, automata=automata)
        said.append(probe.product)
    said.sort()
    mean = Fraction(sum(said), walks)
    variance = sum((one - mean) ** 2 for one in said) / (walks * (walks - 1))
    # never 0: the mean is rounded, and what no walk has met may be missing from it
    error = isqrt(ceil(variance)) + 1
    return Estimate(round(mean), error, (said[walks // 4], said[3 * walks // 4]), walks)
