"""arch/x86/kvm/mmu/mmu.c: the page fault on a private gfn.

Left out: memslots and their invalidation (`mmu_invalidate_seq`, `is_page_fault_stale`; nothing invalidates a gfn
here), the caches, and the page's own reference.
"""

from __future__ import annotations

import attrs

from sim.engine.routines import routine
from sim.kvm.tdp_mmu import Fault, RetPf, TdpMmu


@attrs.frozen(eq=False)
class Mmu(TdpMmu):
    """mmu.c."""

    @routine
    async def kvm_tdp_mmu_page_fault(self, fault: Fault) -> RetPf:
        await self.mmu_lock.read_lock()
        ret = await self.kvm_tdp_mmu_map(fault)
        await self.mmu_lock.read_unlock()
        return ret
