"""Fewest preemptions: for each finding a run that passes it with as few as can be,
and so that no run has fewer.

A preemption is a step after which another task goes on although the one that took it could.
Choosing who is next costs nothing where the last one must wait or has finished. Runs are followed
in the order of their cost and then of their length, from pairs of a state and the task that stepped
last; the first to pass a finding is what was looked for, and that is a proof: whatever costs less
has been followed to its end. It is seldom far (most races take one or two), so few of the states
are gone through again.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import attrs
import numpy as np

from sim.engine.arrays import Index, Mask
from sim.engine.model.operations import Finding
from sim.engine.model.scenario import Scenario
from sim.engine.run.automata import Automata
from sim.engine.run.automata_executor import run
from sim.engine.run.scheduler import Picks
from sim.engine.run.world import Offer
from sim.engine.states.frontier import Frontier
from sim.search.counting.dag import edges_of
from sim.search.counting.deadline import check_time
from sim.search.counting.reaching import Reaching

_CHUNK = 1 << 16


@attrs.frozen
class Fewest:
    """A run that passes a finding at its last step,
    a shortest of those with the fewest preemptions.
    """

    preemptions: int
    picks: Picks


@attrs.frozen
class _StepsTaken:
    """Steps that have been taken: by the position of the step before (-1: none), the task,
    its row, the state after.
    """

    before: Index
    task: Index
    row: Index
    state: Index

    def where(self, these: Index | Mask) -> _StepsTaken:
        return _StepsTaken(self.before[these], self.task[these], self.row[these], self.state[these])


def _joined(parts: list[_StepsTaken]) -> _StepsTaken:
    columns = zip(*(attrs.astuple(part, recurse=False) for part in parts), strict=True)
    return _StepsTaken(*(np.concatenate(column) for column in columns))


class _FewestSearch:
    """Every pair of a state and the task that stepped last,
    in the order of the preemptions that lead there.
    """

    def __init__(self, frontier: Frontier) -> None:
        self._frontier, self._tasks = frontier, len(frontier.tables)
        self._seen = np.zeros((self._tasks + 1, frontier.visited.count), np.bool_)
        self._taken: list[_StepsTaken] = []
        self._starts: list[int] = []
        self._size = 0

    def steps(self) -> Iterator[tuple[int, _StepsTaken]]:
        """All steps in the order of preemptions and length so far, and the preemptions."""
        start = _StepsTaken(np.array([-1]), np.array([self._tasks]), np.array([0]), np.array([0]))
        later = {0: {0: [start]}}
        for preemptions in count():
            here = later.pop(preemptions, {})
            if not here:
                return
            then = later.setdefault(preemptions + 1, {})
            while here:
                check_time()
                length = min(here)
                steps = _joined(here.pop(length))
                yield preemptions, steps
                steps = self._new(steps)
                at, self._size = self._size, self._size + len(steps.state)
                self._taken.append(steps)
                self._starts.append(at)
                for following, costs in self._following(steps, at):
                    if not costs.all():
                        here.setdefault(length + 1, []).append(following.where(~costs))
                    if costs.any():
                        then.setdefault(length + 1, []).append(following.where(costs))

    def _new(self, steps: _StepsTaken) -> _StepsTaken:
        """Those that lead to a pair that was not there before; of several, the first one."""
        pair = steps.task * len(self._seen[0]) + steps.state
        first = np.sort(np.unique(pair, return_index=True)[1])
        first = first[~self._seen.reshape(-1).take(pair.take(first))]
        self._seen.reshape(-1)[pair.take(first)] = True
        return steps.where(first)

    def _following(self, steps: _StepsTaken, at: int) -> Iterator[tuple[_StepsTaken, Mask]]:
        """All next steps, and which of them is a preemption."""
        for low in range(0, len(steps.state), _CHUNK):
            check_time()
            chunk = steps.where(np.arange(low, min(low + _CHUNK, len(steps.state))))
            states, which = np.unique(chunk.state, return_inverse=True)
            edges = self._frontier.edges(states)
            able = np.zeros((self._tasks + 1, len(states)), np.bool_)
            able[edges.task, edges.before] = True
            order = np.argsort(edges.before, kind="stable")
            first = np.concatenate(
                [[0], np.cumsum(np.bincount(edges.before, minlength=len(states)))]
            )
            source = np.repeat(np.arange(len(chunk.state)), (first[1:] - first[:-1]).take(which))
            edge = order.take(edges_of(first, which))
            last = chunk.task.take(source)
            costs = (edges.task.take(edge) != last) & able[last, which.take(source)]
            following = _StepsTaken(
                source + low + at,
                edges.task.take(edge),
                edges.row.take(edge),
                edges.after.take(edge),
            )
            yield following, costs

    def picks(self, steps: _StepsTaken, i: int) -> Picks:
        """The run that ends with one of some steps."""
        picks = list[tuple[str, int]]()
        while steps.before[i] >= 0:
            table = self._frontier.tables[int(steps.task[i])]
            picks.append((table.task, table.which[int(steps.row[i])][0]))
            at = int(steps.before[i])
            part = int(np.searchsorted(self._starts, at, side="right")) - 1
            steps, i = self._taken[part], at - self._starts[part]
        return Picks(tuple(picks[::-1]))


@attrs.define
class _CountingScheduler:
    """Takes a run, and counts who was passed over."""

    picks: Picks
    count: int = 0

    def pick(self, step: int, offers: tuple[Offer, ...]) -> tuple[int, int] | None:
        picked = self.picks.pick(step, offers)
        if picked is not None and step:
            last = self.picks.picks[step - 1][0]
            self.count += offers[picked[0]].task != last and any(
                offer.task == last for offer in offers
            )
        return picked


def preempted(scenario: Scenario, picks: Picks, automata: Automata) -> int:
    """How many preemptions a run has."""
    watch = _CountingScheduler(picks)
    run(attrs.evolve(scenario, properties=()), watch, automata=automata)
    return watch.count


def fewest(frontier: Frontier, wanted: dict[Finding, Reaching]) -> dict[Finding, Fewest]:
    """Per finding that some run passes, a run that does with the fewest preemptions."""
    search, found = _FewestSearch(frontier), dict[Finding, Fewest]()
    for preemptions, steps in search.steps():
        for finding in [finding for finding in wanted if finding not in found]:
            passes = wanted[finding].states.take(steps.state)
            for task, table in enumerate(frontier.tables):
                mine = np.flatnonzero(steps.task == task)
                passes[mine] |= wanted[finding].rows(table).take(steps.row.take(mine))
            if passes.any():
                found[finding] = Fewest(preemptions, search.picks(steps, int(np.argmax(passes))))
        if len(found) == len(wanted):
            break
    return found
