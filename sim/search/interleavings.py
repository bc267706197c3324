"""Every interleaving of a scenario, as a way through one graph: how many there are, and what a random walk comes by.

The graph is that of visited states. Where tasks retry it has ways round, and so no last way: it is explored once more
with a bound on the retries of each loop (`sim.engine.automata`), where every run is finite. A task that has used up its
bound takes no step any more. What is found and what holds is said by the graph without bound; numbers are of this one.

A step is an edge, each value of a choice an edge of its own, so a way from the first state to one in which nobody can
step is a maximal run, and different ways are different runs.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from functools import cached_property

import attrs
import numpy as np
import numpy.typing as npt

from sim.engine.frontier import Frontier
from sim.engine.journal import deadlock
from sim.engine.operations import Finding
from sim.engine.product import WORD
from sim.engine.scheduler import Picks
from sim.engine.tables import numbers_of
from sim.engine.visited import U32, Batch, Index, Mask, Visited
from sim.search.dag import Dag
from sim.search.exact import Numbers, Walk, nth_way, ways
from sim.search.watched import Watched

_CHUNK = 1 << 16


@attrs.frozen
class Passing:
    """Where runs pass a finding: at these nodes, or by these edges, if by any."""

    nodes: Mask
    edges: Mask | None


class Interleavings:
    """The graph of an exploration that is over and has no way round.

    Node 0 is the first state. The edges out of a node come in the order of tasks, and of their outcomes. `kind` numbers
    what an edge does: the rows of all tasks' tables, one after the other, with their `task` and `outcome`.
    """

    def __init__(self, frontier: Frontier) -> None:
        self.frontier, self.product = frontier, frontier.product
        parts = [self._edges(low) for low in range(0, frontier.visited.count, _CHUNK)]
        counts, target, task, row = (np.concatenate(column) for column in zip(*parts, strict=True))
        self.dag = Dag(np.concatenate([[0], np.cumsum(counts)]), target)
        rows = [len(table.findings) for table in frontier.tables]
        self.kind = (np.cumsum([0, *rows], dtype=np.uint32).take(task) + row).take(self.dag.edge)
        self.task = np.repeat(np.arange(len(rows), dtype=np.uint8), rows)
        self.outcome, self._choices = (
            np.array([which[i] for table in frontier.tables for which in table.which], np.int64) for i in range(2)
        )
        self._shown = [finding for table in frontier.tables for finding in table.findings]

    def _edges(self, low: int) -> tuple[Index, U32, npt.NDArray[np.uint8], U32]:
        """The steps out of a chunk of states, state by state: how many, and of each the next state, task and row."""
        count = min(_CHUNK, self.frontier.visited.count - low)
        edges = self.frontier.edges(np.arange(low, low + count))
        order = np.argsort(edges.before.astype(np.uint16), kind="stable")
        task, row = edges.task.astype(np.uint8)[order], edges.row.astype(np.uint32)[order]
        return np.bincount(edges.before, minlength=count), edges.after.astype(np.uint32)[order], task, row

    @cached_property
    def count(self) -> Numbers:
        """Per node, how many maximal runs go on from there."""
        return ways(self.dag, self.dag.ends)

    @property
    def total(self) -> int:
        return self.count.at(0)

    def reaching(self, passing: Passing) -> int:
        """How many runs pass a finding."""
        keep = np.repeat(~passing.nodes, self.dag.first[1:] - self.dag.first[:-1])
        if passing.edges is not None:
            keep &= ~passing.edges
        return self.total - ways(self.dag, self.dag.ends & ~passing.nodes, keep).at(0)

    @cached_property
    def walk(self) -> Walk:
        """A random walk: uniform among the tasks that can step, then among the values of a choice."""
        starts = self.dag.first[:-1][~self.dag.ends]
        task = self.task.take(self.kind)
        changes = np.ones(len(task), np.bool_)
        changes[1:] = task[1:] != task[:-1]
        changes[starts] = True
        tasks = np.add.reduceat(changes.astype(np.int64), starts) if len(starts) else starts
        degree = self.dag.first[1:] - self.dag.first[:-1]
        return Walk(self.dag, np.repeat(tasks, degree[~self.dag.ends]) * self._choices.take(self.kind))

    def odds(self, passing: Passing, nodes: list[int]) -> list[Fraction]:
        """At each of some nodes, the probability that a random walk passes a finding."""
        return self.walk.odds(passing.nodes, passing.edges, nodes)

    @cached_property
    def findings(self) -> dict[Finding, Passing]:
        """What any run shows, and where. Properties are asked once per valuation of what they read."""
        nowhere = np.zeros(len(self.dag), np.bool_)
        found: dict[Finding, Passing] = {}
        for finding in dict.fromkeys(shown for shown in self._shown if shown is not None):
            shows = np.array([shown == finding for shown in self._shown])
            found[finding] = Passing(nowhere, shows.take(self.kind))
        for finding, nodes in (*self._broken(), *self._deadlocks()):
            before = found.get(finding, Passing(nowhere, None))
            found[finding] = Passing(before.nodes | nodes, before.edges)
        return found

    def _broken(self) -> Iterable[tuple[Finding, Mask]]:
        visited = self.frontier.visited
        if not self.product.scenario.properties:
            return
        watched = Watched(self.product)
        watched.broken(0)
        while True:
            mask = watched.mask
            masks = [np.uint64(mask >> WORD * i & (1 << WORD) - 1) for i in range(len(visited.words))]
            every, number = Visited(len(masks)), np.empty(visited.count, np.uint32)
            for low in range(0, visited.count, _CHUNK):
                here = np.arange(low, min(low + _CHUNK, visited.count))
                batch = Batch([word.take(here) & bits for word, bits in zip(visited.words, masks, strict=True)], here)
                number[here] = every.keep(batch).take(batch.of())
            broken = [watched.broken(visited.state(int(state))) for state in every.before[: every.count]]
            if watched.mask == mask:
                break
        number = number.take(self.dag.order)
        for finding in dict.fromkeys(finding for findings in broken for finding in findings):
            yield finding, np.array([finding in findings for findings in broken]).take(number)

    def _deadlocks(self) -> Iterable[tuple[Finding, Mask]]:
        """Who is stuck where nobody can step. A task that has given up is not, nor is anybody where one has."""
        ends = np.flatnonzero(self.dag.ends)
        numbers = self.dag.order.take(ends)
        words = [word.take(numbers) for word in self.frontier.visited.words]
        standing = np.stack([numbers_of(table.field, words) for table in self.frontier.tables])
        _, first, which = np.unique(standing, axis=1, return_index=True, return_inverse=True)
        for i, sample in enumerate(first.tolist()):
            state = self.frontier.visited.state(int(numbers[sample]))
            locals_ = {task.name: self.product.local(state, task.name) for task in self.product.scenario.tasks}
            if self.product.halted(state) or any(local.gave_up for local in locals_.values()):
                continue
            finding = deadlock(self.product.scenario, {name: local.operation for name, local in locals_.items()})
            if finding is not None:
                nodes = np.zeros(len(self.dag), np.bool_)
                nodes[ends[which.reshape(-1) == i]] = True
                yield finding, nodes

    def pick(self, edge: int) -> tuple[str, int]:
        kind = self.kind[edge]
        return self.frontier.tables[int(self.task[kind])].task, int(self.outcome[kind])

    def nodes(self, picks: Picks) -> list[int] | None:
        """The nodes that a run passes; None if it retries more than is counted."""
        at = [0]
        for pick in picks.picks:
            edge = next((edge for edge in self.dag.edges(at[-1]) if self.pick(edge) == pick), None)
            if edge is None:
                return None
            at.append(int(self.dag.target[edge]))
        return at

    def run(self, number: int) -> Picks:
        """The `number`-th run, task by task: a uniform number gives a uniform run. Raises IndexError past the last."""
        return Picks(tuple(self.pick(edge) for edge in nth_way(self.dag, self.count, number)))
