"""arch/x86/kvm/mmu/tdp_mmu.c, the rest: what walks a root and changes SPTEs on the way.

A walk visits a gfn's SPTE in the root's table, and the one below if that points to a page table:
the iterator of C, without the levels above, and always from the top, as after a yield. Where a walk
may yield, that is a choice here (`--inject resched`), offered once a gfn, since C asks for progress
in between.

Left out: flushes of the host's TLBs, accessed and dirty bits, and with them write protection, which
changes a leaf without changing what it maps.
"""

from __future__ import annotations

import attrs

from sim.engine.model.operations import load, store
from sim.engine.model.routines import Again, Done, repeat, routine
from sim.kvm.kvm_main import dunder, part_of
from sim.kvm.mmu_page import TdpIter
from sim.kvm.spte import PG_LEVEL_2M, PG_LEVEL_4K, SHADOW_NONPRESENT_VALUE, Kind, make_spte
from sim.kvm.tdp_mmu import TdpMmu


@attrs.frozen(eq=False)
class TdpMmuWalks(TdpMmu):
    """tdp_mmu.c, continued."""

    @routine
    async def tdp_mmu_iter_cond_resched(self, shared: bool) -> None:
        """Drop RCU and mmu_lock, and take them again: between two SPTEs, never inside a change."""
        if not await self.should_fail("resched"):
            return
        await self.rcu_read_unlock()
        await self._unlock(shared)
        await self._relock(shared)
        await self.rcu_read_lock()

    @routine
    async def _relock(self, shared: bool) -> None:
        """read_lock() or write_lock() on mmu_lock."""
        await (self.mmu_lock.read_lock() if shared else self.mmu_lock.write_lock())

    @routine
    async def _unlock(self, shared: bool) -> None:
        """And unlock."""
        await (self.mmu_lock.read_unlock() if shared else self.mmu_lock.write_unlock())

    @routine
    @part_of("tdp_iter_next")
    async def _tdp_iter_at(self, gfn: str, min_level: int) -> TdpIter:
        """Where an iterator down to `min_level` comes to for a gfn: not past a leaf or nothing."""
        iter = TdpIter(
            gfn, PG_LEVEL_2M, await self.kvm_tdp_mmu_read_spte(self.root, gfn), self.root
        )
        if iter.old_spte.kind is not Kind.NONLEAF or min_level > PG_LEVEL_4K:
            return iter
        sp = self.spte_to_child_sp(iter.old_spte)
        return TdpIter(gfn, PG_LEVEL_4K, await self.kvm_tdp_mmu_read_spte(sp, gfn), sp)

    @routine
    async def tdp_mmu_iter_set_spte(self, iter: TdpIter) -> None:
        """To non-present, exclusively."""
        await self.tdp_mmu_set_spte(
            iter.sp, iter.gfn, iter.old_spte, SHADOW_NONPRESENT_VALUE, iter.level
        )

    @routine
    async def tdp_mmu_zap_leafs(self, gfns: tuple[str, ...], can_yield: bool) -> None:
        """Leafs alone: page tables stay."""
        await self.lockdep_assert_held_write()
        await self.rcu_read_lock()
        for gfn in gfns:
            if can_yield:
                await self.tdp_mmu_iter_cond_resched(False)
            iter = await self._tdp_iter_at(gfn, PG_LEVEL_4K)
            if iter.old_spte.kind is Kind.LEAF:
                await self.tdp_mmu_iter_set_spte(iter)
        await self.rcu_read_unlock()

    @routine
    async def kvm_tdp_mmu_unmap_gfn_range(self, gfns: tuple[str, ...], may_block: bool) -> None:
        """Every root that the range's attributes are about; here there is one."""
        await self.tdp_mmu_zap_leafs(gfns, may_block)

    @routine
    @dunder
    async def _tdp_mmu_zap_root(self, shared: bool, zap_level: int) -> None:
        """Every present SPTE at one level."""
        seen: tuple[object, ...] = ()
        for gfn, cell in self.root.sptes:
            if zap_level == PG_LEVEL_4K or cell not in seen:
                await repeat(self._zap_one, gfn, shared, zap_level)
            seen = (*seen, cell)

    @routine
    @part_of("__tdp_mmu_zap_root")
    async def _zap_one(self, gfn: str, shared: bool, zap_level: int) -> Again | Done[None]:
        """One turn of the loop; `goto retry` where somebody else changed the SPTE."""
        await self.tdp_mmu_iter_cond_resched(shared)
        iter = await self._tdp_iter_at(gfn, zap_level)
        if not iter.old_spte.is_shadow_present or iter.level > zap_level:
            return Done(None)
        if not shared:
            await self.tdp_mmu_iter_set_spte(iter)
        elif await self.tdp_mmu_set_spte_atomic(iter, SHADOW_NONPRESENT_VALUE):
            return Again(gfn, shared, zap_level)
        return Done(None)

    @routine
    async def tdp_mmu_zap_root(self, shared: bool) -> None:
        """Leafs first, then what pointed to them: a page table is removed when it is empty."""
        await (self.lockdep_assert_held_read() if shared else self.lockdep_assert_held_write())
        await self.rcu_read_lock()
        await self._tdp_mmu_zap_root(shared, PG_LEVEL_4K)
        await self._tdp_mmu_zap_root(shared, PG_LEVEL_2M)
        await self.rcu_read_unlock()

    @routine
    async def kvm_tdp_mmu_zap_invalidated_roots(self, shared: bool) -> None:
        """What kvm_tdp_mmu_invalidate_roots() has scheduled."""
        await self._relock(shared)
        if await load(self.root_invalid):
            await self.tdp_mmu_zap_root(shared)
            await store(self.root_put, True)  # kvm_tdp_mmu_put_root(): it had to be reachable
        await self._unlock(shared)

    @routine
    async def tdp_mmu_split_huge_pages_root(self, gfn: str, task: str, shared: bool) -> None:
        """Split the large leaf over a gfn, if there is one.

        That mmu_lock is dropped for the allocation is left out.
        """
        await self.rcu_read_lock()
        await self.tdp_mmu_iter_cond_resched(shared)
        iter = await self._tdp_iter_at(gfn, PG_LEVEL_2M)
        if iter.old_spte.kind is Kind.LEAF:
            await self.tdp_mmu_split_huge_page(iter, self.tdp_mmu_alloc_sp(task), shared)
        await self.rcu_read_unlock()

    @routine
    async def kvm_tdp_mmu_try_split_huge_pages(self, gfn: str, task: str) -> None:
        """Eager splitting, when dirty logging begins: a slot of guest_memfd has none,
        so direct roots only.
        """
        await self.mmu_lock.read_lock()
        if not self.root.is_mirror:
            await self.tdp_mmu_split_huge_pages_root(gfn, task, True)
        await self.mmu_lock.read_unlock()

    @routine
    async def kvm_tdp_mmu_recover_huge_pages(self, gfn: str) -> None:
        """When dirty logging ends: a page table gives way to a large leaf; direct roots only."""
        await self.mmu_lock.read_lock()
        if not self.root.is_mirror:
            await self.rcu_read_lock()
            await self.tdp_mmu_iter_cond_resched(True)
            iter = await self._tdp_iter_at(gfn, PG_LEVEL_2M)
            if iter.old_spte.kind is Kind.NONLEAF:
                await self.tdp_mmu_set_spte_atomic(iter, make_spte(self.gfn_to_pfn(gfn)))
            await self.rcu_read_unlock()
        await self.mmu_lock.read_unlock()

    @routine
    async def kvm_tdp_mmu_zap_possible_nx_huge_page(self, gfn: str) -> None:
        """NX recovery: a page table that keeps a large page away goes;
        private pages are never tracked.
        """
        await self.mmu_lock.read_lock()
        if not self.root.is_mirror:
            await self.rcu_read_lock()
            await self.lockdep_assert_held_read()
            iter = await self._tdp_iter_at(gfn, PG_LEVEL_2M)
            if iter.old_spte.kind is Kind.NONLEAF:
                await self.tdp_mmu_set_spte_atomic(iter, SHADOW_NONPRESENT_VALUE)
            await self.rcu_read_unlock()
        await self.mmu_lock.read_unlock()

    @routine
    async def kvm_split_cross_boundary_leafs(self, gfns: tuple[str, ...], task: str) -> None:
        """No leaf of a mirror is larger than 4K here,
        so there is nothing to split before part of it goes.
        """

    @routine
    async def kvm_vm_set_mem_attributes(self, gfns: tuple[str, ...], task: str) -> None:
        """kvm_main.c: memory that is converted.

        The attribute, which changes in between, is not kept: nobody asks.
        """
        await self.mutex_lock(self.slots_lock)
        await self.mmu_lock.write_lock()
        await self.kvm_mmu_invalidate_begin()
        await self.kvm_mmu_invalidate_range_add(gfns)  # kvm_pre_set_memory_attributes()
        await self.kvm_split_cross_boundary_leafs(gfns, task)
        await self.kvm_tdp_mmu_unmap_gfn_range(gfns, True)
        await self.mmu_lock.write_unlock()
        await self.mmu_lock.write_lock()
        await self.kvm_mmu_invalidate_end()
        await self.mmu_lock.write_unlock()
        await self.mutex_unlock(self.slots_lock)
