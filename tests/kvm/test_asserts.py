"""Every assertion of the setters and hooks fires when what it asserts is not so,
and names its function.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sim.engine.model.operations import store
from sim.engine.model.routines import Call, routine
from sim.engine.model.scenario import Scenario, Task
from sim.engine.run import automata_executor
from sim.engine.run.scheduler import RandomWalk
from sim.kvm.mmu_page import TdpIter
from sim.kvm.spte import (
    FROZEN_SPTE,
    PG_LEVEL_2M,
    PG_LEVEL_4K,
    SHADOW_NONPRESENT_VALUE,
    Spte,
    make_spte,
)
from sim.kvm.versions import Series
from sim.kvm.x86 import Kvm
from sim.scenarios.machine import machine
from sim.tdx.releases import Module_1_5_01
from sim.tdx.sept import SeptState
from sim.tdx.vp_enter import Exit, ExitReason, Instruction
from sim.tdx.zero_step import Tdvps

NP, LEAF, OTHER = SHADOW_NONPRESENT_VALUE, make_spte(1), make_spte(2)


def kvm_with(kernel: type[Kvm], state: SeptState, **programs: Any) -> Kvm:
    sept = {"A": state, "B": SeptState.MAPPED}
    return machine(kernel, Module_1_5_01, sept=sept, programs=programs, others=("v0",))


def atomic(old: Spte, new: Spte, level: int = PG_LEVEL_4K) -> Callable[[Kvm], Call[Any]]:
    return lambda kvm: kvm.tdp_mmu_set_spte_atomic(TdpIter("A", level, old, kvm.pages[0]), new)


def exclusive(old: Spte, new: Spte, level: int = PG_LEVEL_4K) -> Callable[[Kvm], Call[Any]]:
    return lambda kvm: kvm.tdp_mmu_set_spte(kvm.pages[0], "A", old, new, level)


@routine
async def under(kvm: Kvm, mode: str, call: Call[Any]) -> None:
    if mode:
        await (kvm.mmu_lock.read_lock() if mode == "read" else kvm.mmu_lock.write_lock())
    await call


def fired(
    kernel: type[Kvm], mode: str, setter: Callable[[Kvm], Call[Any]], state: SeptState
) -> list[str]:
    kvm = kvm_with(kernel, state)
    scenario = Scenario("asserts", (Task("v0", under(kvm, mode, setter(kvm))),))
    return [str(finding) for finding in automata_executor.run(scenario, RandomWalk(0)).findings]


FREE, PENDING = SeptState.FREE, SeptState.PENDING
BEFORE, AFTER = Kvm, Series


@pytest.mark.parametrize(
    ("kernel", "mode", "setter", "state", "expected"),
    [
        (BEFORE, "read", atomic(NP, LEAF), FREE, []),
        (AFTER, "read", atomic(NP, LEAF), FREE, []),
        (AFTER, "write", exclusive(NP, LEAF), FREE, []),
        (BEFORE, "write", exclusive(LEAF, NP), PENDING, []),
        (AFTER, "write", exclusive(LEAF, NP), PENDING, []),
        (BEFORE, "write", atomic(NP, LEAF), FREE, ["lockdep tdp_mmu_set_spte_atomic"]),
        (AFTER, "write", atomic(NP, LEAF), FREE, ["lockdep tdp_mmu_set_spte_atomic"]),
        (
            BEFORE,
            "",
            atomic(NP, LEAF),
            FREE,
            ["lockdep tdp_mmu_set_spte_atomic", "lockdep set_external_spte_present"],
        ),
        (
            AFTER,
            "",
            atomic(NP, LEAF),
            FREE,
            ["lockdep tdp_mmu_set_spte_atomic", "lockdep set_external_spte"],
        ),
        (
            AFTER,
            "read",
            exclusive(LEAF, NP),
            PENDING,
            [
                "lockdep tdp_mmu_set_spte",
                "lockdep tdx_sept_remove_leaf_spte",
                "lockdep tdh_do_no_vcpus",
                "lockdep tdx_track",
            ],
        ),
        (
            BEFORE,
            "read",
            exclusive(LEAF, NP),
            PENDING,
            [
                "lockdep tdp_mmu_set_spte",
                "lockdep remove_external_spte",
                "lockdep tdx_sept_remove_private_spte",
                "lockdep tdh_do_no_vcpus",
                "lockdep tdx_track",
            ],
        ),
        (BEFORE, "read", atomic(LEAF, NP), PENDING, ["KVM_BUG_ON __tdp_mmu_set_spte_atomic"]),
        (BEFORE, "read", atomic(FROZEN_SPTE, LEAF), FREE, ["WARN __tdp_mmu_set_spte_atomic"]),
        (AFTER, "read", atomic(FROZEN_SPTE, LEAF), FREE, ["WARN __tdp_mmu_set_spte_atomic"]),
        (AFTER, "read", atomic(NP, FROZEN_SPTE), FREE, ["WARN tdp_mmu_set_spte_atomic"]),
        (
            AFTER,
            "write",
            exclusive(FROZEN_SPTE, NP),
            FREE,
            ["WARN tdp_mmu_set_spte", "WARN __handle_changed_spte"],
        ),
        (AFTER, "write", exclusive(NP, Spte(NP.kind, 0)), FREE, []),
        (AFTER, "write", exclusive(LEAF, OTHER), PENDING, ["BUG __handle_changed_spte"]),
        (BEFORE, "write", exclusive(LEAF, OTHER), PENDING, ["BUG handle_changed_spte"]),
        (AFTER, "read", atomic(NP, LEAF, PG_LEVEL_2M), FREE, ["KVM_BUG_ON tdx_sept_map_leaf_spte"]),
        (
            BEFORE,
            "read",
            atomic(NP, LEAF, PG_LEVEL_2M),
            FREE,
            ["KVM_BUG_ON tdx_sept_set_private_spte"],
        ),
        (
            AFTER,
            "write",
            exclusive(LEAF, NP, PG_LEVEL_2M),
            PENDING,
            ["KVM_BUG_ON tdx_sept_remove_leaf_spte", "KVM_BUG_ON handle_changed_spte"],
        ),
        (
            BEFORE,
            "write",
            exclusive(LEAF, NP, PG_LEVEL_2M),
            PENDING,
            ["KVM_BUG_ON tdx_sept_remove_private_spte"],
        ),
        (
            AFTER,
            "write",
            exclusive(NP, LEAF),
            PENDING,
            ["TDX_BUG_ON tdx_mem_page_aug", "KVM_BUG_ON handle_changed_spte"],
        ),
        (
            AFTER,
            "write",
            exclusive(LEAF, NP),
            FREE,
            ["TDX_BUG_ON tdx_sept_remove_leaf_spte", "KVM_BUG_ON handle_changed_spte"],
        ),
        (BEFORE, "write", exclusive(LEAF, NP), FREE, ["TDX_BUG_ON tdx_sept_remove_private_spte"]),
    ],
)
def test_what_fires_where(
    kernel: type[Kvm],
    mode: str,
    setter: Callable[[Kvm], Call[Any]],
    state: SeptState,
    expected: list[str],
) -> None:
    """The mirror begins as the S-EPT does,
    so a case whose `old` is FROZEN loses its cmpxchg after the warning.
    """
    assert fired(kernel, mode, setter, state) == expected


def points(kvm: Kvm, call: Call[Any]) -> list[str]:
    return [
        step.point
        for step in automata_executor.run(
            Scenario("points", (Task("v1", call),)), RandomWalk(0)
        ).steps
    ]


@routine
async def dead_and_frozen(kvm: Kvm, exit: Exit) -> None:
    (vcpu,) = kvm.vcpus
    await store(kvm.pages[0].cell("A"), FROZEN_SPTE)
    await store(vcpu.vm_dead_request, True)
    await kvm.tdx_handle_ept_violation(vcpu, exit)


def test_a_dead_vm_ends_the_local_retry() -> None:
    """Nobody will thaw that SPTE.

    The fault handler finds out that the VM is dead after its first try.
    """
    kvm = kvm_with(Series, FREE, v1=((Instruction.ACCEPT, "A"),))
    taken = points(kvm, dead_and_frozen(kvm, Exit(ExitReason.EPT_VIOLATION, "A")))
    assert taken.count("mmu_lock.read_lock") == 1
    assert taken[-1] == "v1.req_vm_dead.load"


@routine
async def asked_after_the_check(kvm: Kvm) -> None:
    (vcpu,) = kvm.vcpus
    await store(vcpu.vm_dead_request, True)
    assert await kvm.kvm_vcpu_exit_request(vcpu)


def test_a_vcpu_that_is_asked_to_exit_does_not_enter() -> None:
    kvm = kvm_with(Series, FREE, v1=((Instruction.ACCEPT, "A"),))
    taken = points(kvm, asked_after_the_check(kvm))
    assert taken == ["v1.req_vm_dead.store", "v1.mode.load", "v1.req_vm_dead.load"]
    (vcpu,) = kvm.vcpus
    assert points(kvm, kvm.vcpu_enter_guest(vcpu, Tdvps()))[:5] == [
        "v1.req_vm_dead.load",
        "v1.irq.disable",
        "v1.mode.store",
        "v1.mode.load",
        "v1.req_vm_dead.load",
    ]
