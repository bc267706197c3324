"""How many states a campaign has seen, in constant memory: a sample of them that is exact.

Of all states, those whose fingerprint begins with so many zero bits are kept, each with whether one seed has passed it
or several; where they become too many, one more zero bit is asked for (distinct sampling: Gibbons, "Distinct sampling
for highly-accurate answers to distinct values queries and event reports", VLDB 2001). What is kept depends on which
states were passed by which seeds, and neither on the order in which they came nor on how they were shared out: sketches
can be united in any order. A seed belongs to one of the sketches that are united.

The states that exactly one seed has passed say how many the next seed will add (Good, "The population frequencies of
species", 1953): their number divided by the number of seeds is what the last seed added, on average over which it was.
"""

from __future__ import annotations

import struct

import attrs
import numpy as np
import numpy.typing as npt

U64 = npt.NDArray[np.uint64]

ROOM = 4096
"""Fingerprints that are kept at most: an error of about 1/64."""


def _same(one: U64, other: U64) -> bool:
    return bool(np.array_equal(one, other))


@attrs.frozen(eq=False)
class Sketch:
    """Fingerprints that begin with `zeros` zero bits, sorted: of states that `once` one seed, or `more` have passed."""

    zeros: int = 0
    once: U64 = attrs.field(factory=lambda: np.zeros(0, np.uint64))
    more: U64 = attrs.field(factory=lambda: np.zeros(0, np.uint64))

    @classmethod
    def of(cls, fingerprints: U64, zeros: int = 0) -> Sketch:
        """From all fingerprints with so many zeros, each as often as seeds have passed it."""
        kept, times = np.unique(fingerprints, return_counts=True)
        return cls(zeros, kept[times == 1], kept[times > 1])._fitted()

    def united(self, other: Sketch) -> Sketch:
        """Of the seeds of both."""
        zeros = max(self.zeros, other.zeros)
        one, two = self._with(zeros), other._with(zeros)
        once, times = np.unique(np.concatenate([one.once, two.once]), return_counts=True)
        more = np.unique(np.concatenate([one.more, two.more, once[times > 1]]))
        return Sketch(zeros, np.setdiff1d(once[times == 1], more, assume_unique=True), more)._fitted()

    def _with(self, zeros: int) -> Sketch:
        if zeros == self.zeros:
            return self
        return Sketch(zeros, *(part[begin_with(part, zeros)] for part in (self.once, self.more)))

    def _fitted(self) -> Sketch:
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
        return self.zeros == other.zeros and _same(self.once, other.once) and _same(self.more, other.more)

    __hash__ = None  # type: ignore[assignment] # compared by content, and arrays can change


def begin_with(fingerprints: U64, zeros: int) -> npt.NDArray[np.bool_]:
    """Which fingerprints begin with so many zero bits."""
    return fingerprints <= np.uint64(((1 << 64) - 1) >> zeros)
