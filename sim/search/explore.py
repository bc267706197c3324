"""Explore every interleaving: each reachable state once, breadth first, every property in every one of them.

Nothing is pruned. Partial-order reduction keeps final states and deadlocks but skips states in between, and that is
where a mirror SPTE and its S-EPT entry disagree. Breadth first makes the first way to a finding a shortest one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from typing import TypeVar

import attrs

from sim.engine.automata import Automata
from sim.engine.cells import Cell
from sim.engine.journal import deadlock
from sim.engine.operations import Finding
from sim.engine.product import Flag, Product, Widen
from sim.engine.scenario import Scenario
from sim.engine.scheduler import Picks
from sim.engine.stepper import run as run_over_automata
from sim.engine.values import spell
from sim.engine.world import Run

V = TypeVar("V")


@attrs.frozen
class Progress:
    """How far an exploration has come."""

    states: int
    transitions: int
    depth: int
    frontier: int
    seconds: float


@attrs.frozen
class Found:
    """A finding and a shortest run that shows it at its last step."""

    finding: Finding
    witness: Run
    picks: Picks


@attrs.frozen
class Exploration:
    """What exploring said: how much there was, and what was found, in the order it was met."""

    scenario: Scenario
    states: int
    transitions: int
    depth: int
    seconds: float
    found: tuple[Found, ...]
    final_states: tuple[dict[str, str], ...]

    @property
    def clean(self) -> bool:
        return not self.found


class _Watched:
    """Evaluates all properties once per distinct valuation of what they read.

    Which cells that is, is found by watching, and the mask only ever grows. A verdict that was given under a smaller
    mask stays good: it was reached without a look at the cells that came later, so it holds whatever they hold.
    """

    def __init__(self, product: Product) -> None:
        self._product = product
        self.mask = 0
        self._broken: dict[int, tuple[Finding, ...]] = {}

    def broken(self, state: int) -> tuple[Finding, ...]:
        known = self._broken.get(state & self.mask)
        return self._evaluate(state) if known is None else known

    def _evaluate(self, state: int) -> tuple[Finding, ...]:
        mask = self.mask

        def look(cell: Cell[V]) -> V:
            nonlocal mask
            value = self._product.cell(state, cell)
            mask |= self._product.cell_mask(cell)
            return value

        broken = tuple(p.finding() for p in self._product.scenario.properties if not p.holds(look))
        self.mask = mask
        self._broken[state & mask] = broken
        return broken


class _Search:
    def __init__(self, product: Product) -> None:
        self.product = product
        self.first = product.restart()
        self.before: dict[int, int] = {self.first: self.first}
        self.findings: dict[Finding, tuple[int, int | None]] = {}
        self.finals: list[int] = []
        self._watched = _Watched(product)
        self.transitions = self.depth = 0

    def go(self, tick: Callable[[Progress], None] | None, started: float) -> None:
        frontier = [self.first]
        self._check(frontier)
        while frontier:
            flags: list[Flag] = []
            stuck: list[int] = []
            frontier, transitions = self.product.expand(frontier, self.before, flags, stuck)
            self.transitions += transitions
            for flag in flags:
                self.findings.setdefault(flag.finding, (flag.state, flag.after))
            self._check(frontier)
            self._end(stuck)
            self.depth += bool(frontier)
            if tick is not None:
                seconds = time.perf_counter() - started
                tick(Progress(len(self.before), self.transitions, self.depth, len(frontier), seconds))

    def _check(self, states: list[int]) -> None:
        if not self.product.scenario.properties:
            return
        broken = self._watched.broken
        for state in states:
            for finding in broken(state):
                self.findings.setdefault(finding, (state, None))

    def _end(self, stuck: list[int]) -> None:
        product = self.product
        self.finals += stuck
        for state in stuck:
            if product.halted(state):
                continue
            standing = {t.name: product.local(state, t.name).operation for t in product.scenario.tasks}
            finding = deadlock(product.scenario, standing)
            if finding is not None:
                self.findings.setdefault(finding, (state, None))

    def picks(self, state: int, then: int | None) -> Picks:
        """The choices that lead to `state`, and on to `then`."""
        way = [state] if then is None else [then, state]
        while way[-1] != self.first:
            way.append(self.before[way[-1]])
        way.reverse()
        return Picks(tuple(self._pick(*pair) for pair in pairwise(way)))

    def _pick(self, state: int, after: int) -> tuple[str, int]:
        for task in self.product.scenario.tasks:
            for i, (delta, _) in enumerate(self.product.answer(task.name, state)):
                if state + delta == after:
                    return task.name, i
        raise AssertionError("a state that no step leads to")


def explore(
    scenario: Scenario,
    *,
    merge: bool = True,
    tick: Callable[[Progress], None] | None = None,
) -> Exploration:
    """Visit every reachable state of `scenario`.

    `merge=False` names local states by their whole history: the slow naming that tests compare with. `tick` is told of
    each level. Raises EngineError where the model breaks a rule.
    """
    started = time.perf_counter()
    automata = Automata(merge=merge)
    product = Product(scenario, automata)
    while True:
        search = _Search(product)
        try:
            search.go(tick, started)
            break
        except Widen:
            continue
    found = []
    for finding, (state, then) in search.findings.items():
        picks = search.picks(state, then)
        found.append(Found(finding, run_over_automata(scenario, picks, automata=automata), picks))
    return Exploration(
        scenario,
        len(search.before),
        search.transitions,
        search.depth,
        time.perf_counter() - started,
        tuple(found),
        tuple(_named(product, state) for state in search.finals),
    )


def _named(product: Product, state: int) -> dict[str, str]:
    return {cell.name: spell(product.cell(state, cell)) for cell in product.cells}
