"""The rows against the mail (KVM list, 7 April 2026). The expected cells are typed in here and nowhere in `sim`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sim.engine.operations import Finding
from sim.scenarios.library import recipe_named
from sim.scenarios.table import Cell, derive, is_hit
from sim.search.explore import explore
from sim.search.result import Exploration

HITS = {
    (2, "after", "1.5.01"): ("zero-step", "tdcall"),
    (2, "after", "1.5.28"): ("tdcall",),
}


@pytest.fixture(scope="module")
def cells() -> tuple[Cell, ...]:
    return tuple(derive(("before", "after"), ("1.5.01", "1.5.28")))


def test_the_table_has_every_cell(cells: tuple[Cell, ...]) -> None:
    assert [(c.row.number, c.order, c.module) for c in cells] == [
        (row, order, module)
        for row in (1, 2, 6, 6, 11, 12)
        for order in ("before", "after")
        for module in ("1.5.01", "1.5.28")
    ]


def test_hits_are_those_of_the_mail(cells: tuple[Cell, ...]) -> None:
    assert {(c.row.number, c.order, c.module): c.causes for c in cells if c.hits} == HITS


def test_only_that_kvm_bug_on_is_a_hit() -> None:
    assert is_hit(Finding("KVM_BUG_ON", "handle_changed_spte", ("tdcall",)))
    assert not is_hit(Finding("WARN", "handle_changed_spte"))
    assert not is_hit(Finding("KVM_BUG_ON", "tdp_mmu_set_spte"))


def test_each_cause_suffices_alone_and_no_other_does(cells: tuple[Cell, ...]) -> None:
    for cell in cells:
        assert tuple(one for one, suffices in cell.alone if suffices) == cell.causes


def test_before_row_2_bugs_elsewhere(cells: tuple[Cell, ...]) -> None:
    """KVM_BUG_ON(is_shadow_present_pte(new_spte)) in tdp_mmu_set_spte(), and then BLOCK of an entry that is FREE."""
    for cell in cells:
        if (cell.row.number, cell.order) == (2, "before"):
            assert [str(f) for f in cell.findings] == [
                "KVM_BUG_ON tdp_mmu_set_spte",
                "TDX_BUG_ON tdx_sept_remove_private_spte",
            ]


def kinds_of(cells: tuple[Cell, ...], row: int, order: str, *, shared: bool) -> list[str]:
    (first, second) = (
        [str(finding) for finding in cell.findings]
        for cell in cells
        if (cell.row.number, cell.order, cell.row.shared) == (row, order, shared)
    )
    assert first == second
    return first


def test_row_6_is_a_bug_and_no_hit(cells: tuple[Cell, ...]) -> None:
    """A leaf replaced by another in one step is what the TDP MMU calls BUG() for, before it asks TDX for anything.

    In v6.19 the atomic setter has asked TDX first, and has been refused: the entry is not FREE.
    """
    for shared in (True, False):
        assert kinds_of(cells, 6, "after", shared=shared) == ["BUG __handle_changed_spte"]
    assert kinds_of(cells, 6, "before", shared=False) == ["BUG handle_changed_spte"]
    assert kinds_of(cells, 6, "before", shared=True) == [
        "KVM_BUG_ON set_external_spte_present",
        "TDX_BUG_ON tdx_mem_page_aug",
    ]


def test_row_11_warns_of_the_lock_and_hits_nothing(cells: tuple[Cell, ...]) -> None:
    """(c) of the mail. v6.19 refuses an atomic zap of a mirror SPTE outright."""
    assert kinds_of(cells, 11, "after", shared=True) == [
        "lockdep tdx_sept_remove_leaf_spte",
        "lockdep tdh_do_no_vcpus",
        "lockdep tdx_track",
    ]
    assert kinds_of(cells, 11, "before", shared=True) == ["KVM_BUG_ON __tdp_mmu_set_spte_atomic"]


def test_rows_1_and_12_are_clean(cells: tuple[Cell, ...]) -> None:
    assert [c.exploration.found for c in cells if c.row.number in {1, 12}] == [()] * 8


def test_the_readme_shows_what_is_derived(cells: tuple[Cell, ...]) -> None:
    """Every line of the table in the README is a line of the table."""
    derived = {(str(c.row.number), c.order, c.module): c for c in cells}
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    lines = [line.split() for line in readme.splitlines() if re.match(r" *\d+  (NP|leaf) ", line)]
    assert len(lines) == 5
    for number, old, new, shared, order, module, hit, zero_step, tdcall, *_, states in lines:
        cell = derived[number, order, module]
        assert (old, new) == cell.row.words
        assert shared == "NY"[cell.row.shared]
        assert hit == "NY"[bool(cell.hits)]
        assert [zero_step, tdcall] == ["hit" if suffices else "none" for _, suffices in cell.alone]
        assert states == f"{cell.exploration.states:,}"


def kinds(exploration: Exploration) -> set[tuple[str, str]]:
    return {(found.finding.kind, found.finding.where) for found in exploration.found}


@pytest.mark.parametrize("order", ["before", "after"])
def test_without_restore_row_1_leaves_a_frozen_spte(order: str) -> None:
    exploration = explore(recipe_named("np-to-leaf-shared").scenario({"order": order}, ("restore",)))
    assert kinds(exploration) == {("divergence", "mirror-is-sept"), ("livelock", "v2")}
    assert "FROZEN" in exploration.found[0].witness.cells["spte[A]"]


def test_without_zero_step_the_tdcall_witness_stays() -> None:
    whole = explore(recipe_named("np-to-leaf-exclusive").scenario({}))
    without = explore(recipe_named("np-to-leaf-exclusive").scenario({}, ("zero-step",)))
    assert [found.finding.causes for found in whole.found] == [("zero-step",), ("tdcall",)]
    assert [found.finding.causes for found in without.found] == [("tdcall",)]
    assert without.found[0].witness.steps == whole.found[1].witness.steps


@pytest.mark.parametrize("row", ["np-to-leaf-shared", "np-to-leaf-exclusive", "leaf-to-np-exclusive"])
def test_nobody_contends_nothing_is_found_after(row: str) -> None:
    assert explore(recipe_named(row).scenario({"contenders": "none"})).clean


@pytest.mark.parametrize("row", ["np-to-leaf-shared", "np-to-leaf-exclusive"])
def test_fairness_of_mmu_lock_decides_nothing_here(row: str) -> None:
    fair, unfair = (explore(recipe_named(row).scenario({"mmu_lock": lock})) for lock in ("fair", "unfair"))
    assert [found.finding for found in fair.found] == [found.finding for found in unfair.found]
