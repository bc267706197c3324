"""SPTEs of a mirror root: arch/x86/kvm/mmu/spte.h.

A mirror leaf is always RWX, so a leaf is its pfn; the bits that make up a value are not kept. `FROZEN_SPTE` and the
plain non-present value are told apart by comparison, as in C.
"""

from __future__ import annotations

from enum import Enum

import attrs

from sim.engine.cells import Cell

PG_LEVEL_4K = 1
PG_LEVEL_2M = 2


class Kind(Enum):
    NP = 0
    FROZEN = 1
    LEAF = 2
    NONLEAF = 3


@attrs.frozen(cache_hash=True)
class Spte:
    """A shadow-page-table entry."""

    kind: Kind
    pfn: int = 0

    def __str__(self) -> str:
        return f"leaf pfn {self.pfn}" if self.kind is Kind.LEAF else self.kind.name

    @property
    def is_shadow_present(self) -> bool:
        """Bit 11: set in leafs and nonleafs, clear in FROZEN_SPTE."""
        return self.kind in {Kind.LEAF, Kind.NONLEAF}

    @property
    def is_frozen(self) -> bool:
        return self.kind is Kind.FROZEN

    def is_last(self, level: int) -> bool:
        """is_last_spte(): the level alone decides at 4K, whether or not the SPTE is present."""
        return level == PG_LEVEL_4K or self.kind is Kind.LEAF


SHADOW_NONPRESENT_VALUE = Spte(Kind.NP)
FROZEN_SPTE = Spte(Kind.FROZEN)
NONLEAF_SPTE = Spte(Kind.NONLEAF)


def make_spte(pfn: int) -> Spte:
    return Spte(Kind.LEAF, pfn)


def leaf_pfn_changed(old: Spte, new: Spte, level: int) -> bool:
    """What handle_changed_spte() calls BUG() for: one leaf replaced by another in a single step."""
    was_leaf = old.is_shadow_present and old.is_last(level)
    is_leaf = new.is_shadow_present and new.is_last(level)
    return was_leaf and is_leaf and old.pfn != new.pfn


@attrs.frozen
class _Sptes:
    pfns: tuple[int, ...]

    def __contains__(self, spte: object) -> bool:
        return isinstance(spte, Spte) and (spte.pfn in self.pfns if spte.kind is Kind.LEAF else spte.pfn == 0)


def spte_cell(name: str, first: Spte, pfns: tuple[int, ...]) -> Cell[Spte]:
    return Cell(name, first, _Sptes(pfns))


@attrs.frozen(cache_hash=True)
class TdpIter:
    """struct tdp_iter, where a walk stands: gfn, level, and the snapshot of the SPTE."""

    gfn: str
    level: int
    old_spte: Spte
