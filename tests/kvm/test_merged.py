"""What v7.2 is, as it was merged; and what a log shows of it."""

from __future__ import annotations

import re
from pathlib import Path

import attrs
import pytest

from sim.catalog.printed import aloud, firsts, follow_ons, is_silent
from sim.engine.model.operations import Finding, bug
from sim.engine.model.routines import routine
from sim.kvm.errno import Errno
from sim.kvm.mmu_page import MmuPage
from sim.kvm.spte import FROZEN_SPTE, PG_LEVEL_2M, PG_LEVEL_4K, Spte
from sim.kvm.versions import KERNELS, HugePages, Series
from sim.kvm.x86 import Kvm
from sim.scenarios.library import recipe_named
from sim.search.exploration import Exploration
from sim.search.explore import explore


def asked(name: str, *without: str, **given: str) -> Exploration:
    return explore(recipe_named(name).scenario(given, without))


def said(exploration: Exploration) -> set[str]:
    return {str(one.finding) for one in exploration.found}


def patched(patch: pytest.MonkeyPatch, kernel: type[Kvm], name: str, **given: str) -> set[str]:
    """What is found where this class stands in the place of 7.2."""
    patch.setitem(KERNELS, "7.2", kernel)
    return said(asked(name, **{"kernel": "7.2", **given}))


# what a log shows


@pytest.mark.parametrize("row", ["np-to-leaf-exclusive", "np-to-nonleaf-exclusive"])
def test_the_hits_of_rows_2_and_4_can_be_the_first_that_a_log_shows(row: str) -> None:
    hits = [one.finding for one in asked(row).found if one.finding.where == "handle_changed_spte"]
    assert hits
    assert not any(map(is_silent, hits))


def test_a_hit_that_follows_on_another_assertion_is_silent() -> None:
    """Row 13 beside a fault: tdx_sept_remove_leaf_spte() has bugged the VM a few steps before."""
    exploration = asked("nonleaf-to-np-shared", contenders="tdcall+seamcall")
    findings = [one.finding for one in exploration.found]
    hits = [one for one in findings if one.where == "handle_changed_spte"]
    assert hits
    assert all(map(is_silent, hits))
    assert {aloud(hit) for hit in hits} <= {aloud(one) for one in follow_ons(findings)}
    for one in exploration.found:
        if is_silent(one.finding):
            before = [str(other) for other in one.witness.findings if not is_silent(other)]
            assert {"KVM_BUG_ON", "TDX_BUG_ON"} & {text.split()[0] for text in before}


def test_firsts_and_what_follows() -> None:
    loud, silent = Finding("KVM_BUG_ON", "f", ("tdcall",)), ("tdcall", "bugged")
    other = Finding("KVM_BUG_ON", "g", ("bugged",))
    every = (loud, Finding("KVM_BUG_ON", "f", silent), other)
    assert firsts(every) == (loud,)
    assert follow_ons(every) == (other,)


@attrs.frozen(eq=False)
class Stops(Series):
    """The host is gone where the key's assertion would fire."""

    @routine
    async def tdx_sept_free_private_spt(self, _sp: MmuPage) -> Errno | None:
        await bug("tdx_sept_free_private_spt")
        return None


@pytest.mark.parametrize(
    ("row", "given"),
    [
        ("nonleaf-to-leaf-exclusive", {}),
        ("nonleaf-to-nonleaf-exclusive", {}),
        ("nonleaf-to-leaf-shared", {"contenders": "tdcall"}),
        ("nonleaf-to-nonleaf-shared", {"contenders": "tdcall"}),
        ("nonleaf-to-np-shared", {"contenders": "tdcall"}),
    ],
)
def test_a_live_td_is_bugged_by_its_key_in_every_run_and_never_by_reclaim(
    row: str, given: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The third difference from the mail, over every state: the key's assertion comes first.

    A kernel that stops the world where it fires has no run that comes to an end, and none that
    goes on for ever.
    """
    found = said(asked(row, **given))
    assert "KVM_BUG_ON tdx_sept_free_private_spt" in found
    assert not {"WARN __tdx_reclaim_page", "TDX_BUG_ON tdx_reclaim_page"} & found

    monkeypatch.setitem(KERNELS, "7.2", Stops)
    scenario = recipe_named(row).scenario({"kernel": "7.2", **given})
    stopped = explore(scenario, finals=True)
    assert {final["halted"] for final in stopped.final_states} == {"yes"}
    assert not {"livelock", "deadlock"} & {one.finding.kind for one in stopped.found}


# the mail's closing condition


@pytest.mark.parametrize(
    ("zap", "goes_round"), [("fallible", True), ("retried", False), ("serialised", False)]
)
def test_two_zappers_of_a_mirror_root_need_a_zap_that_succeeds(zap: str, goes_round: bool) -> None:
    """__tdp_mmu_zap_root() goes back to `retry` on any error, and a blocked entry stays blocked."""
    exploration = asked("atomic-zap", zap=zap)
    kinds = {one.finding.kind for one in exploration.found}
    assert ("livelock" in kinds) == goes_round
    assert ("TDX_BUG_ON" in kinds) == goes_round
    assert "lockdep" in kinds  # an atomic zap would have to drop those


def test_on_a_direct_root_two_zappers_are_what_kvm_has() -> None:
    assert asked("atomic-zap", root="direct").clean


def test_a_leaf_of_2m_goes_with_huge_pages() -> None:
    assert asked("leaf-to-np-exclusive", kernel="hugepages", zaps="2M").clean
    shared = asked("leaf-to-np-shared", kernel="hugepages", zaps="2M")
    assert {one.finding.kind for one in shared.found} == {"lockdep"}


# roots and page tables that go


@pytest.mark.parametrize("pages", ["2M", "4K"])
def test_a_fault_on_an_obsolete_root_is_begun_again_on_another(pages: str) -> None:
    """a955cad84cda: and it is no livelock, since the vCPU loads a root that is valid."""
    assert asked("fast-zap", root="direct", pages=pages).clean
    without = asked("fast-zap", "obsolete-root", root="direct", pages=pages)
    assert said(without) == {"use-after-free put-root-is-empty"}


@attrs.frozen(eq=False)
class QueuesTooEarly(Series):
    """The page table is given to RCU before its S-EPT page, and no RCU section has both."""

    @routine
    async def handle_removed_pt(self, sp: MmuPage, shared: bool) -> None:
        for gfn, _ in sp.sptes:
            old_spte = await self._freeze_child(sp, gfn, shared)
            if shared or old_spte.is_shadow_present:
                await self.handle_changed_spte(sp, gfn, old_spte, FROZEN_SPTE, sp.level, shared)
        await self.call_rcu(sp)
        if sp.is_mirror:
            await self.tdx_sept_free_private_spt(sp)

    @routine
    async def tdp_mmu_zap_root(self, shared: bool) -> None:
        await self._tdp_mmu_zap_root(shared, PG_LEVEL_4K)
        await self._tdp_mmu_zap_root(shared, PG_LEVEL_2M)


@attrs.frozen(eq=False)
class QueuesUnderRcu(QueuesTooEarly):
    """The same, with an RCU section around both."""

    @routine
    async def tdp_mmu_zap_root(self, shared: bool) -> None:
        await self.rcu_read_lock()
        await QueuesTooEarly.tdp_mmu_zap_root(self, shared)
        await self.rcu_read_unlock()


def test_what_is_no_spte_has_a_life_too(monkeypatch: pytest.MonkeyPatch) -> None:
    early = patched(monkeypatch, QueuesTooEarly, "teardown")
    assert early == {"use-after-free tdx_sept_free_private_spt"}
    assert patched(monkeypatch, QueuesUnderRcu, "teardown") == set()
    assert patched(monkeypatch, Series, "teardown") == set()


@pytest.mark.parametrize(("sections", "lost"), [("rfc", True), ("folio", False), ("one", False)])
def test_a_hole_in_three_sections_loses_memory_beside_it(sections: str, lost: bool) -> None:
    """A leaf of 2M that comes between split and zap goes whole, with what the guest accepted."""
    found = said(asked("punch-hole-beside-a-guest", sections=sections))
    assert ("lost-memory memory-is-not-lost" in found) == lost
    assert bool(found) == lost


# assertions and names


@attrs.frozen(eq=False)
class LinksAnothersTable(HugePages):
    """Whose S-EPT page is said to be for another range, or for another level."""

    @routine
    async def set_external_spte(
        self, gfn: str, old_spte: Spte, new_spte: Spte, level: int
    ) -> Errno | None:
        return await HugePages.set_external_spte(self, gfn, old_spte, new_spte, level + 1)


def test_a_table_of_another_level_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KERNELS, "hugepages", LinksAnothersTable)
    found = said(asked("np-to-nonleaf-shared", kernel="hugepages", contenders="none"))
    assert "KVM_BUG_ON tdx_spte_to_sept_pt" in found


def test_6_18_has_no_tdx_bug_on() -> None:
    found = said(asked("np-to-nonleaf-shared", "freeze", kernel="6.18"))
    assert found == {"KVM_BUG_ON tdx_mem_page_aug"}
    found = said(asked("np-to-nonleaf-shared", "freeze", kernel="6.19"))
    assert found == {"TDX_BUG_ON tdx_mem_page_aug"}


SECTION_2 = [
    "__handle_changed_spte",
    "handle_changed_spte",
    "__tdp_mmu_set_spte_atomic",
    "tdp_mmu_set_spte_atomic",
    "tdp_mmu_set_spte",
    "handle_removed_pt",
    "tdx_sept_set_private_spte",
    "tdx_sept_map_nonleaf_spte",
    "tdx_sept_map_leaf_spte",
    "tdx_spte_to_sept_pt",
    "tdx_sept_remove_leaf_spte",
    "tdx_track",
    "tdx_sept_free_private_spt",
    "call_rcu",
    "tdx_mem_page_aug",
    "tdx_mem_page_add",
]
"""The functions that section 2 of the digest of the merged source names."""


@pytest.mark.parametrize("name", SECTION_2)
def test_every_function_of_the_merged_text_has_its_name_or_is_said_to_be_left_out(
    name: str,
) -> None:
    root = Path(__file__).parents[2]
    model = "".join(path.read_text() for path in (root / "sim" / "kvm").rglob("*.py"))
    ours = f"_{name.removeprefix('__')}" if name.startswith("__") else name
    left_out = (root / "docs" / "fidelity.md").read_text()
    assert re.search(rf"def {ours}\(", model) or f"`{name}()`" in left_out
