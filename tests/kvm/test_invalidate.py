"""Invalidations that overlap: counted, their ranges one,
and holes of one file one after another.
"""

from __future__ import annotations

import attrs
import pytest

from sim.engine.model.operations import Operation, Outcome, load, store, write
from sim.engine.model.routines import routine
from sim.engine.model.scenario import Scenario, Task
from sim.kvm.gmem import Gmem, Invalidation
from sim.kvm.tdp_mmu import Fault
from sim.kvm.versions import HugePages, Series
from sim.kvm.x86 import Kvm
from sim.scenarios.at_rest import AtRest
from sim.scenarios.callers import fault_until_mapped
from sim.scenarios.machine import machine
from sim.search.exploration import Exploration
from sim.search.explore import explore
from sim.tdx.releases import Module_1_5_01
from sim.tdx.sept import SeptState


def beside(kernel: type[Kvm], *, both_holes: bool = False) -> Exploration:
    """A hole at A, something else that goes at C, and a fault on A."""
    sept = {"A": SeptState.PENDING, "C": SeptState.PENDING}
    kvm = machine(kernel, Module_1_5_01, sept=sept, programs={}, others=("p", "q", "f"), holes=2)
    other = (
        kvm.kvm_gmem_punch_hole(("C",), "q")
        if both_holes
        else kvm.kvm_vm_set_mem_attributes(("C",), "q")
    )
    tasks = (
        Task("p", kvm.kvm_gmem_punch_hole(("A",), "p")),
        Task("q", other),
        Task("f", fault_until_mapped(kvm, "f", "A")),
    )
    return explore(Scenario("nested", tasks, AtRest(kvm).properties()), finals=True)


def findings(exploration: Exploration) -> list[str]:
    return [str(found.finding) for found in exploration.found]


@pytest.mark.parametrize("both_holes", [False, True])
def test_two_invalidations_leave_no_page_mapped_that_is_gone(*, both_holes: bool) -> None:
    exploration = beside(Series, both_holes=both_holes)
    assert exploration.clean
    assert {final["mmu_invalidate"] for final in exploration.final_states} == {
        "nothing goes, 2 done"
    }


@attrs.frozen(eq=False)
class TheLastRangeWins(Series):
    """Where a second invalidation begins, the range of the first one is forgotten."""

    VERSION = "last-range"

    @routine
    async def kvm_mmu_invalidate_range_add(self, gfns: tuple[str, ...]) -> None:
        assert self.gmem
        before = await load(self.gmem.invalidate)
        await store(self.gmem.invalidate, attrs.evolve(before, range=gfns))


@attrs.frozen(eq=False)
class TheFirstEndClears(Series):
    """Nobody counts: the first one that is done says that all are."""

    VERSION = "first-end"

    @routine
    async def kvm_mmu_invalidate_end(self) -> None:
        assert self.gmem
        before = await load(self.gmem.invalidate)
        await store(self.gmem.invalidate, Invalidation((), before.seq + 1))


@attrs.frozen(eq=False)
class NothingIsDone(Series):
    """The count goes down, and mmu_invalidate_seq stays."""

    VERSION = "no-seq"

    @routine
    async def kvm_mmu_invalidate_end(self) -> None:
        assert self.gmem
        await Operation("end", (self.gmem.invalidate,), _no_seq)


def _no_seq(_task: str, values: tuple[Invalidation]) -> tuple[Outcome, ...]:
    left = values[0].in_progress - 1
    return write(None, Invalidation(values[0].range if left else (), values[0].seq, left))


@pytest.mark.parametrize("kernel", [TheLastRangeWins, TheFirstEndClears, NothingIsDone])
def test_each_part_of_the_count_is_needed(kernel: type[Kvm]) -> None:
    assert findings(beside(kernel)) == ["use-after-free leafs-are-backed"]


def test_holes_of_one_file_exclude_each_other() -> None:
    """So two holes never overlap, whatever becomes of the ranges: a hole and a conversion do."""
    assert findings(beside(TheLastRangeWins, both_holes=True)) == []
    assert findings(beside(TheFirstEndClears, both_holes=True)) == []
    assert findings(beside(NothingIsDone, both_holes=True)) == ["use-after-free leafs-are-backed"]


@attrs.frozen(eq=False)
class EndsTwice(Series):
    """An end too many."""

    VERSION = "ends-twice"

    @routine
    async def kvm_gmem_invalidate_end(self) -> None:
        await self.mmu_lock.write_lock()
        await self.kvm_mmu_invalidate_end()
        await self.kvm_mmu_invalidate_end()
        await self.mmu_lock.write_unlock()


def test_an_end_without_a_begin_bugs_the_vm() -> None:
    kvm = machine(
        EndsTwice, Module_1_5_01, sept={"A": SeptState.FREE}, programs={}, others=("p",), holes=2
    )
    hole = Scenario("unbalanced", (Task("p", kvm.kvm_gmem_punch_hole(("A",), "p")),))
    assert findings(explore(hole)) == ["KVM_BUG_ON kvm_mmu_invalidate_end"]


def test_a_range_reaches_from_the_first_gfn_to_the_last() -> None:
    """What lies in between is said to go, too: an interval, as in C."""
    gmem = Gmem.build(("A", "B", "C", "D"), 2)
    now = Invalidation()
    for gfns, expected in ((("C",), ("C",)), (("A",), ("A", "B", "C")), (("B",), ("A", "B", "C"))):
        (outcome,) = gmem.range_add(gfns).outcomes("p", (now,))
        (now,) = outcome.values  # type: ignore[assignment] # an Invalidation
        assert now.range == expected


@attrs.frozen(eq=False)
class AsksNoFolio(HugePages):
    """A fault maps 2M where a part of the folio is gone."""

    VERSION = "asks-no-folio"

    @routine
    async def kvm_max_level_for_order(self, fault: Fault) -> int:
        return fault.max_level


@attrs.frozen(eq=False)
class SaysTheHoleAlone(HugePages):
    """What is announced is the hole, not the folio that it splits."""

    VERSION = "hole-alone"

    @routine
    async def kvm_gmem_invalidate_begin(self, gfns: tuple[str, ...], task: str) -> None:
        await self.mmu_lock.write_lock()
        await self.kvm_mmu_invalidate_begin()
        await self.kvm_mmu_invalidate_range_add(gfns)
        await self.kvm_split_cross_boundary_leafs(gfns, task)
        await self.kvm_tdp_mmu_unmap_gfn_range(gfns, True)
        await self.mmu_lock.write_unlock()


@pytest.mark.parametrize("above", [SeptState.FREE, SeptState.PENDING])
@pytest.mark.parametrize("kernel", [HugePages, AsksNoFolio, SaysTheHoleAlone])
def test_a_fault_beside_a_hole_maps_no_more_than_the_folio(
    kernel: type[Kvm], above: SeptState
) -> None:
    """The fault is on C, the hole at A, in one 2M range, which is mapped as a whole, and so split,
    or not at all.
    """
    kvm = machine(
        kernel,
        Module_1_5_01,
        sept={"A": SeptState.FREE, "C": SeptState.FREE},
        above={"A": above},
        programs={},
        others=("p", "f"),
        spares=("p", "f"),
        holes=1,
        given=("huge",),
    )
    tasks = (
        Task("p", kvm.kvm_gmem_punch_hole(("A",), "p")),
        Task("f", fault_until_mapped(kvm, "f", "C")),
    )
    exploration = explore(Scenario("hole", tasks, AtRest(kvm).properties()), finals=True)
    is_broken = kernel is not HugePages and above is SeptState.FREE
    assert findings(exploration) == (["use-after-free leafs-are-backed"] if is_broken else [])
    assert {final["gmem[A]"] for final in exploration.final_states} <= {"HOLE", "ALLOCATED"}
    if kernel is HugePages:
        assert {final["gmem[A].level"] for final in exploration.final_states} == {"1"}
