"""Many states, in arrays, a level at a time (`sim.engine.states.frontier`):
what a level's states show, and where.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from sim.engine.model.operations import Finding
from sim.engine.run.journal import deadlock
from sim.engine.states.frontier import Frontier
from sim.engine.states.product import WORD, Product
from sim.engine.states.visited import Visited
from sim.search.budget import Budget
from sim.search.exploration import Progress, Where
from sim.search.exploring.properties import Watched

if TYPE_CHECKING:  # what a short exploration does without, it does not wait for
    from sim.search.exploring.checkpoint import Checkpoint

_WORD_MASK = (1 << WORD) - 1


class _NewValuations:
    """Which states show properties something new: one per distinct valuation of what they read."""

    def __init__(self, visited: Visited) -> None:
        self._visited, self._seen, self._masks = visited, Visited(1), [0]

    def first_shown(self, level: range, mask: int) -> list[int]:
        """Of a level's states, by number,
        one for each valuation of the bits of `mask` that was not there before.
        """
        masks = [mask >> WORD * i & _WORD_MASK for i in range(self._visited.words)]
        if masks != self._masks:
            self._masks, self._seen = masks, Visited(len(masks))
        known = self._seen.count
        self._seen.keep(self._visited.changed(level, masks))
        return [int(number) for number in self._seen.before[known : self._seen.count]]


class ArraySearch:
    """The exploration of one scenario, and what it has found: per finding, a state,
    and the step that shows it.
    """

    def __init__(
        self,
        product: Product,
        budget: Budget,
        jobs: int,
        checkpoint: Checkpoint | None,
        liveness: bool,
        tick: Callable[[Progress], None] | None,
    ) -> None:
        self._started = self._begun = time.perf_counter()
        self._budget, self._checkpoint = budget, checkpoint
        self._tick, self._scenario = tick, product.scenario
        self.frontier = Frontier(product, self._pause, jobs, want_tops=liveness)
        self.findings: dict[Finding, Where] = {}
        self.depth = -1
        self._watched, self._news = Watched(product), _NewValuations(self.frontier.visited)
        if checkpoint is not None and (contents := checkpoint.load()) is not None:
            self._go_on(checkpoint, contents)

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._started

    @property
    def states(self) -> int:
        return self.frontier.visited.count

    @property
    def transitions(self) -> int:
        return self.frontier.transitions

    @property
    def unexpanded(self) -> int:
        return self.frontier.unexpanded

    def final(self) -> Iterable[int]:
        """The states in which nobody can step."""
        return map(
            self.frontier.visited.state,
            np.concatenate([*self.frontier.stuck, np.zeros(0, np.int64)]).tolist(),
        )

    def state(self, number: int) -> int:
        return self.frontier.visited.state(number)

    def numbers(self, finding: Finding) -> list[int]:
        """The states of a shortest way to a finding, by number,
        the one after its last step included.
        """
        number, then = self.findings[finding]
        way = self.frontier.way(number)
        for task, outcome in then:
            state = self.state(number)
            way.append(
                self.frontier.visited.number(
                    state + self.frontier.product.answer(task, state)[outcome][0]
                )
            )
        return way

    def way(self, number: int) -> list[int]:
        """The states on a shortest way to the one of that number."""
        return [self.state(at) for at in self.frontier.way(number)]

    def _pause(self, more: int) -> bool:
        """Between two chunks: write down how far this is, if it is time to.

        Say whether the budget is spent.
        """
        spent = self._budget.spent(time.perf_counter() - self._begun, more)
        if self._checkpoint is not None and (spent or self._checkpoint.is_due):
            findings = [
                [*attrs.astuple(f), number, then] for f, (number, then) in self.findings.items()
            ]
            rest = {
                "depth": self.depth,
                "seconds": self.seconds,
                "watched": self._watched.names,
                "findings": findings,
            }
            self._checkpoint.save(self.frontier, rest)
        return spent

    def _go_on(self, checkpoint: Checkpoint, contents: dict[str, Any]) -> None:
        """Take up an exploration where it was written down."""
        log = ((deed, task, int(of)) for deed, task, of in contents["log"])
        self.frontier.product.replay_log(log, self._watched.broken)
        checkpoint.restore(self.frontier, contents)
        self._watched.watch(contents["watched"])
        self.depth = contents["depth"]
        self._started -= contents["seconds"]
        for kind, where, causes, number, then in contents["findings"]:
            picks = tuple((task, outcome) for task, outcome in then)
            self.findings[Finding(kind, where, tuple(causes))] = number, picks

    def explore(self) -> None:
        frontier, seen = self.frontier, self.frontier.level.stop if self.frontier.at else 0
        for level in frontier.levels():
            self._collect(level)
            self.depth += 1
            seen = level.stop
            if self._tick is not None:
                self._tick(
                    Progress(
                        frontier.visited.count,
                        frontier.transitions,
                        self.depth,
                        len(level),
                        self.seconds,
                    )
                )
        self._collect(range(seen, frontier.visited.count))

    def _collect(self, level: range) -> None:
        """What the last steps showed, who was stuck there, and what the new states violate."""
        frontier, product = self.frontier, self.frontier.product
        for flag in frontier.flags.values():
            self.findings.setdefault(flag.finding, (flag.state, ((flag.task, flag.outcome),)))
        for number in frontier.deadlocked_once():
            state = frontier.visited.state(number)
            standing = {
                task.name: product.local(state, task.name).operation
                for task in product.scenario.tasks
            }
            finding = deadlock(product.scenario, standing)
            if finding is not None:
                self.findings.setdefault(finding, (number, ()))
        if product.scenario.properties and level:
            self._ask_properties(level)

    def _ask_properties(self, level: range) -> None:
        """Ask the properties of a level's states, once for each valuation of what they read.

        An answer holds for all states that agree in the cells which were read for it. Which states
        agree is told by the cells that were known to be read beforehand. Where asking has found
        another cell, of states that were taken for one some may differ in it, so the level is gone
        through again.
        """
        visited, watched = self.frontier.visited, self._watched
        while True:
            mask = watched.mask
            for number in [0] if level.start == 0 else self._news.first_shown(level, mask):
                for finding in watched.broken(visited.state(number)):
                    self.findings.setdefault(finding, (number, ()))
            if watched.mask == mask:
                return
