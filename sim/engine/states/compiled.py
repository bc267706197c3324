"""The loops of the array search, compiled. They sort the states of a chunk by footprint, take their
steps, and look up the states that these lead to.

Each function does what a handful of numpy calls do (`sim.engine.states.successors`,
`sim.engine.states.visited`), in the same order, so that states have the same numbers. What a numpy
call reads and writes in passes over whole arrays is here one pass, in registers.

Words of states come as a tuple of arrays, one per 64-bit word; so each function is compiled once
for each number of words. All arithmetic on words is in uint64: numba makes a float of an int64 and
a uint64.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt
from numba.core import config

from sim.engine.arrays import U32, U64, Index, Mask

Words = tuple[U64, ...]
Answers = npt.NDArray[np.int32]


def kept_in(folder: Path, text: bytes = b"") -> Path:
    """Where machine code lies below a cache directory: by the text of this file, or another one.

    So no other text's code is ever taken for it: numba itself goes by the file's time and size.
    """
    digest = sha256(text or Path(__file__).read_bytes()).hexdigest()[:16]
    return folder / f"compiled-{digest}-numba-{numba.__version__}"


def _keeps_what_it_compiles() -> bool:
    """Whether there is a directory for machine code; numba is told of it."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    place = kept_in((Path(home) if home else Path("~/.cache").expanduser()) / "tdpsim")
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    vars(config)["CACHE_DIR"] = str(place)
    return os.access(place, os.W_OK)


F = TypeVar("F", bound=Callable[..., object])
_KEEPS = _keeps_what_it_compiles()


def _compiled(function: F) -> F:
    return cast("F", numba.njit(cache=_KEEPS, nogil=True)(function))


def _inlined(function: F) -> F:
    return cast("F", numba.njit(inline="always")(function))


_ASK = -1
_EMPTY = np.uint32(0xFFFFFFFF)
_ODD_0, _ODD_1 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
_ODD_2, _ODD_3 = np.uint64(0x165667B19E3779F9), np.uint64(0xFF51AFD7ED558CCD)
_29, _32, _47 = np.uint64(29), np.uint64(32), np.uint64(47)
_FARTHEST = 16
_AHEAD = 1024
"""Candidates that are looked up together: their cache misses overlap."""


@_compiled
def by_shape(
    word: U64,
    shift: int,
    mask: int,
    shapes: npt.NDArray[np.int16],
    running: Mask,
    is_daemon: bool,
    local: Index,
    shape: Index,
    order: Index,
    ends: Index,
    done: Mask,
) -> None:
    """Sort a chunk's states by the footprint of a task's operation, stably.

    `local` and `order` are filled; `ends[n]` is where those of footprint n end. `done` loses the
    states in which the task has not finished, and has those that are not `running` (empty: all
    are).
    """
    by, within = np.uint64(shift), np.uint64(mask)
    ends[:] = 0
    for i in range(len(word)):
        here = np.int64((word[i] >> by) & within)
        local[i] = here
        of: Any = np.int64(shapes[here])
        if not is_daemon and of != 0:
            done[i] = False
        if len(running) and not running[i]:
            of = 0
            done[i] = True
        shape[i] = of
        ends[of] += 1
    total: Any = 0
    for n in range(len(ends)):
        count = ends[n]
        ends[n] = total
        total += count
    for i in range(len(word)):
        order[ends[shape[i]]] = i
        ends[shape[i]] += 1


@_compiled
def look_up(
    words: Words,
    order: Index,
    ends: Index,
    local: Index,
    base: Index,
    wide: Mask,
    starts: Index,
    at: Index,
    shifts: U64,
    masks: U64,
    places: U64,
    table: Answers,
    answer: Answers,
    asks: Mask,
) -> int:
    """What each state is answered, footprint by footprint; gives how many have not been asked.

    The fields of footprint n are those from `starts[n]` to `starts[n + 1]`: they lie in the words
    `at`, shifted by `shifts`, and each begins at `places` in a question. A `wide` one is left to
    the caller. `asks[n]` says whether somebody asks something new there.
    """
    unknown = 0
    for n in range(1, len(ends)):
        asks[n] = False
        if wide[n]:
            continue
        low, high = starts[n], starts[n + 1]
        for i in range(ends[n - 1], ends[n]):
            state = order[i]
            question = np.uint64(base[local[state]])
            for k in range(low, high):
                question += ((words[at[k]][state] >> shifts[k]) & masks[k]) << places[k]
            found = table[np.int64(question)]
            answer[i] = found
            if found == _ASK:
                asks[n] = True
                unknown += 1
    return unknown


@_compiled
def count_steps(ends: Index, answer: Answers, outcomes: Index) -> int:
    """How many steps a task can take, all outcomes counted."""
    steps = 0
    for i in range(ends[0], ends[-1]):
        steps += outcomes[answer[i]]
    return steps


@_inlined
def _step(words: Words, state: int, deltas: Words, row: int, after: Words, pos: int) -> None:
    """Write the state that a step leads to."""
    for n in range(len(words)):
        after[n][pos] = words[n][state] + deltas[n][row]


@_inlined
def _flag(flags: Index, many: int, footprint: int, outcome: int, row: int, state: int) -> None:
    flags[many, 0], flags[many, 1] = footprint, outcome
    flags[many, 2], flags[many, 3] = row, state


@_compiled
def take_steps(
    words: Words,
    order: Index,
    ends: Index,
    answer: Answers,
    first: Index,
    outcomes: Index,
    deltas: Words,
    flagged: Mask,
    shown: Index,
    stamp: int,
    alone: Mask,
    after: Words,
    before: U32,
    rows: Index,
    pos: int,
    flags: Index,
    left: Index,
) -> tuple[int, int, int]:
    """Take all steps of a task: footprint by footprint, outcome by outcome, in order of states.

    Writes words, the state that is left, and the row of each step, from `pos` on; gives where that
    ends, how many flags there are, and the stamp. A flag is the first state of a footprint and an
    outcome that shows a row: (footprint, outcome, row, state). `rows` may have a place for each
    step, or one for all.
    """
    many, all_rows = 0, len(rows) > 1
    for n in range(1, len(ends)):
        waiting, outcome = 0, 0
        for i in range(ends[n - 1], ends[n]):
            found = answer[i]
            if found > 0:
                left[waiting, 0], left[waiting, 1] = order[i], first[found]
                left[waiting, 2] = outcomes[found]
                alone[order[i]] = False
                waiting += 1
        while waiting:
            still = 0
            for i in range(waiting):
                state, row, more = left[i, 0], left[i, 1], left[i, 2]
                _step(words, state, deltas, row, after, pos)
                before[pos] = state
                rows[pos if all_rows else 0] = row
                pos += 1
                if flagged[row] and shown[row] != stamp:
                    shown[row] = stamp
                    _flag(flags, many, n, outcome, row, state)
                    many += 1
                if more > 1:
                    left[still, 0], left[still, 1], left[still, 2] = state, row + 1, more - 1
                    still += 1
            waiting = still
            outcome += 1
            stamp += 1
    return pos, many, stamp


@_inlined
def _mixed(words: Words, i: int) -> Any:
    """A state's hash, as `visited.py` has it."""
    mixed = words[0][i] * _ODD_0
    for n in range(1, len(words)):
        mixed ^= mixed >> _29
        mixed += words[n][i]
        turn = n % 4
        if turn == 0:
            mixed *= _ODD_0
        elif turn == 1:
            mixed *= _ODD_1
        elif turn == 2:
            mixed *= _ODD_2
        else:
            mixed *= _ODD_3
    mixed ^= mixed >> _32
    return mixed * _ODD_3


@_inlined
def _same(known: Words, there: Any, words: Words, i: int, begin: int) -> bool:
    """Whether two states are equal in their words from `begin` on."""
    same = True
    for n in range(begin, len(words)):
        if known[n][there] != words[n][i]:
            same = False
            break
    return same


@_inlined
def _next(slot: Any, turn: int, size: int) -> Any:
    """Where to look after `turn` looks, as `visited.py` has it."""
    slot += min(turn, _FARTHEST)
    return slot - size if slot >= size else slot


@_compiled
def sift(
    words: Words, size: int, near: U32, hashed: U64, place: U32, before: U32, kept_before: U32
) -> int:
    """Leave out candidates that equal one that a small table shows to; gives how many are left.

    Those that are left are moved up, and `hashed` and `kept_before` are theirs. `place[i]` is where
    candidate i is, or the one that it equals.
    """
    near[:] = _EMPTY
    count = 0
    for i in range(size):
        mixed = _mixed(words, i)
        slot = np.int64(mixed >> _47)
        there = near[slot]
        if there == _EMPTY:
            near[slot] = np.uint32(count)
        elif _same(words, np.int64(there), words, i, 0):
            place[i] = there
            continue
        place[i] = np.uint32(count)
        for n in range(len(words)):
            words[n][count] = words[n][i]
        hashed[count] = mixed
        kept_before[count] = before[i]
        count += 1
    return count


@_inlined
def _look_ahead(
    index: U32, hashed: U64, begin: int, some: int, slots: Index, found: U32, first: U64, word: U64
) -> None:
    """Where some candidates look first, what is there, and its first word: three passes,
    in each of which the looks do not wait for each other.
    """
    size = np.uint64(len(index))
    for k in range(some):
        slots[k] = np.int64(((hashed[begin + k] >> _32) * size) >> _32)
    for k in range(some):
        found[k] = index[slots[k]]
    for k in range(some):
        there = found[k]
        word[k] = first[np.int64(there) if there != _EMPTY else np.int64(0)]


@_compiled
def keep(
    index: U32,
    hashed: U64,
    words: Words,
    before: U32,
    low: int,
    known: Words,
    known_before: U32,
    count: int,
    number: U32,
) -> int:
    """Number those candidates that are new, each once, and write them behind the states.

    Gives how many states there are then; `number` has the number of each candidate. `before` counts
    from `low` on.
    """
    slots = np.empty(_AHEAD, np.int64)
    found, word = np.empty(_AHEAD, np.uint32), np.empty(_AHEAD, np.uint64)
    for begin in range(0, len(hashed), _AHEAD):
        some = min(_AHEAD, len(hashed) - begin)
        _look_ahead(index, hashed, begin, some, slots, found, known[0], word)
        for k in range(some):
            i, slot, there, one = begin + k, slots[k], found[k], word[k]
            if there == _EMPTY:
                there = index[slot]  # a candidate before it may have come
                one = known[0][np.int64(there) if there != _EMPTY else np.int64(0)]
            turn = 1
            while there != _EMPTY and not (
                one == words[0][i] and _same(known, np.int64(there), words, i, 1)
            ):
                slot = _next(slot, turn, len(index))
                turn += 1
                there = index[slot]
                one = known[0][np.int64(there) if there != _EMPTY else np.int64(0)]
            if there == _EMPTY:
                there = np.uint32(count)
                index[slot] = there
                for n in range(len(words)):
                    known[n][count] = words[n][i]
                known_before[count] = np.uint32(low + before[i])
                count += 1
            number[i] = there
    return count


@_compiled
def tops_of(number: U32, place: U32, before: U32, low: int, top: Mask) -> None:
    """Take from `top` the states that have a step to a state with a higher number."""
    for i in range(len(before)):
        if np.int64(number[place[i]]) > low + before[i]:
            top[before[i]] = False


@_compiled
def fill(index: U32, known: Words, count: int) -> None:
    """Enter every state into an index. No two are equal, so each only needs an empty slot."""
    size = np.uint64(len(index))
    index[:] = _EMPTY
    for i in range(count):
        slot, turn = np.int64(((_mixed(known, i) >> _32) * size) >> _32), 1
        while index[slot] != _EMPTY:
            slot = _next(slot, turn, len(index))
            turn += 1
        index[slot] = np.uint32(i)


def compile_all(most: int) -> None:
    """Compile every loop, for states of 1 to `most` words: no exploration has to wait for that.

    A loop is compiled when it is called. Here it is called on empty arrays.
    """
    none, no_state = np.zeros(0, np.int64), np.zeros(0, np.uint32)
    one, mask = np.zeros(1, np.int64), np.zeros(1, np.bool_)
    answers = np.zeros(1, np.int32)
    for number in range(1, most + 1):
        words = tuple(np.zeros(1, np.uint64) for _ in range(number))
        empty = tuple(np.zeros(0, np.uint64) for _ in range(number))
        index = np.full(3, _EMPTY, np.uint32)
        by_shape(words[0], 0, 1, np.zeros(1, np.int16), mask, False, one, one, one, one, mask)
        fields = (mask, one, none, words[0], words[0], words[0])
        look_up(words, one, one, one, one, *fields, answers, answers, mask)
        count_steps(one, answers, one)
        rest = (empty, no_state, one, 0, np.zeros((1, 4), np.int64), np.zeros((1, 3), np.int64))
        take_steps(words, one, one, answers, one, one, words, mask, one, 1, mask, *rest)
        sift(empty, 0, index, words[0], no_state, no_state, no_state)
        keep(index, empty[0], empty, no_state, 0, words, np.zeros(1, np.uint32), 0, no_state)
        tops_of(no_state, no_state, no_state, 0, mask)
        fill(index, words, 0)


if __name__ == "__main__":
    compile_all(3)
