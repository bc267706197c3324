"""Counts, classes, odds, preemptions and inevitability, against going through all runs one by one."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import example, given

from sim.engine.automata import Automata
from sim.engine.frontier import Frontier
from sim.engine.operations import Finding
from sim.engine.product import Product
from sim.search.counting import reduced
from sim.search.counting.classes import Classes
from sim.search.counting.inevitable import inevitable_at
from sim.search.counting.interleavings import Interleavings
from sim.search.counting.passing import passings
from sim.search.counting.preemptions import fewest
from tests.engine.mini import Naive, programs, scenario
from tests.engine.test_laws import ABBA, PULSE, SPIN, Programs, laws
from tests.search.counting import brute

MOST = 1500
TWICE: Programs = ((("choose", 0, 1), ("report", 1), ("report", 0)), (("add", 0, 1),), (("add", 0, 1), ("load", 0)))
RETRY: Programs = ((("repeat", 1, (("try", 0),)), ("unlock", 0)), (("lock", 0), ("store", 0, 1), ("unlock", 0)))

HELD: Programs = ((("lock", 0), ("repeat", 1, (("load", 0),)), ("unlock", 0)), (("lock", 0), ("unlock", 0)))


def explored(program: Programs, retries: int | None, *, merge: bool = True) -> Frontier:
    frontier = Frontier(Product(scenario(program), Automata(merge=merge, retries=retries)))
    for _ in frontier.levels():
        pass
    return frontier


def text(finding: Finding) -> str:
    return finding.where


@laws
@given(programs)
@example(SPIN)
@example(PULSE)
@example(ABBA)
@example(TWICE)
@example(RETRY)
@example(HELD)
def test_numbers_are_those_of_going_through_all_runs(program: Programs) -> None:
    for retries in (0, 2):
        every = brute.ways(program, retries, MOST)
        if every is None:
            continue
        naive = Naive(program, retries)
        traces = {way.trace for way in every}
        for merge in (True, False):
            runs = Interleavings(explored(program, retries, merge=merge))
            classes = Classes(runs)
            assert runs.total == len(every)
            assert classes.total == len(traces)
            assert reduced.classes(scenario(program), retries, 1 << 20) == len(traces)
            assert sum((way.probability for way in every), Fraction(0)) == 1
            passed = {text(finding): passing for finding, passing in runs.findings.items()}
            reaching: dict[str, list[brute.Way]] = {}
            for way in every:
                if any(brute.warns(event) for event in way.events):
                    reaching.setdefault("here", []).append(way)
                if where := brute.stuck(naive, way.configs[-1]):
                    reaching.setdefault(where, []).append(way)
            assert {where for where, passing in passed.items() if runs.reaching(passing)} == reaching.keys()
            for where, those in reaching.items():
                assert runs.reaching(passed[where]) == len(those)
                assert classes.reaching(passed[where]) == len({way.trace for way in those})
                odds = sum((way.probability for way in those), Fraction(0))
                assert runs.odds(passed[where], [0]) == [odds]


@laws
@given(programs)
@example(SPIN)
@example(ABBA)
@example(TWICE)
@example(RETRY)
def test_each_number_is_another_run_and_each_class_another_class(program: Programs) -> None:
    every = brute.ways(program, 1, MOST // 5)
    if every is None:
        return
    naive, runs = Naive(program, 1), Interleavings(explored(program, 1))
    classes = Classes(runs)
    expected = Counter(way.configs for way in every)
    assert Counter(tuple(brute.followed(naive, runs.run(n).picks)) for n in range(runs.total)) == expected
    picked = [classes.run(n).picks for n in range(classes.total)]
    known = {tuple(event.label for event in way.events): way.trace for way in every}
    labels = [tuple(label_of(naive, picks)) for picks in picked]
    assert len({known[run] for run in labels}) == len(picked) == len({way.trace for way in every})
    for beyond in (runs.run, classes.run):
        with pytest.raises(IndexError):
            beyond(10**9)


def label_of(naive: Naive, picks: tuple[tuple[str, int], ...]) -> list[tuple[str, str, str]]:
    labels, config = [], naive.first
    for task, outcome in picks:
        event, _, config = [step for step in brute.steps_of(naive, config) if step[0].task == task][outcome]
        labels.append(event.label)
    return labels


@laws
@given(programs)
@example(SPIN)
@example(ABBA)
@example(TWICE)
@example(RETRY)
def test_no_run_takes_fewer_preemptions(program: Programs) -> None:
    frontier, naive = explored(program, None), Naive(program)
    found = fewest(frontier, passings(frontier))
    for finding, few in found.items():
        assert few.preemptions == brute.fewest_preemptions(naive, text(finding))
        configs = list(brute.followed(naive, few.picks.picks))
        taken = 0
        for (last, _), (task, _), config in zip(few.picks.picks, few.picks.picks[1:], configs[1:], strict=False):
            taken += task != last and any(event.task == last for event, _, _ in brute.steps_of(naive, config))
        assert taken == few.preemptions
        labels = label_of(naive, few.picks.picks)
        assert brute.stuck(naive, configs[-1]) == text(finding) or labels[-1][1] == "here.WARN"


@laws
@given(programs)
@example(SPIN)
@example(ABBA)
@example(TWICE)
@example(RETRY)
def test_inevitable_is_what_cannot_be_avoided(program: Programs) -> None:
    frontier, naive = explored(program, None), Naive(program)
    passed = passings(frontier)
    for finding, few in fewest(frontier, passed).items():
        way = numbers(frontier, few.picks.picks)
        avoidable = brute.avoidable(naive, text(finding))
        configs = list(brute.followed(naive, few.picks.picks))
        last = max((i for i, config in enumerate(configs[:-1]) if config in avoidable), default=-1)
        assert inevitable_at(frontier, passed[finding], way) == last + 1


def numbers(frontier: Frontier, picks: tuple[tuple[str, int], ...]) -> list[int]:
    """The states of a run, by number."""
    state, way = 0, [0]
    every = {frontier.visited.state(i): i for i in range(frontier.visited.count)}
    for task, outcome in picks:
        state += frontier.product.answer(task, state)[outcome][0]
        way.append(every[state])
    return way
