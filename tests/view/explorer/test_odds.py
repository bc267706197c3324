"""Odds beside the lines that one explores: they average out,
and are those that are counted elsewhere.
"""

from __future__ import annotations

from fractions import Fraction
from queue import SimpleQueue
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sim.catalog.schedules import shipped
from sim.engine.model.operations import Finding
from sim.engine.run.replay import follow_schedule
from sim.engine.run.schedule import parse
from sim.scenarios.library import recipe_named
from sim.search.counting.odds import odds_along
from sim.search.errors import CountError
from sim.search.exploration import Counting
from sim.search.explore import explore
from sim.view.explorer.choices import choices
from sim.view.explorer.line import Line
from sim.view.explorer.odds import Along, Behind, Odds
from sim.view.explorer.odds_panel import OddsPanel
from sim.view.explorer.odds_thread import (
    Inevitable,
    InevitableSince,
    NoOdds,
    OddsAnswer,
    OddsAt,
    OddsThread,
)
from tests.engine.mini import Block, programs, scenario

laws = settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)

SPIN: tuple[Block, ...] = ((("repeat", 1, (("load", 0),)),), (("store", 0, 1), ("report", 0)))
RACE: tuple[Block, ...] = (
    (("store", 0, 1), ("store", 0, 0)),
    (("load", 0), ("choose", 0, 1), ("report", 1)),
)
SCHEDULES = shipped()
ROW_2 = "np-to-leaf-exclusive.7.2+1.5.01.KVM_BUG_ON.handle_changed_spte.zero-step.toml"


def recorded(name: str) -> Line:
    schedule = parse(SCHEDULES[name].read_bytes())
    asked = recipe_named(schedule.scenario).scenario(schedule.params, schedule.without)
    return Line(asked, follow_schedule(schedule, asked))


def averaged(explorer: Line, behind: Behind, of: int) -> Fraction:
    """Uniform among those who can step, then among what may come of it."""
    odds: dict[str, list[Fraction]] = {}
    for one in choices(explorer):
        odds.setdefault(one.step.task, []).append(behind.choices[one.pick][of])
    return sum((sum(each, Fraction(0)) / len(each) for each in odds.values()), Fraction(0)) / len(
        odds
    )


@laws
@given(programs, st.lists(st.integers(0, 1000), max_size=10))
@example(RACE, [0, 1, 1])
@example(SPIN, [0, 0, 1])
def test_the_odds_here_are_the_average_of_those_behind_the_choices(
    program: tuple[Block, ...], way: list[int]
) -> None:
    explorer, odds = Line(scenario(program)), Odds(scenario(program), Counting())
    along = Along(odds)
    for number in [*way, 0]:
        node, found = along.node(explorer.line, explorer.at), choices(explorer)
        if node is None or not found:
            break
        behind = odds.behind(node)
        if set(behind.choices) == {one.pick for one in found}:
            for i, finding in enumerate(odds.findings):
                if finding.kind != "deadlock":
                    assert behind.here[i] == averaged(explorer, behind, i)
        explorer.take(found[number % len(found)].pick)


def test_the_odds_along_a_schedule_are_those_that_show_prints() -> None:
    explorer = recorded(ROW_2)
    run = explorer.run()
    odds, finding = Odds(explorer.scenario, Counting()), run.findings[-1]
    along, column = Along(odds), odds.findings.index(finding)
    for at, chance in enumerate(odds_along(run, finding, Counting())):
        node = along.node(explorer.line, at)
        assert node is not None
        behind = odds.behind(node)
        assert behind.here[column] == chance
    assert behind.choices[explorer.line[-1].pick][column] == 1


def test_a_branch_has_nodes_of_its_own_and_the_way_back_is_remembered() -> None:
    explorer = recorded(ROW_2)
    along = Along(Odds(explorer.scenario, Counting()))
    first = along.node(explorer.line, 24)
    explorer.goto(10)
    other = next(one for one in choices(explorer) if one.pick != explorer.line[10].pick)
    explorer.take(other.pick)
    explorer.walk_randomly(1)
    assert along.node(explorer.line, 24) != first
    explorer.restore()
    assert along.node(explorer.line, 24) == first


def test_a_line_that_retries_too_often_has_no_node() -> None:
    explorer = Line(scenario(SPIN))
    along = Along(Odds(scenario(SPIN), Counting(retries=1)))
    for _ in range(4):
        explorer.take(("p", 0))
    assert [along.node(explorer.line, at) is None for at in range(5)] == [
        False,
        False,
        False,
        True,
        True,
    ]


def test_the_point_of_no_return_is_the_one_that_exploring_says() -> None:
    asked = recipe_named("np-to-leaf-exclusive").scenario({})
    odds = Odds(asked, Counting())
    for found in explore(asked, counting=Counting()).found:
        assert found.reach is not None
        assert odds.inevitable_at(found.picks.picks, found.finding) == found.reach.inevitable_at


def told(ahead: OddsThread, answers: SimpleQueue[OddsAnswer]) -> list[OddsAnswer]:
    """All that a thread says that is not asked any further."""
    ahead.ask_no_more()
    ahead.join()
    return [answers.get() for _ in range(answers.qsize())]


def asked(explorer: Line, counting: Counting) -> tuple[OddsThread, SimpleQueue[OddsAnswer]]:
    answers: SimpleQueue[OddsAnswer] = SimpleQueue()
    return OddsThread(explorer.scenario, counting, answers.put), answers


def test_of_moments_that_were_passed_only_the_last_is_looked_at() -> None:
    explorer = Line(scenario(RACE))
    ahead, answers = asked(explorer, Counting())
    for node in (0, 1, 2):
        ahead.ask(OddsAt(node))
    ahead.ask(InevitableSince((("p", 0), ("q", 0), ("q", 1), ("q", 0)), Finding("WARN", "here")))
    ahead.ask(OddsAt(1))
    ahead.ask(OddsAt(2))
    ahead.start()
    odds, inevitable, last = (answers.get(timeout=60) for _ in range(3))
    assert told(ahead, answers) == []
    assert isinstance(odds, Odds)
    assert inevitable == Inevitable(Finding("WARN", "here"), 3, 4)
    assert isinstance(last, Behind)
    assert last.node == 2


def test_too_many_states_are_said_and_not_counted() -> None:
    ahead, answers = asked(recorded(ROW_2), Counting(states=1000))
    ahead.start()
    (answer,) = told(ahead, answers)
    assert answer == NoOdds("np-to-leaf-exclusive has more than 1,000 states: too many for odds")
    with pytest.raises(CountError):
        Odds(recorded(ROW_2).scenario, Counting(states=1000))


def test_a_bug_in_the_thread_is_told_and_not_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def broken(*_args: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("sim.view.explorer.odds_thread.Odds", broken)
    ahead, answers = asked(Line(scenario(RACE)), Counting())
    ahead.start()
    (answer,) = told(ahead, answers)
    assert isinstance(answer, ZeroDivisionError)
    assert capsys.readouterr().err == ""


def test_what_is_known_and_what_is_not_is_said() -> None:
    explorer = Line(scenario(SPIN))
    answers: SimpleQueue[OddsAnswer] = SimpleQueue()
    assert str(OddsPanel(explorer, None, answers.put).text()) == "no odds: not asked for"
    prospects = OddsPanel(explorer, Counting(retries=0), answers.put)
    assert str(prospects.text()) == "odds: ..."
    prospects.start()
    for _ in range(2):
        answer = answers.get(timeout=60)
        assert isinstance(answer, Odds | Behind)
        prospects.hear(answer)
    assert str(prospects.text()).startswith("a random walk from here finds, without retries\na ")
    explorer.take(("p", 0))
    explorer.take(("p", 0))
    prospects.look()
    assert str(prospects.text()) == "no odds: this run retries more often than is counted"
    prospects.dismiss()
