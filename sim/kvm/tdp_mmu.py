"""arch/x86/kvm/mmu/tdp_mmu.c on a mirror root, v6.19.

Left out: page tables that come and go (no nonleaf SPTE is linked or zapped: `tdp_mmu_link_sp`, `handle_removed_pt`),
MMIO SPTEs, which a mirror root never holds, direct roots, RCU (no page table is freed), tracepoints.
"""

from __future__ import annotations

from enum import Enum

import attrs

from sim.engine.operations import atomic_add, bug, cmpxchg, load, store
from sim.engine.routines import routine
from sim.kvm.errno import EBUSY, Errno
from sim.kvm.kvm_main import dunder
from sim.kvm.spte import FROZEN_SPTE, PG_LEVEL_4K, Kind, Spte, TdpIter, leaf_pfn_changed, make_spte
from sim.kvm.tdx_sept import TdxSept


class RetPf(Enum):
    """RET_PF_*: what a page fault comes to."""

    RETRY = 1
    FIXED = 5
    SPURIOUS = 6


@attrs.frozen(eq=False)
class TdpMmu(TdxSept):
    """tdp_mmu.c."""

    @routine
    async def set_external_spte_present(self, iter: TdpIter, new_spte: Spte) -> Errno | None:
        """Freeze, map in the S-EPT, and only then let the new SPTE be seen; or restore the old one."""
        was_present = iter.old_spte.is_shadow_present
        await self.KVM_BUG_ON(was_present)  # and goes on
        await self.lockdep_assert_held()
        sptep = self.sptep(iter.gfn)
        if await cmpxchg(sptep, iter.old_spte, FROZEN_SPTE) != iter.old_spte:
            return EBUSY()
        ret = await self.tdx_sept_set_private_spte(iter.gfn, iter.level, new_spte)
        if not ret:
            await store(sptep, new_spte)
        elif "restore" not in self.without:
            await store(sptep, iter.old_spte)
        return ret

    @routine
    @dunder
    async def _tdp_mmu_set_spte_atomic(self, iter: TdpIter, new_spte: Spte) -> Errno | None:
        """On a mirror root with a new SPTE that is not FROZEN, as everywhere here."""
        await self.WARN_ON_ONCE(iter.old_spte.is_frozen)
        if await self.KVM_BUG_ON(not new_spte.is_shadow_present):
            return EBUSY()
        return await self.set_external_spte_present(iter, new_spte)

    @routine
    async def tdp_mmu_set_spte_atomic(self, iter: TdpIter, new_spte: Spte) -> Errno | None:
        """Change an SPTE under mmu_lock held for read. -EBUSY: somebody else did, or the TDX module was busy."""
        await self.lockdep_assert_held_read()
        ret = await self._tdp_mmu_set_spte_atomic(iter, new_spte)
        if ret:
            return ret
        await self.handle_changed_spte(iter.gfn, iter.old_spte, new_spte, iter.level, True)
        return None

    @routine
    async def tdp_mmu_set_spte(self, gfn: str, old_spte: Spte, new_spte: Spte, level: int) -> Spte:
        """Change an SPTE under mmu_lock held for write: the mirror first, without freezing, the S-EPT last."""
        await self.lockdep_assert_held_write()
        await self.WARN_ON_ONCE(old_spte.is_frozen or new_spte.is_frozen)
        await store(self.sptep(gfn), new_spte)
        await self.handle_changed_spte(gfn, old_spte, new_spte, level, False)
        await self.KVM_BUG_ON(new_spte.is_shadow_present)  # and goes on
        await self.remove_external_spte(gfn, old_spte, level)
        return old_spte

    @routine
    async def remove_external_spte(self, gfn: str, old_spte: Spte, level: int) -> None:
        """No look at presence: at 4K, a non-present SPTE is "last" too."""
        if not old_spte.is_last(level):
            return
        await self.lockdep_assert_held_write()
        await self.tdx_sept_remove_private_spte(gfn, level, old_spte)

    @routine
    async def handle_changed_spte(self, gfn: str, old_spte: Spte, new_spte: Spte, level: int, shared: bool) -> None:
        """The TDP MMU's bookkeeping for a change; no external operation in this version, and nothing to return."""
        if leaf_pfn_changed(old_spte, new_spte, level):
            await bug("handle_changed_spte")
        if old_spte == new_spte:
            return
        if not old_spte.is_shadow_present and not new_spte.is_shadow_present:
            await self.WARN_ON_ONCE(not new_spte.is_frozen)  # but for MMIO SPTEs
            return
        await self.kvm_update_page_stats(old_spte, new_spte)

    @routine
    async def kvm_update_page_stats(self, old_spte: Spte, new_spte: Spte) -> None:
        """mmu.h: pages_4k counts the leafs."""
        was_leaf, is_leaf = old_spte.kind is Kind.LEAF, new_spte.kind is Kind.LEAF
        if was_leaf != is_leaf:
            await atomic_add(self.pages_4k, 1 if is_leaf else -1)

    @routine
    async def tdp_mmu_map_handle_target_level(self, gfn: str, iter: TdpIter) -> RetPf:
        """Whatever error comes back, also -EIO, is RET_PF_RETRY."""
        pfn = self.gfn_to_pfn(gfn)
        if iter.old_spte.kind is Kind.LEAF:
            await self.WARN_ON_ONCE(iter.old_spte.pfn != pfn)
            return RetPf.SPURIOUS
        new_spte = make_spte(pfn)
        if await self.tdp_mmu_set_spte_atomic(iter, new_spte):
            return RetPf.RETRY
        return RetPf.FIXED

    @routine
    async def kvm_tdp_mmu_map(self, gfn: str) -> RetPf:
        """Walk to the 4K SPTE and map there. A step down re-reads the SPTE it steps down from (tdp_iter.c)."""
        for _ in ("tdp_iter_start", "try_step_down"):
            if (await load(self.spte_2m)).is_frozen:
                return RetPf.RETRY
        iter = TdpIter(gfn, PG_LEVEL_4K, await load(self.sptep(gfn)))
        if iter.old_spte.is_frozen:
            return RetPf.RETRY
        return await self.tdp_mmu_map_handle_target_level(gfn, iter)
