"""Kick-and-retry: break one part of it at a time, and see BUSY come back."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest

from sim.engine.model.operations import load, step, store
from sim.engine.model.routines import Again, Call, Done, routine
from sim.kvm import kvm_main, versions
from sim.kvm.errno import EIO, Errno
from sim.kvm.kvm_main import KvmMain, Request, Vcpu, VcpuMode
from sim.kvm.tdx_vcpu import Resume
from sim.kvm.versions import Series
from sim.scenarios.library import recipe_named
from sim.search.exploration import Exploration
from sim.search.explore import explore
from sim.tdx.lp import local_irq_disable
from sim.tdx.status import Status, tdx_operand_busy
from sim.tdx.zero_step import Tdvps

ZAP = recipe_named("leaf-to-np-exclusive")
KERNELS = pytest.mark.parametrize("kernel", ["before", "after"])


def zap(kernel: str, contenders: str, *without: str) -> Exploration:
    return explore(ZAP.scenario({"kernel": kernel, "contenders": contenders}, without))


def findings(exploration: Exploration) -> set[tuple[str, str]]:
    return {
        (found.finding.kind, cause) for found in exploration.found for cause in found.finding.causes
    }


@KERNELS
@pytest.mark.parametrize("contenders", ["zero-step", "tdcall", "none"])
def test_whole_it_is_clean(kernel: str, contenders: str) -> None:
    assert zap(kernel, contenders).clean


@KERNELS
@pytest.mark.parametrize("contender", ["zero-step", "tdcall"])
def test_without_the_kick_the_second_try_is_busy_and_tracking_is_not_done(
    kernel: str, contender: str
) -> None:
    found = findings(zap(kernel, contender, "kick"))
    assert ("TDX_BUG_ON", contender) in found
    assert ("TDX_BUG_ON", "epoch") in found
    assert (("KVM_BUG_ON", contender) in found) == (kernel == "after")


@KERNELS
def test_without_the_flag_a_kicked_vcpu_comes_back_too_soon(kernel: str) -> None:
    assert ("TDX_BUG_ON", "zero-step") in findings(zap(kernel, "zero-step", "wait-for-sept-zap"))


@KERNELS
def test_a_kick_that_does_not_wait_is_no_kick(kernel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kvm_main, "wait_for_ack", lambda lp: step(f"{lp.name}.not_waited_for"))
    assert ("TDX_BUG_ON", "zero-step") in findings(zap(kernel, "zero-step"))
    assert ("TDX_BUG_ON", "tdcall") in findings(zap(kernel, "tdcall"))


@attrs.frozen(eq=False)
class FlagAfterTheKick(Series):
    """Whoever was kicked out may be back before the flag says not to."""

    @routine
    async def tdh_do_no_vcpus(self, seamcall: Callable[..., Call[Status]], *args: object) -> Status:
        err = await seamcall(*args)
        if tdx_operand_busy(err):
            await self.kvm_make_all_cpus_request(Request.OUTSIDE_GUEST_MODE)
            await store(self.wait_for_sept_zap, True)
            err = await seamcall(*args)
            await store(self.wait_for_sept_zap, False)
        return err


@attrs.frozen(eq=False)
class FlagClearedBeforeTheRetry(Series):
    """Whoever waits outside may come in between."""

    @routine
    async def tdh_do_no_vcpus(self, seamcall: Callable[..., Call[Status]], *args: object) -> Status:
        err = await seamcall(*args)
        if tdx_operand_busy(err):
            await store(self.wait_for_sept_zap, True)
            await self.kvm_make_all_cpus_request(Request.OUTSIDE_GUEST_MODE)
            await store(self.wait_for_sept_zap, False)
            err = await seamcall(*args)
        return err


@attrs.frozen(eq=False)
class FlagTestedTooEarly(Series):
    """Before the vCPU says that it is in guest mode:
    a kick that comes in between does not see it.
    """

    @routine
    async def vcpu_enter_guest(self, vcpu: Vcpu, tdvps: Tdvps) -> Again | Done[Resume | Errno]:
        if await self.kvm_check_request(vcpu):
            return Done(EIO())
        if await load(self.wait_for_sept_zap):
            return Again(vcpu, tdvps)
        await local_irq_disable(vcpu.lp)
        await store(vcpu.mode, VcpuMode.IN_GUEST_MODE)
        if await self.kvm_vcpu_exit_request(vcpu):
            await self.leave_guest_mode(vcpu)
            return Again(vcpu, tdvps)
        exit, tdvps = await self.module.tdh_vp_enter(vcpu.guest, tdvps)
        await self.leave_guest_mode(vcpu)
        busy = exit.status is not None and tdx_operand_busy(exit.status)
        r = await self.tdx_handle_exit(vcpu, None if busy else exit)
        return Again(vcpu, tdvps) if r is Resume.GUEST else Done(r)


@pytest.mark.parametrize(
    ("mutant", "contenders"),
    [
        (FlagAfterTheKick, "zero-step"),
        (FlagClearedBeforeTheRetry, "zero-step"),
        (FlagTestedTooEarly, "all"),
    ],
)
def test_each_part_has_its_place(
    mutant: type[Series], contenders: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """KVM list, 12 January 2025, "KVM: TDX SEPT SEAMCALL retry": flag, kick, second try,
    and the flag again.

    A flag that is tested too early takes two vCPUs: one to make the first try BUSY, and one that
    has looked before.
    """
    monkeypatch.setitem(versions.KERNELS, "7.2", mutant)
    assert ("TDX_BUG_ON", "zero-step") in findings(zap("after", contenders))
    if mutant is FlagTestedTooEarly:
        assert zap("after", "zero-step").clean
        monkeypatch.undo()
        assert zap("after", "all").clean


def test_one_zapper_never_meets_a_vcpu_that_is_exiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that waits does so for EXITING_GUEST_MODE too.

    Nothing else makes a vCPU exit here: it is not felt.
    """
    honest = KvmMain.kvm_request_needs_ipi

    def careless(self: KvmMain, vcpu: Vcpu, _request: Request) -> Call[bool]:
        return honest(self, vcpu, Request.VM_DEAD)

    monkeypatch.setattr(KvmMain, "kvm_request_needs_ipi", careless)
    assert zap("after", "tdcall").clean
