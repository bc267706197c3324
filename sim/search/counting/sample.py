"""Exactly uniform sampling: every interleaving, or every class of them, as likely as any other.

A random walk is not that: it takes a run in which few tasks can step more often than one in which
many can. So this is what strategies are measured by.
"""

from __future__ import annotations

from sim.engine.model.scenario import Scenario
from sim.engine.run.automata import Automata
from sim.engine.run.dice import below_big
from sim.engine.run.draws import Stream
from sim.engine.run.scheduler import Picks
from sim.engine.states.frontier import Frontier
from sim.engine.states.product import Product
from sim.search.counting.interleavings import Interleavings
from sim.search.counting.traces import Traces
from sim.search.errors import CountError

INTERLEAVINGS, CLASSES = "uniform", "uniform-classes"


def interleavings(scenario: Scenario, retries: int, most: int | None = None) -> Interleavings:
    """All runs in which each loop is retried so often at most.

    Raises CountError where they have too many states.
    """

    def stop(_bytes: int) -> bool:
        return most is not None and frontier.visited.count > most

    frontier = Frontier(Product(scenario, Automata(retries=retries)), stop, want_tops=False)
    for _ in frontier.levels():
        pass
    if frontier.unexpanded:
        raise CountError(
            f"{scenario.name} has more than {most:,} states: its runs cannot be drawn uniformly"
        )
    return Interleavings(frontier)


def sampled(of: Interleavings | Traces, seed: int) -> Picks:
    """The run that a seed draws."""
    return of.run(below_big(of.total, seed, 0, Stream.UNIFORM_RUN))


def sample(scenario: Scenario, strategy: str, seed: int, retries: int = 2) -> Picks:
    """The interleaving, or a run of the class, that a seed draws."""
    runs = interleavings(scenario, retries)
    return sampled(runs if strategy == INTERLEAVINGS else Traces(runs), seed)
