"""The first diff of "centralize": page statistics move before the external operation (KVM list,
6 February 2026).

Four days later the list found what this shows: where the operation fails, they stay moved.

    tdpsim explore np-to-leaf-shared --patch examples/patches/stats_first.py
"""

from __future__ import annotations

import attrs

from sim import bug, routine
from sim.kvm.errno import Errno
from sim.kvm.kvm_main import dunder
from sim.kvm.mmu_page import MmuPage
from sim.kvm.spte import Kind, Spte, is_unexpected_np, leaf_pfn_changed
from sim.kvm.versions import Series


@attrs.frozen(eq=False)
class StatsFirst(Series):
    """The series, with one function as it first was."""

    VERSION = "stats-first"

    @routine
    @dunder
    async def _handle_changed_spte(
        self, sp: MmuPage, gfn: str, old_spte: Spte, new_spte: Spte, level: int, shared: bool
    ) -> Errno | None:
        if leaf_pfn_changed(old_spte, new_spte, level):
            await bug("__handle_changed_spte")
        if old_spte == new_spte:
            return None
        if not old_spte.is_shadow_present and not new_spte.is_shadow_present:
            await self.WARN_ON_ONCE(is_unexpected_np(old_spte, new_spte))
            return None
        await self.kvm_update_page_stats(old_spte, new_spte, level)
        if old_spte.kind is Kind.NONLEAF:
            await self.WARN_ON_ONCE(new_spte.kind is Kind.NONLEAF)  # pfn_changed
            await self.handle_removed_pt(self.spte_to_child_sp(old_spte), shared)
        elif sp.is_mirror:
            return await self.set_external_spte(gfn, old_spte, new_spte, level)
        return None
