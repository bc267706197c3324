"""Rows and panels, as text."""

from __future__ import annotations

import pytest

from sim.catalog.schedules import shipped
from sim.engine.run.replay import follow_schedule
from sim.engine.run.schedule import parse
from sim.scenarios.library import recipe_named
from sim.view.explorer import panels
from sim.view.explorer.line import Line
from sim.view.explorer.rows import Rows
from sim.view.words import step_said

SCHEDULES = shipped()
ROW_2 = "np-to-leaf-exclusive.7.2+1.5.01.KVM_BUG_ON.handle_changed_spte.zero-step.toml"
FROZEN = "np-to-leaf-shared.7.2+1.5.01.without-restore.divergence.mirror-is-sept.toml"


def recorded(name: str, at: int = 0) -> Line:
    schedule = parse(SCHEDULES[name].read_bytes())
    asked = recipe_named(schedule.scenario).scenario(schedule.params, schedule.without)
    explorer = Line(asked, follow_schedule(schedule, asked))
    explorer.goto(at)
    return explorer


@pytest.mark.parametrize("name", sorted(SCHEDULES)[::20])
@pytest.mark.parametrize("width", [30, 60, 80, 140, 300])
def test_every_row_is_of_one_step_and_fits(name: str, width: int) -> None:
    explorer = recorded(name, 3)
    rows, upto = Rows(explorer, width), 0
    for number, move in enumerate(explorer.line):
        first, last = rows.span(number)
        assert (first, last) == (upto, upto + len(move.moment.calls[move.entered :]) + 1)
        assert [rows.step(row) for row in range(first, last)] == [number] * (last - first)
        drawn = [rows.draw(row).plain for row in range(first, last)]
        entered = [f"{call}()" for call in move.moment.calls[move.entered :]]
        assert max(map(len, drawn)) <= width
        if width == 300:
            assert [line.split(maxsplit=1)[-1].strip() for line in drawn[:-1]] == entered
            assert drawn[-1][:3] == f"{number + 1:>3}"
            assert step_said(move.moment.step) in drawn[-1]
        upto = last
    assert rows.count == upto


def test_lanes_stand_side_by_side_where_they_fit() -> None:
    explorer = recorded(ROW_2)
    assert [Rows(explorer, width).head().plain.split() for width in (40, 80)] == [[], ["v0", "v1"]]
    (v0, v1) = (Rows(explorer, 80).draw(explorer.line[number].ends - 1).plain for number in (14, 3))
    assert (v0.index("spte"), v1.index("v1.mode")) == (5 + 1, 5 + 37 + 3), (
        "as deep as the functions are that it is in"
    )
    assert " v1 " in Rows(explorer, 40).draw(explorer.line[3].ends - 1).plain


def test_what_is_to_come_is_dim_and_what_is_here_is_reversed() -> None:
    explorer = recorded(ROW_2, 21)
    rows = Rows(explorer, 80)
    styles = [
        {str(span.style) for span in rows.draw(explorer.line[number].ends - 1).spans}
        for number in (19, 20, 21)
    ]
    assert ["bold reverse" in style for style in styles] == [False, True, False]
    assert ["dim" in style for style in styles] == [False, False, True]
    assert "red" in styles[1]


def test_cells_that_matter_are_there_and_those_that_changed_stand_out() -> None:
    explorer = recorded(FROZEN)
    frozen = next(
        i
        for i, move in enumerate(explorer.line, 1)
        if ("spte[A]", "FROZEN") in changes(explorer, i)
    )
    explorer.goto(frozen)
    lines = panels.cells(explorer).plain.split("\n")
    assert [line.split()[0] for line in lines[:4]] == [
        "mmu_lock",
        "sept.tree",
        "vm_bugged",
        "spte[A.2M]",
    ]
    (marked,) = (line for line in lines if line.startswith("*"))
    assert marked.split() == ["*spte[A]", "FROZEN", "(was", "NP)"]
    explorer.goto(0)
    assert "*" not in panels.cells(explorer).plain


def changes(explorer: Line, at: int) -> list[tuple[str, str]]:
    return [(name, str(value)) for name, value in explorer.line[at - 1].moment.changed]


def test_what_does_not_hold_and_what_was_found_is_said() -> None:
    explorer = recorded(FROZEN)
    explorer.goto(len(explorer.line))
    said = panels.properties(explorer).plain.split("\n")
    assert said[0] == "mirror-is-sept DOES NOT HOLD"
    assert said[-1] == f"found at step {len(explorer.line)}: divergence in mirror-is-sept"
    explorer.back()
    assert panels.properties(explorer).plain.split("\n")[0] == "mirror-is-sept holds"
