"""What guest_memfd.c and kvm_main.c keep: the pages behind private memory, and that one is going.

A fault asks for its page before it takes mmu_lock, so the page may have gone when it comes to map
it. Whoever takes a page away says so first (`mmu_invalidate_in_progress`, with the range), and
counts when it is done (`mmu_invalidate_seq`); a fault that has seen another count, or finds its gfn
in the range, begins again. Several may do so at a time: they are counted, and their ranges are one,
from the first gfn of any to the last, until all are done.

Holes of one file exclude each other: filemap_invalidate_lock() is held from before a hole is
announced until after it is done. What can be in progress beside a hole is a conversion. Where a run
has one hole at most the lock is no step.

A page is part of a folio, which is large where the kernel has huge pages. A hole in a part of a
large folio splits it, and from then on the range is backed by small ones:
`kvm_max_level_for_order()` keeps a fault from mapping it at 2M.

The functions of guest_memfd.c are in `sim.kvm.guest_memfd`, those of kvm_main.c in
`sim.kvm.kvm_main`.

Left out: files with several bindings, the lock that keeps populating and truncating apart.
"""

from __future__ import annotations

from enum import Enum

import attrs

from sim.engine.model.cells import Cell, members, one_of
from sim.engine.model.operations import Operation, Outcome, store, write
from sim.kvm.mutex import Mutex, mutex
from sim.kvm.spte import PG_LEVEL_2M, PG_LEVEL_4K


class Backing(Enum):
    """Whether a gfn has a page."""

    ALLOCATED = 0
    HOLE = 1


@attrs.frozen(cache_hash=True)
class Invalidation:
    """struct kvm: mmu_invalidate_range, by gfn; mmu_invalidate_seq; mmu_invalidate_in_progress.

    C leaves the range as it was when nothing is in progress any more, and does not look at it then;
    here it is empty.
    """

    range: tuple[str, ...] = ()
    seq: int = 0
    in_progress: int = 0

    def __str__(self) -> str:
        beside = f" ({self.in_progress} in progress)" if self.in_progress > 1 else ""
        return f"{' '.join(self.range) or 'nothing'} goes{beside}, {self.seq} done"

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
            and value.in_progress in range(-1, self.most + 1)
        )


def _begin(_task: str, values: tuple[Invalidation]) -> tuple[Outcome, ...]:
    return write(None, attrs.evolve(values[0], in_progress=values[0].in_progress + 1))


def _range_add(
    _task: str, values: tuple[Invalidation], gfns: tuple[str, ...], every: tuple[str, ...]
) -> tuple[Outcome, ...]:
    places = [every.index(gfn) for gfn in (*values[0].range, *gfns)]
    return write(None, attrs.evolve(values[0], range=every[min(places) : max(places) + 1]))


def _end(_task: str, values: tuple[Invalidation]) -> tuple[Outcome, ...]:
    now, left = values[0], values[0].in_progress - 1
    return write(left, Invalidation(now.range if left > 0 else (), now.seq + 1, left))


def _get_folio(_task: str, values: tuple[object, ...]) -> tuple[Outcome, ...]:
    """All of a large folio, or the one page that is asked for."""
    level, _, *rest = values
    every = level == PG_LEVEL_2M
    return write(
        None, level, Backing.ALLOCATED, *(Backing.ALLOCATED if every else page for page in rest)
    )


@attrs.frozen(eq=False)
class Gmem:
    """struct kvm_gmem, and struct kvm's mmu_invalidate_*.

    A folio that may be large is there with its gfns and the level that it can be mapped at: 2M
    while it is whole.
    """

    invalidate: Cell[Invalidation]
    backing: tuple[tuple[str, Cell[Backing]], ...]
    folios: tuple[tuple[tuple[str, ...], Cell[int]], ...] = ()
    invalidate_lock: Cell[Mutex] | None = None

    @classmethod
    def build(
        cls, gfns: tuple[str, ...], most: int, large: tuple[tuple[str, ...], ...] = ()
    ) -> Gmem:
        """Every gfn has its page, those of `large` in a folio each;
        `most` invalidations may happen in a run.
        """
        sizes = one_of((PG_LEVEL_4K, PG_LEVEL_2M))
        return cls(
            Cell("mmu_invalidate", Invalidation(), _Invalidations(gfns, most)),
            tuple((gfn, Cell(f"gmem[{gfn}]", Backing.ALLOCATED, members(Backing))) for gfn in gfns),
            tuple((folio, Cell(f"gmem[{folio[0]}].level", PG_LEVEL_2M, sizes)) for folio in large),
            mutex("filemap_invalidate_lock") if most > 1 else None,
        )

    def page(self, gfn: str) -> Cell[Backing]:
        return next(cell for name, cell in self.backing if name == gfn)

    def folio(self, gfn: str) -> tuple[tuple[str, ...], Cell[int] | None]:
        """The gfns that a gfn shares a folio with, and the folio's level;
        that of a small one is no cell.
        """
        return next((folio for folio in self.folios if gfn in folio[0]), ((gfn,), None))

    def whole(self, gfns: tuple[str, ...]) -> tuple[str, ...]:
        """Every gfn of the folios that these are in."""
        return tuple(dict.fromkeys(other for gfn in gfns for other in self.folio(gfn)[0]))

    def get_folio(self, gfn: str) -> Operation[None]:
        """guest_memfd.c:kvm_gmem_get_folio(): the page of a gfn, allocated if need be."""
        folio, level = self.folio(gfn)
        if level is None:
            return store(self.page(gfn), Backing.ALLOCATED)
        rest = tuple(self.page(other) for other in folio if other != gfn)
        return Operation(f"gmem[{gfn}].store", (level, self.page(gfn), *rest), _get_folio)

    def begin(self) -> Operation[None]:
        return Operation("mmu_invalidate.begin", (self.invalidate,), _begin)

    def range_add(self, gfns: tuple[str, ...]) -> Operation[None]:
        every = tuple(gfn for gfn, _ in self.backing)
        return Operation("mmu_invalidate.range_add", (self.invalidate,), _range_add, (gfns, every))

    def end(self) -> Operation[int]:
        """Gives how many are still in progress."""
        return Operation("mmu_invalidate.end", (self.invalidate,), _end)
