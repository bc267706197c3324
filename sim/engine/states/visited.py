"""The set of visited states, in the order in which they were found, and an index over them.

A state is a row of 64-bit words, and all rows lie one after the other, so a breadth-first level is
a slice, and a state is one piece of memory. The arrays are address space set aside once, of which
the system backs what has been written: they never move, and nothing is copied as they fill. The
index is an open-addressing hash table of state numbers. A hash only says where to look: a state
counts as known if all its words are equal to those of the state found there, so nothing is ever
taken for something else. The loops are those of `loops.c`.

The first of several equal candidates is the one that is kept, and states are numbered in the order
of candidates, however large the batches are, and into however many parts the index is split for as
many threads to work on: a state's hash says which part it belongs to, and a thread touches one.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import resource
import sys
from ctypes import addressof
from itertools import pairwise
from typing import Any, TypeVar

import attrs
import numpy as np
import numpy.typing as npt

from sim.engine.arrays import U32, U64, Index, Mask, address
from sim.engine.model.errors import EngineError
from sim.engine.states.loops import MOVE, Candidates, SetStruct, hashes, library

N = TypeVar("N", bound=np.generic)


MOST = 1 << 32
"""States that can be numbered; those that there is address space for may be fewer."""
_FULL, _GROWN = 0.5, 0.25
"""How much of an index may be taken, and how much is once it has grown."""
_SMALL, _SPARSE = 1 << 25, 0.125
"""Slots up to which an index grows sparser than later on: that takes at most 128 MB."""
_LARGE, _CROWDED = 1 << 28, 1.4
"""Slots from which an index may be so many times as full: memory is worth more than looks then."""

_FIRST = 1 << 12
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_SHARES = 12
"""Of address space that is limited, so many arrays find room: three for each set of states."""
_NORESERVE = 0x4000 if sys.platform == "linux" else 0
"""mmap.MAP_NORESERVE, which Python names since 3.13: what is set aside is no promise."""


def keep_freed_memory() -> None:
    """Ask the C library to keep what is freed, where it is glibc.

    Arrays of a few hundred kilobytes come and go by the thousand here. Given back to the system
    each time, their pages are cleared and mapped anew each time, which takes a sixth of an
    exploration.
    """
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_TRIM_THRESHOLD, 1 << 30)
        mallopt(_M_MMAP_THRESHOLD, 1 << 30)


def _mapped(dtype: type[N], size: int) -> npt.NDArray[N]:
    """An array of which only what is written takes memory. Raises OSError."""
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NORESERVE
    return np.frombuffer(mmap.mmap(-1, size * np.dtype(dtype).itemsize, flags=flags), dtype)


def reserved(dtype: type[N], size: int) -> npt.NDArray[N]:
    """An array of so many numbers, or half as many and so on, of which only what is written takes
    memory. Where address space is limited it is a small part of that: others need some, too.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY:
        size = min(size, limit // _SHARES // np.dtype(dtype).itemsize)
    while size:
        try:
            return _mapped(dtype, size)
        except OSError:
            size //= 2
    raise EngineError("the system sets no address space aside for states: see `ulimit -v`")


@attrs.frozen(eq=False)
class Claims:
    """New candidates of one part of the index: how many in each chunk, and the slots that they have
    there.
    """

    part: int
    many: list[int]
    slots: Index


class Visited:
    """States by number, and the number of the state that each was first reached from."""

    def __init__(self, words: int, parts: int = 1, most: int | None = None) -> None:
        most = MOST if most is None else most
        self._words: U64 = reserved(np.uint64, 2 * most)
        self.before: U32 = reserved(np.uint32, most)
        self.parts = parts
        self._index = [reserved(np.uint32, int(most / _SPARSE / parts)) for _ in range(parts)]
        self._tables: U64 = np.array([index.ctypes.data for index in self._index], np.uint64)
        self.struct = SetStruct(
            address(self._words), address(self.before), address(self._tables), 0, 0, words, parts, 0
        )
        self.make_room(1)

    @property
    def count(self) -> int:
        return int(self.struct.count)

    @property
    def words(self) -> int:
        """64-bit words of a state."""
        return int(self.struct.words)

    @property
    def states(self) -> U64:
        """Every state, a row each."""
        return self.rows(range(self.count))

    def rows(self, numbers: range) -> U64:
        """The states with these numbers, in place."""
        words = self.words
        flat = self._words[numbers.start * words : numbers.stop * words]
        return flat.reshape(len(numbers), words)

    def take(self, numbers: Index) -> U64:
        """The states with these numbers, a row each."""
        return self.states.take(numbers, axis=0)

    @property
    def room(self) -> int:
        """How many more states and candidates there is address space for."""
        states = min(len(self._words) // self.words, len(self.before), MOST)
        return min(states, int(_FULL * sum(map(len, self._index)))) - 1 - self.count

    def growth(self, more: int) -> int:
        """The bytes that `more` candidates may take on top."""
        extra = more * (8 * self.words + 4)
        if not self.has_room(self.count + more):
            extra += 4 * self.parts * (self._slots_for(self.count + more) - self._slots)
        return extra

    def state(self, number: int) -> int:
        """A state as one integer, as `sim.engine.states.product` has it."""
        (row,) = self.rows(range(number, number + 1)).tolist()
        return sum(word << (64 * i) for i, word in enumerate(row))

    def number(self, state: int) -> int:
        """The number of a state that is known to be there."""
        row = [state >> 64 * i & (1 << 64) - 1 for i in range(self.words)]
        return int(self.find(np.array([row], np.uint64))[0])

    def widen(self, words: int) -> None:
        """Give every state more words, all 0. Raises MemoryError."""
        if self.words < words:
            same = [(word, word, 0, 0, (1 << 64) - 1) for word in range(self.words)]
            self.lay_out(words, np.array(same, MOVE))

    def lay_out(self, words: int, moves: npt.NDArray[Any]) -> None:
        """Give every state another form: where each field is, and where it comes to be.

        What comes from nowhere is 0. Raises MemoryError.
        """
        if (self.count + 1) * words > len(self._words):
            raise MemoryError
        library().lay_out(addressof(self.struct), words, address(moves), len(moves))
        self.reindex()

    def keep(self, batch: Candidates) -> U32:
        """Number those candidates that are new, each once, and give each one's number."""
        numbers = np.empty(len(batch), np.uint32)
        self._keep(batch, 0, numbers, None)
        return numbers

    def keep_steps(self, batch: Candidates, low: int, is_top: Mask | None) -> None:
        """The same for steps out of a chunk, whose first state has the number `low`.

        `is_top` loses the states that have a step to a state with a higher number.
        """
        self._keep(batch, low, None, is_top)

    def _keep(self, batch: Candidates, low: int, numbers: U32 | None, is_top: Mask | None) -> None:
        self.make_room(self.count + len(batch))
        library().keep(
            addressof(self.struct), batch.address, low, address(numbers), address(is_top)
        )

    def find(self, states: U64) -> Index:
        """The numbers of states that are known to be there."""
        states, numbers = np.ascontiguousarray(states), np.empty(len(states), np.uint32)
        hashed = hashes(states)
        library().find(
            addressof(self.struct),
            address(states),
            address(hashed),
            len(states),
            address(numbers),
        )
        return numbers.astype(np.int64)

    def changed(self, level: range, mask: list[int]) -> Candidates:
        """Of a range of states, those that differ from the one that they were reached from in the
        bits of `mask`, one number a word: these bits, and in `before` the numbers.
        """
        bits, numbers = np.empty((len(level), self.words), np.uint64), np.empty(len(level), "u4")
        wanted = np.array(mask, np.uint64)
        many = library().changed(
            addressof(self.struct),
            level.start,
            level.stop,
            address(wanted),
            address(numbers),
            address(bits),
        )
        return Candidates.of(bits[:many], numbers[:many])

    def refill(self, count: int) -> None:
        """Take what stands in the arrays for that many states."""
        self.struct.count = 0
        self.make_room(count)
        self.struct.count = count
        self.reindex()

    @property
    def _slots(self) -> int:
        """Slots of each part of the index."""
        return int(self.struct.slots)

    def _slots_for(self, most: int) -> int:
        """Slots of each part of an index that is large enough for that many, with room to grow."""
        load = _SPARSE if most < _SPARSE * _SMALL else _GROWN
        if self._slots * self.parts >= _LARGE:
            load *= _CROWDED
        return min(max(_FIRST, int(most / load / self.parts)), *map(len, self._index))

    def has_room(self, most: int) -> bool:
        """Whether the index is large enough for that many states and candidates."""
        slots = self.parts * self._slots
        return most <= _FULL * slots * (_CROWDED if slots >= _LARGE else 1)

    def make_room(self, most: int) -> None:
        """Make the index large enough for that many states and candidates."""
        if self.grow(most):
            self.reindex()

    def grow(self, most: int) -> bool:
        """Make the index large enough, if it is not; then all states have to be entered anew."""
        if self.has_room(most):
            return False
        self.struct.slots = self._slots_for(most)
        self.struct.number = (1 << (self._slots * self.parts).bit_length()) - 1
        return True

    def reindex(self) -> None:
        """Enter all states anew."""
        for part in range(self.parts):
            self.fill(part)

    def fill(self, part: int) -> None:
        """Enter every state of a part into its index."""
        library().fill(addressof(self.struct), part)

    def split(self, every: Candidates, span: range, places: U32) -> list[range]:
        """Sort the places of some candidates by the part of the index that they belong to; gives
        where those of each part lie.
        """
        ends = np.empty(self.parts, np.int64)
        library().split(
            every.address, span.start, span.stop, self.parts, address(places), address(ends)
        )
        return [range(*pair) for pair in pairwise([span.start, *ends.tolist()])]

    def claim(
        self, part: int, every: Candidates, places: U32, spans: list[range], numbers: U32
    ) -> Claims:
        """Look up those candidates that belong to one part of the index, and claim slots there for
        the new ones.

        `numbers` has the number of each candidate, or, of a new one, its place behind the states.
        """
        slots, many = np.empty(sum(map(len, spans)), np.int64), list[int]()
        for span in spans:
            found = library().claim(
                addressof(self.struct),
                part,
                every.address,
                address(places[span.start : span.stop]),
                len(span),
                address(numbers),
                address(slots[sum(many) :]),
            )
            many.append(int(found))
        return Claims(part, many, slots)

    def settle(
        self, every: Candidates, numbers: U32, span: range, low: int, first: int, final: U32
    ) -> None:
        """Make the new ones among a chunk's candidates states, from the number `first` on."""
        library().settle(
            addressof(self.struct),
            every.address,
            address(numbers),
            span.start,
            span.stop,
            low,
            first,
            address(final),
        )

    def enter(self, claims: Claims, final: U32) -> None:
        """Enter the numbers of new states where slots were claimed for them."""
        library().enter(
            addressof(self.struct),
            claims.part,
            address(claims.slots),
            sum(claims.many),
            address(final),
        )

    def not_tops(
        self, every: Candidates, numbers: U32, span: range, low: int, final: U32, is_top: Mask
    ) -> None:
        """Take from `is_top` the states of a chunk that have a step to one with a higher number."""
        library().not_tops(
            addressof(self.struct),
            every.address,
            address(numbers),
            address(final),
            span.start,
            span.stop,
            low,
            address(is_top),
        )
