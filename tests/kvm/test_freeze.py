"""What the freeze of tdp_mmu_set_spte_atomic() is for: take it out, and see what goes wrong."""

from __future__ import annotations

import pytest

from sim.catalog.printed import firsts
from sim.scenarios.library import recipe_named
from sim.search.explore import explore


def kinds(name: str, given: dict[str, str], *without: str) -> list[str]:
    found = explore(recipe_named(name).scenario(given, without)).found
    shown = firsts(one.finding for one in found)
    return [str(finding) for finding in shown if finding.kind != "lockdep"]


@pytest.mark.parametrize("kernel", ["before", "after"])
def test_without_it_a_page_table_is_seen_before_the_s_ept_has_it(kernel: str) -> None:
    """Row 3: another fault walks down into the new table, and its AUG finds no S-EPT page there."""
    for contenders in ("all", "tdcall"):
        given = {"kernel": kernel, "contenders": contenders}
        assert kinds("np-to-nonleaf-shared", given, "freeze") == ["TDX_BUG_ON tdx_mem_page_aug"]
        assert kinds("np-to-nonleaf-shared", given) == []
    assert kinds("fault", {"kernel": kernel, "pages": "4K"}, "freeze") == [
        "TDX_BUG_ON tdx_mem_page_aug"
    ]
    assert kinds("fault", {"kernel": kernel, "pages": "4K"}) == []


def test_without_it_a_shared_zap_beside_a_fault_is_no_better_and_always_loud() -> None:
    """A review of January 2023 has mirror and S-EPT diverge here, and nobody warn.

    Not in this model: BLOCK of an entry that is FREE, and AUG of one that is not, are errors, and
    KVM bugs the VM for either. Wherever the VM is not bugged, mirror and S-EPT agree.
    """
    without = kinds("leaf-to-np-shared", {"contenders": "tdcall"}, "freeze")
    assert set(without) == {"TDX_BUG_ON tdx_mem_page_aug", "TDX_BUG_ON tdx_sept_remove_leaf_spte"}
    assert kinds("leaf-to-np-shared", {"contenders": "tdcall"}) == []


@pytest.mark.parametrize("kernel", ["before", "after"])
def test_one_leaf_alone_does_not_need_it(kernel: str) -> None:
    """Row 1: who finds the leaf there takes it for mapped, faults again, and waits."""
    assert kinds("np-to-leaf-shared", {"kernel": kernel}, "freeze") == []
