"""The set of visited states against a plain Python set."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.engine import visited as module
from sim.engine.visited import Visited

_state = st.integers(0, 50) | st.integers(0, 2**128 - 1)


def add(visited: Visited, states: list[int], before: int) -> None:
    words = [np.array([s >> 64 * i & (2**64 - 1) for s in states], np.uint64) for i in range(2)]
    visited.add(words, np.full(len(states), before, np.int64))


@settings(derandomize=True, deadline=None)
@given(st.lists(st.lists(_state, max_size=40), max_size=8))
def test_each_state_once_in_the_order_of_its_batch(batches: list[list[int]]) -> None:
    visited, seen = Visited(2), dict[int, int]()
    for number, batch in enumerate(batches):
        add(visited, batch, number)
        for state in batch:
            seen.setdefault(state, number)
    assert {visited.state(i): int(visited.before[i]) for i in range(visited.count)} == seen
    assert visited.count == len(seen)


def test_states_that_hash_alike_are_kept_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hash that sends everything to one slot costs time and no state."""
    monkeypatch.setattr(module, "_hash", lambda words, _bits: np.zeros(len(words[0]), np.int64))
    visited = Visited(2)
    add(visited, [5, 7, 5, 2**64 + 5, 2**127], 0)
    add(visited, [7, 8], 1)
    assert sorted(visited.state(i) for i in range(visited.count)) == [5, 7, 8, 2**64 + 5, 2**127]


def test_growing_loses_nothing() -> None:
    visited = Visited(2)
    for low in range(0, 40_000, 5_000):
        add(visited, list(range(low, low + 6_000)), low)
    assert sorted(visited.state(i) for i in range(visited.count)) == list(range(41_000))
    visited.widen(3)
    assert visited.state(0) == 0
    words = [word[: visited.count] + np.uint64(i == 1) for i, word in enumerate(visited.words[:2])]
    visited.replace(words)
    assert sorted(visited.state(i) for i in range(visited.count)) == [2**64 + s for s in range(41_000)]
    add(visited, [2**64 + 3, 3], 0)
    assert visited.count == 41_001
