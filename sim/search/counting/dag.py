"""A graph without a way round, in topological order, and sums over all of its ways at once.

Every edge leads to a node with a higher number. So one pass from the last node to the first gives,
for every node at once, a sum over all ways from there on; the passes are the loops of `ways.c`.
What they sum are machine words. Where the true number may be larger than one, it is summed modulo
as many primes as its bound takes, and put together where it is looked at
(`sim.search.counting.residues`).
"""

from __future__ import annotations

from ctypes import CDLL, c_int64, c_uint64, c_void_p
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.base.compiler import loaded
from sim.engine.arrays import U32, U64, Index, Mask, address
from sim.search.counting.deadline import check_time

F64 = npt.NDArray[np.float64]

_P = c_void_p
_SIGNATURES: dict[str, tuple[Any, ...]] = {
    "put_in_order": (_P, _P, c_int64, _P, _P),
    "lead": (_P, _P, c_int64, _P, _P),
    "add_up": (_P, _P, c_int64, _P, c_uint64, _P),
    "add_up_roughly": (_P, _P, c_int64, _P, _P),
    "weigh": (_P, _P, c_int64, _P, c_uint64, _P),
    "add_highest": (_P, _P, c_int64, _P),
}


@cache
def _loops() -> CDLL:
    """The loops of `ways.c`. Raises CompilerError."""
    loops = loaded(Path(__file__).with_name("ways.c"))
    for name, takes in _SIGNATURES.items():
        getattr(loops, name).argtypes = takes
    loops.put_in_order.restype = c_int64
    loops.lead.restype = loops.add_up.restype = loops.add_up_roughly.restype = None
    loops.weigh.restype = loops.add_highest.restype = None
    return loops


def edges_of(first: Index, nodes: Index) -> Index:
    """The edges out of some nodes, where those out of node i are `first[i]` to `first[i + 1]`."""
    starts = first.take(nodes)
    counts = first.take(nodes + 1) - starts
    ends = np.cumsum(counts)
    edges = np.arange(ends[-1] if len(ends) else 0)
    edges += np.repeat(starts - ends + counts, counts)
    return edges


def _order(first: Index, target: U32) -> U32:
    """The nodes, each behind those that an edge leads from; fewer than all if edges lead round."""
    nodes = len(first) - 1
    order, missing = np.empty(nodes, np.uint32), np.empty(nodes, np.uint32)
    check_time()
    known = _loops().put_in_order(
        address(first), address(target), nodes, address(order), address(missing)
    )
    return order[:known]


def has_way_round(source: Index, target: Index) -> bool:
    """Whether edges between nodes of any numbers lead round."""
    names, ends = np.unique(np.concatenate([source, target]), return_inverse=True)
    order = np.argsort(ends[: len(source)], kind="stable")
    first = np.concatenate([[0], np.cumsum(np.bincount(ends[: len(source)], minlength=len(names)))])
    return len(_order(first, ends[len(source) :][order].astype(np.uint32))) < len(names)


class Ordered:
    """Nodes in topological order.

    The edges of node i are `first[i]` to `first[i + 1]`, each to a `target`.
    """

    def __init__(self, first: Index, target: U32) -> None:
        self.first = np.ascontiguousarray(first, np.int64)
        self.target = np.ascontiguousarray(target, np.uint32)

    def __len__(self) -> int:
        return len(self.first) - 1

    @property
    def _graph(self) -> tuple[int | None, int | None, int]:
        """As each loop takes it."""
        return address(self.first), address(self.target), len(self)

    def leading(self, ends: Mask, keep: Mask) -> Mask:
        """The nodes from which some way leads to one of `ends`, by edges that `keep` keeps."""
        check_time()
        leads = ends.copy()
        _loops().lead(*self._graph, address(np.ascontiguousarray(keep)), address(leads))
        return leads

    def part(self, nodes: Mask, keep: Mask) -> tuple[Ordered, Index, Index]:
        """Some of the nodes, and of the edges between them, and which those are.

        Node 0 need not be the first state.
        """
        here = np.flatnonzero(nodes)
        number = np.cumsum(nodes, dtype=np.uint32) - np.uint32(1)
        edges = np.flatnonzero(
            keep & nodes.take(self.target) & np.repeat(nodes, self.first[1:] - self.first[:-1])
        )
        first = np.searchsorted(edges, self.first.take(np.concatenate([here, [len(self)]])))
        return Ordered(first, number.take(self.target.take(edges))), here, edges

    @property
    def ends(self) -> Mask:
        """The nodes that no edge leads out of."""
        ends: Mask = self.first[1:] == self.first[:-1]
        return ends

    def edges(self, node: int) -> range:
        return range(int(self.first[node]), int(self.first[node + 1]))

    def total(self, base: U64, keep: Mask | None = None, modulus: int = 1 << 64) -> U64:
        """Per node, the sum of `base` over the ends of all ways from there,
        by edges that `keep` keeps.

        A way may end at any node, and counts there for its base. The sum is modulo 2**64 in any
        case; a smaller modulus must leave room for the sum over the edges of a node.
        """
        check_time()
        value, kept = base.copy(), None if keep is None else np.ascontiguousarray(keep)
        _loops().add_up(*self._graph, address(kept), modulus % (1 << 64), address(value))
        return value

    def rough_total(self, base: F64, keep: Mask | None = None) -> F64:
        """The same in floating point."""
        check_time()
        value, kept = base.copy(), None if keep is None else np.ascontiguousarray(keep)
        _loops().add_up_roughly(*self._graph, address(kept), address(value))
        return value

    def weighed(self, base: U64, weight: U64, prime: int) -> U64:
        """The same modulo a prime below 2**31, where an edge multiplies by its `weight`.

        Both are reduced already.
        """
        check_time()
        value, weight = base.copy(), np.ascontiguousarray(weight)
        _loops().weigh(*self._graph, address(weight), prime, address(value))
        return value

    def highest(self, extra: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Per node, the largest sum of `extra`, which is not negative, over the nodes of any way
        from there.
        """
        check_time()
        value = extra.copy()
        _loops().add_highest(*self._graph, address(value))
        return value


class Dag(Ordered):
    """A graph put in order. `node[old]` and `edge[new]` translate the numbers it was made from."""

    def __init__(self, first: Index, target: U32) -> None:
        first = np.ascontiguousarray(first, np.int64)
        order = _order(first, np.ascontiguousarray(target))
        if len(order) < len(first) - 1:
            raise AssertionError("a graph with a way round")
        self.order = order.astype(np.int64)
        self.node = np.empty(len(order), np.uint32)
        self.node[self.order] = np.arange(len(order), dtype=np.uint32)
        self.edge = edges_of(first, self.order)
        super().__init__(
            np.concatenate([[0], np.cumsum((first[1:] - first[:-1]).take(self.order))]),
            self.node.take(target.take(self.edge)),
        )
