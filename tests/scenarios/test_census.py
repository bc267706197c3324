"""Who changes SPTEs how: on a mirror root, what the mail says; and what keeps it so."""

from __future__ import annotations

import attrs
import pytest

from sim.base.errors import UsageError
from sim.kvm.spte import PG_LEVEL_2M, PG_LEVEL_4K, Spte
from sim.kvm.tdp_mmu import Fault
from sim.kvm.versions import KERNELS, HugePages
from sim.kvm.x86 import Kvm
from sim.scenarios import callers
from sim.scenarios.recipe import Recipe
from sim.scenarios.transitions import ROWS
from sim.search.explore import explore
from sim.surveys.census import census

PUBLIC = {
    ("NP", "leaf", True): {"tdp_mmu_map_handle_target_level"},
    ("NP", "nonleaf", True): {"kvm_tdp_mmu_map"},
    ("leaf", "nonleaf", False): {"tdp_mmu_split_huge_page"},
    ("leaf", "NP", False): {"tdp_mmu_zap_leafs"},
    ("nonleaf", "NP", False): {"__tdp_mmu_zap_root"},
}


def made(
    kernel: str, root: str, pages: tuple[str, ...] = ("2M", "4K")
) -> dict[tuple[str, str, bool], set[str]]:
    found: dict[tuple[str, str, bool], set[str]] = {}
    for change in census(kernel, pages):
        if change.root == root:
            found.setdefault((change.old, change.new, change.shared), set()).add(change.setter)
    return found


def test_on_a_mirror_root_five_transitions_are_made() -> None:
    assert made("after", "mirror") == PUBLIC


@pytest.mark.parametrize(("kernel", "pages"), [("before", ("2M", "4K")), ("after", ("4K",))])
def test_nothing_is_split_where_there_are_no_large_pages(
    kernel: str, pages: tuple[str, ...]
) -> None:
    """KVM keeps S-EPT huge pages off on modules whose DEMOTE can be interrupted:
    then row 8 does not happen.
    """
    split = ("leaf", "nonleaf", False)
    assert made(kernel, "mirror", pages) == {
        change: by for change, by in PUBLIC.items() if change != split
    }


@pytest.mark.parametrize("kernel", ["before", "after"])
def test_a_direct_root_sees_every_valid_transition_that_has_a_caller(kernel: str) -> None:
    """Rows 2, 4 and 9-exclusive are valid, and nobody asks for them.

    8 is asked for on mirror roots alone.
    """
    rows = {(*row.words, row.shared): row.number for row in ROWS}
    assert sorted({rows[change] for change in made(kernel, "direct")}) == [
        1,
        3,
        7,
        9,
        11,
        12,
        13,
        14,
    ]


@pytest.mark.parametrize(
    ("recipe", "root"),
    [(recipe, root) for recipe in callers.KVMS_OWN for root in recipe.param("root").values],
    ids=lambda of: of if isinstance(of, str) else of.name,
)
@pytest.mark.parametrize(
    "given", [{}, {"kernel": "before"}, {"pages": "4K", "inject": "all"}, {"module": "1.5.28"}]
)
def test_no_caller_breaks_anything(recipe: Recipe, root: str, given: dict[str, str]) -> None:
    """At rest mirror and S-EPT agree, nothing is FROZEN, the statistics are right,
    and no page table is lost.
    """
    if "kernel" not in given and root == "mirror":
        given = {**given, "kernel": "hugepages"}
    exploration = explore(recipe.scenario({"root": root, **given}))
    assert [str(found.finding) for found in exploration.found] == []


def test_a_root_on_which_nobody_acts_cannot_be_asked_for() -> None:
    (recipe,) = (recipe for recipe in callers.RECIPES if recipe.name == "accept-4k")
    with pytest.raises(UsageError, match="root cannot be 'direct'; it can be mirror"):
        recipe.scenario({"root": "direct"})


@attrs.frozen(eq=False)
class KeepsItsGoal(HugePages):
    """Whose fault path does not look whether a page table is there already."""

    VERSION = "keeps-its-goal"

    def kvm_mmu_hugepage_adjust(self, fault: Fault, _old_spte: Spte) -> int:
        return PG_LEVEL_4K if fault.accepts_4k else PG_LEVEL_2M


def explored(monkeypatch: pytest.MonkeyPatch, kernel: type[Kvm], caller: str) -> list[str]:
    monkeypatch.setitem(KERNELS, "hugepages", kernel)
    (recipe,) = (recipe for recipe in callers.RECIPES if recipe.name == caller)
    asked = recipe.scenario({"census": "yes", "kernel": "hugepages"})
    return [str(found.finding) for found in explore(asked).found]


def test_a_fault_that_kept_its_goal_would_promote(monkeypatch: pytest.MonkeyPatch) -> None:
    """Row 9 on a mirror root: what keeps it away is that the fault path lowers its goal where a
    page table is.
    """
    found = explored(monkeypatch, KeepsItsGoal, "fault-over-a-table")
    assert "transition nonleaf to leaf, 2, shared" in found
    assert "KVM_BUG_ON tdx_sept_free_private_spt" in found
    assert explored(monkeypatch, HugePages, "fault-over-a-table") == [
        "transition NP to leaf, 1, shared"
    ]


@pytest.mark.parametrize("name", ["punch-hole", "punch-hole-4k"])
def test_a_fault_that_does_not_ask_again_maps_a_page_that_is_gone(name: str) -> None:
    """It asked guest_memfd before the hole was punched, and maps after:
    mmu_invalidate_seq is there for that.
    """
    (recipe,) = (recipe for recipe in callers.RECIPES if recipe.name == name)
    for kernel in ("before", "after"):
        found = explore(recipe.scenario({"kernel": kernel}, ("mmu-seq",))).found
        assert [str(one.finding) for one in found] == ["use-after-free leafs-are-backed"]
        assert explore(recipe.scenario({"kernel": kernel})).clean
