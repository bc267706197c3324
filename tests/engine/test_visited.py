"""The set of visited states against a plain Python set."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.engine.arrays import U64
from sim.engine.states import visited as module
from sim.engine.states.visited import Candidates, Visited

_state = st.integers(0, 50) | st.integers(0, 2**128 - 1)


def words_of(states: list[int]) -> list[U64]:
    return [np.array([s >> 64 * i & (2**64 - 1) for s in states], np.uint64) for i in range(2)]


def add(visited: Visited, states: list[int], before: int) -> list[int]:
    """The number that is said of each state."""
    batch = Candidates(words_of(states), np.full(len(states), before, np.int64))
    numbers: list[int] = visited.keep(batch).take(batch.places()).tolist()
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
    assert visited.find(words_of(list(seen))).tolist() == list(range(len(seen)))


def test_states_that_hash_alike_are_kept_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hash that sends everything to one slot costs time and no state."""
    monkeypatch.setattr(module, "_hash", lambda words: np.zeros(len(words[0]), np.uint64))
    visited = Visited(2)
    add(visited, [5, 7, 5, 2**64 + 5, 2**127], 0)
    add(visited, [7, 8], 1)
    assert states_of(visited) == [5, 7, 2**64 + 5, 2**127, 8]


def test_growing_loses_nothing() -> None:
    visited = Visited(2)
    for low in range(0, 40_000, 5_000):
        add(visited, list(range(low, low + 6_000)), low)
    assert states_of(visited) == list(range(41_000))
    visited.widen(3)
    assert visited.state(0) == 0
    words = [word[: visited.count] + np.uint64(i == 1) for i, word in enumerate(visited.words[:2])]
    visited.replace(words)
    assert states_of(visited) == [2**64 + s for s in range(41_000)]
    add(visited, [2**64 + 3, 3], 0)
    assert visited.count == 41_001


def test_room_is_what_address_space_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 1 << 12)
    visited = Visited(2)
    add(visited, [3, 4], 0)
    assert visited.room == (1 << 12) - 3
