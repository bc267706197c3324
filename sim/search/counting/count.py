"""Exact answers about an exploration that is over: how many, how likely, how few preemptions,
from where on inevitable.

Where no task retries, the graph of the exploration is counted as it is. Else it is explored once
more with the bound; if that is too large, with a lower one, since an exact answer to a narrower
question is worth more than an estimate. What has not been counted when the time is over is left
out, and the rest is said.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from functools import partial
from math import inf

import attrs

from sim.engine.model.operations import Finding
from sim.engine.model.scenario import Scenario
from sim.engine.run.automata import Automata
from sim.engine.run.automata_executor import run
from sim.engine.states.frontier import Frontier
from sim.engine.states.product import Product
from sim.search.budget import Budget
from sim.search.counting import persistent_sets
from sim.search.counting.deadline import TimeIsOver, check_time, ending_at
from sim.search.counting.estimate import estimate
from sim.search.counting.inevitable import inevitable_at
from sim.search.counting.interleavings import Interleavings
from sim.search.counting.preemptions import Fewest, fewest, preempted
from sim.search.counting.reaching import Reaching, where_reached
from sim.search.counting.traces import Traces
from sim.search.errors import CountError
from sim.search.exploration import Counting, Found, Progress, Reach, RunCounts
from sim.search.exploring.cycles import cycles_of

_NODES = 1 << 15
"""What is gone through, one by one,
for the number of classes where there are too many states to count."""

_GROWTH = 2
"""How many times the states it takes to allow for more retries,
at the least that is worth a try."""

_BYTES = 128
"""What the graph of interleavings and that of classes take for each step."""

Tick = Callable[[Progress], None]


def is_retrying(frontier: Frontier) -> bool:
    """Whether any task can come back to where it was."""
    return any(cycles_of(moves) for moves in frontier.moves.values())


def bounded(
    scenario: Scenario, retries: int, most: int, budget: Budget, tick: Tick | None
) -> Frontier | None:
    """The states of all runs with so many retries; None if that takes more than it may."""
    begun = time.perf_counter()

    def stop(more: int) -> bool:
        return again.visited.count > most or budget.spent(time.perf_counter() - begun, more)

    check_time()
    again = Frontier(Product(scenario, Automata(retries=retries)), stop, want_tops=False)
    for depth, level in enumerate(again.levels()):
        if tick is not None:
            seconds = time.perf_counter() - begun
            stage = f"counting, {retries or 'no'} {'retry' if retries == 1 else 'retries'}"
            tick(
                Progress(again.visited.count, again.transitions, depth, len(level), seconds, stage)
            )
    return None if again.unexpanded else again


def narrowed(
    frontier: Frontier, counting: Counting, budget: Budget, tick: Tick | None
) -> tuple[Frontier | None, int | None]:
    """The states of all runs within a bound, and that:
    the largest that there is room for, if any.
    """
    if not is_retrying(frontier):
        return frontier if frontier.visited.count <= counting.states else None, None
    best, bound, most, begun = None, 0, counting.states, time.perf_counter()

    def attempt(retries: int) -> Frontier | None:
        left = budget.after(time.perf_counter() - begun)
        return bounded(frontier.product.scenario, retries, most, left, tick)

    if _GROWTH * frontier.visited.count <= most:
        for retries in range(counting.retries, -1, -1):
            graph = attempt(retries)
            if graph is not None:
                return graph, retries
        return None, 0
    for retries in range(counting.retries + 1):
        if best is not None and _GROWTH * best.visited.count > most:
            break
        graph = attempt(retries)
        if graph is None:
            break
        best, bound = graph, retries
    return best, bound


def _nothing() -> None:
    """What there is left to do."""


class Count:
    """All that is counted of one exploration that is over, within what is left of a budget."""

    def __init__(
        self, frontier: Frontier, counting: Counting, budget: Budget, tick: Tick | None
    ) -> None:
        self._begun, self._tick, self._frontier = time.perf_counter(), tick, frontier
        self._ends = inf if budget.seconds is None else self._begun + budget.seconds
        self._is_cut = False
        self._passings: dict[Finding, Reaching] = {}
        self._bound: int | None = None
        self._runs: Interleavings | None = None
        self._classes: Traces | None = None
        with self._in_time():
            check_time()
            self._passings = where_reached(frontier)
        self._narrow: Callable[[], None] = partial(self._narrowed, counting, budget)

    def _narrowed(self, counting: Counting, budget: Budget) -> None:
        """Make the graphs that runs and classes are counted on, once: what takes longest."""
        self._narrow = _nothing
        with self._in_time():
            check_time()
            left = budget.after(time.perf_counter() - self._begun)
            graph, self._bound = narrowed(self._frontier, counting, left, self._tick)
            if graph is not None and not budget.spent(
                time.perf_counter() - self._begun, _BYTES * graph.transitions
            ):
                self._tell("counting interleavings")
                self._runs = Interleavings(graph)
                self._tell("counting classes")
                with suppress(CountError):
                    self._classes = Traces(self._runs)

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        """What is begun inside comes to nothing once the time is over."""
        try:
            with ending_at(self._ends):
                yield
        except TimeIsOver:
            self._is_cut = True

    @property
    def counts(self) -> RunCounts:
        """How much there was."""
        self._narrow()
        runs, total, classes, guess = self._runs, None, None, None
        with self._in_time():
            check_time()
            total = None if runs is None else runs.total
            guess = estimate(self._frontier.product.scenario, self._bound) if runs is None else None
            classes = self._total_classes()
        counts = RunCounts(
            retries=self._bound,
            states=None if runs is None else len(runs.dag),
            interleavings=total,
            classes=classes,
            estimate=guess,
            seconds=time.perf_counter() - self._begun,
            is_cut=self._is_cut,
        )
        self._tell("")
        return counts

    def _total_classes(self) -> int | None:
        if self._classes is not None:
            return self._classes.total
        return persistent_sets.count_traces(
            self._frontier.product.scenario, self._bound or 0, _NODES
        )

    def with_reach(self, found: list[tuple[Found, list[int]]], automata: Automata) -> list[Found]:
        """Findings with what there is to say of them.

        Each comes with the states of its witness, by number.
        """
        passed, least, said = self._passings, dict[Finding, Fewest](), list[Found]()
        with self._in_time():
            check_time()
            least = fewest(self._frontier, {one.finding: passed[one.finding] for one, _ in found})
        for number, (one, way) in enumerate(found, 1):
            self._tell(f"finding {number} of {len(found)}")
            said.append(one)
            with self._in_time():
                check_time()
                said[-1] = attrs.evolve(
                    one, reach=self._reach(one, way, least[one.finding], automata)
                )
        self._narrow()
        for i, one in enumerate(said):
            self._tell(f"finding {i + 1} of {len(found)}")
            with self._in_time():
                check_time()
                said[i] = attrs.evolve(one, reach=one.reach and self._counted(one, one.reach))
        return said

    def _reach(self, one: Found, way: list[int], few: Fewest, automata: Automata) -> Reach:
        scenario = self._frontier.product.scenario
        return Reach(
            preempted=preempted(scenario, one.picks, automata),
            inevitable_at=inevitable_at(self._frontier, self._passings[one.finding], way),
            preemptions=few.preemptions,
            fewest=Found(one.finding, run(scenario, few.picks, automata=automata), few.picks),
        )

    def _tell(self, stage: str) -> None:
        """Say what is being counted; nothing: that all is."""
        if self._tick is not None:
            states = self._frontier.visited.count
            seconds = time.perf_counter() - self._begun
            self._tick(
                Progress(states, self._frontier.transitions, None, bool(stage), seconds, stage)
            )

    def _counted(self, one: Found, reach: Reach) -> Reach:
        if self._runs is None:
            return reach
        passing = self._runs.findings.get(one.finding)
        if passing is None:
            return attrs.evolve(reach, interleavings=0, classes=0, odds=Fraction(0))
        along = self._runs.nodes_along(one.picks)
        goal = self._runs.goal(passing)
        odds = self._runs.odds(goal, [0] if along is None else along[:-1] or [0])
        return attrs.evolve(
            reach,
            interleavings=self._runs.reaching(goal),
            classes=None if self._classes is None else self._classes.reaching(passing),
            odds=odds[0],
            along=() if along is None else tuple(odds),
        )
