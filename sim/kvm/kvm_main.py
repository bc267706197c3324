"""virt/kvm/kvm_main.c and include/linux/kvm_host.h: requests, kicks, invalidation,
and a VM that is given up.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import TypeVar

import attrs

from sim.engine.model.cells import BOOL, Cell, members
from sim.engine.model.operations import (
    Access,
    Finding,
    Operation,
    Outcome,
    choose,
    cmpxchg,
    load,
    report,
    store,
)
from sim.engine.model.routines import routine
from sim.kvm.errno import Errno
from sim.kvm.gmem import Gmem
from sim.kvm.mmu_lock import READ, WRITE, MmuLock
from sim.kvm.mmu_page import MmuPage, Rcu
from sim.kvm.mutex import Mutex, lock, unlock
from sim.kvm.spte import PG_LEVEL_4K, Spte
from sim.tdx.lp import Irq, irq, send_ipi, wait_for_ack
from sim.tdx.module import TdxModule
from sim.tdx.status import Status
from sim.tdx.vp_enter import Guest, Instruction


class VcpuMode(Enum):
    """vcpu->mode."""

    OUTSIDE_GUEST_MODE = 0
    IN_GUEST_MODE = 1
    EXITING_GUEST_MODE = 2


class Request(Enum):
    """KVM_REQ_*. OUTSIDE_GUEST_MODE is NO_ACTION | WAIT: no bit is set for it,
    and its sender waits.
    """

    VM_DEAD = 0
    OUTSIDE_GUEST_MODE = 1


@attrs.frozen(eq=False)
class Vcpu:
    """struct kvm_vcpu: what other tasks can see of it, and the guest it runs."""

    name: str
    mode: Cell[VcpuMode]
    vm_dead_request: Cell[bool]
    lp: Cell[Irq]
    guest: Guest

    @classmethod
    def build(cls, name: str, program: tuple[tuple[Instruction, str], ...]) -> Vcpu:
        lp = irq(f"{name}.irq")
        return cls(
            name,
            Cell(f"{name}.mode", VcpuMode.OUTSIDE_GUEST_MODE, members(VcpuMode)),
            Cell(f"{name}.req_vm_dead", initial=False, domain=BOOL),
            lp,
            Guest(name, program, lp),
        )


async def _no_step() -> bool:
    """What a check gives that did not fire."""
    return False


BUGGED = "bugged"
"""The cause of a finding of which a log shows nothing, since the VM was bugged before."""


def _fire(_task: str, values: tuple[bool], finding: Finding) -> tuple[Outcome, ...]:
    """KVM_BUG_ON() and TDX_BUG_ON() warn once a VM: their condition counts all the same."""
    (bugged,) = values
    shown = attrs.evolve(finding, causes=(*finding.causes, BUGGED)) if bugged else finding
    return (Outcome(bugged, (True,), (Access.WRITE,), shown),)


F = TypeVar("F", bound=Callable[..., object])


def dunder(function: F) -> F:
    """Give `_f` the kernel's name, `__f`: in a class, Python would mangle that one."""
    function.__name__ = f"_{function.__name__}"
    return function


def part_of(name: str) -> Callable[[F], F]:
    """A function that is a part of a kernel function: a check in it fires there."""

    def named(function: F) -> F:
        function.__code__ = function.__code__.replace(co_name=name)
        return function

    return named


def caller() -> str:
    """The kernel's name of the function that the asking one was called by, as a splat prints it."""
    name = sys._getframe(2).f_code.co_name  # noqa: SLF001 - the caller's caller is what is asked for
    return f"_{name}" if name.startswith("_") else name


@attrs.frozen(eq=False)
class KvmMain:
    """struct kvm, with what every layer above uses of it."""

    module: TdxModule
    vcpus: tuple[Vcpu, ...]
    mmu_lock: MmuLock
    root: MmuPage
    pages: tuple[MmuPage, ...]
    caches: tuple[tuple[str, MmuPage], ...]
    pfns: tuple[tuple[str, int], ...]
    stats: tuple[Cell[int], ...]
    next_root: MmuPage | None = None
    """What mmu_alloc_direct_roots() gives a vCPU whose root is obsolete;
    None where no vCPU's root becomes so."""
    rcu: Rcu | None = None
    gmem: Gmem | None = None
    slots_lock: Cell[Mutex] | None = None
    without: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    root_invalid: Cell[bool] = attrs.field(
        factory=lambda: Cell("root.invalid", initial=False, domain=BOOL)
    )
    root_put: Cell[bool] = attrs.field(factory=lambda: Cell("root.put", initial=False, domain=BOOL))
    vm_bugged: Cell[bool] = attrs.field(
        factory=lambda: Cell("vm_bugged", initial=False, domain=BOOL)
    )
    wait_for_sept_zap: Cell[bool] = attrs.field(
        factory=lambda: Cell("wait_for_sept_zap", initial=False, domain=BOOL)
    )

    VERSION = ""
    GMEM_LEVEL = PG_LEVEL_4K
    """The level that guest_memfd's folios can be mapped at."""

    def gfn_to_pfn(self, gfn: str) -> int:
        """What guest_memfd backs a gfn with."""
        return next(pfn for name, pfn in self.pfns if name == gfn)

    @property
    def roots(self) -> tuple[MmuPage, ...]:
        """The root, and the one that comes after it."""
        return (self.root, self.next_root) if self.next_root else (self.root,)

    def spte_to_child_sp(self, spte: Spte) -> MmuPage:
        """tdp_mmu.h: the page table that a nonleaf SPTE points to."""
        return self.pages[spte.pfn - 1]

    def trace_kvm_tdp_mmu_spte_changed(
        self, old: Spte, new: Spte, level: int, shared: bool
    ) -> Awaitable[object]:
        """mmutrace.h: no step, unless somebody takes a census of who changes what."""
        if "census" not in self.given:
            return _no_step()
        return report(
            "transition",
            f"{old.said} to {new.said}, {level}, {'shared' if shared else 'exclusive'}",
        )

    @routine
    async def should_fail(self, what: str) -> bool:
        """Whether a fault is injected here: a choice, where the scenario is given it.

        Proposed to be done by chance (KVM list, August 2025, "KVM: Add fault injection for some MMU
        operations").
        """
        return what in self.given and await choose(what, (False, True))

    def rcu_read_lock(self) -> Awaitable[object]:
        return self.rcu.read_lock() if self.rcu else _no_step()

    def rcu_read_unlock(self) -> Awaitable[object]:
        return self.rcu.read_unlock() if self.rcu else _no_step()

    def mutex_lock(self, lock_: Cell[Mutex] | None) -> Awaitable[object]:
        """No step where there is nobody to keep out."""
        return lock(lock_) if lock_ else _no_step()

    def mutex_unlock(self, lock_: Cell[Mutex] | None) -> Awaitable[object]:
        return unlock(lock_) if lock_ else _no_step()

    def KVM_BUG_ON(self, cond: Errno | Status | bool | None) -> Awaitable[bool]:
        """kvm_host.h: where `cond` holds, a finding in the calling function,
        and the VM is given up.
        """
        return self._bugged("KVM_BUG_ON", caller(), cond)

    def WARN_ON_ONCE(self, cond: bool) -> Awaitable[object]:
        return report("WARN", caller()) if cond else _no_step()

    def _bugged(self, kind: str, where: str, cond: Errno | Status | bool | None) -> Awaitable[bool]:
        if not cond:
            return _no_step()
        causes = () if isinstance(cond, bool) else cond.causes
        return self._kvm_vm_bugged(Finding(kind, where, causes))

    @routine
    async def _kvm_vm_bugged(self, finding: Finding) -> bool:
        """kvm_vm_bugged(), kvm_vm_dead(): vm_bugged and vm_dead are set together,
        then every vCPU is told.
        """
        fire: Operation[bool] = Operation(
            f"{finding.where}.{finding.kind}", (self.vm_bugged,), _fire, (finding,)
        )
        bugged_before = await fire
        if not bugged_before:
            await self.kvm_make_all_cpus_request(Request.VM_DEAD)
        return True

    @routine
    async def kvm_make_all_cpus_request(self, request: Request) -> None:
        """kvm_main.c.

        OUTSIDE_GUEST_MODE waits until every vCPU that was not outside guest mode has taken the IPI.
        """
        if request is Request.OUTSIDE_GUEST_MODE and "kick" in self.without:
            return
        kicked: tuple[Vcpu, ...] = ()
        for vcpu in self.vcpus:
            if request is Request.VM_DEAD:
                await store(vcpu.vm_dead_request, True)
            if await self.kvm_request_needs_ipi(vcpu, request):
                kicked = (*kicked, vcpu)
        for vcpu in kicked:
            await send_ipi(vcpu.lp)
        if request is Request.OUTSIDE_GUEST_MODE:
            for vcpu in kicked:
                await wait_for_ack(vcpu.lp)

    @routine
    async def kvm_request_needs_ipi(self, vcpu: Vcpu, request: Request) -> bool:
        """kvm_vcpu_exiting_guest_mode() is the cmpxchg;
        a request that waits does so for EXITING_GUEST_MODE as well.
        """
        mode = await cmpxchg(vcpu.mode, VcpuMode.IN_GUEST_MODE, VcpuMode.EXITING_GUEST_MODE)
        if request is Request.OUTSIDE_GUEST_MODE and "wait-for-exiting" not in self.without:
            return mode is not VcpuMode.OUTSIDE_GUEST_MODE
        return mode is VcpuMode.IN_GUEST_MODE

    @routine
    async def kvm_mmu_invalidate_begin(self) -> None:
        """Count one more.

        The first one also empties the range, which is empty here (`Invalidation`).
        """
        await self.lockdep_assert_held_write()
        if self.gmem:
            await self.gmem.begin()

    @routine
    async def kvm_mmu_invalidate_range_add(self, gfns: tuple[str, ...]) -> None:
        """The range grows to reach from the first gfn to the last."""
        await self.lockdep_assert_held_write()
        if self.gmem:
            await self.gmem.range_add(gfns)

    @routine
    async def kvm_mmu_invalidate_end(self) -> None:
        """mmu_invalidate_seq, then the count:
        those who read them without mmu_lock only save work, so one step.
        """
        await self.lockdep_assert_held_write()
        if self.gmem:
            await self.KVM_BUG_ON(await self.gmem.end() < 0)

    def lockdep_assert_held(self) -> Awaitable[None]:
        return self._lockdep(caller(), (READ, WRITE))

    def lockdep_assert_held_read(self) -> Awaitable[None]:
        return self._lockdep(caller(), (READ,))

    def lockdep_assert_held_write(self) -> Awaitable[None]:
        return self._lockdep(caller(), (WRITE,))

    @routine
    async def _lockdep(self, where: str, modes: tuple[str, ...]) -> None:
        if not await self.mmu_lock.held("lockdep_assert_held", *modes):
            await report("lockdep", where)

    @routine
    async def kvm_request_pending(self, vcpu: Vcpu) -> bool:
        """kvm_host.h: READ_ONCE(vcpu->requests);
        the only request that sets a bit here is VM_DEAD.
        """
        return await load(vcpu.vm_dead_request)

    @routine
    async def kvm_check_request(self, vcpu: Vcpu) -> bool:
        """kvm_host.h, for KVM_REQ_VM_DEAD.

        It clears the bit, too: whoever sees it set does not run again.
        """
        return await load(vcpu.vm_dead_request)
