"""What adaptive strategies learn from:
which seeds have passed states that nobody had passed before.

Of states there is a sample, as in `sim.search.fuzzing.sketch`, with the least seed that passed
each. It says what is new whatever the order in which batches are done.
"""

from __future__ import annotations

import struct

import attrs
import numpy as np

from sim.engine.arrays import U64
from sim.search.fuzzing.sketch import ROOM, begin_with

EPOCH = 1 << 15
"""Seeds between two points at which an adaptive strategy changes what it goes by."""


@attrs.frozen(eq=False)
class Firsts:
    """States that begin with so many `zeros`, sorted, and the least seed that has passed each."""

    zeros: int
    states: U64
    seeds: U64

    def to_bytes(self) -> bytes:
        return (
            struct.pack("<B", self.zeros)
            + np.stack([self.states, self.seeds]).astype("<u8").tobytes()
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Firsts:
        """Of b"": nothing."""
        if not data:
            return cls(0, np.zeros(0, np.uint64), np.zeros(0, np.uint64))
        states, seeds = np.frombuffer(data, "<u8", offset=1).astype(np.uint64).reshape(2, -1)
        return cls(data[0], states, seeds)

    def and_then(self, others: list[Firsts]) -> tuple[Firsts, Firsts]:
        """All of them, and what was new in the others."""
        zeros = max(self.zeros, *(other.zeros for other in others)) if others else self.zeros
        states = np.concatenate([other.states for other in others] or [self.states[:0]])
        seeds = np.concatenate([other.seeds for other in others] or [self.seeds[:0]])
        order = np.lexsort((seeds, states))
        states, first = np.unique(states[order], return_index=True)
        seeds = seeds[order][first]
        fresh = ~np.isin(states, self.states)
        new = Firsts(zeros, states[fresh], seeds[fresh])
        both = np.concatenate([self.states, new.states]), np.concatenate([self.seeds, new.seeds])
        whole = Firsts(zeros, *both).thinned()
        return whole, new.thinned(whole.zeros)

    def thinned(self, zeros: int | None = None) -> Firsts:
        """With as many zeros as it takes, or as is asked for."""
        least = self.zeros if zeros is None else zeros
        while zeros is None and np.count_nonzero(begin_with(self.states, least)) > ROOM:
            least += 1
        kept = begin_with(self.states, least)
        order = np.argsort(self.states[kept])
        return Firsts(least, self.states[kept][order], self.seeds[kept][order])
