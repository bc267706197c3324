"""Rows with all their contenders at once, as far as a budget lets them come."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from sim.engine.model.operations import Finding
from sim.scenarios.transitions import ROWS
from sim.search.budget import UNBOUNDED, Budget
from sim.surveys.everybody import everybody, has_pairs
from sim.surveys.table import TableCell, TableQuery, derive
from sim.view.results.table import everybody_line

ROW_6 = next(row for row in ROWS if row.name == "leaf-to-leaf-shared")
ASKED = TableQuery(ROW_6, "7.2", "1.5.01")


@pytest.fixture(scope="module")
def cell() -> TableCell:
    return derive(ASKED)


def test_six_rows_have_more_contenders_than_the_table_puts_together() -> None:
    asked = (TableQuery(row, row.kernel_named("after"), "1.5.01") for row in ROWS)
    assert [one.row.number for one in asked if has_pairs(one)] == [6, 7, 9, 10, 11, 13]


def all_of(cell: TableCell, budget: Budget = UNBOUNDED) -> Any:
    (said,) = everybody([ASKED], {ASKED.key: cell}, lambda: budget, 2, lambda *_: None)
    return said


def test_everybody_is_what_the_scenario_itself_comes_to(cell: TableCell) -> None:
    said = all_of(cell)
    assert (said.states, said.unexpanded, said.is_decided) == (574_308, 0, True)
    assert (said.more, said.less) == ((), ())
    assert everybody_line(said).endswith("s; no hit")


def test_what_pairs_do_not_show_is_said(cell: TableCell) -> None:
    """As if the table had not found it; and as if it had found a hit that nobody else finds."""
    hit = Finding("KVM_BUG_ON", "handle_changed_spte", ("zero-step",))
    (told, *_) = cell.told
    other = attrs.evolve(cell, told=(attrs.evolve(told, finding=hit),))
    said = all_of(other)
    assert said.more == cell.findings
    assert said.less == (hit,)
    assert f"more: {told.finding.kind} in {told.finding.where}" in everybody_line(said)
    assert "; hit with pairs alone; more: " in everybody_line(said)


def test_a_budget_that_ends_says_so(cell: TableCell) -> None:
    said = all_of(cell, Budget(seconds=0.0))
    assert not said.is_decided
    assert "undecided after 1 states" in everybody_line(said)
