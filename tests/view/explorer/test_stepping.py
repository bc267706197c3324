"""Going along a line, back, and sideways, over random small programs and over the model."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sim.analysis.moments import moments
from sim.catalog.schedules import shipped
from sim.engine.model.errors import EngineError
from sim.engine.model.scenario import Scenario
from sim.engine.run.replay import follow_schedule, replay
from sim.engine.run.schedule import FoundBy, parse, record
from sim.scenarios.library import recipe_named
from sim.view.explorer.choices import Awaited, choices, waiting
from sim.view.explorer.line import LONGEST_WALK, Line
from tests.engine.mini import Block, Naive, programs, scenario

laws = settings(
    max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
ways = st.lists(st.integers(0, 1000), max_size=30)

ABBA: tuple[Block, ...] = ((("lock", 0), ("lock", 1)), (("lock", 1), ("lock", 0)))
SPIN: tuple[Block, ...] = ((("repeat", 1, (("load", 0),)),), (("store", 0, 1), ("report", 0)))
SCHEDULES = shipped()


def snapshot(explorer: Line) -> tuple[Any, ...]:
    """All that the explorer knows of the moment that it is at."""
    values = {
        cell.name: value for cell, value in explorer.world.values.items() if value != cell.initial
    }
    known = {
        key: value for key, value in explorer._noticing._known.items() if value != key[1].initial
    }
    changes = dict(explorer._noticing._changes), dict(explorer.world.changed_by)
    rest = (
        explorer.broken,
        choices(explorer),
        waiting(explorer),
        explorer.finished,
        dict(explorer._last),
    )
    return explorer.at, values, dict(explorer.standing), known, changes, rest


def wandered(explorer: Line, way: list[int]) -> Line:
    """Take choices, and go back and forth, as the numbers say."""
    for number in way:
        kind, rest = divmod(number, 250)
        found = choices(explorer)
        if kind < 2 and found:
            explorer.take(found[rest % len(found)].pick)
        elif kind == 2:
            explorer.goto(rest % (len(explorer.line) + 1))
        else:
            explorer.restore()
    return explorer


def recorded(name: str) -> tuple[Scenario, Line]:
    schedule = parse(SCHEDULES[name].read_bytes())
    asked = recipe_named(schedule.scenario).scenario(schedule.params, schedule.without)
    return asked, Line(asked, follow_schedule(schedule, asked))


@laws
@given(programs, ways)
@example(ABBA, [0, 1, 500, 0, 1])
@example(SPIN, [0, 0, 1, 500, 1, 0])
def test_forward_and_back_is_the_identity(program: tuple[Block, ...], way: list[int]) -> None:
    explorer = wandered(Line(scenario(program)), way)
    explorer.goto(0)
    on = [snapshot(explorer)]
    while explorer.forward():
        on.append(snapshot(explorer))
    assert len(on) == len(explorer.line) + 1
    while on:
        assert snapshot(explorer) == on.pop()
        assert explorer.back() == bool(on)


@laws
@given(programs, ways, st.integers(0, 30))
def test_goto_is_so_many_steps_from_the_start(
    program: tuple[Block, ...], way: list[int], at: int
) -> None:
    explorer = wandered(Line(scenario(program)), way)
    explorer.goto(at)
    fresh = Line(explorer.scenario)
    for move in explorer.line[:at]:
        fresh.take(move.pick)
    assert fresh.at == explorer.at == min(at, len(explorer.line))
    here, there = snapshot(explorer), snapshot(fresh)
    assert (here[:2], here[3:]) == (there[:2], there[3:])
    assert [(local.place, local.operation) for local in fresh.standing.values()] == [
        (local.place, local.operation) for local in explorer.standing.values()
    ]


@laws
@given(programs, ways)
@example(ABBA, [0, 1, 500, 0, 1])
@example(SPIN, [0, 0, 1, 500, 1, 0])
def test_a_branch_replays_under_both_executors(program: tuple[Block, ...], way: list[int]) -> None:
    explorer = wandered(Line(scenario(program)), way)
    run = explorer.run()
    schedule = record(run, "mini", FoundBy("tui"))
    assert replay(schedule, explorer.scenario) == run
    explorer.goto(len(explorer.line))
    assert tuple(finding for _, finding in explorer.found) == run.findings
    assert all(finding in explorer.shows(at) for at, finding in explorer.found)
    _, seen = moments(schedule, explorer.scenario)
    assert tuple(move.moment for move in explorer.line) == seen


@laws
@given(programs, st.lists(st.integers(0, 1000), max_size=12))
def test_the_choices_are_the_steps_of_the_naive_enumerator(
    program: tuple[Block, ...], way: list[int]
) -> None:
    naive = Naive(program)
    explorer, config = Line(scenario(program)), naive.first
    for number in [*way, 0]:
        coming, steps = choices(explorer), list(naive.steps(config))
        assert [(one.step.task, one.step.point, one.step.saw) for one in coming] == [
            label for label, _ in steps
        ]
        able = [one.step.task for one in coming]
        waits = [one.task for one in waiting(explorer)]
        assert sorted([*dict.fromkeys(able), *waits, *explorer.finished]) == sorted(naive.names)
        if not steps:
            break
        explorer.take(coming[number % len(coming)].pick)
        config = steps[number % len(steps)][1]


@pytest.mark.parametrize("name", sorted(SCHEDULES)[::8])
def test_branches_of_what_is_recorded_replay_under_both_executors(name: str) -> None:
    asked, explorer = recorded(name)
    whole = explorer.run()
    assert record(whole, "m", FoundBy("tui")).steps == parse(SCHEDULES[name].read_bytes()).steps
    assert whole.outcomes == parse(SCHEDULES[name].read_bytes()).expect
    for seed in range(3):
        explorer.goto(len(explorer.recorded) * (seed + 1) // 4)
        explorer.walk_randomly(seed)
        run = explorer.run()
        assert replay(record(run, "m", FoundBy("tui")), asked) == run
        explorer.restore()
        assert explorer.is_recorded


def test_a_line_that_was_left_can_be_gone_back_to() -> None:
    _, explorer = recorded(next(name for name in SCHEDULES if "zero-step" in name))
    steps = len(explorer.recorded)
    explorer.goto(5)
    other = next(one for one in choices(explorer) if one.pick != explorer.recorded[5].pick)
    explorer.take(other.pick)
    assert (explorer.at, len(explorer.line), explorer.shared, explorer.is_recorded) == (
        6,
        6,
        5,
        False,
    )
    explorer.restore()
    assert (explorer.at, len(explorer.line), explorer.is_recorded) == (5, steps, True)
    explorer.take(other.pick)
    explorer.back()
    explorer.take(explorer.recorded[5].pick)
    assert (explorer.at, len(explorer.line), explorer.is_recorded) == (6, steps, True)


def test_taking_what_follows_anyway_drops_nothing() -> None:
    _, explorer = recorded(next(name for name in SCHEDULES if "zero-step" in name))
    explorer.take(explorer.line[0].pick)
    assert (explorer.at, explorer.is_recorded) == (1, True)


def test_who_waits_is_said_with_what_it_waits_for_and_since_when() -> None:
    explorer = Line(scenario(ABBA))
    for task in ("p", "q"):
        explorer.take((task, 0))
    (p, q) = waiting(explorer)
    steps = [move.moment.step for move in explorer.line]
    assert p.cells == (Awaited("m1", "q", (1, steps[1])),)
    assert q.cells == (Awaited("m0", "p", (0, steps[0])),)
    assert [str(finding) for finding in explorer.shows(2)] == ["deadlock p@m1.lock,q@m0.lock"]
    with pytest.raises(EngineError, match="p cannot step here"):
        explorer.take(("p", 0))
    explorer.back()
    with pytest.raises(EngineError, match="p cannot step here"):
        explorer.take(("p", 1))
    assert len(explorer.line) == 2, "what cannot be taken drops nothing"


def test_findings_and_conflicts_are_sought_both_ways() -> None:
    _, explorer = recorded(
        "np-to-leaf-exclusive.7.2+1.5.01.KVM_BUG_ON.handle_changed_spte.zero-step.toml"
    )
    assert (explorer.seek(1), explorer.seek(-1)) == (24, None)
    assert explorer.seek(1, conflict=True) == 21
    explorer.goto(24)
    assert (
        explorer.seek(-1, conflict=True),
        explorer.seek(1),
        explorer.seek(1, conflict=True),
    ) == (21, None, None)


def test_a_walk_that_may_go_on_for_ever_is_cut() -> None:
    explorer = Line(scenario(((("repeat", 1, (("load", 0),)),),)))
    assert explorer.walk_randomly(0) == len(explorer.line) == LONGEST_WALK
