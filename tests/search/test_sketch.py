"""Sketches: exact while there is room, and the same however the seeds were shared out."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.engine.run.dice import below, bits
from sim.search.fuzzing import sketch as module
from sim.search.fuzzing.sketch import ROOM, Gatherer, Sketch

_passes = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)), max_size=200)
laws = settings(max_examples=150, deadline=None, derandomize=True)


def state(number: int) -> int:
    return bits(number, 0, 0)


def gathered(passes: list[tuple[int, int]], pieces: int = 1) -> Gatherer:
    gatherer = Gatherer()
    for i in range(pieces):
        part = passes[i::pieces]
        states, seeds = ([state(one) for one, _ in part], [seed for _, seed in part])
        gatherer.add(np.array(states, np.uint64), np.array(seeds, np.uint64))
    return gatherer


def oracle(passes: list[tuple[int, int]], room: int) -> Sketch:
    """By dictionary."""
    seeds = defaultdict[int, set[int]](set)
    for one, seed in passes:
        seeds[state(one)].add(seed)
    zeros = 0
    while sum(fingerprint >> (64 - zeros) == 0 for fingerprint in seeds) > room:
        zeros += 1
    kept = sorted(fingerprint for fingerprint in seeds if fingerprint >> (64 - zeros) == 0)
    once, more = ([one for one in kept if (len(seeds[one]) > 1) == many] for many in (False, True))
    return Sketch(zeros, np.array(once, np.uint64), np.array(more, np.uint64))


@laws
@given(_passes, st.integers(1, 9))
def test_a_sketch_is_what_counting_by_hand_gives(
    passes: list[tuple[int, int]], pieces: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "ROOM", 16)
        patch.setattr(Gatherer, "_MOST", 30)
        assert gathered(passes, pieces).sketch() == oracle(passes, 16)


@laws
@given(_passes, st.integers(1, 20), st.integers(1, 20))
def test_sketches_of_different_seeds_can_be_united_in_any_order(
    passes: list[tuple[int, int]], one: int, other: int
) -> None:
    bounds = sorted((0, one, other, 21))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "ROOM", 16)
        parts = [
            gathered([p for p in passes if low <= p[1] < high]).sketch()
            for low, high in pairwise(bounds)
        ]
        whole = gathered(passes).sketch()
        assert parts[0].united(parts[1]).united(parts[2]) == whole
        assert parts[2].united(parts[0].united(parts[1])) == whole


@laws
@given(_passes, st.integers(1, 9))
def test_the_least_seed_of_a_state_is_kept(passes: list[tuple[int, int]], pieces: int) -> None:
    """Whatever has been settled in between."""
    least: dict[int, int] = {}
    for one, seed in passes:
        least[state(one)] = min(seed, least.get(state(one), seed))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Gatherer, "_MOST", 20)
        _, states, seeds = gathered(passes, pieces).firsts()
    assert dict(zip(states.tolist(), seeds.tolist(), strict=True)) == least


def test_what_does_not_fit_is_estimated() -> None:
    states = 200_000
    many = gathered([(one, one % 1000) for one in range(states)]).sketch()
    assert many.zeros > 0
    assert abs(many.states - states) < 4 * states / sqrt(ROOM / 2)
    assert many.lone == many.states


def test_a_sketch_survives_its_bytes() -> None:
    some = gathered([(below(10_000, 1, i, 0), below(50, 1, i, 1)) for i in range(20_000)]).sketch()
    assert Sketch.from_bytes(some.to_bytes()) == some
    for data in (b"", b"x" * 12, some.to_bytes()[:-1]):
        with pytest.raises(ValueError, match="not a sketch"):
            Sketch.from_bytes(data)


def test_a_lesser_seed_counts_although_the_state_is_settled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Gatherer, "_MOST", 1)
    gatherer, passed = Gatherer(), np.full(3, state(1), np.uint64)
    for seeds in ([7, 5, 9], [8, 3, 6], [4, 5, 6]):
        gatherer.add(passed, np.array(seeds, np.uint64))
    assert [part.tolist() for part in gatherer.firsts()[1:]] == [[state(1)], [3]]
