"""arch/x86/kvm/x86.c: the vCPU loop.

A vCPU says that it is in guest mode before it looks at requests, and a requester sets its request
before it looks at the mode: one of the two sees the other. Interrupts are off from before the one
until after the guest has been left, so an IPI that finds a vCPU anywhere but outside guest mode is
taken after SEAM was left.
"""

from __future__ import annotations

import attrs

from sim.engine.model.operations import load, store
from sim.engine.model.routines import Again, Done, repeat, routine
from sim.kvm.errno import EIO, Errno
from sim.kvm.kvm_main import Vcpu, VcpuMode
from sim.kvm.tdx_vcpu import Resume, TdxVcpu
from sim.tdx.lp import local_irq_disable, local_irq_enable
from sim.tdx.zero_step import Tdvps


@attrs.frozen(eq=False)
class Kvm(TdxVcpu):
    """x86.c, and with it all of KVM as of v6.19."""

    VERSION = "6.19"

    @routine
    async def vcpu_run(self, vcpu: Vcpu, tdvps: Tdvps) -> Resume | Errno:
        """KVM_RUN, until the guest's program is done or the VM is dead."""
        return await repeat(self.vcpu_enter_guest, vcpu, tdvps)

    @routine
    async def vcpu_enter_guest(self, vcpu: Vcpu, tdvps: Tdvps) -> Again | Done[Resume | Errno]:
        if await self.kvm_check_request(vcpu):
            return Done(EIO())
        await local_irq_disable(vcpu.lp)
        await store(vcpu.mode, VcpuMode.IN_GUEST_MODE)
        if await self.kvm_vcpu_exit_request(vcpu):
            await self.leave_guest_mode(vcpu)
            return Again(vcpu, tdvps)
        exit, tdvps = await self.tdx_vcpu_run(vcpu, tdvps)
        await self.leave_guest_mode(vcpu)
        r = await self.tdx_handle_exit(vcpu, exit)
        if r is Resume.GUEST:
            return Again(vcpu, tdvps)
        return Done(r)

    @routine
    async def kvm_vcpu_exit_request(self, vcpu: Vcpu) -> bool:
        """Kicked, or asked to do something, since it said that it was in guest mode; no signal,
        no resched here.
        """
        if await load(vcpu.mode) is VcpuMode.EXITING_GUEST_MODE:
            return True
        return await self.kvm_request_pending(vcpu)

    @routine
    async def leave_guest_mode(self, vcpu: Vcpu) -> None:
        await store(vcpu.mode, VcpuMode.OUTSIDE_GUEST_MODE)
        await local_irq_enable(vcpu.lp)
