"""One patch of the series that became v7.2."""

from __future__ import annotations

import attrs

from sim.engine.model.routines import routine
from sim.kvm.errno import Errno
from sim.kvm.mmu_page import MmuPage
from sim.kvm.spte import Kind, Spte
from sim.kvm.versions.v7_2 import Series
from sim.kvm.x86 import Kvm


@attrs.frozen(eq=False)
class Patch07(Series):
    """Patch 07/17 of v1 alone (27 March 2026): to-present updates are centralized,
    removal is not yet.

    Read in quotations only. That tdp_mmu_set_spte() keeps its KVM_BUG_ON() on a present new SPTE,
    and that nothing stops an atomic zap any more, is derived.
    """

    VERSION = "patch07"

    @routine
    async def tdp_mmu_set_spte(
        self, sp: MmuPage, gfn: str, old_spte: Spte, new_spte: Spte, level: int
    ) -> Spte:
        await Series.tdp_mmu_set_spte(self, sp, gfn, old_spte, new_spte, level)
        if sp.is_mirror:
            await self.KVM_BUG_ON(new_spte.is_shadow_present)  # and goes on
            await self.remove_external_spte(gfn, old_spte, level)
        return old_spte

    @routine
    async def handle_removed_pt(self, sp: MmuPage, shared: bool) -> None:
        """As in v6.19: each child's S-EPT entry is removed here,
        and what fails there bugs the VM there.
        """
        await Kvm.handle_removed_pt(self, sp, shared)

    @routine
    async def set_external_spte(
        self, gfn: str, old_spte: Spte, new_spte: Spte, level: int
    ) -> Errno | None:
        """Nothing to do for an SPTE that goes."""
        await self.lockdep_assert_held()
        if not new_spte.is_shadow_present:
            return None
        if new_spte.kind is Kind.NONLEAF:
            return await self.tdx_sept_map_nonleaf_spte(gfn, new_spte, level)
        return await self.tdx_sept_set_private_spte(gfn, level, new_spte)
