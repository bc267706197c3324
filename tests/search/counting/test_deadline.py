"""Counting ends with the time that it has, wherever that finds it,
and what is known by then is said.
"""

from __future__ import annotations

import time
from functools import partial
from math import inf

import pytest

from sim.scenarios.library import recipe_named
from sim.search.budget import Budget
from sim.search.counting import deadline
from sim.search.counting.deadline import TimeIsOver, check_time, ending_at
from sim.search.counting.estimate import estimate
from sim.search.exploration import Counting, Exploration, Found
from sim.search.explore import explore
from sim.view.results.report import exploration_report

SMALL = recipe_named("punch-hole").scenario({}, ("mmu-seq",))
NEVER = Budget(seconds=1e9)


class Clock:
    """A clock that is over at the n-th look."""

    def __init__(self, looks: float) -> None:
        self.looks, self.seen = looks, 0

    def perf_counter(self) -> float:
        self.seen += 1
        return 0.0 if self.seen <= self.looks else inf


def counted(
    monkeypatch: pytest.MonkeyPatch, looks: float, countable: int = 1 << 20
) -> tuple[Exploration, int]:
    clock = Clock(looks)
    with monkeypatch.context() as patch:
        patch.setattr(deadline, "time", clock)
        patch.setattr("sim.search.counting.count.estimate", partial(estimate, walks=20))
        return explore(SMALL, budget=NEVER, counting=Counting(1, countable)), clock.seen


def is_part_of(one: Found, whole: Found) -> bool:
    """What is said of a finding is what is said with all the time there is, or nothing."""
    if one.reach is None or whole.reach is None:
        return one.reach is None
    ours, theirs = one.reach, whole.reach
    assert (ours.preemptions, ours.inevitable_at) == (theirs.preemptions, theirs.inevitable_at)
    return all(
        getattr(ours, name) in (None, getattr(theirs, name))
        for name in ("interleavings", "classes", "odds")
    )


@pytest.mark.parametrize("countable", [1 << 20, 50])
def test_wherever_it_ends_what_is_said_is_right(
    monkeypatch: pytest.MonkeyPatch, countable: int
) -> None:
    """Exact numbers, and, where there are too many states, an estimate and classes."""
    whole, looks = counted(monkeypatch, inf, countable)
    assert whole.counts
    assert not whole.counts.is_cut
    assert looks > 100
    known = set()
    for look in [*range(6), *range(6, looks, max(1, looks // 5)), *range(looks - 4, looks)]:
        exploration, _ = counted(monkeypatch, look, countable)
        counts = exploration.counts
        assert counts
        assert counts.is_cut
        assert exploration.states == whole.states
        for name in ("interleavings", "classes", "estimate"):
            assert getattr(counts, name) in (None, getattr(whole.counts, name))
            known.add((name, getattr(counts, name) is not None))
        assert [one.finding for one in exploration.found] == [one.finding for one in whole.found]
        assert all(map(is_part_of, exploration.found, whole.found))
    assert {("interleavings", False), ("classes", False)} <= known
    assert (("interleavings", True) if countable > 50 else ("estimate", True)) in known


def test_many_attempts_share_the_time_there_is() -> None:
    """Each bound on retries, from 100 down, was tried for as long as all of them may take."""
    begun = time.perf_counter()
    exploration = explore(
        recipe_named("np-to-leaf-exclusive").scenario({}),
        budget=Budget(seconds=1.5),
        counting=Counting(100),
    )
    assert time.perf_counter() - begun < 8
    assert exploration.counts
    assert (exploration.counts.is_cut, exploration.counts.interleavings) == (True, None)
    said = exploration_report(exploration, {})
    assert "and then the time was over: interleavings are not counted" in said
    assert "every interleaving, 62,677 states" in said


def test_who_sets_no_time_has_all_of_it() -> None:
    check_time()
    with pytest.raises(TimeIsOver), ending_at(time.perf_counter() - 1):
        check_time()
    check_time()
