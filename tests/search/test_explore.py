"""Exploring: what a budget cuts off, and what it does not change."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import pytest

from sim.engine.states import frontier, visited
from sim.engine.states.visited import Visited
from sim.scenarios.library import recipe_named
from sim.search.budget import Budget
from sim.search.exploration import Counting, Exploration, Progress, Verdict
from sim.search.explore import explore

ROW_1, ROW_2 = recipe_named("np-to-leaf-shared"), recipe_named("np-to-leaf-exclusive")


@attrs.frozen
class Patience(Budget):
    """A budget that is spent after so many questions."""

    questions: Iterator[int] = attrs.field(kw_only=True)

    def spent(self, seconds: float, more: int) -> bool:
        return next(self.questions, None) is None


def impatiently(levels: int) -> Exploration:
    return explore(ROW_2.scenario({}), budget=Patience(questions=iter(range(levels))))


def test_a_cut_exploration_is_a_beginning_of_the_whole_one() -> None:
    """Level by level: never fewer states, never another finding,
    and undecided until there is one.
    """
    whole = explore(ROW_2.scenario({}))
    before = 0
    for levels in (0, 1, 5, 23, 24, 31, 32, 60, 120):
        cut = impatiently(levels)
        assert before <= cut.states <= whole.states
        before = cut.states
        assert [f.finding for f in cut.found] == [f.finding for f in whole.found][: len(cut.found)]
        assert [len(f.witness.steps) for f in cut.found] == [24, 32][: len(cut.found)]
        assert len(cut.found) == (levels >= 24) + (levels >= 32)
        assert (cut.unexpanded == 0) == (cut.states == whole.states)
        assert cut.verdict is (Verdict.FINDING if levels >= 24 else Verdict.UNDECIDED)


def test_an_interrupted_count_keeps_the_verdict() -> None:
    def tick(progress: Progress) -> None:
        if progress.stage:
            raise KeyboardInterrupt

    scenario = ROW_2.scenario({})
    whole, cut = explore(scenario), explore(scenario, counting=Counting(), tick=tick)
    assert cut.interrupted
    assert (cut.found, cut.states, cut.counts) == (whole.found, whole.states, None)
    with pytest.raises(KeyboardInterrupt):
        explore(
            scenario,
            counting=Counting(),
            tick=lambda _: tick(Progress(0, 0, 0, 0, 0.0, "exploring")),
        )


@pytest.mark.parametrize("budget", [Budget(seconds=0.0), Budget(memory=1)])
def test_no_budget_at_all_still_says_so(budget: Budget) -> None:
    cut = explore(ROW_1.scenario({}), budget=budget)
    assert (cut.verdict, cut.states, cut.unexpanded) == (Verdict.UNDECIDED, 1, 1)


@pytest.mark.parametrize("chunk", [1, 7, 100])
def test_the_size_of_a_chunk_decides_nothing(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    scenario = ROW_2.scenario({"contenders": "zero-step"})
    whole = explore(scenario)
    monkeypatch.setattr(frontier, "_CHUNK", chunk)
    pieces = explore(scenario)
    assert (pieces.states, pieces.transitions, pieces.depth) == (
        whole.states,
        whole.transitions,
        whole.depth,
    )
    assert [f.finding for f in pieces.found] == [f.finding for f in whole.found]


def test_exploring_twice_gives_the_same_witnesses() -> None:
    first, second = (explore(ROW_2.scenario({})) for _ in range(2))
    assert [f.picks for f in first.found] == [f.picks for f in second.found]


def test_progress_is_told_of_every_level() -> None:
    told: list[Progress] = []
    exploration = explore(ROW_1.scenario({"contenders": "none"}), tick=told.append)
    assert [progress.depth for progress in told] == list(range(exploration.depth + 1))
    assert sum(progress.frontier for progress in told) == exploration.states


def test_growth_is_foretold() -> None:
    """What `growth` says is at least what adding takes, so a memory budget is not overshot."""
    states = Visited(2)
    assert states.growth(10) == 10 * (8 * 2 + 4)
    assert states.growth(1_000_000) >= 1_000_000 * (8 * 2 + 4)


def test_more_states_than_can_be_numbered_are_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visited, "MOST", 1 << 10)
    exploration = explore(ROW_1.scenario({}))
    assert exploration.verdict is Verdict.UNDECIDED
    assert exploration.unexpanded


@pytest.mark.parametrize("jobs", [2, 3])
def test_threads_change_nothing(monkeypatch: pytest.MonkeyPatch, jobs: int) -> None:
    """Not a number, not a witness: chunks are small here,
    so that all of them have work and ask what is new.
    """
    monkeypatch.setattr(frontier, "_CHUNK", 64)
    scenario = ROW_2.scenario({})
    alone, together = (explore(scenario, jobs=n, finals=True) for n in (1, jobs))
    assert attrs.evolve(together, seconds=0) == attrs.evolve(alone, seconds=0)
