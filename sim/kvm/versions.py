"""Kernel versions: each a class that overrides what it changed."""

from __future__ import annotations

import attrs

from sim.engine.operations import bug
from sim.engine.routines import routine
from sim.kvm.errno import EBUSY, EINVAL, EIO, UNSUPPORTED, Errno
from sim.kvm.kvm_main import Vcpu, dunder
from sim.kvm.mmu_page import MmuPage, TdpIter
from sim.kvm.spte import (
    FROZEN_SPTE,
    PG_LEVEL_2M,
    PG_LEVEL_4K,
    Kind,
    Spte,
    is_unexpected_np,
    leaf_pfn_changed,
)
from sim.kvm.tdp_mmu import Fault
from sim.kvm.tdx_sept import pg_level_to_tdx_sept_level
from sim.kvm.tdx_vcpu import Resume
from sim.kvm.x86 import Kvm
from sim.tdx.status import tdx_operand_busy
from sim.tdx.vp_enter import Exit


@attrs.frozen(eq=False)
class V6_18(Kvm):
    """v6.14 to v6.18, as read in v6.16.1: removal returns an error, and its caller bugs the VM.

    Its premapped pages, before TDH.MR.FINALIZE, are left out.
    """

    VERSION = "6.18"

    @routine
    async def remove_external_spte(self, gfn: str, old_spte: Spte, level: int) -> None:
        if not old_spte.is_last(level):
            return
        await self.lockdep_assert_held_write()
        await self.KVM_BUG_ON(await self.tdx_sept_remove_private_spte(gfn, level, old_spte))

    @routine
    async def tdx_sept_remove_private_spte(self, gfn: str, level: int, mirror_spte: Spte) -> Errno | None:
        if await self.KVM_BUG_ON(not self.is_hkid_assigned()):
            return EINVAL
        ret = await self.tdx_sept_zap_private_spte(gfn, level)
        if ret:
            return ret
        await self.tdx_track()
        return await self.tdx_sept_drop_private_spte(gfn, level, mirror_spte)

    @routine
    async def tdx_sept_zap_private_spte(self, gfn: str, level: int) -> Errno | None:
        await self.WARN_ON_ONCE(level != PG_LEVEL_4K)
        err = await self.tdh_do_no_vcpus(self.module.tdh_mem_range_block, gfn, pg_level_to_tdx_sept_level(level))
        return EIO(err) if await self.KVM_BUG_ON(err) else None

    @routine
    async def tdx_sept_drop_private_spte(self, gfn: str, level: int, mirror_spte: Spte) -> Errno | None:
        if await self.KVM_BUG_ON(level != PG_LEVEL_4K) or await self.KVM_BUG_ON(not self.is_hkid_assigned()):
            return EINVAL
        err = await self.tdh_do_no_vcpus(self.module.tdh_mem_page_remove, gfn)
        if await self.KVM_BUG_ON(err):
            return EIO(err)
        err = await self.module.tdh_phymem_page_wbinvd(mirror_spte.pfn)
        return EIO(err) if await self.KVM_BUG_ON(err) else None


@attrs.frozen(eq=False)
class Series(Kvm):
    """The end of "TDX MMU refactors" (KVM list, v3 of 2026-05-28), whose patch 07/15 (07/17 in v1) is the seed's.

    `__handle_changed_spte()` does the external operation, and can fail; `handle_changed_spte()` is for callers that
    cannot. Leaf removal goes the same way. A page table that goes is torn down instead of the external operation.
    """

    VERSION = "series"

    @routine
    @dunder
    async def _tdp_mmu_set_spte_atomic(self, iter: TdpIter, new_spte: Spte) -> Errno | None:
        """One compare-and-exchange, which knows nothing of mirrors any more."""
        await self.WARN_ON_ONCE(iter.old_spte.is_frozen)
        return EBUSY() if await self._loses_cmpxchg(iter, new_spte) else None

    @routine
    async def tdp_mmu_set_spte_atomic(self, iter: TdpIter, new_spte: Spte) -> Errno | None:
        """Freeze, handle the change (children, then the external PTE), and then show the new SPTE, or restore."""
        await self.lockdep_assert_held_read()
        await self.WARN_ON_ONCE(new_spte.is_frozen)
        freezes = iter.sp.is_mirror and "freeze" not in self.without
        ret = await self._tdp_mmu_set_spte_atomic(iter, FROZEN_SPTE if freezes else new_spte)
        if ret:
            return ret
        ret = await self._handle_changed_spte(iter.sp, iter.gfn, iter.old_spte, new_spte, iter.level, True)
        if not iter.sp.is_mirror:
            await self.KVM_BUG_ON(ret)
        elif not ret:
            if freezes:
                await self.kvm_tdp_mmu_write_spte(iter.sp, iter.gfn, new_spte)
        elif "restore" not in self.without:
            await self.kvm_tdp_mmu_write_spte(iter.sp, iter.gfn, iter.old_spte)
        return ret

    @routine
    async def tdp_mmu_set_spte(self, sp: MmuPage, gfn: str, old_spte: Spte, new_spte: Spte, level: int) -> Spte:
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
        await self.KVM_BUG_ON(await self._handle_changed_spte(sp, gfn, old_spte, new_spte, level, shared))

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
        """The children go the way of every change, and nobody hears of what fails there but its KVM_BUG_ON()."""
        for gfn, _ in sp.sptes:
            old_spte = await self._freeze_child(sp, gfn, shared)
            if shared or old_spte.is_shadow_present:
                await self.handle_changed_spte(sp, gfn, old_spte, FROZEN_SPTE, sp.level, shared)
        if sp.is_mirror:
            await self.tdx_sept_reclaim_private_spt(sp)
        await self.call_rcu(sp)

    @routine
    async def set_external_spte(self, gfn: str, old_spte: Spte, new_spte: Spte, level: int) -> Errno | None:
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
    async def tdx_sept_map_nonleaf_spte(self, gfn: str, new_spte: Spte, level: int) -> Errno | None:
        external_spt = self.spte_to_child_sp(new_spte).external_spt  # tdx_spte_to_sept_pt()
        if await self.KVM_BUG_ON(not external_spt):
            return EIO()
        err = await self.module.tdh_mem_sept_add(gfn, pg_level_to_tdx_sept_level(level), external_spt)
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
    async def tdx_sept_reclaim_private_spt(self, sp: MmuPage) -> None:
        """void: an S-EPT page that cannot be had back is leaked on purpose."""
        if await self.KVM_BUG_ON(self.is_hkid_assigned()):
            return
        await self.tdx_reclaim_page(sp.external_spt)


@attrs.frozen(eq=False)
class Patch07(Series):
    """Patch 07/17 of v1 alone (27 March 2026): to-present updates are centralized, removal is not yet.

    Read in quotations only. That tdp_mmu_set_spte() keeps its KVM_BUG_ON() on a present new SPTE, and that nothing
    stops an atomic zap any more, is derived.
    """

    VERSION = "patch07"

    @routine
    async def tdp_mmu_set_spte(self, sp: MmuPage, gfn: str, old_spte: Spte, new_spte: Spte, level: int) -> Spte:
        await Series.tdp_mmu_set_spte(self, sp, gfn, old_spte, new_spte, level)
        if sp.is_mirror:
            await self.KVM_BUG_ON(new_spte.is_shadow_present)  # and goes on
            await self.remove_external_spte(gfn, old_spte, level)
        return old_spte

    @routine
    async def handle_removed_pt(self, sp: MmuPage, shared: bool) -> None:
        """As in v6.19: each child's S-EPT entry is removed here, and what fails there bugs the VM there."""
        await Kvm.handle_removed_pt(self, sp, shared)

    @routine
    async def set_external_spte(self, gfn: str, old_spte: Spte, new_spte: Spte, level: int) -> Errno | None:
        """Nothing to do for an SPTE that goes."""
        await self.lockdep_assert_held()
        if not new_spte.is_shadow_present:
            return None
        if new_spte.kind is Kind.NONLEAF:
            return await self.tdx_sept_map_nonleaf_spte(gfn, new_spte, level)
        return await self.tdx_sept_set_private_spte(gfn, level, new_spte)


@attrs.frozen(eq=False)
class InTurn(Series):
    """The series as the mail of 7 April 2026 reads it: the children (2.1), *then* the external PTE (2.2).

    What 2.2 would be for a nonleaf SPTE no source has; here it is what the dispatcher makes of any old present SPTE.
    """

    VERSION = "in-turn"

    @routine
    @dunder
    async def _handle_changed_spte(
        self, sp: MmuPage, gfn: str, old_spte: Spte, new_spte: Spte, level: int, shared: bool
    ) -> Errno | None:
        ret = await Series._handle_changed_spte(self, sp, gfn, old_spte, new_spte, level, shared)  # noqa: SLF001 - super()
        if ret or old_spte.kind is not Kind.NONLEAF or old_spte == new_spte or not sp.is_mirror:
            return ret
        return await self.set_external_spte(gfn, old_spte, new_spte, level)


@attrs.frozen(eq=False)
class HugePages(Series):
    """S-EPT huge pages on top of the series (KVM list, RFC v5 of 2026-01-28): a large leaf is split by DEMOTE.

    A fault maps 2M unless the guest accepts 4K, a page table is there already, or the folio behind it is not whole.
    """

    VERSION = "hugepages"
    GMEM_LEVEL = PG_LEVEL_2M

    def kvm_mmu_hugepage_adjust(self, fault: Fault, old_spte: Spte) -> int:
        if not self.root.is_mirror:
            return Series.kvm_mmu_hugepage_adjust(self, fault, old_spte)
        if "4k" in self.given or fault.accepts_4k or old_spte.kind is Kind.NONLEAF:
            return PG_LEVEL_4K
        return fault.max_level

    @routine
    async def set_external_spte(self, gfn: str, old_spte: Spte, new_spte: Spte, level: int) -> Errno | None:
        """The dispatcher, with a branch for a split."""
        if old_spte.kind is Kind.LEAF and new_spte.kind is Kind.NONLEAF:
            return await self.tdx_sept_split_private_spte(gfn, new_spte, level)
        return await Series.set_external_spte(self, gfn, old_spte, new_spte, level)

    @routine
    async def kvm_split_cross_boundary_leafs(self, gfns: tuple[str, ...], task: str) -> None:
        """A large leaf of which only a part goes (KVM list, huge pages v3 of 2026-01-06): under the write lock."""
        slot = self.root.cell(gfns[0])
        whole = tuple(gfn for gfn, cell in self.root.sptes if cell is slot)
        if self.root.is_mirror and gfns != whole:
            await self.tdp_mmu_split_huge_pages_root(gfns[0], task, False)

    @routine
    async def tdx_handle_ept_violation(self, vcpu: Vcpu, exit: Exit) -> Resume | Errno:
        """A guest that accepts 4K of a large page gets it split first."""
        if exit.accepts_4k:
            await self.tdx_check_accept_level(vcpu, exit.gfn)
        return await Series.tdx_handle_ept_violation(self, vcpu, exit)

    @routine
    async def tdx_check_accept_level(self, vcpu: Vcpu, gfn: str) -> None:
        """tdx.c in the huge-page series. What keeps the range split from then on, the inhibit, is left out."""
        await self.mmu_lock.write_lock()
        await self.kvm_split_cross_boundary_leafs((gfn,), vcpu.name)
        await self.mmu_lock.write_unlock()

    @routine
    async def tdx_sept_split_private_spte(self, gfn: str, new_spte: Spte, level: int) -> Errno | None:
        """BLOCK, TRACK, DEMOTE; a BUSY that the kick does not cure, and every other failure, bugs the VM."""
        await self.lockdep_assert_held_write()
        external_spt = self.spte_to_child_sp(new_spte).external_spt
        if await self.KVM_BUG_ON(not external_spt) or await self.KVM_BUG_ON(level != PG_LEVEL_2M):
            return EIO()
        tdx_level = pg_level_to_tdx_sept_level(level)
        err = await self.tdh_do_no_vcpus(self.module.tdh_mem_range_block, gfn, tdx_level)
        if await self.TDX_BUG_ON(err):
            return EIO(err)
        await self.tdx_track()
        err = await self.tdh_do_no_vcpus(self.module.tdh_mem_page_demote, gfn, tdx_level, external_spt)
        if await self.TDX_BUG_ON(err):
            return EIO(err)
        return None

    @routine
    async def tdx_sept_map_leaf_spte(self, gfn: str, new_spte: Spte, level: int) -> Errno | None:
        return await self._map_leaf(gfn, level, new_spte.pfn)


VERSIONS = (V6_18, Kvm, Patch07, Series, InTurn, HugePages)
