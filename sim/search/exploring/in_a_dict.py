"""A few thousand states, kept in a dict:
over before arrays (`sim.search.exploring.in_arrays`) would have been set up.

The same product, the same levels, the same numbers of states and steps, and a shortest way to every
finding, though perhaps another one of the same length. Going round is not looked into: where that
was asked for, a step that leads to no deeper level than its own, without which there is no way
round, ends it, and arrays take over from the start.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from sim.engine.model.operations import Finding
from sim.engine.run.journal import deadlock
from sim.engine.states.product import Product, Widen
from sim.search.exploration import Progress, Where
from sim.search.exploring.properties import Watched

_MOST = 1 << 13


def dict_search(
    product: Product, *, acyclic: bool, tick: Callable[[Progress], None] | None
) -> DictSearch | None:
    """Explore all there is, if that is little.

    Where that must be `acyclic`, only if it surely is. Else None.
    """
    started = time.perf_counter()
    while True:
        few = DictSearch(product, started)
        try:
            return few if few.explore(acyclic, tick) else None
        except Widen:
            continue


class DictSearch:
    """An exploration: a state is where it says, as a number of `sim.engine.states.product`."""

    unexpanded = 0

    def __init__(self, product: Product, started: float) -> None:
        self.product, self._started = product, started
        self._first = product.layout()
        self._before = {self._first: self._first}
        self._watched, self._looked_at = Watched(product), dict[int, None]()
        self.transitions, self.depth = 0, -1
        self.findings: dict[Finding, Where] = {}
        self._final: list[int] = []

    @property
    def states(self) -> int:
        return len(self._before)

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._started

    def final(self) -> Iterable[int]:
        """The states in which nobody can step."""
        return self._final

    def way(self, state: int) -> list[int]:
        """The states on a shortest way to one."""
        way = [state]
        while way[-1] != self._first:
            way.append(self._before[way[-1]])
        return way[::-1]

    def explore(self, acyclic: bool, tick: Callable[[Progress], None] | None) -> bool:
        level = {self._first: None}
        self._look(level)
        while level and self.states <= _MOST:
            self.depth += 1
            if tick is not None:
                tick(Progress(self.states, self.transitions, self.depth, len(level), self.seconds))
            following = dict[int, None]()
            for state in level:
                for after in self._steps(state):
                    if after not in self._before:
                        self._before[after] = state
                        following[after] = None
                    elif acyclic and after not in following:
                        return False
            self._look(following)
            level = following
        return not level

    def _steps(self, state: int) -> list[int]:
        """Where every step out of a state leads."""
        product, steps = self.product, []
        for task in product.scenario.tasks:
            for outcome, (delta, finding) in enumerate(product.answer(task.name, state)):
                steps.append(state + delta)
                if finding is not None:
                    self.findings.setdefault(finding, (state, ((task.name, outcome),)))
        if not steps:
            self._stuck(state)
        self.transitions += len(steps)
        return steps

    def _stuck(self, state: int) -> None:
        product = self.product
        self._final.append(state)
        standing = {
            task.name: product.local(state, task.name).operation for task in product.scenario.tasks
        }
        finding = None if product.halted(state) else deadlock(product.scenario, standing)
        if finding is not None:
            self.findings.setdefault(finding, (state, ()))

    def _look(self, level: Iterable[int]) -> None:
        """What the states of a level violate, one for each valuation that was not there before."""
        mask = self._watched.mask
        for state in level:
            if state & mask not in self._looked_at:
                self._looked_at[state & mask] = None
                for finding in self._watched.broken(state):
                    self.findings.setdefault(finding, (state, ()))
                if mask != self._watched.mask:
                    mask = self._watched.mask
                    self._looked_at = {state & mask: None}
