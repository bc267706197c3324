"""How likely what a run shows was before each of its steps."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from sim.engine.model.operations import Finding
from sim.engine.model.scenario import Scenario
from sim.engine.run.world import Run
from sim.engine.states.frontier import Frontier
from sim.engine.states.product import Product
from sim.search.budget import UNBOUNDED
from sim.search.counting.count import narrowed
from sim.search.counting.interleavings import Interleavings
from sim.search.errors import CountError
from sim.search.exploration import Counting
from sim.search.shrinking.follow import picks_of


def explored(
    scenario: Scenario, counting: Counting, stop: Callable[[], bool] = lambda: False
) -> tuple[Frontier, Interleavings, int | None]:
    """All states of a scenario, the graph of the runs that are counted,
    and the bound on retries that those keep.

    Raises CountError where there are too many states for that, or `stop` has said so, chunk by
    chunk.
    """
    frontier = Frontier(
        Product(scenario),
        lambda _: stop() or frontier.visited.count > counting.states,
        want_tops=False,
    )
    for _ in frontier.levels():
        pass
    if frontier.unexpanded:
        raise CountError(
            f"{scenario.name} has more than {counting.states:,} states: too many for odds"
        )
    graph, bound = narrowed(frontier, counting, UNBOUNDED, None)
    if graph is None:
        raise CountError(f"{scenario.name} has too many states for odds, with any bound on retries")
    return frontier, Interleavings(graph), bound


def odds_along(run: Run, finding: Finding, counting: Counting) -> tuple[Fraction, ...]:
    """The probability before each step that a random walk from there passes a finding,
    within the bound on retries.

    Raises CountError where there are too many states, where the run retries more often than is
    counted, and where no run that is counted comes by the finding.
    """
    _, runs, _ = explored(run.scenario, counting)
    along, passing = runs.nodes_along(picks_of(runs.product, run)), runs.findings.get(finding)
    if along is None:
        raise CountError("this run retries more often than is counted, and so has no odds")
    if passing is None:
        raise CountError(f"nothing that is counted comes by {finding}")
    return tuple(runs.odds(runs.goal(passing), along[:-1]))
