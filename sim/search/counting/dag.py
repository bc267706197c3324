"""A graph without a way round, in topological order, and sums over all of its ways at once.

Nodes are renumbered rank by rank, a node's rank being the length of the longest way to it: every
edge leads to a higher rank. So one pass from the last rank to the first gives, for every node at
once, a sum over all ways from there on, a handful of numpy calls a rank. What it sums are machine
words. Where the true number may be larger than one, it is summed modulo as many primes as its bound
takes, and put together where it is looked at (`sim.search.counting.residues`).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from sim.engine.arrays import U32, U64, Index, Mask
from sim.search.counting.deadline import check_time

N = TypeVar("N", np.uint64, np.float64)

_PRODUCTS = 4
"""So many products of numbers below a prime below 2**31, and one such number,
add up to less than 2**64."""


def edges_of(first: Index, nodes: Index) -> Index:
    """The edges out of some nodes, where those out of node i are `first[i]` to `first[i + 1]`."""
    starts = first.take(nodes)
    counts = first.take(nodes + 1) - starts
    ends = np.cumsum(counts)
    edges = np.arange(ends[-1] if len(ends) else 0)
    edges += np.repeat(starts - ends + counts, counts)
    return edges


def _ranks(first: Index, target: U32) -> Iterator[tuple[Index, Index]]:
    """The nodes of each rank, and the edges out of them.

    A node follows once all edges into it have been seen.
    """
    missing = np.bincount(target, minlength=len(first) - 1).astype(np.int32)
    turn = np.empty(len(missing), np.uint32)
    ready = np.flatnonzero(missing == 0)
    while len(ready):
        check_time()
        edges = edges_of(first, ready)
        yield ready, edges
        into = target.take(edges)
        np.subtract.at(missing, into, np.int32(1))
        ready = into[missing.take(into) == 0].astype(np.int64)
        turns = np.arange(len(ready), dtype=np.uint32)
        turn[ready] = turns
        ready = ready[turn.take(ready) == turns]


def has_way_round(source: Index, target: Index) -> bool:
    """Whether edges between nodes of any numbers lead round."""
    names, ends = np.unique(np.concatenate([source, target]), return_inverse=True)
    order = np.argsort(ends[: len(source)], kind="stable")
    first = np.concatenate([[0], np.cumsum(np.bincount(ends[: len(source)], minlength=len(names)))])
    return sum(
        len(nodes) for nodes, _ in _ranks(first, ends[len(source) :][order].astype(np.uint32))
    ) < len(names)


class Ranked:
    """Nodes in topological order.

    The edges of node i are `first[i]` to `first[i + 1]`, each to a `target`.

    `starts` are the first nodes of all ranks, and the number of nodes.
    """

    def __init__(self, first: Index, target: U32, starts: list[int]) -> None:
        self.first, self.target, self._starts = first, target, starts

    def __len__(self) -> int:
        return len(self.first) - 1

    def leading(self, ends: Mask, keep: Mask) -> Mask:
        """The nodes from which some way leads to one of `ends`, by edges that `keep` keeps."""
        leads = ends.copy()
        for nodes, edges, having, starts in self.ranks():
            leads[nodes][having] |= np.logical_or.reduceat(
                leads.take(self.target[edges]) & keep[edges], starts
            )
        return leads

    def part(self, nodes: Mask, keep: Mask) -> tuple[Ranked, Index, Index]:
        """Some of the nodes, and of the edges between them, and which those are.

        Node 0 need not be the first state.
        """
        here = np.flatnonzero(nodes)
        number = np.cumsum(nodes, dtype=np.uint32) - np.uint32(1)
        edges = np.flatnonzero(
            keep & nodes.take(self.target) & np.repeat(nodes, self.first[1:] - self.first[:-1])
        )
        first = np.searchsorted(edges, self.first.take(np.concatenate([here, [len(self)]])))
        starts = np.searchsorted(here, self._starts).tolist()
        return Ranked(first, number.take(self.target.take(edges)), starts), here, edges

    @property
    def ends(self) -> Mask:
        """The nodes that no edge leads out of."""
        ends: Mask = self.first[1:] == self.first[:-1]
        return ends

    def edges(self, node: int) -> range:
        return range(int(self.first[node]), int(self.first[node + 1]))

    def ranks(self) -> Iterator[tuple[slice, slice, Index, Index]]:
        """From the last rank to the first: its nodes, their edges, which nodes have any,
        and where those begin.
        """
        for low, high in reversed(list(pairwise(self._starts))):
            check_time()
            edges = slice(int(self.first[low]), int(self.first[high]))
            if edges.start < edges.stop:
                begin = self.first[low:high]
                having = np.flatnonzero(begin < self.first[low + 1 : high + 1])
                yield slice(low, high), edges, having, begin.take(having) - edges.start

    def total(
        self, base: npt.NDArray[N], keep: Mask | None = None, modulus: int = 1 << 64
    ) -> npt.NDArray[N]:
        """Per node, the sum of `base` over the ends of all ways from there,
        by edges that `keep` keeps.

        A way may end at any node, and counts there for its base. Integers are modulo 2**64 in any
        case; a smaller modulus must leave room for the sum over the edges of a node.
        """
        value = base.copy()
        for nodes, edges, having, starts in self.ranks():
            part = value.take(self.target[edges])
            if keep is not None:
                part *= keep[edges]
            part = np.add.reduceat(part, starts)
            part += value[nodes].take(having)
            if modulus < 1 << 64:
                part %= part.dtype.type(modulus)
            value[nodes][having] = part
        return value

    def weighed(self, base: U64, weight: U64, prime: int) -> U64:
        """The same modulo a prime below 2**31, where an edge multiplies by its `weight`.

        Both are reduced already.
        """
        value, modulus = base.copy(), np.uint64(prime)
        many = (self.first[1:] - self.first[:-1]).max(initial=0) > _PRODUCTS
        for nodes, edges, having, starts in self.ranks():
            part = value.take(self.target[edges])
            part *= weight[edges]
            if many:
                part %= modulus
            part = np.add.reduceat(part, starts)
            part += value[nodes].take(having)
            value[nodes][having] = part % modulus
        return value

    def highest(self, extra: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Per node, the largest sum of `extra` over the nodes of any way from there."""
        value = extra.copy()
        for nodes, edges, having, starts in self.ranks():
            value[nodes][having] += np.maximum.reduceat(value.take(self.target[edges]), starts)
        return value


class Dag(Ranked):
    """A graph put in order. `node[old]` and `edge[new]` translate the numbers it was made from."""

    def __init__(self, first: Index, target: U32) -> None:
        ranks, edges = zip(*_ranks(first, target), strict=True)
        self.order = np.concatenate(ranks)
        if len(self.order) < len(first) - 1:
            raise AssertionError("a graph with a way round")
        self.node = np.empty(len(self.order), np.uint32)
        self.node[self.order] = np.arange(len(self.order), dtype=np.uint32)
        self.edge = np.concatenate(edges)
        super().__init__(
            np.concatenate([[0], np.cumsum((first[1:] - first[:-1]).take(self.order))]),
            self.node.take(target.take(self.edge)),
            [0, *np.cumsum([len(rank) for rank in ranks]).tolist()],
        )
