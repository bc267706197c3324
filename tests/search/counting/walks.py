"""Thousands of random walks at a time, over a graph of interleavings:
those that `sim.engine.run.scheduler.RandomWalk` takes.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sim.engine.arrays import U64, Index, Mask
from sim.engine.herd.dice_many import below, seeded
from sim.engine.run.draws import Stream
from sim.search.counting.interleavings import Interleavings
from sim.search.counting.reaching import Reaching


def walks(runs: Interleavings, seeds: U64) -> Iterator[tuple[Index, Index]]:
    """Step by step: which of the walks go on, and the edge that each of them takes."""
    first, edges = runs.offers
    every, node = np.arange(len(seeds)), np.zeros(len(seeds), np.int64)
    step = 0
    while True:
        going = ~runs.dag.ends.take(node)
        every, node = every[going], node[going]
        if not len(every):
            return
        drawing, begin, at = seeded(seeds.take(every)), first.take(node), np.uint64(step)
        offer = begin + below(
            (first.take(node + 1) - begin).astype(np.uint64), drawing, at, Stream.TASK
        ).astype(np.int64)
        begin = edges.take(offer)
        edge = begin + below(
            (edges.take(offer + 1) - begin).astype(np.uint64), drawing, at, Stream.VALUE
        ).astype(np.int64)
        yield every, edge
        node, step = runs.dag.target.take(edge).astype(np.int64), step + 1


def hits(runs: Interleavings, passing: Reaching, seeds: U64) -> Mask:
    """Which walks pass a finding."""
    nodes, edges = runs.nodes(passing), runs.edges(passing)
    hit = np.full(len(seeds), nodes[0])
    for every, edge in walks(runs, seeds):
        hit[every] |= edges.take(edge) | nodes.take(runs.dag.target.take(edge))
    return hit
