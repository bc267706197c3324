"""virt/kvm/guest_memfd.c: pages of private memory that are given up.

What the file and `struct kvm` keep for it is in `sim.kvm.gmem`; asking for a page is part of a
fault (`sim.kvm.mmu`).
"""

from __future__ import annotations

import attrs

from sim.engine.model.operations import store
from sim.engine.model.routines import routine
from sim.kvm.gmem import Backing, Gmem
from sim.kvm.mmu import Mmu
from sim.kvm.spte import PG_LEVEL_2M, PG_LEVEL_4K


@attrs.frozen(eq=False)
class GuestMemfd(Mmu):
    """guest_memfd.c."""

    @routine
    async def kvm_gmem_invalidate_begin(self, gfns: tuple[str, ...], task: str) -> None:
        """guest_memfd.c: say which gfns go, and zap them, under mmu_lock.

        A large folio that is split is said whole.
        """
        await self.mmu_lock.write_lock()
        await self.kvm_mmu_invalidate_begin()
        await self.kvm_mmu_invalidate_range_add(self.gmem.whole(gfns) if self.gmem else gfns)
        await self.kvm_split_cross_boundary_leafs(gfns, task)
        await self.kvm_tdp_mmu_unmap_gfn_range(gfns, True)
        await self.mmu_lock.write_unlock()

    @routine
    async def kvm_gmem_invalidate_end(self) -> None:
        """guest_memfd.c: they are gone."""
        if self.gmem:
            await self.mmu_lock.write_lock()
            await self.kvm_mmu_invalidate_end()
            await self.mmu_lock.write_unlock()

    @routine
    async def kvm_gmem_punch_hole(self, gfns: tuple[str, ...], task: str) -> None:
        """guest_memfd.c; a slot that goes zaps the same way.

        The pages go with no lock held but the file's.
        """
        await self.mutex_lock(self.gmem.invalidate_lock if self.gmem else None)
        await self.kvm_gmem_invalidate_begin(gfns, task)
        if self.gmem:
            await self.truncate_inode_pages_range(self.gmem, gfns)
        await self.kvm_gmem_invalidate_end()
        await self.mutex_unlock(self.gmem.invalidate_lock if self.gmem else None)

    @routine
    async def truncate_inode_pages_range(self, gmem: Gmem, gfns: tuple[str, ...]) -> None:
        """mm/truncate.c: a large folio of which a part goes is split first;
        one that goes whole comes back whole.
        """
        for folio, level in gmem.folios:
            gone = tuple(gfn for gfn in folio if gfn in gfns)
            if gone and gone != folio:
                await store(level, PG_LEVEL_4K)
        for gfn in gfns:
            await store(gmem.page(gfn), Backing.HOLE)
        for folio, level in gmem.folios:
            if all(gfn in gfns for gfn in folio):
                await store(level, PG_LEVEL_2M)
