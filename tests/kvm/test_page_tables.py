"""Page tables live until everybody who may look at them has left.

A look after that is a finding.
"""

from __future__ import annotations

import pytest

from sim.engine.model.routines import routine
from sim.engine.model.scenario import Scenario, Task
from sim.kvm.mmu_page import MmuPage
from sim.kvm.spte import SHADOW_NONPRESENT_VALUE
from sim.kvm.versions import Series
from sim.kvm.x86 import Kvm
from sim.scenarios.machine import machine, rcu_tasks
from sim.search.explore import explore
from sim.tdx.releases import Module_1_5_01
from sim.tdx.sept import SeptState


def direct(kernel: type[Kvm] = Series) -> Kvm:
    sept = {"A": SeptState.PENDING, "B": SeptState.MAPPED}
    return machine(
        kernel,
        Module_1_5_01,
        sept=sept,
        programs={},
        others=("v0", "v1"),
        frees=("A",),
        is_mirror=False,
    )


@routine
async def look(kvm: Kvm, page: MmuPage, careful: bool) -> None:
    """Follow the SPTE to the page table and read there, under RCU or not; no lock."""
    if careful:
        await kvm.rcu_read_lock()
    if (await kvm.kvm_tdp_mmu_read_spte(kvm.root, "A")).is_shadow_present:
        await kvm.kvm_tdp_mmu_read_spte(page, "A")
    if careful:
        await kvm.rcu_read_unlock()


@routine
async def zap(kvm: Kvm) -> None:
    await kvm.mmu_lock.write_lock()
    old_spte = await kvm.kvm_tdp_mmu_read_spte(kvm.root, "A")
    await kvm.tdp_mmu_set_spte(kvm.root, "A", old_spte, SHADOW_NONPRESENT_VALUE, kvm.root.level)
    await kvm.mmu_lock.write_unlock()


@pytest.mark.parametrize("kernel", [Kvm, Series])
def test_a_page_outlives_its_readers_and_nobody_else(kernel: type[Kvm]) -> None:
    for careful, found in ((True, []), (False, ["use-after-free look"])):
        kvm = direct(kernel)
        tasks = (
            Task("v0", zap(kvm)),
            Task("v1", look(kvm, kvm.pages[0], careful)),
            *rcu_tasks(kvm),
        )
        exploration = explore(Scenario("rcu", tasks), finals=True)
        assert [str(one.finding) for one in exploration.found] == found
        assert {final["pt[A].life"] for final in exploration.final_states} == {"FREED"}
