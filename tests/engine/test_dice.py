"""The generator: one seed at a time or in bulk, the same numbers, on every platform."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.engine.herd import dice_many
from sim.engine.run.dice import below, bits

_u64 = st.integers(0, 2**64 - 1)


@settings(derandomize=True, deadline=None)
@given(
    st.lists(st.tuples(_u64, st.integers(1, 2**32)), min_size=1),
    st.integers(0, 10**6),
    st.integers(0, 3),
)
def test_bulk_draws_are_the_single_draws(
    seeds: list[tuple[int, int]], step: int, draw: int
) -> None:
    n = np.array([n for _, n in seeds], dtype=np.uint64)
    drawing = dice_many.seeded(np.array([seed for seed, _ in seeds], dtype=np.uint64))
    many = dice_many.below(n, drawing, np.uint64(step), draw)
    assert many.tolist() == [below(n, seed, step, draw) for seed, n in seeds]


def test_the_numbers_never_change() -> None:
    """Schedules are found by seed: a changed generator would lose them."""
    assert [bits(seed, step, 0) for seed, step in ((0, 0), (0x2A, 0), (0x2A, 1))] == PINNED


PINNED = [0x238275BC38FCBE91, 0x6310BF04D8207F46, 0x93BE8420BB55B94C]


def test_every_number_below_n_comes_up() -> None:
    drawn = [below(5, seed, 0, 0) for seed in range(5000)]
    counts = [drawn.count(i) for i in range(5)]
    assert sum(counts) == 5000
    assert all(900 < count < 1100 for count in counts)


def test_steps_and_draws_are_independent_coordinates() -> None:
    assert len({bits(1, step, draw) for step in range(50) for draw in range(2)}) == 100
