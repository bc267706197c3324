"""How likely a random walk is to pass each finding, with no bound on retries.

The odds that `explore` prints are fractions, and of runs that retry a few times at most: a walk
among runs that may go round for ever has none that are found by adding up. Here they are the least
solution of one linear equation a state, approached from below until nothing moves by more than a
part in 10**12.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim.engine.model.operations import Finding
from sim.engine.model.scenario import Scenario
from sim.engine.states.frontier import Frontier
from sim.engine.states.product import Product
from sim.search.counting.reaching import Reaching, where_reached

_CHUNK, _STILL, _MOST = 1 << 16, 1e-12, 100_000


class _Steps:
    """The steps of a graph: from, to, how likely,
    and by which row of all tables one after the other.
    """

    def __init__(self, frontier: Frontier) -> None:
        count = frontier.visited.count
        parts = [
            frontier.edges(np.arange(low, min(low + _CHUNK, count)))
            for low in range(0, count, _CHUNK)
        ]
        base = np.cumsum([0, *(len(table.findings) for table in frontier.tables)])
        self.before = np.concatenate([part.before + _CHUNK * i for i, part in enumerate(parts)])
        self.after = np.concatenate([part.after for part in parts]).astype(np.int64)
        self.row = np.concatenate([base[part.task] + part.row for part in parts])
        outcomes = np.array([of for table in frontier.tables for _, of in table.which])
        share = 1 / outcomes[self.row]
        self.weight = share / np.bincount(self.before, share, minlength=count)[self.before]
        self.count = count


def hitting(scenario: Scenario, most: int) -> dict[Finding, float]:
    """The probability of each finding, to about twelve digits.

    Nothing of a graph with more than so many states.
    """
    frontier = Frontier(Product(scenario), lambda _: frontier.visited.count > most, want_tops=False)
    for _ in frontier.levels():
        pass
    if frontier.unexpanded:
        return {}
    steps = _Steps(frontier)
    return {
        finding: _solved(frontier, steps, passing)
        for finding, passing in where_reached(frontier).items()
    }


def _solved(frontier: Frontier, steps: _Steps, passing: Reaching) -> float:
    rows = np.concatenate([passing.rows(table) for table in frontier.tables])
    passed = rows[steps.row]
    chance: npt.NDArray[np.float64] = passing.states.astype(np.float64)
    sure = np.bincount(steps.before, steps.weight * passed, minlength=steps.count).astype(
        np.float64
    )
    weight = np.where(passed, 0.0, steps.weight)
    for _ in range(_MOST):
        now: npt.NDArray[np.float64] = sure + np.bincount(
            steps.before, weight * chance[steps.after], minlength=steps.count
        )
        now[passing.states] = 1.0
        if np.abs(now - chance).max() < _STILL:
            return float(now[0])
        chance = now
    raise ArithmeticError(f"{frontier.product.scenario.name}: the odds do not settle")
