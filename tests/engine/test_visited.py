"""The set of visited states against a plain Python set."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.engine.arrays import U64
from sim.engine.states import visited as module
from sim.engine.states.loops import MOVE, Candidates, hashes
from sim.engine.states.visited import Visited

_state = st.integers(0, 50) | st.integers(0, 2**128 - 1)


def rows_of(states: list[int]) -> U64:
    rows = [[s >> 64 * i & (2**64 - 1) for i in range(2)] for s in states]
    return np.array(rows, np.uint64).reshape(len(states), 2)


def add(visited: Visited, states: list[int], before: int) -> list[int]:
    """The number that is said of each state."""
    batch = Candidates.of(rows_of(states), np.full(len(states), before, np.uint32))
    numbers: list[int] = visited.keep(batch).tolist()
    return numbers


def states_of(visited: Visited) -> list[int]:
    return [visited.state(i) for i in range(visited.count)]


@settings(derandomize=True, deadline=None)
@given(st.lists(st.lists(_state, max_size=40), min_size=1, max_size=8), st.integers(1, 3))
def test_each_state_once_in_the_order_of_candidates(batches: list[list[int]], parts: int) -> None:
    """However the index is split."""
    visited, seen = Visited(2, parts), dict[int, int]()
    for number, batch in enumerate(batches):
        known = {state: i for i, state in enumerate(seen)}
        first = len(known)
        for state in batch:
            seen.setdefault(state, number)
            known.setdefault(state, len(known))
        said = add(visited, batch, number)
        assert all(
            n == known[state] if known[state] < first else n >= first
            for n, state in zip(said, batch, strict=True)
        )
    assert states_of(visited) == list(seen)
    assert visited.before[: visited.count].tolist() == list(seen.values())
    assert visited.find(rows_of(list(seen))).tolist() == list(range(len(seen)))


def alike(low: int) -> int:
    """A state whose lower word is `low`, and whose hash is that of the state 0."""
    mixed = low * 0x9E3779B97F4A7C15 % 2**64
    return low | (-(mixed ^ mixed >> 29)) % 2**64 << 64


@pytest.mark.parametrize("parts", [1, 3])
def test_states_that_hash_alike_are_kept_apart(parts: int) -> None:
    """They stand in one row of slots with one tag, which costs time and no state."""
    every = [alike(low) for low in range(2000)]
    assert len(set(hashes(rows_of(every)).tolist())) == 1
    visited = Visited(2, parts)
    add(visited, every[:1000], 0)
    add(visited, every, 1)
    assert states_of(visited) == every
    assert visited.find(rows_of(every)).tolist() == list(range(2000))


def test_a_slot_without_room_for_a_tag_is_compared_all_the_same() -> None:
    visited = Visited(2)
    visited.struct.number = 2**32 - 1
    visited.reindex()
    add(visited, [5, 7, 5, 2**64 + 5, 2**127], 0)
    assert add(visited, [7, 8], 1) == [1, 4]
    assert states_of(visited) == [5, 7, 2**64 + 5, 2**127, 8]


def test_growing_loses_nothing() -> None:
    visited = Visited(2)
    for low in range(0, 40_000, 5_000):
        add(visited, list(range(low, low + 6_000)), low)
    assert states_of(visited) == list(range(41_000))
    visited.widen(3)
    assert states_of(visited) == list(range(41_000))
    to_the_second_word = np.array([(0, 1, 0, 4, 0xFFFF)], MOVE)
    visited.lay_out(2, to_the_second_word)
    assert states_of(visited) == [s << 68 for s in range(41_000)]
    add(visited, [3 << 68, 3], 0)
    assert visited.count == 41_001


def test_room_is_what_address_space_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 1 << 12)
    visited = Visited(2)
    add(visited, [3, 4], 0)
    assert visited.room == (1 << 12) - 3
    visited.widen(3)
    assert visited.room == 2 * (1 << 12) // 3 - 3
