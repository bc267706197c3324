"""How likely what a run shows was before each of its steps."""

from __future__ import annotations

from fractions import Fraction

from sim.engine.frontier import Frontier
from sim.engine.operations import Finding
from sim.engine.product import Product
from sim.engine.world import Run
from sim.search.counting.count import narrowed
from sim.search.counting.interleavings import Interleavings
from sim.search.follow import picks_of
from sim.search.result import UNBOUNDED, CountError, Counting


def chances(run: Run, finding: Finding, counting: Counting) -> tuple[Fraction, ...]:
    """The probability before each step that a random walk from there passes a finding, within the bound on retries.

    Raises CountError where there are too many states, where the run retries more often than is counted, and where no
    run that is counted comes by the finding.
    """
    frontier = Frontier(Product(run.scenario), lambda _: frontier.visited.count > counting.states, want_tops=False)
    for _ in frontier.levels():
        pass
    if frontier.unexpanded:
        raise CountError(f"{run.scenario.name} has more than {counting.states:,} states: too many for odds")
    graph, _ = narrowed(frontier, counting, UNBOUNDED, None)
    if graph is None:
        raise CountError(f"{run.scenario.name} has too many states for odds, with any bound on retries")
    runs = Interleavings(graph)
    along, passing = runs.along(picks_of(graph.product, run)), runs.findings.get(finding)
    if along is None:
        raise CountError("this run retries more often than is counted, and so has no odds")
    if passing is None:
        raise CountError(f"nothing that is counted comes by {finding}")
    return tuple(runs.odds(runs.goal(passing), along[:-1]))
