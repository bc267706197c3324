"""v6.18 and what came before it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs

from sim.engine.model.operations import store
from sim.engine.model.routines import Call, routine
from sim.kvm.errno import EINVAL, EIO, Errno
from sim.kvm.kvm_main import Request, caller
from sim.kvm.spte import PG_LEVEL_4K, Spte
from sim.kvm.tdx_sept import pg_level_to_tdx_sept_level
from sim.kvm.x86 import Kvm
from sim.tdx.status import Status, tdx_operand_busy


@attrs.frozen(eq=False)
class V6_18(Kvm):
    """v6.14 to v6.18, as read in v6.16.1: removal returns an error, and its caller bugs the VM.

    What came with v6.19, and is not here: TDX_BUG_ON() (here it is KVM_BUG_ON(), and a line of
    pr_tdx_error()), and tdh_do_no_vcpus() as a macro of its own.

    Its premapped pages, before TDH.MR.FINALIZE, are left out.
    """

    VERSION = "6.18"

    def TDX_BUG_ON(self, err: Status) -> Awaitable[bool]:
        """Not there in this version: each caller has KVM_BUG_ON(), and prints the error itself."""
        return self._bugged("KVM_BUG_ON", caller(), err)

    @routine
    async def tdx_no_vcpus_enter_start(self) -> None:
        await self.lockdep_assert_held_write()
        await store(self.wait_for_sept_zap, True)
        await self.kvm_make_all_cpus_request(Request.OUTSIDE_GUEST_MODE)

    @routine
    async def tdx_no_vcpus_enter_stop(self) -> None:
        await self.lockdep_assert_held_write()
        await store(self.wait_for_sept_zap, False)

    @routine
    async def tdh_do_no_vcpus(self, seamcall: Callable[..., Call[Status]], *args: object) -> Status:
        """Written out at each call in this version: lockdep asks only where the module was BUSY."""
        err = await seamcall(*args)
        if tdx_operand_busy(err):
            await self.tdx_no_vcpus_enter_start()
            err = await seamcall(*args)
            await self.tdx_no_vcpus_enter_stop()
        return err

    @routine
    async def remove_external_spte(self, gfn: str, old_spte: Spte, level: int) -> None:
        if not old_spte.is_last(level):
            return
        await self.lockdep_assert_held_write()
        await self.KVM_BUG_ON(await self.tdx_sept_remove_private_spte(gfn, level, old_spte))

    @routine
    async def tdx_sept_remove_private_spte(
        self, gfn: str, level: int, mirror_spte: Spte
    ) -> Errno | None:
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
        err = await self.tdh_do_no_vcpus(
            self.module.tdh_mem_range_block, gfn, pg_level_to_tdx_sept_level(level)
        )
        return EIO(err) if await self.KVM_BUG_ON(err) else None

    @routine
    async def tdx_sept_drop_private_spte(
        self, gfn: str, level: int, mirror_spte: Spte
    ) -> Errno | None:
        if await self.KVM_BUG_ON(level != PG_LEVEL_4K) or await self.KVM_BUG_ON(
            not self.is_hkid_assigned()
        ):
            return EINVAL
        err = await self.tdh_do_no_vcpus(self.module.tdh_mem_page_remove, gfn)
        if await self.KVM_BUG_ON(err):
            return EIO(err)
        err = await self.module.tdh_phymem_page_wbinvd(mirror_spte.pfn)
        return EIO(err) if await self.KVM_BUG_ON(err) else None
