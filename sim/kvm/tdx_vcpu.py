"""arch/x86/kvm/vmx/tdx.c, vCPU side: entering the guest, and what its exits mean.

Left out: posted interrupts, shared GPAs, TDVMCALLs other than the one that ends the guest's
program, and an invalid memslot as a reason to leave the local retry.
"""

from __future__ import annotations

from enum import Enum

import attrs

from sim.engine.model.operations import load
from sim.engine.model.routines import Again, Done, repeat, routine
from sim.kvm.errno import EIO, Errno
from sim.kvm.guest_memfd import GuestMemfd
from sim.kvm.kvm_main import Request, Vcpu
from sim.kvm.tdp_mmu import Fault, RetPf
from sim.tdx.status import tdx_operand_busy
from sim.tdx.vp_enter import Exit, ExitReason
from sim.tdx.zero_step import Tdvps


class Resume(Enum):
    """What an exit handler returns when it is not an error: 1, enter again, or 0, to userspace."""

    USERSPACE = 0
    GUEST = 1


@attrs.frozen(eq=False)
class TdxVcpu(GuestMemfd):
    """The vCPU side of tdx.c."""

    @routine
    async def tdx_vcpu_run(self, vcpu: Vcpu, tdvps: Tdvps) -> tuple[Exit | None, Tdvps]:
        """None for EXIT_FASTPATH_EXIT_HANDLED: not entered, because of a zap,
        or because the module was busy.
        """
        if "wait-for-sept-zap" not in self.without and await load(self.wait_for_sept_zap):
            return None, tdvps
        exit, tdvps = await self.module.tdh_vp_enter(vcpu.guest, tdvps)
        return (None if exit.status and tdx_operand_busy(exit.status) else exit), tdvps

    @routine
    async def tdx_handle_exit(self, vcpu: Vcpu, exit: Exit | None) -> Resume | Errno:
        if exit is None or exit.reason is ExitReason.EXTERNAL_INTERRUPT:
            return Resume.GUEST
        if exit.status:
            return Resume.USERSPACE  # unhandled_exit: KVM_EXIT_INTERNAL_ERROR
        if exit.reason is ExitReason.EPT_VIOLATION:
            return await self.tdx_handle_ept_violation(vcpu, exit)
        return Resume.USERSPACE

    @routine
    async def tdx_handle_ept_violation(self, vcpu: Vcpu, exit: Exit) -> Resume | Errno:
        """A fault that KVM retries here is one that the module's zero-step counter does not see."""
        if exit.pending:
            await self.kvm_make_all_cpus_request(Request.VM_DEAD)
            return EIO()
        return await repeat(self.local_retry, vcpu, Fault(vcpu.name, exit.gfn, exit.accepts_4k))

    @routine
    async def local_retry(self, vcpu: Vcpu, fault: Fault) -> Again | Done[Resume | Errno]:
        """One turn of tdx_handle_ept_violation()'s loop;
        no pending event or signal interrupts it here.
        """
        ret = await self.kvm_tdp_mmu_page_fault(fault)
        if ret is not RetPf.RETRY or "local-retry" in self.without:
            return Done(Resume.GUEST)
        if await self.kvm_check_request(vcpu):
            return Done(EIO())
        return Again(vcpu, fault)
