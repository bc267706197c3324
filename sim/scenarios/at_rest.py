"""Properties that must hold wherever mmu_lock is free."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import attrs

from sim.engine.model.scenario import Look, Part, Property
from sim.kvm.gmem import Backing, Gmem
from sim.kvm.mmu_page import MmuPage, Stage
from sim.kvm.spte import (
    PG_LEVEL_2M,
    PG_LEVEL_4K,
    Kind,
    Spte,
)
from sim.kvm.x86 import Kvm
from sim.tdx.sept import SeptEntry, SeptState
from sim.tdx.td import PageType


@attrs.frozen(eq=False)
class AtRest:
    """Properties that must hold wherever mmu_lock is free, until the VM is bugged.

    Every access to the mirror is under mmu_lock, and the lock is dropped between changes only,
    never inside one.
    """

    kvm: Kvm

    def _excused(self, look: Look, _: object) -> bool | None:
        return not look(self.kvm.mmu_lock.cell).free or look(self.kvm.vm_bugged) or None

    def mirror_is_sept(self, gfn: str, look: Look, _: object) -> bool | None:
        """A leaf has its page in the S-EPT, PENDING or MAPPED, a page table its S-EPT page,
        a plain NP has nothing.

        FROZEN is nobody's. Of a TD that is torn down nobody asks the S-EPT.
        """
        return None if self.kvm.module.td.torn_down or self._agree(look, gfn) else False

    def _agree(self, look: Look, gfn: str) -> bool:
        spte, entry = look(self.kvm.root.cell(gfn)), look(self.kvm.module.td.entry(gfn, 1))
        if spte.kind is not Kind.NONLEAF:
            return _is_same(spte, entry)
        page = self.kvm.spte_to_child_sp(spte)
        if entry.state is not SeptState.NL_MAPPED or entry.pfn != page.external_spt:
            return False
        return _is_same(look(page.cell(gfn)), look(self.kvm.module.td.entry(gfn)))

    def is_thawed(self, gfn: str, look: Look, _: object) -> bool | None:
        """No SPTE that can be walked to is FROZEN."""
        sptes = [self._mapping(look, gfn, root)[0] for root in self.kvm.roots]
        return False if any(spte.is_frozen for spte in sptes) else None

    def stats_are_leafs(
        self, gfn: str, look: Look, counts: tuple[int, int] | None
    ) -> tuple[int, int]:
        """pages_4k and pages_2m count the leafs, level by level; so far there are `counts`."""
        small, large = counts or (0, 0)
        for root in self.kvm.roots:
            spte, level = self._mapping(look, gfn, root)
            if spte.kind is Kind.LEAF and level == PG_LEVEL_4K:
                small += 1
            elif spte.kind is Kind.LEAF and self._is_first(gfn):
                large += 1
        return small, large

    def _stats_are(self, look: Look, counts: tuple[int, int]) -> bool:
        return counts == tuple(look(cell) for cell in self.kvm.stats)

    def _is_first(self, gfn: str) -> bool:
        """Whether it is the first of those that share an SPTE at 2M."""
        cell = self.kvm.root.cell(gfn)
        return gfn == next(other for other, shared in self.kvm.root.sptes if shared is cell)

    def _mapping(self, look: Look, gfn: str, root: MmuPage) -> tuple[Spte, int]:
        """The SPTE that a walk for a gfn ends at, and its level."""
        spte = look(root.cell(gfn))
        if spte.kind is not Kind.NONLEAF:
            return spte, PG_LEVEL_2M
        return look(self.kvm.spte_to_child_sp(spte).cell(gfn)), PG_LEVEL_4K

    def tables_are_linked(self, page: MmuPage, look: Look, _: object) -> bool | None:
        """Page tables live exactly while they can be walked to.

        The S-EPT pages of the others have been given back.
        """
        sptes = [look(cell) for root in self.kvm.roots for _, cell in root.sptes]
        linked = any(spte.kind is Kind.NONLEAF and spte.pfn == page.number for spte in sptes)
        return None if self._is_accounted_for(look, page, linked) else False

    def _is_accounted_for(self, look: Look, page: MmuPage, linked: bool) -> bool:
        lives = page.life is None or look(page.life).stage is Stage.LIVE
        if lives or not page.is_mirror:
            return lives == linked
        return not linked and look(self.kvm.module.td.page(page.external_spt).pt) is PageType.NDA

    def leafs_are_backed(self, gmem: Gmem, gfn: str, look: Look, _: object) -> bool | None:
        """What is mapped is a page that guest_memfd still has."""
        spte, _level = self._mapping(look, gfn, self.kvm.root)
        return (
            None
            if spte.kind is not Kind.LEAF or look(gmem.page(gfn)) is Backing.ALLOCATED
            else False
        )

    def put_root_is_empty(self, gfn: str, look: Look, _: object) -> bool | None:
        """A root that was zapped and put maps nothing: its memslot's pages are somebody else's."""
        if not look(self.kvm.root_put):
            return None
        spte, _level = self._mapping(look, gfn, self.kvm.root)
        return False if spte.is_shadow_present else None

    def memory_is_not_lost(self, look: Look) -> bool:
        """No guest was killed: it touches what it has accepted, and nothing else."""
        killed = any(look(vcpu.vm_dead_request) for vcpu in self.kvm.vcpus)
        return not killed or look(self.kvm.vm_bugged)

    def _property(self, name: str, kind: str, parts: Iterable[Part]) -> Property:
        return Property(name, kind, (self._excused, *parts))

    def properties(self) -> tuple[Property, ...]:
        kvm, gfns = self.kvm, [gfn for gfn, _ in self.kvm.pfns]
        found = [
            self._property(
                "mirror-is-sept", "divergence", (partial(self.mirror_is_sept, gfn) for gfn in gfns)
            )
            if kvm.root.is_mirror
            else self._property(
                "no-frozen", "divergence", (partial(self.is_thawed, gfn) for gfn in gfns)
            )
        ]
        counting: tuple[Part, ...] = (
            *(partial(self.stats_are_leafs, gfn) for gfn in gfns),
            self._stats_are,
        )
        found.append(self._property("stats-are-leafs", "divergence", counting))
        if kvm.gmem:
            backed = (partial(self.leafs_are_backed, kvm.gmem, gfn) for gfn in gfns)
            found.append(self._property("leafs-are-backed", "use-after-free", backed))
        if kvm.next_root:
            empty = (partial(self.put_root_is_empty, gfn) for gfn in gfns)
            found.append(self._property("put-root-is-empty", "use-after-free", empty))
        if kvm.rcu:
            linked = (partial(self.tables_are_linked, page) for page in kvm.rcu.pages)
            found.append(self._property("tables-are-linked", "leak", linked))
        return tuple(found)


def _is_same(spte: Spte, entry: SeptEntry) -> bool:
    if spte.is_frozen:
        return False
    if spte.kind is Kind.LEAF:
        return entry.state in {SeptState.PENDING, SeptState.MAPPED} and entry.pfn == spte.pfn
    return entry.state is SeptState.FREE
