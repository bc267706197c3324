"""Counts, classes, odds, preemptions and inevitability,
against going through all runs one by one.
"""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from typing import cast

import attrs
import pytest
from hypothesis import example, given

from sim.engine.model.cells import BOOL, Cell
from sim.engine.model.operations import bug, choose, wait
from sim.engine.model.routines import routine
from sim.engine.model.scenario import Look, Property, Scenario, Task
from sim.engine.run.automata import Automata
from sim.engine.states.frontier import Frontier
from sim.engine.states.product import Product
from sim.search.counting import persistent_sets
from sim.search.counting.inevitable import inevitable_at
from sim.search.counting.interleavings import Interleavings
from sim.search.counting.preemptions import fewest, preempted
from sim.search.counting.reaching import where_reached
from sim.search.counting.traces import Traces
from sim.search.exploration import Counting
from sim.search.explore import explore
from tests.engine.mini import Memory, Naive, programs, scenario
from tests.engine.test_laws import ABBA, PULSE, SPIN, Programs, laws
from tests.search.counting import brute

MOST = 1500
TWICE: Programs = (
    (("choose", 0, 1), ("report", 1), ("report", 0)),
    (("add", 0, 1),),
    (("add", 0, 1), ("load", 0)),
)
RETRY: Programs = (
    (("repeat", 1, (("try", 0),)), ("unlock", 0)),
    (("lock", 0), ("store", 0, 1), ("unlock", 0)),
)

HELD: Programs = (
    (("lock", 0), ("repeat", 1, (("load", 0),)), ("unlock", 0)),
    (("lock", 0), ("unlock", 0)),
)


def watched(program: Programs) -> Scenario:
    """With the property that the first two cells never hold 1 at once."""
    this = scenario(program)
    memory = cast("Memory", this.tasks[0].call.args[0])

    def holds(look: Look) -> bool:
        return not (look(memory.cells[0]) == 1 == look(memory.cells[1]))

    return attrs.evolve(this, properties=(Property.whole(brute.BOTH, "divergence", holds),))


def explored(program: Programs, retries: int | None, *, merge: bool = True) -> Frontier:
    frontier = Frontier(Product(watched(program), Automata(merge=merge, retries=retries)))
    for _ in frontier.levels():
        pass
    return frontier


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
        if every is not None:
            hold_numbers(program, retries, every)


def hold_numbers(program: Programs, retries: int, every: list[brute.Way]) -> set[str]:
    """Compare all that is counted; gives the findings that some run passes."""
    naive = Naive(program, retries)
    traces = {way.trace for way in every}
    assert sum((way.probability for way in every), Fraction(0)) == 1
    ends = {brute.stuck(naive, way.configs[-1]) for way in every}
    reaching = {
        where: those
        for where in ("here", brute.BOTH, *(where for where in ends if where))
        if (those := [way for way in every if brute.passes(naive, where, way)])
    }
    for merge in (True, False):
        runs = Interleavings(explored(program, retries, merge=merge))
        classes = Traces(runs)
        assert runs.total == len(every)
        assert classes.total == len(traces)
        passed = {finding.where: passing for finding, passing in runs.findings.items()}
        assert {
            where for where, passing in passed.items() if runs.reaching(runs.goal(passing))
        } == reaching.keys()
        for where, those in reaching.items():
            assert runs.reaching(runs.goal(passed[where])) == len(those)
            assert runs.odds(runs.goal(passed[where]), [0]) == [
                sum((way.probability for way in those), Fraction(0))
            ]
            if classes.reaching(passed[where]) is not None:
                assert classes.reaching(passed[where]) == len({way.trace for way in those})
            assert where == brute.BOTH or classes.reaching(passed[where]) is not None
    assert persistent_sets.count_traces(scenario(program), retries, 1 << 20) == len(traces)
    return set(reaching)


def hold_findings(program: Programs) -> list[tuple[int, int, int]]:
    """Compare preemptions and inevitability, without a bound.

    Per finding the preemptions, where, and of how many.
    """
    frontier, naive = explored(program, None), Naive(program)
    passed = where_reached(frontier)
    found = fewest(frontier, passed)
    assert found.keys() == passed.keys()
    said = []
    for finding, few in found.items():
        configs = list(brute.followed(naive, few.picks.picks))
        events = [None, *brute.events_of(naive, few.picks.picks)]
        assert brute.shows(naive, finding.where, events[-1], configs[-1])
        assert (few.preemptions, len(few.picks.picks)) == brute.fewest_preemptions(
            naive, finding.where
        )
        taken = sum(
            task != last
            and any(event.task == last for event, _, _ in brute.steps_of(naive, config))
            for (last, _), (task, _), config in zip(
                few.picks.picks, few.picks.picks[1:], configs[1:], strict=False
            )
        )
        assert taken == few.preemptions == preempted(watched(program), few.picks, Automata())
        avoidable = brute.avoidable(naive, finding.where)
        last = max((i for i, config in enumerate(configs[:-1]) if config in avoidable), default=-1)
        at = inevitable_at(frontier, passed[finding], numbers(frontier, few.picks.picks))
        assert at == last + 1
        said.append((few.preemptions, at, len(few.picks.picks)))
    return said


def test_a_hundred_racing_programs() -> None:
    """All of it on programs that have something to find, more than one run,
    and loops that are given up among them.
    """
    held, gave_up, said, number = 0, 0, list[tuple[int, int, int]](), 0
    while held < 100:
        program, number = brute.racing(number), number + 1
        every = brute.ways(program, 2, MOST)
        if every is None or len(every) == 1 or not hold_numbers(program, 2, every):
            continue
        held += 1
        gave_up += any(("gave up",) in todo for way in every for _, todo in way.configs[-1].tasks)
        said += hold_findings(program)
    assert gave_up >= 25
    assert Counter(preemptions for preemptions, _, _ in said).keys() >= {0, 1, 2}
    assert sum(0 < at < steps for _, at, steps in said) >= 25


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
    classes = Traces(runs)
    expected = Counter(way.configs for way in every)
    assert (
        Counter(tuple(brute.followed(naive, runs.run(n).picks)) for n in range(runs.total))
        == expected
    )
    picked = [classes.run(n).picks for n in range(classes.total)]
    known = {tuple(event.label for event in way.events): way.trace for way in every}
    labels = [tuple(event.label for event in brute.events_of(naive, picks)) for picks in picked]
    assert len({known[run] for run in labels}) == len(picked) == len({way.trace for way in every})
    for beyond in (runs.run, classes.run):
        with pytest.raises(IndexError):
            beyond(10**9)


@laws
@given(programs)
@example(SPIN)
@example(ABBA)
@example(TWICE)
@example(RETRY)
def test_no_run_takes_fewer_preemptions_and_inevitable_is_what_cannot_be_avoided(
    program: Programs,
) -> None:
    hold_findings(program)


def numbers(frontier: Frontier, picks: tuple[tuple[str, int], ...]) -> list[int]:
    """The states of a run, by number."""
    state, way = 0, [0]
    every = {frontier.visited.state(i): i for i in range(frontier.visited.count)}
    for task, outcome in picks:
        state += frontier.product.answer(task, state)[outcome][0]
        way.append(every[state])
    return way


@routine
async def may_call_bug() -> None:
    if await choose("bug", (False, True)):
        await bug("may_call_bug")


@routine
async def calls_it() -> None:
    await may_call_bug()


@routine
async def waits_for_ever() -> None:
    await wait("never", bool, NEVER)


NEVER = Cell("never", initial=False, domain=BOOL)


def test_who_is_stuck_after_bug_is_no_deadlock_though_he_stands_as_one_who_is() -> None:
    """Two ends in which the tasks stand alike: one is halted, the other a deadlock.

    One run leads to each.
    """
    asked = Scenario("ends", (Task("p", calls_it()), Task("q", waits_for_ever())))
    exploration = explore(asked, counting=Counting())
    reach = {str(found.finding): found.reach for found in exploration.found}
    assert set(reach) == {"BUG may_call_bug", "deadlock q@never"}
    for one in reach.values():
        assert one is not None
        assert (one.interleavings, one.odds) == (1, Fraction(1, 2))
