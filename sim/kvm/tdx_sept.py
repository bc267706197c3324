"""arch/x86/kvm/vmx/tdx.c, S-EPT side: what the TDP MMU's hooks do to the TDX module.

Left out: memory cgroup and cache work around the SEAMCALLs, and tdx_gmem_post_populate(), so that a
TD that is not RUNNABLE has no page to add.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs

from sim.engine.model.operations import report, store
from sim.engine.model.routines import Call, routine
from sim.kvm.errno import EBUSY, EIO, Errno
from sim.kvm.kvm_main import KvmMain, Request, caller
from sim.kvm.mmu_page import MmuPage
from sim.kvm.spte import PG_LEVEL_4K, Spte
from sim.tdx.status import Status, tdx_operand_busy


def pg_level_to_tdx_sept_level(level: int) -> int:
    """tdx.h: the module counts from 0."""
    return level - 1


@attrs.frozen(eq=False)
class TdxSept(KvmMain):
    """The S-EPT side of tdx.c."""

    def is_hkid_assigned(self) -> bool:
        """tdx.c: until tdx_mmu_release_hkid(), which every vCPU has been flushed for."""
        return not self.module.td.torn_down

    def TDX_BUG_ON(self, err: Status) -> Awaitable[bool]:
        """arch/x86/kvm/vmx/tdx.c: a SEAMCALL failed that must not."""
        return self._bugged("TDX_BUG_ON", caller(), err)

    @routine
    async def tdh_do_no_vcpus(self, seamcall: Callable[..., Call[Status]], *args: object) -> Status:
        """tdx.c:tdh_do_no_vcpus() (6.19):
        one retry with every vCPU out of the guest and none let in.
        """
        await self.lockdep_assert_held_write()
        err = await seamcall(*args)
        if tdx_operand_busy(err):
            await store(self.wait_for_sept_zap, True)
            await self.kvm_make_all_cpus_request(Request.OUTSIDE_GUEST_MODE)
            err = await seamcall(*args)
            await store(self.wait_for_sept_zap, False)
        return err

    @routine
    async def tdx_mem_page_aug(self, gfn: str, level: int, pfn: int) -> Errno | None:
        """tdx.c: BUSY is the caller's to retry, anything else is a bug."""
        err = await self.module.tdh_mem_page_aug(gfn, pfn, pg_level_to_tdx_sept_level(level))
        if tdx_operand_busy(err):
            return EBUSY(err)
        if await self.TDX_BUG_ON(err):
            return EIO(err)
        return None

    @routine
    async def tdx_sept_link_private_spt(
        self, gfn: str, level: int, private_spt: int
    ) -> Errno | None:
        """tdx.c (6.19): BUSY is the caller's to retry here, too."""
        err = await self.module.tdh_mem_sept_add(
            gfn, pg_level_to_tdx_sept_level(level), private_spt
        )
        if tdx_operand_busy(err):
            return EBUSY(err)
        if await self.TDX_BUG_ON(err):
            return EIO(err)
        return None

    @routine
    async def tdx_reclaim_page(self, pfn: int) -> Errno | None:
        """tdx.c: nothing contends for a TD that is torn down, so whatever fails is a bug.

        __tdx_reclaim_page() warns in every version: its TDX_BUG_ON_3() is given no VM to bug.
        """
        err = await self.module.tdh_phymem_page_reclaim(pfn)
        if err:
            await report("WARN", "__tdx_reclaim_page", err.causes)
            return EIO(err)
        return None

    def read_external_spt(self, sp: MmuPage) -> Awaitable[int]:
        """sp->external_spt, of a page table that may have been freed."""
        return sp.read_external_spt(caller())

    @routine
    async def tdx_sept_free_private_spt(self, sp: MmuPage) -> Errno | None:
        """tdx.c (6.19): only once the key is gone,
        when a page of the TD may be taken without asking the S-EPT.
        """
        if await self.KVM_BUG_ON(self.is_hkid_assigned()):
            return EIO()
        return await self.tdx_reclaim_page(await self.read_external_spt(sp))

    @routine
    async def tdx_track(self) -> None:
        """tdx.c: raise the epoch, then kick, so that every vCPU enters with the new one.

        Nothing where the TD is not RUNNABLE: no vCPU has run.
        """
        if not self.module.td.finalized:
            return
        await self.lockdep_assert_held_write()
        await self.TDX_BUG_ON(await self.tdh_do_no_vcpus(self.module.tdh_mem_track))
        await self.kvm_make_all_cpus_request(Request.OUTSIDE_GUEST_MODE)

    @routine
    async def tdx_sept_set_private_spte(
        self, gfn: str, level: int, mirror_spte: Spte
    ) -> Errno | None:
        """tdx.c (6.19).

        The RWX check and the smp_rmb() before the TD's state have nothing to check here.
        """
        if await self.KVM_BUG_ON(level != PG_LEVEL_4K):
            return EIO()
        return await self._map_leaf(gfn, level, mirror_spte.pfn)

    @routine
    async def _map_leaf(self, gfn: str, level: int, pfn: int) -> Errno | None:
        """How tdx_sept_set_private_spte() ends: AUG, or ADD before TDH.MR.FINALIZE."""
        if not self.module.td.finalized:
            return await self.tdx_mem_page_add()
        return await self.tdx_mem_page_aug(gfn, level, pfn)

    @routine
    async def tdx_mem_page_add(self) -> Errno | None:
        """tdx.c, where nobody is populating the TD, as nobody is here:
        there is no page to add a copy of.
        """
        await self.KVM_BUG_ON(True)  # !page_add_src
        return EIO()

    @routine
    async def tdx_sept_remove_private_spte(
        self, gfn: str, level: int, mirror_spte: Spte
    ) -> Errno | None:
        """tdx.c (6.19): BLOCK, TRACK, REMOVE, WBINVD. void there:
        whatever fails bugs the VM here.
        """
        await self.lockdep_assert_held_write()
        if await self.KVM_BUG_ON(not self.is_hkid_assigned()):
            return None
        if await self.KVM_BUG_ON(level != PG_LEVEL_4K):
            return None
        err = await self.tdh_do_no_vcpus(self.module.tdh_mem_range_block, gfn)
        if await self.TDX_BUG_ON(err):
            return None
        await self.tdx_track()
        err = await self.tdh_do_no_vcpus(self.module.tdh_mem_page_remove, gfn)
        if await self.TDX_BUG_ON(err):
            return None
        await self.TDX_BUG_ON(await self.module.tdh_phymem_page_wbinvd(mirror_spte.pfn))
        return None
