"""A TD to ask questions about: which kernel, which module, what is mapped, and who runs.

Gfns A and C lie in one 2M range, B in another. A scenario has those that it names.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from sim.engine.model.cells import Cell
from sim.engine.model.operations import Operation
from sim.engine.model.routines import routine
from sim.engine.model.scenario import Task
from sim.kvm.gmem import Gmem
from sim.kvm.kvm_main import Vcpu
from sim.kvm.mmu_lock import MmuLock
from sim.kvm.mmu_page import MmuPage, Rcu, life
from sim.kvm.mutex import mutex
from sim.kvm.spte import (
    PG_LEVEL_2M,
    PG_LEVEL_4K,
    SHADOW_NONPRESENT_VALUE,
    Spte,
    make_nonleaf_spte,
    make_spte,
    spte_cell,
)
from sim.kvm.x86 import Kvm
from sim.tdx.module import TdxModule
from sim.tdx.sept import SeptEntry, SeptState
from sim.tdx.td import Td
from sim.tdx.vp_enter import Instruction

RANGES = (("A", "C"), ("B",))

Program = tuple[tuple[Instruction, str], ...]


@attrs.frozen
class Memory:
    """What is where at first: 2M ranges with their entry's state, and the gfns in them with theirs.

    guest_memfd backs gfns with pages in their order, from 1 on; the pages of page tables and of the
    S-EPT come after.
    """

    ranges: tuple[tuple[SeptState, tuple[tuple[str, SeptState], ...]], ...]

    @classmethod
    def from_gfns(
        cls,
        sept: dict[str, SeptState],
        above: dict[str, SeptState] | None = None,
        shape: tuple[tuple[str, ...], ...] = RANGES,
    ) -> Memory:
        """These gfns at 4K, in 2M ranges that have a page table unless `above`, by first gfn,
        says otherwise.
        """
        ranges = (tuple((gfn, sept[gfn]) for gfn in gfns if gfn in sept) for gfns in shape)
        states = above or {}
        return cls(
            tuple(
                (states.get(found[0][0], SeptState.NL_MAPPED), found) for found in ranges if found
            )
        )

    @property
    def pfns(self) -> dict[str, int]:
        gfns = [gfn for _, below in self.ranges for gfn, _ in below]
        return {gfn: pfn for pfn, gfn in enumerate(gfns, 1)}

    def entries(self, tables: dict[str, int]) -> tuple[tuple[SeptEntry, dict[str, SeptEntry]], ...]:
        """The S-EPT.

        `tables` has the page of a range's S-EPT page, by first gfn, where that is one that is
        handled.
        """
        return tuple(
            (self._above(state, below, tables), self._below(state, below))
            for state, below in self.ranges
        )

    def _above(
        self, state: SeptState, below: tuple[tuple[str, SeptState], ...], tables: dict[str, int]
    ) -> SeptEntry:
        first, _ = below[0]
        if state is SeptState.NL_MAPPED:
            return SeptEntry(state, tables.get(first, 0))
        return SeptEntry(state, self.pfns[first] if state.is_leaf else 0)

    def _below(
        self, above: SeptState, below: tuple[tuple[str, SeptState], ...]
    ) -> dict[str, SeptEntry]:
        if above is not SeptState.NL_MAPPED:
            return {gfn: SeptEntry() for gfn, _ in below}
        return {
            gfn: SeptEntry(state, self.pfns[gfn] if state.is_leaf else 0) for gfn, state in below
        }


def _spte(entry: SeptEntry, child: int) -> Spte:
    if entry.state is SeptState.NL_MAPPED:
        return make_nonleaf_spte(child)
    return make_spte(entry.pfn) if entry.state.is_leaf else SHADOW_NONPRESENT_VALUE


def machine(
    kernel: type[Kvm],
    module: type[TdxModule],
    *,
    sept: dict[str, SeptState],
    programs: dict[str, Program],
    others: tuple[str, ...],
    above: dict[str, SeptState] | None = None,
    spares: tuple[str, ...] = (),
    frees: tuple[str, ...] = (),
    is_mirror: bool = True,
    reloads: bool = False,
    holes: int = 0,
    finalized: bool = True,
    torn_down: bool = False,
    unfair: bool = False,
    without: tuple[str, ...] = (),
    given: tuple[str, ...] = (),
    shape: tuple[tuple[str, ...], ...] = RANGES,
) -> Kvm:
    """A TD whose S-EPT and mirror agree on `sept`,
    with a vCPU per program and other tasks beside them.

    `spares` names tasks that have a page table in their cache, for the range of A; `frees` the
    ranges, by first gfn, whose page table may be freed; so many `holes` may be punched into
    guest_memfd, or ranges converted. Where a vCPU `reloads`, there is an empty root for it. A root
    that is no mirror has the same SPTEs, and the S-EPT is nobody's. `shape` is which gfns lie in
    one 2M range.
    """
    memory, tasks = Memory.from_gfns(sept, above, shape), (*others, *programs)
    handled = [
        below[0][0]
        for state, below in memory.ranges
        if state is SeptState.NL_MAPPED and below[0][0] in frees
    ]
    pfns, first_table = memory.pfns, len(memory.pfns) + 1
    tables = {gfn: first_table + i for i, gfn in enumerate(handled)}
    entries = memory.entries(tables)
    external = range(first_table + len(tables), first_table + len(tables) + len(spares))
    td = Td.of(entries, external.stop - 1, tuple(programs), tasks, finalized, torn_down)
    known, numbers = tuple(pfns.values()), tuple(range(1, len(entries) + len(spares) + 1))

    def cells(prefix: str, sptes: dict[str, Spte]) -> tuple[tuple[str, Cell[Spte]], ...]:
        return tuple(
            (gfn, spte_cell(f"{prefix}[{gfn}]", spte, known, numbers))
            for gfn, spte in sptes.items()
        )

    pages, top = list[MmuPage](), list[tuple[str, Cell[Spte]]]()
    for number, (entry, below) in enumerate(entries, 1):
        first = next(iter(below))
        slot = spte_cell(f"spte[{first}.2M]", _spte(entry, number), known, numbers)
        top += [(gfn, slot) for gfn in below]
        ends = life(f"pt[{first}]", tasks) if first in tables else None
        sptes = cells("spte", {gfn: _spte(child, 0) for gfn, child in below.items()})
        pages.append(MmuPage(number, PG_LEVEL_4K, sptes, is_mirror, tables.get(first, 0), ends))
    gfns = tuple(entries[0][1])
    is_large = is_mirror and "huge" in given and kernel.GMEM_LEVEL == PG_LEVEL_2M
    large = tuple(tuple(below) for _, below in entries) if is_large else ()
    for number, (task, page) in enumerate(zip(spares, external, strict=True), len(pages) + 1):
        sptes = cells(f"{task}.spte", dict.fromkeys(gfns, SHADOW_NONPRESENT_VALUE))
        pages.append(MmuPage(number, PG_LEVEL_4K, sptes, is_mirror, page))
    mortal = tuple(page for page in pages if page.life)
    leafs = [sum(entry.state.is_leaf for _, below in entries for entry in below.values())]
    leafs.append(sum(entry.state.is_leaf for entry, _ in entries))
    return kernel(
        module=module(td, without, given),
        vcpus=tuple(Vcpu.build(name, program) for name, program in programs.items()),
        mmu_lock=MmuLock.build(tasks, unfair=unfair),
        root=MmuPage(0, PG_LEVEL_2M, tuple(top), is_mirror),
        pages=tuple(pages),
        caches=tuple(zip(spares, pages[len(entries) :], strict=True)),
        pfns=tuple(pfns.items()),
        next_root=_empty_root(memory, known, numbers) if reloads else None,
        stats=tuple(
            Cell(f"stats.pages_{size}", count, range(-2 * len(known), 2 * len(known) + 1))
            for size, count in zip(("4k", "2m"), leafs, strict=True)
        ),
        rcu=Rcu.build(tasks, mortal) if mortal else None,
        gmem=Gmem.build(tuple(pfns), holes, large) if holes else None,
        slots_lock=mutex("slots_lock") if holes > 1 else None,
        without=without,
        given=given,
    )


def _empty_root(memory: Memory, pfns: tuple[int, ...], tables: tuple[int, ...]) -> MmuPage:
    """A direct root in which nothing is mapped."""
    top = list[tuple[str, Cell[Spte]]]()
    for _, below in memory.ranges:
        name = f"next.spte[{below[0][0]}.2M]"
        slot = spte_cell(name, SHADOW_NONPRESENT_VALUE, pfns, tables)
        top += [(gfn, slot) for gfn, _ in below]
    return MmuPage(0, PG_LEVEL_2M, tuple(top), is_mirror=False)


@routine
async def grace_period(callback: Operation[None]) -> None:
    """Whoever runs RCU callbacks."""
    await callback


def rcu_tasks(kvm: Kvm) -> Iterator[Task]:
    """A daemon for each page that may be freed."""
    for page in kvm.rcu.pages if kvm.rcu else ():
        if kvm.rcu and page.life:
            yield Task(f"rcu{page.number}", grace_period(kvm.rcu.callback(page.life)), daemon=True)
