"""What a walk has to expect, where nobody retries, and where somebody may for ever."""

from __future__ import annotations

from math import sqrt

import pytest

from sim.engine.model.cells import BOOL, Cell
from sim.engine.model.operations import choose, load, report, store
from sim.engine.model.routines import Again, Done, repeat, routine
from sim.engine.model.scenario import Scenario, Task
from sim.scenarios.library import recipe_named
from sim.search.exploration import Counting
from sim.search.explore import explore
from sim.search.fuzzing.batch import Runner
from tests.bench.hitting import hitting

OPEN = Cell("open", initial=False, domain=BOOL)


@routine
async def throw() -> Again | Done[None]:
    """Goes round until it has thrown a number but 0; 2 is a finding."""
    match await choose("die", (0, 1, 2)):
        case 0:
            return Again()
        case 2:
            await report("BUG", "die")
    return Done(None)


@routine
async def thrower() -> None:
    await repeat(throw)


@routine
async def opener() -> None:
    await store(OPEN, new=True)
    if not await load(OPEN):
        await report("BUG", "never")


def test_a_loop_that_may_go_on_for_ever_adds_up() -> None:
    """1/3 + 1/9 + 1/27 and so on: every other way out is a finding."""
    (chance,) = hitting(Scenario("die", (Task("p", thrower()), Task("q", opener()))), 1000).values()
    assert chance == pytest.approx(1 / 2)


def test_without_retries_they_are_the_counted_odds() -> None:
    asked = recipe_named("np-to-leaf-exclusive").scenario(
        {"contenders": "zero-step", "module": "1.5.01"}
    )
    exploration = explore(asked, counting=Counting())
    odds = {
        one.finding: float(one.reach.odds)
        for one in exploration.found
        if one.reach and one.reach.odds
    }
    assert odds
    assert hitting(asked, 1 << 20) == pytest.approx(odds, rel=1e-6)


def test_the_walk_is_where_it_has_to_be_where_retries_decide() -> None:
    """Of the mutant without the kick, counted with hardly any retry,
    some odds are far from those of a walk.
    """
    asked = recipe_named("leaf-to-np-exclusive").scenario({"contenders": "tdcall"}, ("kick",))
    exact, seeds = hitting(asked, 1 << 20), 20_000
    met = {
        one.finding: one.seeds / seeds for one in Runner(asked, "walk").batch(0, seeds).sightings
    }
    for finding, p in exact.items():
        assert abs(met.get(finding, 0) - p) < 4 * sqrt(p * (1 - p) / seeds) + 1e-4
    assert len(exact) >= 3


def test_what_is_too_large_has_none() -> None:
    assert hitting(recipe_named("np-to-leaf-exclusive").scenario({}), 1000) == {}
