"""The timeline: every step once, inside its lane, with bars where locks are held."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

import attrs
import pytest
from rich.text import Text

from sim.analysis.holds import frozen, holds
from sim.analysis.moments import Moment, moments
from sim.catalog.schedules import shipped
from sim.engine.model.operations import Finding
from sim.engine.run.schedule import Schedule, parse
from sim.engine.run.world import Run
from sim.scenarios.library import recipe_named
from sim.search.counting.odds import odds_along
from sim.search.errors import CountError
from sim.search.exploration import Counting
from sim.search.explore import explore
from sim.view.runs.timeline import ASCII, Cut, Marks, timeline
from sim.view.words import wrapped

SCHEDULES = shipped()
ROW_2 = "np-to-leaf-exclusive.7.2+1.5.01.KVM_BUG_ON.handle_changed_spte.zero-step.toml"
FROZEN = "np-to-leaf-shared.7.2+1.5.01.without-restore.divergence.mirror-is-sept.toml"


def drawn(name: str, width: int, **how: Any) -> tuple[list[Text], tuple[Moment, ...]]:
    schedule = parse(SCHEDULES[name].read_bytes())
    run, seen = moments(
        schedule, recipe_named(schedule.scenario).scenario(schedule.params, schedule.without)
    )
    return timeline(schedule, run, seen, width, **how), seen


@pytest.mark.parametrize("width", [60, 80, 120, 200])
@pytest.mark.parametrize("name", sorted(SCHEDULES)[::3])
def test_nothing_is_too_wide_and_every_step_is_there(name: str, width: int) -> None:
    for marks in (Marks(), ASCII):
        lines, seen = drawn(name, width, marks=marks)
        plain = [line.plain for line in lines]
        assert max(map(len, plain)) <= width
        assert all(line.isascii() for line in plain) == (marks is ASCII)
        numbers = [int(match[1]) for line in plain if (match := re.match(r" *(\d+)[ ·.] ", line))]
        assert numbers == list(range(1, len(seen) + 1))


def test_bars_say_who_holds_what() -> None:
    """As `tdpsim show --steps 13:16` has it where there is no Unicode."""
    lines, _ = drawn(ROW_2, 80, marks=ASCII, cut=Cut(13, 16))
    text = "\n".join(line.plain for line in lines)
    assert re.search(r"^13[ .] +\|\|\|# +sept.tree.try_exclusive -> ok$", text, re.MULTILINE)
    assert re.search(r"^14\. # +mmu_lock.write_lock -> LOCKED +\|\|\|#$", text, re.MULTILINE)
    assert not re.search(r"^1[127] ", text, re.MULTILINE)


def test_a_frozen_spte_is_a_shade_from_the_freeze_to_the_store_that_ends_it() -> None:
    lines, seen = drawn(FROZEN, 120, marks=ASCII)
    (window,) = frozen(seen)
    task, begin, end = window
    assert (task, seen[begin].step.point, end) == ("v0", "spte[A].cmpxchg", len(seen))
    shaded = [line.plain for line in lines if re.match(r"^(\d+ |  ) .*:", line.plain[:10])]
    assert len(shaded) >= end - begin


def test_locks_are_given_back_by_who_took_them() -> None:
    for name in sorted(SCHEDULES)[::9]:
        _, seen = drawn(name, 80)
        for hold in holds(seen):
            assert seen[hold.begin].step.task == hold.task
            assert hold.begin < hold.end
            assert hold.end == len(seen) or seen[hold.end].step.task == hold.task


def test_a_lane_can_be_looked_at_alone() -> None:
    lines, seen = drawn(ROW_2, 80, cut=Cut(tasks=("v1",)))
    numbers = [int(match[1]) for line in lines if (match := re.match(r" *(\d+)[ ·.] ", line.plain))]
    assert numbers == [i for i, moment in enumerate(seen, 1) if moment.step.task == "v1"]


def test_who_is_turned_away_is_red() -> None:
    lines, _ = drawn(ROW_2, 120)
    red = [
        line.plain
        for line in lines
        if any(span.style == "red" for span in line.spans) or line.style == "red"
    ]
    assert ["busy" in line or "KVM_BUG_ON" in line or "←13" in line for line in red] == [
        True
    ] * len(red)
    assert len(red) >= 3


def test_odds_are_those_of_the_exploration() -> None:
    """What `explore` says along a witness is what `show --odds` says before each of its steps."""
    recipe = recipe_named("np-to-leaf-exclusive")
    (found, *_) = explore(recipe.scenario({}), counting=Counting()).found
    assert found.reach is not None
    odds = odds_along(found.witness, found.finding, Counting())
    assert odds == found.reach.along
    assert odds[0] == found.reach.odds
    assert odds[-1] == 1
    lines, _ = drawn(ROW_2, 120, odds=odds)
    assert any(re.match(r"^17· +93/256 ", line.plain) for line in lines)
    assert max(len(line.plain) for line in lines) <= 120


def test_there_are_no_odds_where_it_is_too_much_to_count() -> None:
    recipe = recipe_named("np-to-leaf-exclusive")
    (found, *_) = explore(recipe.scenario({})).found
    with pytest.raises(CountError, match="more than 1,000 states"):
        odds_along(found.witness, found.finding, Counting(states=1000))
    with pytest.raises(CountError, match="nothing that is counted comes by"):
        odds_along(found.witness, Finding("WARN", "nowhere"), Counting())


def spun(turns: int) -> tuple[Schedule, Run, tuple[Moment, ...]]:
    """The livelock whose loop is gone round so often."""
    schedule = parse(
        SCHEDULES["np-to-leaf-shared.7.2+1.5.01.without-hp-timeout.livelock.v2.toml"].read_bytes()
    )
    assert schedule.lasso is not None
    stem, loop = schedule.steps[: schedule.lasso.stem], schedule.steps[schedule.lasso.stem :]
    longer = attrs.evolve(schedule, steps=stem + loop * turns, lasso=None)
    run, seen = moments(
        longer, recipe_named(schedule.scenario).scenario(schedule.params, schedule.without)
    )
    return longer, run, seen


def test_what_is_retried_again_and_again_is_said_once() -> None:
    schedule, run, seen = spun(6)
    folded = [line.plain for line in timeline(schedule, run, seen, 160)]
    (again,) = (line for line in folded if "again and again" in line)
    assert "x6: " in again
    assert again.rstrip(" ─").endswith(f"up to {len(seen)}")
    whole = timeline(schedule, run, seen, 160, fold=False)
    assert len(whole) > len(folded)
    assert not any("again and again" in line.plain for line in whole)


def test_the_cells_stand_beside_the_lanes_where_they_change() -> None:
    lines, seen = drawn(FROZEN, 160)
    plain = [line.plain for line in lines]
    column = plain[2].index("spte[A]")
    said = [
        line[column : column + 8].strip() for line in plain[4:] if line[column : column + 8].strip()
    ]
    changes = [
        (i, str(value))
        for i, moment in enumerate(seen, 1)
        for cell, value in moment.changed
        if cell == "spte[A]"
    ]
    assert said == [value for _, value in changes]
    for number, value in changes:
        (line,) = (line for line in plain if re.match(rf" *{number}[ ·] ", line))
        assert line[column:].startswith(value)
    assert "spte[A]" not in drawn(FROZEN, 80)[0][2].plain


def test_a_cell_can_be_looked_at_alone() -> None:
    lines, seen = drawn(ROW_2, 80, cut=Cut(cells=("sept.tree",)))
    numbers = [int(match[1]) for line in lines if (match := re.match(r" *(\d+)[ ·.] ", line.plain))]
    assert numbers == [
        i
        for i, moment in enumerate(seen, 1)
        if any(cell == "sept.tree" for cell, _ in moment.touched)
    ]


def test_where_it_became_inevitable_is_said() -> None:
    odds = (Fraction(1, 2), Fraction(1, 4), *[Fraction(1)] * 22)
    lines, _ = drawn(ROW_2, 120, odds=odds)
    plain = [line.plain for line in lines]
    at = next(i for i, line in enumerate(plain) if "inevitable from here on" in line)
    assert next(line for line in plain[at:] if re.match(r" *3·", line))
    assert any(re.match(r" *2·", line) for line in plain[:at])


def test_a_word_that_is_too_long_is_parted_after_a_dot() -> None:
    assert wrapped("handle_changed_spte.KVM_BUG_ON -> no", 33) == [
        "handle_changed_spte.KVM_BUG_ON ->",
        "  no",
    ]
    assert wrapped("handle_changed_spte.KVM_BUG_ON", 24) == ["handle_changed_spte.", "  KVM_BUG_ON"]
