"""The set of visited states: packed words in the order in which they were found, and an index over them.

States lie in plain arrays, one per 64-bit word, so a breadth-first level is a slice. The index is an open-addressing
hash table of state numbers. A hash only says where to look: a state counts as known if all its words are equal to those
of the state found there, so nothing is ever taken for something else.

A batch is inserted by rounds of whole-array steps. In each round every pending candidate looks at its slot: where that
is taken by an equal state, the candidate is dropped; by another one, it moves on. Candidates at empty slots all write
their number there; numpy lets the last one win, so the winner is the same in every run, and the others look again.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

N = TypeVar("N", bound=np.generic)
U64 = npt.NDArray[np.uint64]
Index = npt.NDArray[np.int64]

_EMPTY = np.uint32(0xFFFFFFFF)
_FULL = 0.5
_FIRST = 1 << 12
_ODD = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xFF51AFD7ED558CCD)


def _hash(words: list[U64], bits: int) -> Index:
    mixed = words[0] * np.uint64(_ODD[0])
    for i, word in enumerate(words[1:], 1):
        mixed ^= mixed >> np.uint64(29)
        mixed += word
        mixed *= np.uint64(_ODD[i % len(_ODD)])
    mixed ^= mixed >> np.uint64(32)
    mixed *= np.uint64(_ODD[3])
    return (mixed >> np.uint64(64 - bits)).astype(np.int64)


def _longer(array: npt.NDArray[N], size: int, used: int) -> npt.NDArray[N]:
    longer = np.empty(size, array.dtype)
    longer[:used] = array[:used]
    return longer


class Visited:
    """States by number, and the number of the state that each was first reached from."""

    def __init__(self, words: int) -> None:
        self.count = 0
        self.words: list[U64] = [np.empty(_FIRST, np.uint64) for _ in range(words)]
        self.before = np.empty(_FIRST, np.uint32)
        self._bits = 0
        self._slots = np.empty(0, np.uint32)
        self._make_room(_FIRST // 2)

    def growth(self, more: int) -> int:
        """The bytes that adding `more` states may take on top, while the arrays move to longer ones."""
        count, extra = self.count + more, 0
        if count > len(self.before):
            extra += max(count, len(self.before) * 3 // 2) * (8 * len(self.words) + 4)
        if count > _FULL * len(self._slots):
            extra += 4 << int(count / _FULL).bit_length()
        return extra

    def state(self, number: int) -> int:
        """A state as one integer, as `sim.engine.product` has it."""
        return sum(int(word[number]) << (64 * i) for i, word in enumerate(self.words))

    def widen(self, words: int) -> None:
        """Give every state more words, all 0."""
        if len(self.words) < words:
            self.words += [np.zeros(len(self.before), np.uint64) for _ in range(words - len(self.words))]
            self._reindex()

    def replace(self, words: list[U64]) -> None:
        """Give every state another form."""
        for i, word in enumerate(words):
            if i == len(self.words):
                self.words.append(np.empty(len(self.before), np.uint64))
            self.words[i][: self.count] = word
        del self.words[len(words) :]
        self._reindex()

    def add(self, words: list[U64], before: Index) -> None:
        """Add those of a batch of states that are new, each once. `take` is twice as fast as indexing here."""
        self._make_room(self.count + len(before))
        mask = (1 << self._bits) - 1
        at = _hash(words, self._bits)
        pending = np.arange(len(before))
        while len(pending):
            found = self._slots.take(at.take(pending))
            empty = found == _EMPTY
            other = self._other(words, pending, found, np.flatnonzero(~empty))
            lost = self._claim(words, before, at, pending.take(np.flatnonzero(empty)))
            at[other] = (at.take(other) + 1) & mask
            pending = np.concatenate([other, lost])

    def _other(self, words: list[U64], pending: Index, found: npt.NDArray[np.uint32], taken: Index) -> Index:
        """Of the candidates whose slot is taken, those that are not equal to the state found there."""
        candidates, states = pending.take(taken), found.take(taken).astype(np.int64)
        equal = np.ones(len(taken), np.bool_)
        for mine, theirs in zip(words, self.words, strict=True):
            equal &= mine.take(candidates) == theirs.take(states)
        return candidates.take(np.flatnonzero(~equal))

    def _claim(self, words: list[U64], before: Index, at: Index, claims: Index) -> Index:
        """Let candidates write their numbers into empty slots; append the winners, and give the losers."""
        here = at.take(claims)
        self._slots[here] = claims
        won = self._slots.take(here) == claims
        first = np.flatnonzero(won)
        winners = claims.take(first)
        self._append([word.take(winners) for word in words], before.take(winners), here.take(first))
        return claims.take(np.flatnonzero(~won))

    def _append(self, words: list[U64], before: Index, slots: Index) -> None:
        end = self.count + len(before)
        for mine, theirs in zip(self.words, words, strict=True):
            mine[self.count : end] = theirs
        self.before[self.count : end] = before
        self._slots[slots] = np.arange(self.count, end, dtype=np.uint32)
        self.count = end

    def _make_room(self, count: int) -> None:
        if count > len(self.before):
            size = max(count, len(self.before) * 3 // 2)
            self.words = [_longer(word, size, self.count) for word in self.words]
            self.before = _longer(self.before, size, self.count)
        if count > _FULL * len(self._slots):
            self._bits = max(12, int(count / _FULL).bit_length())
            self._reindex()

    def _reindex(self) -> None:
        """Build the index anew. No two states are equal, so each only needs an empty slot."""
        self._slots = np.full(1 << self._bits, _EMPTY, np.uint32)
        mask = (1 << self._bits) - 1
        step = 1 << 20
        for low in range(0, self.count, step):
            high = min(self.count, low + step)
            at = _hash([word[low:high] for word in self.words], self._bits)
            pending = np.arange(high - low)
            while len(pending):
                empty = self._slots.take(at.take(pending)) == _EMPTY
                claims = pending.take(np.flatnonzero(empty))
                here = at.take(claims)
                self._slots[here] = claims + low
                won = self._slots.take(here) == claims + low
                lost = np.concatenate([pending.take(np.flatnonzero(~empty)), claims.take(np.flatnonzero(~won))])
                at[lost] = (at.take(lost) + 1) & mask
                pending = lost
