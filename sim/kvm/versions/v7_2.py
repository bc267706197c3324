"""v7.2: the series whose patch the mail of 7 April 2026 asks about, as it was merged.

"TDX MMU refactors" went into v7.2 on 19 June 2026 as fifteen commits, of which 28c77a037804
("centrally propagate to-present and atomic-zap updates") is the mail's patch. Read in two trees
that have it: soleen/linux 01603f35349 (tdp_mmu.c) and intel-staging/tdx 42a30d30bcb8 (tdx.c).
"""

from __future__ import annotations

import attrs

from sim.engine.model.operations import bug
from sim.engine.model.routines import routine
from sim.kvm.errno import EBUSY, EIO, UNSUPPORTED, Errno
from sim.kvm.kvm_main import dunder
from sim.kvm.mmu_page import MmuPage, TdpIter
from sim.kvm.spte import FROZEN_SPTE, PG_LEVEL_4K, Kind, Spte, is_unexpected_np, leaf_pfn_changed
from sim.kvm.tdx_sept import pg_level_to_tdx_sept_level
from sim.kvm.x86 import Kvm
from sim.tdx.status import tdx_operand_busy


@attrs.frozen(eq=False)
class Series(Kvm):
    """The end of "TDX MMU refactors", as merged in v7.2.

    Its patch 09/15 (07/17 in v1) is the one that the mail of 7 April 2026 asks about.
    `__handle_changed_spte()` does the external operation, and can fail; `handle_changed_spte()` is
    for callers that cannot. Leaf removal goes the same way. A page table that goes is torn down
    instead of the external operation.
    """

    VERSION = "7.2"

    @routine
    @dunder
    async def _tdp_mmu_set_spte_atomic(self, iter: TdpIter, new_spte: Spte) -> Errno | None:
        """One compare-and-exchange, which knows nothing of mirrors any more."""
        await self.WARN_ON_ONCE(iter.old_spte.is_frozen)
        return EBUSY() if await self._loses_cmpxchg(iter, new_spte) else None

    @routine
    async def tdp_mmu_set_spte_atomic(self, iter: TdpIter, new_spte: Spte) -> Errno | None:
        """Freeze, handle the change (children, then the external PTE),
        and then show the new SPTE, or restore.
        """
        await self.lockdep_assert_held_read()
        await self.WARN_ON_ONCE(new_spte.is_frozen)
        freezes = iter.sp.is_mirror and "freeze" not in self.without
        ret = await self._tdp_mmu_set_spte_atomic(iter, FROZEN_SPTE if freezes else new_spte)
        if ret:
            return ret
        ret = await self._handle_changed_spte(
            iter.sp, iter.gfn, iter.old_spte, new_spte, iter.level, True
        )
        if not iter.sp.is_mirror:
            await self.KVM_BUG_ON(ret)
        elif not ret:
            if freezes:
                await self.kvm_tdp_mmu_write_spte(iter.sp, iter.gfn, new_spte)
        elif "restore" not in self.without:
            await self.kvm_tdp_mmu_write_spte(iter.sp, iter.gfn, iter.old_spte)
        return ret

    @routine
    async def tdp_mmu_set_spte(
        self, sp: MmuPage, gfn: str, old_spte: Spte, new_spte: Spte, level: int
    ) -> Spte:
        await self.lockdep_assert_held_write()
        await self.WARN_ON_ONCE(old_spte.is_frozen or new_spte.is_frozen)
        await self.kvm_tdp_mmu_write_spte(sp, gfn, new_spte)
        await self.handle_changed_spte(sp, gfn, old_spte, new_spte, level, False)
        return old_spte

    @routine
    async def handle_changed_spte(
        self, sp: MmuPage, gfn: str, old_spte: Spte, new_spte: Spte, level: int, shared: bool
    ) -> None:
        """For callers that cannot tolerate failure."""
        await self.KVM_BUG_ON(
            await self._handle_changed_spte(sp, gfn, old_spte, new_spte, level, shared)
        )

    @routine
    @dunder
    async def _handle_changed_spte(
        self, sp: MmuPage, gfn: str, old_spte: Spte, new_spte: Spte, level: int, shared: bool
    ) -> Errno | None:
        """What a lock mode forbids, tdx.c says: `shared` only goes down to the children."""
        if leaf_pfn_changed(old_spte, new_spte, level):
            await bug("__handle_changed_spte")
        if old_spte == new_spte:
            return None
        if not old_spte.is_shadow_present and not new_spte.is_shadow_present:
            await self.WARN_ON_ONCE(is_unexpected_np(old_spte, new_spte))
            await self.trace_kvm_tdp_mmu_spte_changed(old_spte, new_spte, level, shared)
            return None
        if "stats-last" in self.without:
            await self.kvm_update_page_stats(old_spte, new_spte, level)
        if old_spte.kind is Kind.NONLEAF:
            await self.WARN_ON_ONCE(new_spte.kind is Kind.NONLEAF)  # pfn_changed
            await self.handle_removed_pt(self.spte_to_child_sp(old_spte), shared)
        elif sp.is_mirror:
            ret = await self.set_external_spte(gfn, old_spte, new_spte, level)
            if ret:
                return ret
        await self.trace_kvm_tdp_mmu_spte_changed(old_spte, new_spte, level, shared)
        if "stats-last" not in self.without:
            await self.kvm_update_page_stats(old_spte, new_spte, level)
        return None

    @routine
    async def handle_removed_pt(self, sp: MmuPage, shared: bool) -> None:
        """The children go the way of every change,
        and nobody hears of what fails there but its KVM_BUG_ON().
        """
        for gfn, _ in sp.sptes:
            old_spte = await self._freeze_child(sp, gfn, shared)
            if shared or old_spte.is_shadow_present:
                await self.handle_changed_spte(sp, gfn, old_spte, FROZEN_SPTE, sp.level, shared)
        if sp.is_mirror:
            await self.tdx_sept_free_private_spt(sp)
        await self.call_rcu(sp)

    @routine
    async def set_external_spte(
        self, gfn: str, old_spte: Spte, new_spte: Spte, level: int
    ) -> Errno | None:
        """tdx.c:tdx_sept_set_private_spte(old, new): an old present SPTE always means removal."""
        await self.lockdep_assert_held()
        if old_spte.is_shadow_present:
            return await self.tdx_sept_remove_leaf_spte(gfn, old_spte, level)
        if await self.KVM_BUG_ON(not new_spte.is_shadow_present):
            return EIO()
        if new_spte.kind is Kind.NONLEAF:
            return await self.tdx_sept_map_nonleaf_spte(gfn, new_spte, level)
        return await self.tdx_sept_map_leaf_spte(gfn, new_spte, level)

    @routine
    async def tdx_spte_to_sept_pt(self, gfn: str, new_spte: Spte, level: int) -> int | None:
        """The S-EPT page of the page table that an SPTE points to; None where that is not its."""
        sp = self.spte_to_child_sp(new_spte)
        if (
            await self.KVM_BUG_ON(not sp.external_spt)
            or await self.KVM_BUG_ON(sp.level + 1 != level)
            or await self.KVM_BUG_ON(not any(gfn == name for name, _ in sp.sptes))  # sp->gfn
        ):
            return None
        return sp.external_spt

    @routine
    async def tdx_sept_map_nonleaf_spte(self, gfn: str, new_spte: Spte, level: int) -> Errno | None:
        external_spt = await self.tdx_spte_to_sept_pt(gfn, new_spte, level)
        if external_spt is None:
            return EIO()
        err = await self.module.tdh_mem_sept_add(
            gfn, pg_level_to_tdx_sept_level(level), external_spt
        )
        if tdx_operand_busy(err):
            return EBUSY(err)
        if await self.TDX_BUG_ON(err):
            return EIO(err)
        return None

    @routine
    async def tdx_sept_map_leaf_spte(self, gfn: str, new_spte: Spte, level: int) -> Errno | None:
        """4K, or nothing."""
        if await self.KVM_BUG_ON(level != PG_LEVEL_4K):
            return UNSUPPORTED
        return await self._map_leaf(gfn, level, new_spte.pfn)

    @routine
    async def tdx_sept_remove_leaf_spte(self, gfn: str, old_spte: Spte, level: int) -> Errno | None:
        """tdx_sept_remove_private_spte() of v6.19, whose failures are now returned."""
        await self.lockdep_assert_held_write()
        if await self.KVM_BUG_ON(not self.is_hkid_assigned()):
            return EIO()
        if await self.KVM_BUG_ON(level != PG_LEVEL_4K):
            return UNSUPPORTED
        err = await self.tdh_do_no_vcpus(self.module.tdh_mem_range_block, gfn)
        if await self.TDX_BUG_ON(err):
            return EIO(err)
        await self.tdx_track()
        err = await self.tdh_do_no_vcpus(self.module.tdh_mem_page_remove, gfn)
        if await self.TDX_BUG_ON(err):
            return EIO(err)
        err = await self.module.tdh_phymem_page_wbinvd(old_spte.pfn)
        if await self.TDX_BUG_ON(err):
            return EIO(err)
        return None

    @routine
    async def tdx_sept_free_private_spt(self, sp: MmuPage) -> Errno | None:
        """Void in this version: an S-EPT page that cannot be had back is leaked on purpose."""
        if not await self.KVM_BUG_ON(self.is_hkid_assigned()):
            await self.tdx_reclaim_page(await self.read_external_spt(sp))
        return None
