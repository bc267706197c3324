"""Kernel versions: each a class that overrides what it changed."""

from __future__ import annotations

import attrs

from sim.engine.operations import bug, cmpxchg, store
from sim.engine.routines import routine
from sim.kvm.errno import EBUSY, EIO, Errno
from sim.kvm.kvm_main import dunder
from sim.kvm.spte import FROZEN_SPTE, PG_LEVEL_4K, Spte, TdpIter, leaf_pfn_changed
from sim.kvm.x86 import Kvm


@attrs.frozen(eq=False)
class Series(Kvm):
    """The end of "TDX MMU refactors" (KVM list, v3 of 2026-05-28), whose patch 07/15 (07/17 in v1) is the seed's.

    `__handle_changed_spte()` does the external operation, and can fail; `handle_changed_spte()` is for callers that
    cannot. Leaf removal goes the same way. Of a nonleaf old SPTE, the other branch of `__handle_changed_spte()`, see
    `sim.kvm.tdp_mmu`.
    """

    VERSION = "series"

    @routine
    @dunder
    async def _tdp_mmu_set_spte_atomic(self, iter: TdpIter, new_spte: Spte) -> Errno | None:
        """One compare-and-exchange, which knows nothing of mirrors any more."""
        await self.WARN_ON_ONCE(iter.old_spte.is_frozen)
        if await cmpxchg(self.sptep(iter.gfn), iter.old_spte, new_spte) != iter.old_spte:
            return EBUSY()
        return None

    @routine
    async def tdp_mmu_set_spte_atomic(self, iter: TdpIter, new_spte: Spte) -> Errno | None:
        """Freeze, handle the change (children, then the external PTE), and then show the new SPTE, or restore."""
        await self.lockdep_assert_held_read()
        await self.WARN_ON_ONCE(new_spte.is_frozen)
        ret = await self._tdp_mmu_set_spte_atomic(iter, FROZEN_SPTE)
        if ret:
            return ret
        sptep = self.sptep(iter.gfn)
        ret = await self._handle_changed_spte(iter.gfn, iter.old_spte, new_spte, iter.level, True)
        if not ret:
            await store(sptep, new_spte)
        elif "restore" not in self.without:
            await store(sptep, iter.old_spte)
        return ret

    @routine
    async def tdp_mmu_set_spte(self, gfn: str, old_spte: Spte, new_spte: Spte, level: int) -> Spte:
        await self.lockdep_assert_held_write()
        await self.WARN_ON_ONCE(old_spte.is_frozen or new_spte.is_frozen)
        await store(self.sptep(gfn), new_spte)
        await self.handle_changed_spte(gfn, old_spte, new_spte, level, False)
        return old_spte

    @routine
    async def handle_changed_spte(self, gfn: str, old_spte: Spte, new_spte: Spte, level: int, shared: bool) -> None:
        """For callers that cannot tolerate failure."""
        await self.KVM_BUG_ON(await self._handle_changed_spte(gfn, old_spte, new_spte, level, shared))

    @routine
    @dunder
    async def _handle_changed_spte(
        self, gfn: str, old_spte: Spte, new_spte: Spte, level: int, shared: bool
    ) -> Errno | None:
        """`shared` decides nothing here: what a lock mode forbids, tdx.c says."""
        if leaf_pfn_changed(old_spte, new_spte, level):
            await bug("__handle_changed_spte")
        if old_spte == new_spte:
            return None
        if not old_spte.is_shadow_present and not new_spte.is_shadow_present:
            await self.WARN_ON_ONCE(not new_spte.is_frozen)  # but for MMIO SPTEs
            return None
        ret = await self.set_external_spte(gfn, old_spte, new_spte, level)
        if ret:
            return ret
        await self.kvm_update_page_stats(old_spte, new_spte)
        return None

    @routine
    async def set_external_spte(self, gfn: str, old_spte: Spte, new_spte: Spte, level: int) -> Errno | None:
        """tdx.c:tdx_sept_set_private_spte(old, new): an old present SPTE always means removal."""
        await self.lockdep_assert_held()
        if old_spte.is_shadow_present:
            return await self.tdx_sept_remove_leaf_spte(gfn, old_spte, level)
        if await self.KVM_BUG_ON(not new_spte.is_shadow_present):
            return EIO()
        return await self.tdx_sept_map_leaf_spte(gfn, new_spte, level)

    @routine
    async def tdx_sept_map_leaf_spte(self, gfn: str, new_spte: Spte, level: int) -> Errno | None:
        if await self.KVM_BUG_ON(level != PG_LEVEL_4K):
            return EIO()
        return await self.tdx_mem_page_aug(gfn, level, new_spte.pfn)

    @routine
    async def tdx_sept_remove_leaf_spte(self, gfn: str, old_spte: Spte, level: int) -> Errno | None:
        """tdx_sept_remove_private_spte() of v6.19, whose failures are now returned."""
        await self.lockdep_assert_held_write()
        if await self.KVM_BUG_ON(level != PG_LEVEL_4K):
            return EIO()
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


VERSIONS = (Kvm, Series)
