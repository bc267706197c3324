"""What must hold at rest, asked of states that are put together by hand."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from sim.engine.model.cells import Cell
from sim.kvm.gmem import Backing
from sim.kvm.mmu_page import Life, Stage
from sim.kvm.spte import FROZEN_SPTE, SHADOW_NONPRESENT_VALUE, ZERO_SPTE, Spte, make_spte
from sim.kvm.x86 import Kvm
from sim.scenarios.at_rest import AtRest
from sim.scenarios.machine import machine
from sim.tdx.releases import release_named
from sim.tdx.sept import SeptEntry, SeptState

S = SeptState
MIRROR, FROZEN, STATS, BACKED, LINKED = (
    "mirror-is-sept",
    "no-frozen",
    "stats-are-leafs",
    "leafs-are-backed",
    "tables-are-linked",
)


def kvm_with(
    above: SeptState, below: SeptState, *, is_mirror: bool = True, torn_down: bool = False
) -> Kvm:
    """A and C in one 2M range; where that has a page table, the table may be freed."""
    return machine(
        Kvm,
        release_named("1.5.01"),
        sept={"A": below, "C": below},
        above={"A": above},
        programs={},
        others=("host",),
        frees=("A",) if above is S.NL_MAPPED else (),
        is_mirror=is_mirror,
        holes=1,
        torn_down=torn_down,
    )


def broken(kvm: Kvm, *changes: tuple[Cell[Any], object]) -> set[str]:
    """The properties that do not hold where these cells hold something else than at first."""
    held: dict[Cell[Any], Any] = dict(changes)

    def look(cell: Cell[Any]) -> Any:
        return held.get(cell, cell.initial)

    return {prop.name for prop in AtRest(kvm).properties() if not prop.holds(look)}


SMALL, LARGE, DIRECT = (
    kvm_with(S.NL_MAPPED, S.MAPPED),
    kvm_with(S.PENDING, S.FREE),
    kvm_with(S.NL_MAPPED, S.MAPPED, is_mirror=False),
)


def above(kvm: Kvm) -> Cell[Spte]:
    return kvm.root.cell("A")


def below(kvm: Kvm, gfn: str) -> Cell[Spte]:
    return kvm.pages[0].cell(gfn)


@pytest.mark.parametrize(
    "kvm", [SMALL, LARGE, DIRECT, kvm_with(S.FREE, S.FREE), kvm_with(S.NL_MAPPED, S.FREE)]
)
def test_at_first_everything_holds(kvm: Kvm) -> None:
    assert broken(kvm) == set()


def test_only_at_rest_and_only_until_the_vm_is_bugged() -> None:
    wrong = (below(SMALL, "C"), FROZEN_SPTE)
    assert broken(SMALL, wrong) == {MIRROR, STATS}
    lock = SMALL.mmu_lock.cell
    assert broken(SMALL, wrong, (SMALL.vm_bugged, True)) == set()
    assert broken(SMALL, wrong, (lock, attrs.evolve(lock.initial, writer="host"))) == set()
    assert broken(SMALL, wrong, (lock, attrs.evolve(lock.initial, readers=("host",)))) == set()
    assert broken(SMALL, wrong, (lock, attrs.evolve(lock.initial, queue=(("host", "read"),)))) == {
        MIRROR,
        STATS,
    }


@pytest.mark.parametrize(
    ("kvm", "spte", "entry"),
    [
        (SMALL, make_spte(1), SeptEntry(S.MAPPED, 2)),
        (SMALL, make_spte(2), SeptEntry(S.MAPPED, 1)),
        (SMALL, make_spte(1), SeptEntry(S.BLOCKED, 1)),
        (SMALL, make_spte(1), SeptEntry()),
        (SMALL, SHADOW_NONPRESENT_VALUE, SeptEntry(S.MAPPED, 1)),
        (SMALL, ZERO_SPTE, SeptEntry(S.PENDING, 1)),
        (SMALL, FROZEN_SPTE, SeptEntry()),
        (SMALL, FROZEN_SPTE, SeptEntry(S.MAPPED, 1)),
    ],
)
def test_a_mirror_is_what_the_sept_is(kvm: Kvm, spte: Spte, entry: SeptEntry) -> None:
    changes = (below(kvm, "A"), spte), (kvm.module.td.entry("A"), entry)
    assert MIRROR in broken(kvm, *changes)
    torn_down = kvm_with(S.NL_MAPPED, S.MAPPED, torn_down=True)
    assert MIRROR not in broken(
        torn_down, (below(torn_down, "A"), spte), (torn_down.module.td.entry("A"), entry)
    )


@pytest.mark.parametrize("spte", [make_spte(1), SHADOW_NONPRESENT_VALUE, ZERO_SPTE])
def test_a_mirror_that_is_the_sept_is_fine(spte: Spte) -> None:
    entry = SeptEntry(S.PENDING, 1) if spte.is_shadow_present else SeptEntry()
    assert MIRROR not in broken(
        SMALL, (below(SMALL, "A"), spte), (SMALL.module.td.entry("A"), entry)
    )


def test_a_page_table_has_its_sept_page() -> None:
    entry = SMALL.module.td.entry("A", 1)
    assert MIRROR in broken(SMALL, (entry, attrs.evolve(entry.initial, pfn=entry.initial.pfn + 1)))
    assert MIRROR in broken(SMALL, (entry, SeptEntry(S.NL_BLOCKED, entry.initial.pfn)))
    assert MIRROR in broken(SMALL, (above(SMALL), SHADOW_NONPRESENT_VALUE))


def test_frozen_is_nobodys_on_a_direct_root() -> None:
    assert FROZEN in broken(DIRECT, (below(DIRECT, "C"), FROZEN_SPTE))
    assert FROZEN in broken(DIRECT, (above(DIRECT), FROZEN_SPTE))
    unlinked = (above(DIRECT), SHADOW_NONPRESENT_VALUE)
    assert FROZEN not in broken(DIRECT, unlinked, (below(DIRECT, "C"), FROZEN_SPTE))


def test_stats_count_what_can_be_walked_to_level_by_level() -> None:
    small, large = SMALL.stats
    assert (small.initial, large.initial) == (2, 0)
    for cell, value in (
        (small, 1),
        (small, 3),
        (large, 1),
        (below(SMALL, "C"), SHADOW_NONPRESENT_VALUE),
    ):
        assert STATS in broken(SMALL, (cell, value))
    assert STATS not in broken(SMALL, (below(SMALL, "C"), SHADOW_NONPRESENT_VALUE), (small, 1))
    one_large = (above(SMALL), make_spte(1)), (small, 0)
    assert STATS not in broken(SMALL, *one_large, (large, 1))
    assert STATS in broken(SMALL, *one_large, (large, 2))
    assert [cell.initial for cell in LARGE.stats] == [0, 1]


def test_what_is_mapped_has_a_page() -> None:
    assert SMALL.gmem is not None
    gone = (SMALL.gmem.page("C"), Backing.HOLE)
    assert broken(SMALL, gone) == {BACKED}
    assert BACKED not in broken(SMALL, gone, (below(SMALL, "C"), SHADOW_NONPRESENT_VALUE))
    assert LARGE.gmem is not None
    assert broken(LARGE, (LARGE.gmem.page("C"), Backing.HOLE)) == {BACKED}


def test_page_tables_live_while_they_are_linked() -> None:
    page = SMALL.pages[0]
    assert page.life is not None
    unlinked, dead = (above(SMALL), SHADOW_NONPRESENT_VALUE), (page.life, Life(Stage.ZAPPED))
    assert LINKED in broken(SMALL, unlinked)
    assert LINKED in broken(SMALL, dead)
    assert LINKED in broken(SMALL, unlinked, dead)  # its S-EPT page has not been given back
    assert DIRECT.pages[0].life is not None
    assert LINKED not in broken(
        DIRECT, (above(DIRECT), SHADOW_NONPRESENT_VALUE), (DIRECT.pages[0].life, dead[1])
    )
