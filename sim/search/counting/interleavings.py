"""Every interleaving of a scenario, as a way through one graph: how many there are,
and what a random walk comes by.

The graph is that of visited states. Where tasks retry it has ways round, and so no last way: it is
explored once more with a bound on the retries of each loop (`sim.engine.run.automata`), where every
run is finite. A task that has used up its bound takes no step any more. What is found and what
holds is said by the graph without bound; numbers are of this one.

A step is an edge, each value of a choice an edge of its own, so a way from the first state to one
in which nobody can step is a maximal run, and different ways are different runs.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property

import numpy as np
import numpy.typing as npt

from sim.engine.arrays import U32, Index, Mask
from sim.engine.model.operations import Finding
from sim.engine.run.scheduler import Picks
from sim.engine.states.frontier import Frontier
from sim.search.counting.dag import Dag
from sim.search.counting.deadline import check_time
from sim.search.counting.reaching import Reaching, where_reached
from sim.search.counting.residues import Goal, WalkOdds, WholeNumbers, nth_way, ways

_CHUNK = 1 << 16


class Interleavings:
    """The graph of an exploration that is over and has no way round.

    Node 0 is the first state. The edges out of a node come in the order of tasks, and of their
    outcomes. `kind` numbers what an edge does: the rows of all tasks' tables, one after the other,
    with their `task` and `outcome`.
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
            np.array([which[i] for table in frontier.tables for which in table.which], np.int64)
            for i in range(2)
        )

    def _edges(self, low: int) -> tuple[Index, U32, npt.NDArray[np.uint8], U32]:
        """The steps out of a chunk of states, state by state: how many,
        and of each the next state, task and row.
        """
        check_time()
        count = min(_CHUNK, self.frontier.visited.count - low)
        edges = self.frontier.edges(np.arange(low, low + count))
        order = np.argsort(edges.before.astype(np.uint16), kind="stable")
        task, row = edges.task.astype(np.uint8)[order], edges.row.astype(np.uint32)[order]
        return (
            np.bincount(edges.before, minlength=count),
            edges.after.astype(np.uint32)[order],
            task,
            row,
        )

    @cached_property
    def count(self) -> WholeNumbers:
        """Per node, how many maximal runs go on from there."""
        return ways(self.dag, self.dag.ends)

    @property
    def total(self) -> int:
        return self.count.at(0)

    def reaching(self, goal: Goal) -> int:
        """How many runs come to a goal."""
        return goal.ways(self.count, 0)

    @cached_property
    def offers(self) -> tuple[Index, Index]:
        """The tasks that can step, node by node: those of node i are `first[i]` to `first[i + 1]`.

        And likewise the edges of each of them: one, or one per value of a choice.
        """
        task = self.task.take(self.kind)
        begins = np.ones(len(task) + 1, np.bool_)
        begins[1:-1] = task[1:] != task[:-1]
        begins[self.dag.first] = True
        edges = np.flatnonzero(begins)
        return np.searchsorted(edges, self.dag.first), edges

    @cached_property
    def walk_odds(self) -> WalkOdds:
        """A random walk: uniform among the tasks that can step,
        then among the values of a choice.
        """
        first, _ = self.offers
        tasks = np.repeat(first[1:] - first[:-1], self.dag.first[1:] - self.dag.first[:-1])
        return WalkOdds(self.dag, tasks * self._choices.take(self.kind))

    def odds(self, goal: Goal, nodes: list[int]) -> list[Fraction]:
        """At each of some nodes, the probability that a random walk comes to a goal."""
        return self.walk_odds.odds(goal, nodes)

    @cached_property
    def findings(self) -> dict[Finding, Reaching]:
        """What any run passes, and where."""
        return where_reached(self.frontier)

    def goal(self, passing: Reaching) -> Goal:
        """Where a finding is passed first, on any way."""
        return Goal(self.dag, self.nodes(passing), self.edges(passing))

    def edges(self, passing: Reaching) -> Mask:
        """The edges by which a finding is passed."""
        rows: Mask = np.concatenate([passing.rows(table) for table in self.frontier.tables])
        passed: Mask = rows.take(self.kind)
        return passed

    def nodes(self, passing: Reaching) -> Mask:
        """The nodes in which a finding is passed."""
        return passing.states.take(self.dag.order)

    def pick(self, edge: int) -> tuple[str, int]:
        kind = self.kind[edge]
        return self.frontier.tables[int(self.task[kind])].task, int(self.outcome[kind])

    def nodes_along(self, picks: Picks) -> list[int] | None:
        """The nodes that a run passes; None if it retries more than is counted."""
        at = [0]
        for pick in picks.picks:
            edge = next((edge for edge in self.dag.edges(at[-1]) if self.pick(edge) == pick), None)
            if edge is None:
                return None
            at.append(int(self.dag.target[edge]))
        return at

    def run(self, number: int) -> Picks:
        """The `number`-th run, task by task: a uniform number gives a uniform run.

        Raises IndexError past the last.
        """
        return Picks(tuple(self.pick(edge) for edge in nth_way(self.dag, self.count, number)))
