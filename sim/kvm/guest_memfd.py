"""virt/kvm/guest_memfd.c, and what kvm_main.c keeps for it: the pages behind private memory, and that one is going.

A fault asks for its page before it takes mmu_lock, so the page may have gone when it comes to map it. Whoever takes a
page away says so first (`mmu_invalidate_in_progress`, with the range), and counts when it is done
(`mmu_invalidate_seq`); a fault that has seen another count, or finds its gfn in the range, begins again.

Left out: files with several bindings, folios larger than a gfn, the lock that keeps populating and truncating apart.
"""

from __future__ import annotations

from enum import Enum

import attrs

from sim.engine.cells import Cell, members


class Backing(Enum):
    """Whether a gfn has a page."""

    ALLOCATED = 0
    HOLE = 1


@attrs.frozen(cache_hash=True)
class Invalidation:
    """mmu_invalidate_in_progress and its range, by gfn; mmu_invalidate_seq."""

    range: tuple[str, ...] = ()
    seq: int = 0

    def __str__(self) -> str:
        return f"{' '.join(self.range) or 'nothing'} goes, {self.seq} done"

    def retry_gfn(self, gfn: str, mmu_seq: int) -> bool:
        """kvm_host.h:mmu_invalidate_retry_gfn()."""
        return gfn in self.range or mmu_seq != self.seq


@attrs.frozen
class _Invalidations:
    gfns: tuple[str, ...]
    most: int

    def __contains__(self, value: object) -> bool:
        return (
            isinstance(value, Invalidation)
            and all(gfn in self.gfns for gfn in value.range)
            and value.seq in range(self.most + 1)
        )


@attrs.frozen(eq=False)
class Gmem:
    """struct kvm_gmem, and struct kvm's mmu_invalidate_*."""

    invalidate: Cell[Invalidation]
    backing: tuple[tuple[str, Cell[Backing]], ...]

    @classmethod
    def build(cls, gfns: tuple[str, ...], most: int) -> Gmem:
        """Every gfn has its page; `most` invalidations may happen in a run."""
        return cls(
            Cell("mmu_invalidate", Invalidation(), _Invalidations(gfns, most)),
            tuple((gfn, Cell(f"gmem[{gfn}]", Backing.ALLOCATED, members(Backing))) for gfn in gfns),
        )

    def page(self, gfn: str) -> Cell[Backing]:
        return next(cell for name, cell in self.backing if name == gfn)
