"""What each kernel version changes, and a kernel from a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.base.errors import UsageError
from sim.scenarios import patch
from sim.scenarios.library import recipe_named
from sim.search.explore import explore

FILE = Path(__file__).parents[2] / "examples" / "patches" / "stats_first.py"


def found(row: str, **given: str) -> list[str]:
    return [str(one.finding) for one in explore(recipe_named(row).scenario(given)).found]


def test_with_patch_07_alone_an_atomic_zap_diverges_in_silence() -> None:
    """Removal is void there, and not called from where the atomic setter is."""
    assert found("leaf-to-np-shared", kernel="patch07", contenders="none") == [
        "divergence mirror-is-sept"
    ]
    assert found("leaf-to-np-exclusive", kernel="patch07", contenders="none") == []


@pytest.mark.parametrize("row", ["np-to-leaf-exclusive", "np-to-nonleaf-exclusive"])
def test_with_patch_07_alone_the_question_is_hit_and_the_old_check_stays(row: str) -> None:
    assert found(row, kernel="patch07")[:2] == [
        "KVM_BUG_ON tdp_mmu_set_spte",
        "KVM_BUG_ON handle_changed_spte",
    ]


def test_in_6_18_the_caller_of_a_removal_bugs_the_vm() -> None:
    said = found("np-to-leaf-exclusive", kernel="6.18", contenders="none")
    assert said == [
        "KVM_BUG_ON tdp_mmu_set_spte",
        "KVM_BUG_ON tdx_sept_zap_private_spte",
        "KVM_BUG_ON remove_external_spte",
    ]
    assert found("leaf-to-np-exclusive", kernel="6.18", contenders="tdcall") == []


def test_a_patch_is_a_kernel_with_a_digest_of_its_own() -> None:
    """And both may be asked in one process, one after the other."""
    recipe, read = recipe_named("np-to-leaf-shared"), patch.load_patch(FILE)
    plain, changed = recipe.scenario({}), recipe.scenario({"kernel": "patch"}, (), read)
    assert read.kernel.VERSION == "stats-first"
    assert changed.model == "stats-first+1.5.01"
    assert changed.digest != plain.digest
    assert [str(one.finding) for one in explore(changed).found] == ["divergence stats-are-leafs"]
    assert explore(plain).found == ()


def test_without_a_file_there_is_no_such_kernel() -> None:
    with pytest.raises(UsageError, match="--patch FILE names it"):
        recipe_named("np-to-leaf-shared").scenario({"kernel": "patch"})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x =", ":1: invalid syntax"),
        ("\n1 / 0\n", ":2: ZeroDivisionError: division by zero"),
        ("", "found none"),
        (
            "from sim.kvm.versions import Series\nclass A(Series):\n    pass\n",
            "A needs @attrs.frozen",
        ),
        ("import nonsense_that_is_not_there\n", ":1: ModuleNotFoundError"),
    ],
)
def test_a_file_that_is_no_patch_is_refused_with_its_line(
    tmp_path: Path, text: str, said: str
) -> None:
    file = tmp_path / "patch.py"
    file.write_text(text)
    with pytest.raises(UsageError, match=said):
        patch.load_patch(file)
