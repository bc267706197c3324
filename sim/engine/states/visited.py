"""The set of visited states: packed words in the order in which they were found,
and an index over them.

States lie in plain arrays, one per 64-bit word, so a breadth-first level is a slice. The arrays are
address space set aside once, of which the system backs what has been written: they never move, and
nothing is copied as they fill. The index is an open-addressing hash table of state numbers. A hash
only says where to look: a state counts as known if all its words are equal to those of the state
found there, so nothing is ever taken for something else.

Candidates are written behind the states, and `keep` moves up those that are new. They are looked up
by rounds of whole-array steps. In each round every pending candidate looks at its slot; those at an
empty one write their number there, and the first of them wins, since numpy lets the last one win
and they write in reverse. Then each compares itself with whoever is there: where they are equal it
is done, else it moves on.

So the first of several equal candidates is the one that is kept, and states are numbered in the
order of candidates, however large the batches are, and into however many parts the index is split
for as many processes to work on (`sim.engine.states.forked`): a state's hash says which part it
belongs to, and a process touches one part. All arrays are shared with processes that are forked.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
from collections.abc import Callable
from itertools import count
from typing import TypeVar

import attrs
import numpy as np
import numpy.typing as npt

from sim.engine.arrays import U32, U64, Index, Mask
from sim.engine.model.errors import EngineError

N = TypeVar("N", bound=np.generic)


MOST = 1 << 32
"""States that can be numbered; those that there is address space for may be fewer."""
_EMPTY = np.uint32(0xFFFFFFFF)
_FULL, _GROWN, _SPARSE = 0.6, 0.35, 0.15
_SMALL = 1 << 25
"""Slots up to which an index grows sparser than later on: that takes at most 128 MB."""

_FIRST = 1 << 12
_FARTHEST = 16
_STEP = 1 << 18
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_NOBODY: Index = np.empty(0, np.int64)
_HALF, _OWNER = np.uint64(32), np.uint64(8)
_NEAR, _FAR = 1 << 17, np.uint64(64 - 17)
_ODD = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xFF51AFD7ED558CCD)


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


def _shared(dtype: type[N], size: int) -> npt.NDArray[N]:
    """An array that processes forked from this one share. Raises OSError."""
    space = mmap.mmap(
        -1, size * np.dtype(dtype).itemsize, flags=mmap.MAP_SHARED | mmap.MAP_ANONYMOUS
    )
    if hasattr(mmap, "MADV_HUGEPAGE"):
        space.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(space, dtype)


def reserved(dtype: type[N]) -> npt.NDArray[N]:
    """A shared array of MOST numbers, or half as many and so on,
    of which only what is written takes memory.
    """
    size = MOST
    while size:
        try:
            return _shared(dtype, size)
        except OSError:
            size //= 2
    raise EngineError("the system sets no address space aside for states: see `ulimit -v`")


def _hash(words: list[U64]) -> U64:
    mixed = words[0] * np.uint64(_ODD[0])
    for i, word in enumerate(words[1:], 1):
        mixed ^= mixed >> np.uint64(29)
        mixed += word
        mixed *= np.uint64(_ODD[i % len(_ODD)])
    mixed ^= mixed >> _HALF
    mixed *= np.uint64(_ODD[3])
    return mixed


def _next(slots: Index, turn: int, size: int) -> Index:
    """Where to look after `turn` looks: ever further off, so that neighbours do not crowd.

    In the end that is everywhere, since `size` is odd.
    """
    slots += min(turn, _FARTHEST)
    slots[slots >= size] -= size
    return slots


def _first_slot(hashed: U64, slots: int) -> Index:
    """A slot for each hash: its upper half, as a fraction of all slots."""
    hashed >>= _HALF
    hashed *= np.uint64(slots)
    hashed >>= _HALF
    return hashed.view(np.int64)


def _part(hashed: U64, part: int, parts: int) -> Index:
    """Those that belong to one of several parts of an index."""
    if parts == 1:
        return np.arange(len(hashed))
    owner = (hashed >> _OWNER & np.uint64(0xFFFF)) * np.uint64(parts) >> np.uint64(16)
    return np.flatnonzero(owner == part)


class Candidates:
    """Candidates: their words, and the number of the state that each was reached from.

    Half of them equal another one that is near. Those that a small table shows to, which a
    processor's cache holds, are left out before the visited set is asked.
    """

    def __init__(self, words: list[U64], before: Index) -> None:
        hashed, self.from_ = _hash(words), before
        numbers = np.arange(len(before), dtype=np.uint32)
        near = np.empty(_NEAR, np.uint32)
        slots = (hashed >> _FAR).view(np.int64)
        near[slots[::-1]] = numbers[::-1]
        first = near.take(slots)
        other = np.flatnonzero(first != numbers)
        theirs = first.take(other)
        again = np.ones(len(other), np.bool_)
        for word in words:
            again &= word.take(other) == word.take(theirs)
        first[other[~again]] = other[~again]
        self._first, self._kept = first, np.flatnonzero(first == numbers)
        kept = self._kept
        self.words = [word.take(kept) for word in words]
        self.before = before.take(kept)
        self.hashed = hashed.take(kept)

    def __len__(self) -> int:
        return len(self.before)

    def kept_in(self, visited: Visited) -> U32:
        """Number those that are new, each once, and give each one's number."""
        return visited.keep(self)

    def places(self) -> U32:
        """For each candidate, which of the remaining ones it is."""
        place = np.empty(len(self._first), np.uint32)
        place[self._kept] = np.arange(len(self._kept))
        return place.take(self._first)


@attrs.frozen
class Claim:
    """New candidates of one part of the index, and the slots that they have there."""

    part: int
    candidates: Index
    slots: Index


class Visited:
    """States by number, and the number of the state that each was first reached from."""

    def __init__(self, words: int, parts: int = 1) -> None:
        self.count = 0
        self.era = 0
        """How often the arrays have been replaced by others;
        processes forked before that share the old ones."""
        self.words: list[U64] = [reserved(np.uint64) for _ in range(words)]
        self.before = reserved(np.uint32)
        self.fills: Callable[[U32, tuple[U64, ...], int], None] | None = None
        """What enters all states into an index of one part, in place of `fill()`."""
        self.parts = parts
        self._index: list[U32] = [np.empty(0, np.uint32) for _ in range(parts)]
        self.make_room(1)

    @property
    def room(self) -> int:
        """How many more states and candidates there is address space for."""
        return min(*map(len, self.words), len(self.before)) - 1 - self.count

    @property
    def index(self) -> U32:
        """The index, where it is of one part."""
        (index,) = self._index
        return index

    def growth(self, more: int) -> int:
        """The bytes that `more` candidates may take on top."""
        extra = more * (8 * len(self.words) + 4)
        if not self.has_room(self.count + more):
            extra += 4 * int((self.count + more) / _SPARSE)
        return extra

    def state(self, number: int) -> int:
        """A state as one integer, as `sim.engine.states.product` has it."""
        return sum(int(word[number]) << (64 * i) for i, word in enumerate(self.words))

    def number(self, state: int) -> int:
        """The number of a state that is known to be there."""
        words = [
            np.array([state >> 64 * i & (1 << 64) - 1], np.uint64) for i in range(len(self.words))
        ]
        return int(self.find(words)[0])

    def widen(self, words: int) -> None:
        """Give every state more words, all 0."""
        if len(self.words) < words:
            self.era += 1
            self.words += [reserved(np.uint64) for _ in range(words - len(self.words))]
            self.reindex()

    def replace(self, words: list[U64]) -> None:
        """Give every state another form."""
        self.era += 1
        del self.words[len(words) :]
        while len(self.words) < len(words):
            self.words.append(reserved(np.uint64))
        for mine, theirs in zip(self.words, words, strict=True):
            mine[: self.count] = theirs
        self.reindex()

    def keep(self, batch: Candidates) -> U32:
        """Number those candidates that are new, each once, and give each one's number."""
        self.make_room(self.count + len(batch))
        known = self.count
        self.write(batch, 0)
        number = np.empty(len(batch), np.uint32)
        claims = [self.place(part, batch.hashed, number) for part in range(self.parts)]
        new = np.zeros(len(batch), np.bool_)
        for claim in claims:
            new[claim.candidates] = True
        again = np.flatnonzero(~new & (number >= known))
        of = number.take(again).astype(np.int64) - known
        kept = self.count_in(new, number)
        number[again] = number.take(of)
        for claim in claims:
            self.settle(claim, number)
        self.move(kept, batch.before)
        return number

    def write(self, batch: Candidates, start: int) -> None:
        """Put candidates behind the states, `start` behind the first of them."""
        low = self.count + start
        for mine, theirs in zip(self.words, batch.words, strict=True):
            mine[low : low + len(theirs)] = theirs

    def place(self, part: int, hashed: U64, number: U32) -> Claim:
        """Look up those candidates that belong to one part of the index,
        and claim slots there for the new ones.
        """
        pending = _part(hashed, part, self.parts)
        index = self._index[part]
        slots = _first_slot(hashed.take(pending), len(index))
        winners, theirs = [_NOBODY], [_NOBODY]
        for turn in count(1):
            found, mine = index.take(slots), pending + self.count
            free = np.flatnonzero(found == _EMPTY)
            if len(free):
                claimed, claims = slots.take(free), mine.take(free)
                index[claimed[::-1]] = claims[::-1]
                found[free] = there = index.take(claimed)
                won = np.flatnonzero(there == claims)
                winners.append(pending.take(free.take(won)))
                theirs.append(claimed.take(won))
            number[pending] = found
            other = np.flatnonzero(
                ~self._equal(found.astype(np.int64), [word.take(mine) for word in self.words])
            )
            if not len(other):
                break
            pending, slots = pending.take(other), _next(slots.take(other), turn, len(index))
        return Claim(part, np.concatenate(winners), np.concatenate(theirs))

    def count_in(self, new: Mask, number: U32) -> Index:
        """Number the new candidates in their order, and give them."""
        kept = np.flatnonzero(new)
        number[kept] = np.arange(self.count, self.count + len(kept))
        return kept

    def settle(self, claim: Claim, number: U32) -> None:
        """Enter the numbers of new states where slots were claimed for them."""
        self._index[claim.part][claim.slots] = number.take(claim.candidates)

    def move(self, kept: Index, before: Index) -> None:
        """Move new candidates up, so that they are states."""
        end = self.count + len(kept)
        for word in self.words:
            word[self.count : end] = word[self.count :].take(kept)
        self.before[self.count : end] = before.take(kept)
        self.count = end

    def refill(self, count: int) -> None:
        """Take what stands in the columns for that many states."""
        self.count = 0
        self.make_room(count)
        self.count = count
        self.reindex()

    def find(self, words: list[U64]) -> Index:
        """The numbers of states that are known to be there."""
        hashed = _hash(words)
        number = np.empty(len(hashed), np.int64)
        for part, index in enumerate(self._index):
            pending = _part(hashed, part, self.parts)
            slots = _first_slot(hashed.take(pending), len(index))
            for turn in count(1):
                found = index.take(slots).astype(np.int64)
                number[pending] = found
                other = np.flatnonzero(~self._equal(found, [word.take(pending) for word in words]))
                if not len(other):
                    break
                pending, slots = pending.take(other), _next(slots.take(other), turn, len(index))
        return number

    def _equal(self, numbers: Index, words: list[U64]) -> Mask:
        """Whether the states of these numbers are those."""
        equal: Mask = self.words[0].take(numbers) == words[0]
        for known, word in zip(self.words[1:], words[1:], strict=True):
            equal &= known.take(numbers) == word
        return equal

    def has_room(self, most: int) -> bool:
        """Whether the index is large enough for that many states and candidates."""
        return most <= _FULL * self.parts * len(self._index[0])

    def make_room(self, most: int) -> None:
        """Make the index large enough for that many states and candidates."""
        if self.grow(most):
            self.reindex()

    def grow(self, most: int) -> bool:
        """Put an empty index that is large enough in place of one that is not; whether it did."""
        if self.has_room(most):
            return False
        self.era += 1
        load = _SPARSE if most < _SPARSE * _SMALL or self.parts > 1 else _GROWN
        self._index = []
        self._index = [
            _shared(np.uint32, max(_FIRST, int(most / load / self.parts)) | 1)
            for _ in range(self.parts)
        ]
        return True

    def reindex(self) -> None:
        """Enter all states anew."""
        if self.parts == 1 and self.fills is not None:
            self.fills(self.index, tuple(self.words), self.count)
            return
        for part in range(self.parts):
            self.fill(part)

    def fill(self, part: int) -> None:
        """Enter every state of a part into its index.

        No two are equal, so each only needs an empty slot.
        """
        index = self._index[part]
        index.fill(_EMPTY)
        for low in range(0, self.count, _STEP):
            hashed = _hash([word[low : min(self.count, low + _STEP)] for word in self.words])
            pending = _part(hashed, part, self.parts)
            slots, pending = _first_slot(hashed.take(pending), len(index)), pending + low
            for turn in count(1):
                free = np.flatnonzero(index.take(slots) == _EMPTY)
                index[slots.take(free)] = pending.take(free)
                other = np.flatnonzero(index.take(slots) != pending)
                if not len(other):
                    break
                pending, slots = pending.take(other), _next(slots.take(other), turn, len(index))
