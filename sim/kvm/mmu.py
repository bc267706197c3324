"""arch/x86/kvm/mmu/mmu.c: the page fault, and roots that go.

Left out: memslots that come and go, the per-vCPU caches and the page's own reference. Where nothing
of guest_memfd goes away in a scenario, asking for a page is no step (`sim.kvm.gmem`).
"""

from __future__ import annotations

import attrs

from sim.engine.model.operations import load, store
from sim.engine.model.routines import routine
from sim.kvm.spte import PG_LEVEL_2M, PG_LEVEL_4K, Spte
from sim.kvm.tdp_mmu import Fault, RetPf
from sim.kvm.tdp_mmu_walks import TdpMmuWalks


@attrs.frozen(eq=False)
class Mmu(TdpMmuWalks):
    """mmu.c."""

    @routine
    async def kvm_mmu_faultin_pfn(self, fault: Fault) -> int | None:
        """The page behind a gfn, allocated if need be; gives mmu_seq, or None for RET_PF_RETRY."""
        if self.gmem is None:
            return 0
        mmu_seq = (await load(self.gmem.invalidate)).seq
        if await self.mmu_invalidate_retry_gfn_unsafe(fault, mmu_seq):
            return None
        await self.gmem.get_folio(fault.gfn)  # kvm_gmem_get_pfn()
        if await self.mmu_invalidate_retry_gfn_unsafe(fault, mmu_seq):
            return None
        return mmu_seq

    @routine
    async def kvm_max_level_for_order(self, fault: Fault) -> int:
        """The largest page that the folio has room for.

        C asks this as it gets the page, before it looks again.
        """
        level = self.gmem.folio(fault.gfn)[1] if self.gmem else None
        return fault.max_level if level is None else await load(level)

    @routine
    async def mmu_invalidate_retry_gfn_unsafe(self, fault: Fault, mmu_seq: int) -> bool:
        """kvm_host.h: without mmu_lock, so it only saves work."""
        return self.gmem is not None and (await load(self.gmem.invalidate)).retry_gfn(
            fault.gfn, mmu_seq
        )

    @routine
    async def is_page_fault_stale(self, fault: Fault, mmu_seq: int) -> bool:
        """Under mmu_lock, so that what is not stale stays so until it is mapped."""
        if "obsolete-root" not in self.without and await self.is_obsolete_sp(fault):
            return True
        if await self.should_fail("invalidation"):
            return True
        if self.gmem is None or "mmu-seq" in self.without:
            return False
        return (await load(self.gmem.invalidate)).retry_gfn(fault.gfn, mmu_seq)

    @routine
    async def is_obsolete_sp(self, fault: Fault) -> bool:
        """Whether the vCPU's root was invalidated; no step where no root of a vCPU can be."""
        if self.next_root is None or fault.root:
            return False
        return await load(self.root_invalid)

    @routine
    async def kvm_mmu_reload(self, fault: Fault) -> Fault:
        """On the way back into the guest: an obsolete root is left, and another one loaded.

        KVM_REQ_MMU_FREE_OBSOLETE_ROOTS asks for that in C. It is made under the lock under which
        the root is invalidated; here the root itself is looked at.
        """
        return attrs.evolve(fault, root=1) if await self.is_obsolete_sp(fault) else fault

    @routine
    async def kvm_tdp_mmu_page_fault(self, fault: Fault) -> RetPf:
        mmu_seq = await self.kvm_mmu_faultin_pfn(fault)
        if mmu_seq is None:
            return RetPf.RETRY
        fault = attrs.evolve(fault, max_level=await self.kvm_max_level_for_order(fault))
        await self.mmu_lock.read_lock()
        stale = await self.is_page_fault_stale(fault, mmu_seq)
        ret = RetPf.RETRY if stale else await self.kvm_tdp_mmu_map(fault)
        await self.mmu_lock.read_unlock()
        return ret

    def kvm_mmu_hugepage_adjust(self, fault: Fault, old_spte: Spte) -> int:
        """mmu.c: the level at which a fault maps.

        A TD has 4K pages only (tdx_gmem_max_mapping_level()).
        """
        return PG_LEVEL_4K if self.root.is_mirror or "huge" not in self.given else PG_LEVEL_2M

    @routine
    async def kvm_mmu_zap_all_fast(self) -> None:
        """mmu.c: invalidate under the write lock, zap under the read lock; direct roots only."""
        await self.mmu_lock.write_lock()
        if not self.root.is_mirror:
            await store(self.root_invalid, True)
        await self.mmu_lock.write_unlock()
        await self.kvm_tdp_mmu_zap_invalidated_roots(True)

    @routine
    async def kvm_mmu_uninit_tdp_mmu(self) -> None:
        """The VM is gone: every root, exclusively."""
        await store(self.root_invalid, True)
        await self.kvm_tdp_mmu_zap_invalidated_roots(False)
