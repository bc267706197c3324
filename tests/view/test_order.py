"""Which steps could stand elsewhere, and what only repeats."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.analysis.moments import Moment, moments
from sim.analysis.repeats import Repeat, free, repeats
from sim.catalog.schedules import recording, shipped
from sim.engine.model.commuting import dependent
from sim.engine.run import automata_executor
from sim.engine.run.replay import Drift, follow_schedule
from sim.engine.run.schedule import Schedule, parse
from sim.engine.run.scheduler import RandomWalk
from sim.scenarios.library import recipe_named

NAMES = sorted(shipped())[::12]


def seen_of(name: str) -> tuple[Schedule, tuple[Moment, ...]]:
    schedule = parse(shipped()[name].read_bytes())
    return schedule, moments(
        schedule, recipe_named(schedule.scenario).scenario(schedule.params, schedule.without)
    )[1]


def test_what_commutes_with_all_that_others_do_is_free() -> None:
    for name in NAMES:
        _, seen = seen_of(name)
        for is_free, one in zip(free(seen), seen, strict=True):
            others = (other for other in seen if other.step.task != one.step.task)
            assert is_free == (not any(dependent(one.touched, other.touched) for other in others))


@pytest.mark.parametrize("seed", range(6))
def test_a_free_step_can_be_taken_as_soon_as_its_task_is_there(seed: int) -> None:
    """Right after the step of its task before it, past all that others did meanwhile:
    the run ends as it did.
    """
    scenario = recipe_named("np-to-leaf-exclusive").scenario({})
    ends = automata_executor.run(scenario, RandomWalk(seed))
    schedule, moved = recording(ends, "walk", seed), 0
    _, seen = moments(schedule, scenario)
    for number, is_free in enumerate(free(seen)):
        own = [i for i in range(number) if seen[i].step.task == seen[number].step.task]
        if not is_free or not own or own[-1] == number - 1:
            continue
        steps = list(schedule.steps)
        steps.insert(own[-1] + 1, steps.pop(number))
        assert (
            follow_schedule(attrs.evolve(schedule, steps=tuple(steps)), scenario).cells
            == ends.cells
        )
        moved += 1
    assert moved > 3


def test_a_step_that_is_not_free_may_matter() -> None:
    schedule, seen = seen_of(
        "np-to-leaf-exclusive.7.2+1.5.01.KVM_BUG_ON.handle_changed_spte.zero-step.toml"
    )
    steps = list(schedule.steps)
    taken = next(
        i for i, moment in enumerate(seen) if moment.step.point == "sept.tree.try_exclusive"
    )
    late = [*steps[:taken], *steps[taken + 1 : 21], steps[taken], *steps[21:]]
    assert not free(seen)[taken]
    try:
        follow_schedule(
            attrs.evolve(schedule, steps=tuple(late)),
            recipe_named(schedule.scenario).scenario(schedule.params),
        )
    except Drift:
        return
    raise AssertionError("the guest may hold the tree after the AUG was turned away by it")


def test_what_repeats_is_found_with_its_period() -> None:
    assert repeats("abababc") == (Repeat(0, 2, 3),)
    assert repeats("xaaaaybcbcbcbc") == (Repeat(1, 1, 4), Repeat(6, 2, 4))
    assert repeats("aab" * 3) == (Repeat(0, 3, 3),)
    assert repeats("abab") == ()


@given(st.text("ab", max_size=40))
def test_a_repeat_is_one(text: str) -> None:
    at = 0
    for repeat in repeats(text):
        assert repeat.first >= at
        assert repeat.times >= 3
        assert (
            text[repeat.first : repeat.stop]
            == text[repeat.first : repeat.first + repeat.period] * repeat.times
        )
        at = repeat.stop
