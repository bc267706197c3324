"""How many states a campaign has seen, in constant memory: a sample of them that is exact.

Of all states, those whose fingerprint begins with so many zero bits are kept, each with whether one
seed has passed it or several; where they become too many, one more zero bit is asked for (distinct
sampling: Gibbons, "Distinct sampling for highly-accurate answers to distinct values queries and
event reports", VLDB 2001). What is kept depends on which states were passed by which seeds, and
neither on the order in which they came nor on how they were shared out: sketches can be united in
any order. A seed belongs to one of the sketches that are united.

The states that exactly one seed has passed say how many the next seed will add (Good, "The
population frequencies of species", 1953): their number divided by the number of seeds is what the
last seed added, on average over which it was.
"""

from __future__ import annotations

import struct

import attrs
import numpy as np
import numpy.typing as npt

from sim.engine.arrays import U64
from sim.engine.run.fingerprint import MASK

ROOM = 4096
"""Fingerprints that are kept at most: an error of about 1/64."""


def _same(one: U64, other: U64) -> bool:
    return bool(np.array_equal(one, other))


@attrs.frozen(eq=False)
class Sketch:
    """Fingerprints that begin with `zeros` zero bits, sorted: of states that `once` one seed,
    or `more` have passed.
    """

    zeros: int = 0
    once: U64 = attrs.field(factory=lambda: np.zeros(0, np.uint64))
    more: U64 = attrs.field(factory=lambda: np.zeros(0, np.uint64))

    @classmethod
    def from_fingerprints(cls, fingerprints: U64, zeros: int = 0) -> Sketch:
        """From all fingerprints with so many zeros, each as often as seeds have passed it."""
        kept, times = np.unique(fingerprints, return_counts=True)
        return cls(zeros, kept[times == 1], kept[times > 1]).fitted()

    def united(self, other: Sketch) -> Sketch:
        """Of the seeds of both."""
        zeros = max(self.zeros, other.zeros)
        one, two = self._with(zeros), other._with(zeros)
        once, times = np.unique(np.concatenate([one.once, two.once]), return_counts=True)
        more = np.unique(np.concatenate([one.more, two.more, once[times > 1]]))
        return Sketch(
            zeros, np.setdiff1d(once[times == 1], more, assume_unique=True), more
        ).fitted()

    def _with(self, zeros: int) -> Sketch:
        if zeros == self.zeros:
            return self
        return Sketch(zeros, *(part[begin_with(part, zeros)] for part in (self.once, self.more)))

    def fitted(self) -> Sketch:
        """With as many more zeros as it takes to keep no more than there is room for."""
        sketch = self
        while len(sketch.once) + len(sketch.more) > ROOM:
            sketch = sketch._with(sketch.zeros + 1)
        return sketch

    @property
    def states(self) -> int:
        """How many states have been passed: exact where `zeros` is 0, else an estimate."""
        return (len(self.once) + len(self.more)) << self.zeros

    @property
    def lone(self) -> int:
        """How many of them by one seed alone."""
        return len(self.once) << self.zeros

    def to_bytes(self) -> bytes:
        """For a store; `from_bytes` reads it. The same for the same sketch, everywhere."""
        once, more = (part.astype("<u8").tobytes() for part in (self.once, self.more))
        return struct.pack("<BI", self.zeros, len(self.once)) + once + more

    @classmethod
    def from_bytes(cls, data: bytes) -> Sketch:
        """Raises ValueError for what `to_bytes` has not written."""
        head = struct.calcsize("<BI")
        if len(data) < head or (len(data) - head) % 8:
            raise ValueError("not a sketch")
        zeros, once = struct.unpack_from("<BI", data)
        kept = np.frombuffer(data, "<u8", offset=head).astype(np.uint64)
        return cls(zeros, kept[:once], kept[once:])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sketch):
            return NotImplemented
        return (
            self.zeros == other.zeros
            and _same(self.once, other.once)
            and _same(self.more, other.more)
        )

    __hash__ = None  # type: ignore[assignment] # compared by content, and arrays can change


class Gatherer:
    """Makes a sketch of what many seeds pass, state by state, in no order.

    What two seeds have passed need not be looked at again, but for a lesser seed: `_settled` has
    such states where their last bits say, as far as they do not get into each other's way there,
    and `_least` their least seeds.
    """

    _MOST = 1 << 18
    _PLACES = np.uint64((1 << 16) - 1)

    def __init__(self) -> None:
        self._zeros, self._limit = 0, np.uint64(MASK)
        self._states, self._seeds, self._gathered = list[U64](), list[U64](), 0
        self._settled, self._least = (np.zeros(1 << 16, np.uint64) for _ in range(2))

    def add(self, states: U64, seeds: U64) -> None:
        """States that are passed now, each with the seed that passes it."""
        place = (states & self._PLACES).view(np.int64)
        known = (self._settled.take(place) == states) & (self._least.take(place) <= seeds)
        kept = np.flatnonzero((states <= self._limit) & ~known)
        if len(kept):
            self._states.append(states.take(kept))
            self._seeds.append(seeds.take(kept))
            self._gathered += len(kept)
            if self._gathered > self._MOST:
                self._thin()

    def _thin(self) -> None:
        """Keep each state once, or twice if two seeds have passed it.

        And ask for more zeros if these are too many.
        """
        states, seeds = np.concatenate(self._states), np.concatenate(self._seeds)
        order = np.argsort(states)
        states, seeds = states[order], seeds[order]
        begins = np.flatnonzero(np.append(True, states[1:] != states[:-1]))
        states, least, most = (
            states[begins],
            np.minimum.reduceat(seeds, begins),
            np.maximum.reduceat(seeds, begins),
        )
        while np.count_nonzero(begin_with(states, self._zeros)) > ROOM:
            self._zeros += 1
        self._limit = np.uint64(MASK >> self._zeros)
        kept = states <= self._limit
        twice = kept & (least != most)
        place = (states[twice] & self._PLACES).view(np.int64)
        self._settled[place], self._least[place] = states[twice], least[twice]
        self._states = [states[kept], states[twice]]
        self._seeds = [least[kept], most[twice]]
        self._gathered = len(self._states[0]) + len(self._states[1])

    def firsts(self) -> tuple[int, U64, U64]:
        """So many zeros, the states that begin with them,
        and the least seed that has passed each.
        """
        if not self._states:
            return 0, np.zeros(0, np.uint64), np.zeros(0, np.uint64)
        self._thin()
        return self._zeros, self._states[0], self._seeds[0]

    def sketch(self) -> Sketch:
        """What has been gathered."""
        if not self._states:
            return Sketch()
        self._thin()
        return Sketch(
            self._zeros,
            np.setdiff1d(self._states[0], self._states[1], assume_unique=True),
            self._states[1],
        )


def begin_with(fingerprints: U64, zeros: int) -> npt.NDArray[np.bool_]:
    """Which fingerprints begin with so many zero bits."""
    return fingerprints <= np.uint64(MASK >> zeros)
