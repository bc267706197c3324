"""A TD to ask questions about: which kernel, which module, what is mapped, and who runs."""

from __future__ import annotations

import attrs

from sim.engine.cells import Cell
from sim.engine.scenario import Look, Property
from sim.kvm.kvm_main import Vcpu
from sim.kvm.mmu_lock import MmuLock
from sim.kvm.spte import NONLEAF_SPTE, SHADOW_NONPRESENT_VALUE, Kind, make_spte, spte_cell
from sim.kvm.x86 import Kvm
from sim.tdx.sept import SeptEntry, SeptState
from sim.tdx.td import Td
from sim.tdx.vp_enter import Instruction, VpEnter

PAGES = {"A": 1, "B": 2}
"""The gfns of every scenario so far, each with the page that guest_memfd backs it with."""

Program = tuple[tuple[Instruction, str], ...]


def machine(
    kernel: type[Kvm],
    module: type[VpEnter],
    *,
    sept: dict[str, SeptState],
    programs: dict[str, Program],
    others: tuple[str, ...],
    unfair: bool = False,
    without: tuple[str, ...] = (),
) -> Kvm:
    """A running TD whose S-EPT and mirror agree on `sept`, with a vCPU per program and other tasks beside them."""
    tasks = (*others, *programs)
    pfns = tuple(PAGES.values())
    entries = {gfn: SeptEntry(state, PAGES[gfn] if state.is_leaf else 0) for gfn, state in sept.items()}
    td = Td.build(entries, len(pfns), tuple(programs), tasks)
    mirror = {
        gfn: make_spte(entry.pfn) if entry.state.is_leaf else SHADOW_NONPRESENT_VALUE for gfn, entry in entries.items()
    }
    leafs = sum(spte.kind is Kind.LEAF for spte in mirror.values())
    return kernel(
        module=module(td, without),
        vcpus=tuple(Vcpu.build(name, program) for name, program in programs.items()),
        mmu_lock=MmuLock.build(tasks, unfair=unfair),
        sptes=tuple((gfn, spte_cell(f"spte[{gfn}]", spte, pfns)) for gfn, spte in mirror.items()),
        spte_2m=spte_cell("spte[2M]", NONLEAF_SPTE, pfns),
        pfns=tuple(PAGES.items()),
        pages_4k=Cell("stats.pages_4k", leafs, range(-len(pfns), 2 * len(pfns) + 1)),
        without=without,
    )


@attrs.frozen(eq=False)
class AtRest:
    """Properties that must hold wherever mmu_lock is free, until the VM is bugged.

    Every access to the mirror is under mmu_lock, and the lock is dropped between changes only, never inside one.
    """

    kvm: Kvm

    def _excused(self, look: Look) -> bool:
        return not look(self.kvm.mmu_lock.cell).free or look(self.kvm.vm_bugged)

    def mirror_is_sept(self, look: Look) -> bool:
        """A mirror leaf has its page in the S-EPT, PENDING or MAPPED; a plain NP has nothing; FROZEN is nobody's."""
        return self._excused(look) or all(self._agree(look, gfn) for gfn, _ in self.kvm.sptes)

    def _agree(self, look: Look, gfn: str) -> bool:
        spte = look(self.kvm.sptep(gfn))
        if spte.is_frozen:
            return False
        entry = look(self.kvm.module.td.entry(gfn))
        if spte.kind is Kind.LEAF:
            return entry.state in {SeptState.PENDING, SeptState.MAPPED} and entry.pfn == spte.pfn
        return entry.state is SeptState.FREE

    def stats_are_leafs(self, look: Look) -> bool:
        """pages_4k counts the mirror's leafs."""
        if self._excused(look):
            return True
        return look(self.kvm.pages_4k) == sum(look(cell).kind is Kind.LEAF for _, cell in self.kvm.sptes)

    def properties(self) -> tuple[Property, ...]:
        return (
            Property("mirror-is-sept", "divergence", self.mirror_is_sept),
            Property("stats-are-leafs", "divergence", self.stats_are_leafs),
        )
