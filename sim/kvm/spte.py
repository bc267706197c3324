"""SPTEs: arch/x86/kvm/mmu/spte.h.

A mirror leaf is always RWX, and a direct one is here, so a leaf is its pfn; the bits that make up a
value are not kept. `FROZEN_SPTE` and the plain non-present values are told apart by comparison, as
in C. There are two of the latter: the one that empty slots have (suppress #VE), and 0, which a VM
has where #VE goes to the guest.
"""

from __future__ import annotations

from enum import Enum

import attrs

from sim.engine.model.cells import Cell

PG_LEVEL_4K = 1
PG_LEVEL_2M = 2


class Kind(Enum):
    NP = 0
    FROZEN = 1
    LEAF = 2
    NONLEAF = 3
    ZERO = 4
    MMIO = 5


@attrs.frozen(cache_hash=True)
class Spte:
    """A shadow-page-table entry.

    What `pfn` is for a nonleaf is the number of the page table that it points to.
    """

    kind: Kind
    pfn: int = 0

    def __str__(self) -> str:
        return f"leaf pfn {self.pfn}" if self.kind is Kind.LEAF else self.kind.name

    @property
    def said(self) -> str:
        """leaf, nonleaf, FROZEN, or NP: what a transition is called by."""
        if self.is_shadow_present:
            return self.kind.name.lower()
        return "FROZEN" if self.is_frozen else "NP"

    @property
    def is_shadow_present(self) -> bool:
        """Bit 11: set in leafs and nonleafs, clear in FROZEN_SPTE."""
        return self.kind in {Kind.LEAF, Kind.NONLEAF}

    @property
    def is_frozen(self) -> bool:
        return self.kind is Kind.FROZEN

    @property
    def is_mmio(self) -> bool:
        return self.kind is Kind.MMIO

    def is_last(self, level: int) -> bool:
        """is_last_spte(): the level alone decides at 4K, whether or not the SPTE is present."""
        return level == PG_LEVEL_4K or self.kind is Kind.LEAF


SHADOW_NONPRESENT_VALUE = Spte(Kind.NP)
FROZEN_SPTE = Spte(Kind.FROZEN)
ZERO_SPTE = Spte(Kind.ZERO)
MMIO_SPTE = Spte(Kind.MMIO)


def make_spte(pfn: int) -> Spte:
    return Spte(Kind.LEAF, pfn)


def make_nonleaf_spte(child: int) -> Spte:
    return Spte(Kind.NONLEAF, child)


def leaf_pfn_changed(old: Spte, new: Spte, level: int) -> bool:
    """What handle_changed_spte() calls BUG() for: one leaf replaced by another in a single step."""
    was_leaf = old.is_shadow_present and old.is_last(level)
    is_leaf = new.is_shadow_present and new.is_last(level)
    return was_leaf and is_leaf and old.pfn != new.pfn


def is_unexpected_np(old: Spte, new: Spte) -> bool:
    """What handle_changed_spte() warns of, where neither is present: MMIO SPTEs come and go,
    and slots are frozen.
    """
    return not (old.is_mmio or new.is_mmio or new.is_frozen)


@attrs.frozen
class _Sptes:
    pfns: tuple[int, ...]
    tables: tuple[int, ...]

    def __contains__(self, spte: object) -> bool:
        if not isinstance(spte, Spte):
            return False
        if spte.kind is Kind.LEAF:
            return spte.pfn in self.pfns
        return spte.pfn in self.tables if spte.kind is Kind.NONLEAF else spte.pfn == 0


def spte_cell(name: str, first: Spte, pfns: tuple[int, ...], tables: tuple[int, ...]) -> Cell[Spte]:
    """An SPTE that may map one of these pages, or point to one of these page tables."""
    return Cell(name, first, _Sptes(pfns, tables))
