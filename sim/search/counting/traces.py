"""Classes of interleavings: runs that differ only in the order of neighbouring steps that do not
depend on each other.

Steps of one task depend on each other. So do steps that touch a common cell, unless both read it or
both add to it, and a BUG() and any other step. What a step touches, and how, is what its operation
declares of this very outcome: a try-lock that fails has read.

A sleep set (Godefroid, "Partial-Order Methods for the Verification of Concurrent Systems", 1996)
holds the steps that need not be taken, since every run that begins with one of them equals one that
was seen to the left. A walk over the graph of interleavings that carries the sleep set along
completes exactly one run of each class; where all that could be taken sleeps, it ends without
having completed any. So nodes here are a state and a sleep set, and the number of ways to ends of
runs is that of classes. Nothing is looked for here: all states and findings have been seen by then.

Whether a class passes a finding is told by any run of it where steps show the finding, or the state
in the end. A state in between is not passed by every run of a class; there is no such number for
what properties say of those.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from sim.engine.arrays import U32, U64, Index, Mask
from sim.engine.model.commuting import Touch, both_add, dependent
from sim.engine.run.scheduler import Picks
from sim.engine.states.adds import check_adds
from sim.engine.states.loops import Candidates
from sim.engine.states.product import WORD
from sim.engine.states.visited import Visited
from sim.search.counting.dag import Dag, edges_of
from sim.search.counting.deadline import check_time
from sim.search.counting.interleavings import Interleavings
from sim.search.counting.reaching import Reaching
from sim.search.counting.residues import WholeNumbers, nth_way, ways
from sim.search.errors import CountError

_CHUNK = 1 << 16


class Traces:
    """The graph of states and sleep sets; node 0 is the first state with nobody asleep.

    `edge` is which edge of the graph of interleavings each edge is. Raises CountError.
    """

    def __init__(self, runs: Interleavings) -> None:
        self._runs, graph = runs, runs.dag
        self._degree = graph.first[1:] - graph.first[:-1]
        self._bit = self._bits()
        self._before, self._awake = self._pairs()
        nodes, first, target, edge = self._walk()
        self.dag = Dag(first, target)
        self.edge = edge.take(self.dag.edge)
        self._state = nodes.states[:, 0].take(self.dag.order).astype(np.int64)
        self._ends = graph.ends.take(self._state)

    @cached_property
    def count(self) -> WholeNumbers:
        """Per node, how many classes go on from there."""
        return ways(self.dag, self._ends)

    @property
    def total(self) -> int:
        return self.count.at(0)

    def reaching(self, passing: Reaching) -> int | None:
        """How many classes pass a finding; None if not all runs of a class agree on that."""
        nodes = self._runs.nodes(passing)
        if (nodes & ~self._runs.dag.ends).any():
            return None
        keep = ~self._runs.edges(passing).take(self.edge)
        return self.total - ways(self.dag, self._ends & ~nodes.take(self._state), keep).at(0)

    def run(self, number: int) -> Picks:
        """A run of the `number`-th class: a uniform number gives a uniform class.

        Raises IndexError past the last.
        """
        return Picks(
            tuple(
                self._runs.pick(int(self.edge[edge]))
                for edge in nth_way(self.dag, self.count, number)
            )
        )

    def _bits(self) -> U64:
        """Per edge, a bit that names it among the steps out of its state: its task,
        and the outcome.
        """
        runs = self._runs
        widths = [
            int(runs.outcome[runs.task == task].max(initial=0)) + 1
            for task in range(len(runs.frontier.tables))
        ]
        if sum(widths) > WORD:
            raise CountError(
                f"a task may choose among many: {sum(widths)} steps, sleep sets have room for "
                f"{WORD}"
            )
        low = np.cumsum([0, *widths])[:-1]
        bit: U64 = (np.uint64(1) << (low.take(runs.task) + runs.outcome).astype(np.uint64)).take(
            runs.kind
        )
        return bit

    def _pairs(self) -> tuple[U64, U64]:
        """Per edge, the bits of those before it out of the same state,
        and of those there that do not depend on it.
        """
        touch, depends, adds = self._touches()
        task = self._runs.task.take(self._runs.kind)
        before, awake = np.zeros(len(task), np.uint64), np.zeros(len(task), np.uint64)
        place = np.arange(len(task)) - np.repeat(self._runs.dag.first[:-1], self._degree)
        for apart in range(1, int(self._degree.max(initial=1))):
            check_time()
            other = np.flatnonzero(place >= apart)
            one = other - apart
            before[other] |= self._bit.take(one)
            free = np.flatnonzero(
                (task.take(one) != task.take(other)) & ~depends[touch.take(one), touch.take(other)]
            )
            one, other = one.take(free), other.take(free)
            self._check_adds(one, other, adds[touch.take(one), touch.take(other)])
            awake[one] |= self._bit.take(other)
            awake[other] |= self._bit.take(one)
        return before, awake

    def _check_adds(self, one: Index, other: Index, adds: Mask) -> None:
        """Of pairs of edges out of one state that both add to some cell:
        refuse those that do not commute.
        """
        runs = self._runs
        one, other = one[adds], other[adds]
        kinds, first = np.unique(
            np.stack([runs.kind.take(one), runs.kind.take(other)]), axis=1, return_index=True
        )
        del kinds
        for here, there in zip(one.take(first).tolist(), other.take(first).tolist(), strict=True):
            node = int(np.searchsorted(runs.dag.first, here, side="right")) - 1
            state = runs.frontier.visited.state(int(runs.dag.order[node]))
            check_adds(runs.product, state, runs.pick(here), runs.pick(there))

    def _touches(self) -> tuple[U32, Mask, Mask]:
        """Per edge, the number of what it touches.

        And which of these numbers depend on each other, or both add.
        """
        runs, product = self._runs, self._runs.product
        sample = np.zeros(len(runs.task), np.int64)
        sample[runs.kind] = np.arange(len(runs.kind))
        kinds = np.flatnonzero(np.bincount(runs.kind))
        node = np.searchsorted(runs.dag.first, sample.take(kinds), side="right") - 1
        number: dict[Touch, int] = {}
        of_kind = np.zeros(len(runs.task), np.uint32)
        for kind, at in zip(kinds.tolist(), runs.dag.order.take(node).tolist(), strict=True):
            check_time()
            task, state = (
                runs.frontier.tables[int(runs.task[kind])].task,
                runs.frontier.visited.state(at),
            )
            operation = product.local(state, task).operation
            access = product.outcomes(task, state)[int(runs.outcome[kind])].access
            cells = tuple(cell.name for cell in operation.cells) if operation else ()
            of_kind[kind] = number.setdefault(tuple(zip(cells, access, strict=True)), len(number))
        depends = np.array(
            [[dependent(one, other) for other in number] for one in number], np.bool_
        )
        adds = np.array([[both_add(one, other) for other in number] for one in number], np.bool_)
        return of_kind.take(runs.kind), depends, adds

    def _walk(self) -> tuple[Visited, Index, U32, Index]:
        """Every state with every sleep set it is come to with.

        Edges by node, where they lead, and what they are.
        """
        nodes, graph = Visited(2), self._runs.dag
        nodes.keep(Candidates.of(np.zeros((1, 2), np.uint64), np.zeros(1, np.uint32)))
        parts = [(np.zeros(0, np.int64), np.zeros(0, np.uint32), np.zeros(0, np.int64))]
        at = 0
        while at < nodes.count:
            check_time()
            upto = min(nodes.count, at + _CHUNK)
            pairs = nodes.rows(range(at, upto))
            state, asleep = pairs[:, 0].astype(np.int64), pairs[:, 1]
            edge = edges_of(graph.first, state)
            source = np.repeat(np.arange(len(state)), self._degree.take(state))
            here = asleep.take(source)
            taken = np.flatnonzero(here & self._bit.take(edge) == 0)
            edge, source, here = edge.take(taken), source.take(taken), here.take(taken)
            here = (here | self._before.take(edge)) & self._awake.take(edge)
            after = np.stack([graph.target.take(edge).astype(np.uint64), here], axis=1)
            numbers = nodes.keep(Candidates.of(after, (source + at).astype(np.uint32)))
            parts.append((np.bincount(source, minlength=len(state)), numbers, edge))
            at = upto
        counts, target, edge = (np.concatenate(column) for column in zip(*parts, strict=True))
        return nodes, np.concatenate([[0], np.cumsum(counts)]), target, edge
