"""S-EPT huge pages, which nobody has merged yet."""

from __future__ import annotations

import attrs

from sim.engine.model.routines import routine
from sim.kvm.errno import EIO, Errno
from sim.kvm.kvm_main import Vcpu
from sim.kvm.spte import PG_LEVEL_2M, PG_LEVEL_4K, Kind, Spte
from sim.kvm.tdp_mmu import Fault
from sim.kvm.tdx_sept import pg_level_to_tdx_sept_level
from sim.kvm.tdx_vcpu import Resume
from sim.kvm.versions.v7_2 import Series
from sim.tdx.vp_enter import Exit


@attrs.frozen(eq=False)
class HugePages(Series):
    """S-EPT huge pages on top of the series (KVM list, RFC v5 of 2026-01-28):
    a large leaf is split by DEMOTE.

    A fault maps 2M unless the guest accepts 4K, a page table is there already, or the folio behind
    it is not whole.
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
    async def set_external_spte(
        self, gfn: str, old_spte: Spte, new_spte: Spte, level: int
    ) -> Errno | None:
        """The dispatcher, with a branch for a split."""
        if old_spte.kind is Kind.LEAF and new_spte.kind is Kind.NONLEAF:
            return await self.tdx_sept_split_private_spte(gfn, new_spte, level)
        return await Series.set_external_spte(self, gfn, old_spte, new_spte, level)

    @routine
    async def kvm_split_cross_boundary_leafs(self, gfns: tuple[str, ...], task: str) -> None:
        """A large leaf of which only a part goes (KVM list, huge pages v3 of 2026-01-06):
        under the write lock.
        """
        slot = self.root.cell(gfns[0])
        whole = tuple(gfn for gfn, cell in self.root.sptes if cell is slot)
        if self.root.is_mirror and gfns != whole:
            await self.tdp_mmu_split_huge_pages_root(gfns[0], task, False)

    @routine
    async def kvm_gmem_invalidate_begin(self, gfns: tuple[str, ...], task: str) -> None:
        """guest_memfd.c with splitting (KVM list, huge pages v3 of 2026-01-06, 16/24).

        There it announces, splits and zaps in three sections of mmu_lock (`three-sections`), and
        what it announces is the hole, not the folio that is split (`hole-alone`). Without either
        it is what would be safe: one section, and the whole folio.
        """
        if "three-sections" not in self.given:
            await Series.kvm_gmem_invalidate_begin(self, gfns, task)
            return
        whole = self.gmem.whole(gfns) if self.gmem and "hole-alone" not in self.given else gfns
        await self.mmu_lock.write_lock()
        await self.kvm_mmu_invalidate_begin()
        await self.kvm_mmu_invalidate_range_add(whole)
        await self.mmu_lock.write_unlock()
        await self.mmu_lock.write_lock()
        await self.kvm_split_cross_boundary_leafs(gfns, task)
        await self.mmu_lock.write_unlock()
        await self.mmu_lock.write_lock()
        await self.kvm_tdp_mmu_unmap_gfn_range(gfns, True)
        await self.mmu_lock.write_unlock()

    @routine
    async def tdx_handle_ept_violation(self, vcpu: Vcpu, exit: Exit) -> Resume | Errno:
        """A guest that accepts 4K of a large page gets it split first."""
        if exit.accepts_4k:
            await self.tdx_check_accept_level(vcpu, exit.gfn)
        return await Series.tdx_handle_ept_violation(self, vcpu, exit)

    @routine
    async def tdx_check_accept_level(self, vcpu: Vcpu, gfn: str) -> None:
        """tdx.c in the huge-page series.

        What keeps the range split from then on, the inhibit, is left out.
        """
        await self.mmu_lock.write_lock()
        await self.kvm_split_cross_boundary_leafs((gfn,), vcpu.name)
        await self.mmu_lock.write_unlock()

    @routine
    async def tdx_sept_split_private_spte(
        self, gfn: str, new_spte: Spte, level: int
    ) -> Errno | None:
        """BLOCK, TRACK, DEMOTE; a BUSY that the kick does not cure,
        and every other failure, bugs the VM.
        """
        await self.lockdep_assert_held_write()
        external_spt = self.spte_to_child_sp(new_spte).external_spt
        if await self.KVM_BUG_ON(not external_spt) or await self.KVM_BUG_ON(level != PG_LEVEL_2M):
            return EIO()
        tdx_level = pg_level_to_tdx_sept_level(level)
        err = await self.tdh_do_no_vcpus(self.module.tdh_mem_range_block, gfn, tdx_level)
        if await self.TDX_BUG_ON(err):
            return EIO(err)
        await self.tdx_track()
        err = await self.tdh_do_no_vcpus(
            self.module.tdh_mem_page_demote, gfn, tdx_level, external_spt
        )
        if await self.TDX_BUG_ON(err):
            return EIO(err)
        return None

    @routine
    async def tdx_sept_remove_leaf_spte(self, gfn: str, old_spte: Spte, level: int) -> Errno | None:
        """At 2M as at 4K, each SEAMCALL at that level; the cache is flushed page by page."""
        await self.lockdep_assert_held_write()
        if await self.KVM_BUG_ON(not self.is_hkid_assigned()):
            return EIO()
        tdx_level = pg_level_to_tdx_sept_level(level)
        err = await self.tdh_do_no_vcpus(self.module.tdh_mem_range_block, gfn, tdx_level)
        if await self.TDX_BUG_ON(err):
            return EIO(err)
        await self.tdx_track()
        err = await self.tdh_do_no_vcpus(self.module.tdh_mem_page_remove, gfn, tdx_level)
        if await self.TDX_BUG_ON(err):
            return EIO(err)
        rest = self.module.td.rest_of(gfn, old_spte.pfn, tdx_level)
        for pfn in (old_spte.pfn, *rest):
            err = await self.module.tdh_phymem_page_wbinvd(pfn)
            if await self.TDX_BUG_ON(err):
                return EIO(err)
        return None

    @routine
    async def tdx_sept_map_leaf_spte(self, gfn: str, new_spte: Spte, level: int) -> Errno | None:
        return await self._map_leaf(gfn, level, new_spte.pfn)
