"""The rows against the mail (KVM list, 7 April 2026), and what each answer hangs on."""

from __future__ import annotations

import re
from pathlib import Path

import attrs
import pytest

from sim.engine.model.operations import Finding
from sim.scenarios.library import recipe_named
from sim.scenarios.switches import FLIPS
from sim.scenarios.transitions import ROWS, Row
from sim.search.exploration import Exploration
from sim.search.explore import explore
from sim.surveys import table
from sim.surveys.cache import Kept
from sim.surveys.table import TableCell, TableQuery, derive, flip_named, is_hit, questions
from sim.view.results.table import Notes, also, changes, line, made_by, sentences
from tests.scenarios import mail

ROOT = Path(__file__).parents[2]

HITS = {
    (2, False, "1.5.01"): ("zero-step", "tdcall"),
    (2, False, "1.5.28"): ("tdcall",),
    (4, False, "1.5.01"): ("zero-step", "tdcall"),
    (4, False, "1.5.28"): ("tdcall",),
    (9, True, "1.5.01"): ("seamcall",),
    (10, True, "1.5.01"): ("seamcall",),
    (13, True, "1.5.01"): ("seamcall",),
}


ZAPPED = (
    "TDX_BUG_ON in tdx_sept_remove_leaf_spte (seamcall), tdx_track (epoch), "
    "tdx_sept_remove_leaf_spte (epoch)"
)


SMALL = 6
"""The last row that has fewer than half a million states, whoever contends."""


def is_large(row: Row) -> bool:
    """Whether the table takes a row by pairs of three contenders, with millions of states."""
    return row.number > SMALL and len(row.contenders) > 2


@pytest.fixture(scope="module", params=["small", pytest.param("all", marks=pytest.mark.slow)])
def cells(request: pytest.FixtureRequest) -> tuple[TableCell, ...]:
    """The rows after, on 1.5.01: those of fewer than two million states, or (`make slow`) all.

    Before, the rows where two contend; on 1.5.28 the small ones of those.

    `make docs` derives every row on every family of modules, and a digest says that it did.
    """
    asked = [
        question
        for question in questions(("before", "after"), ("1.5.01", "1.5.28"))
        if is_asked(question, every=request.param == "all")
    ]
    return tuple(derive(question) for question in asked)


def is_asked(question: TableQuery, *, every: bool) -> bool:
    if (question.order, question.module) == ("after", "1.5.01"):
        return every or not is_large(question.row)
    last = 14 if every else SMALL + 2
    two_contend = len(question.row.contenders) == 2
    return two_contend and question.row.number <= (last if question.module == "1.5.01" else SMALL)


def rows_of(cells: tuple[TableCell, ...]) -> set[tuple[int, bool]]:
    return {(cell.row.number, cell.row.shared) for cell in cells}


def cell_of(
    cells: tuple[TableCell, ...],
    row: int,
    order: str = "after",
    module: str = "1.5.01",
    *,
    shared: bool,
) -> TableCell:
    if (row, shared) not in rows_of(cells):
        pytest.skip("a row of millions of states: make slow")
    return next(
        cell
        for cell in cells
        if (cell.row.number, cell.order, cell.module, cell.row.shared)
        == (row, order, module, shared)
    )


def test_the_columns_are_those_of_the_mail_but_for_what_is_argued(
    cells: tuple[TableCell, ...],
) -> None:
    differs = set()
    for cell in cells:
        if (cell.order, cell.module) == ("after", "1.5.01"):
            on_mirror = any(made.root == "mirror" for made in made_by(cell))
            for name, column, derived in (
                ("valid", mail.VALID, cell.valid),
                ("mirror", mail.MIRROR, on_mirror),
                ("hit", mail.HIT, bool(cell.hits)),
            ):
                if not mail.says(column, cell.row, derived):
                    differs.add((name, cell.row.number, cell.row.shared))
    assert differs == {argued for argued in mail.ARGUED if argued[1:] in rows_of(cells)}


def test_nothing_under_sim_knows_the_mail() -> None:
    assert not [
        path
        for path in (ROOT / "sim").rglob("*.py")
        if "tests" in re.findall(r"^(?:from|import) (\w+)", path.read_text(), re.MULTILINE)
    ]


def test_hits_have_their_causes(cells: tuple[TableCell, ...]) -> None:
    hits = {(c.row.number, c.row.shared, c.module): c.causes for c in cells if c.hits}
    assert hits == {key: causes for key, causes in HITS.items() if key[:2] in rows_of(cells)}


def test_nothing_is_hit_before(cells: tuple[TableCell, ...]) -> None:
    """handle_changed_spte() returns nothing there.

    Rows 2, 4 and 8 hit another one whatever happens beside them.
    """
    before = [cell for cell in cells if cell.order == "before"]
    assert not any(cell.hits for cell in before)
    always = [c.row.number for c in before if "KVM_BUG_ON tdp_mmu_set_spte" in map(str, c.findings)]
    assert sorted({2, 4, 8} & set(always)) == [2, 4, 8]
    for row in ("np-to-leaf-exclusive", "np-to-nonleaf-exclusive", "leaf-to-nonleaf-exclusive"):
        alone = explore(recipe_named(row).scenario({"kernel": "before", "contenders": "none"}))
        assert "KVM_BUG_ON tdp_mmu_set_spte" in [str(found.finding) for found in alone.found]


def test_only_that_kvm_bug_on_is_a_hit() -> None:
    assert is_hit(Finding("KVM_BUG_ON", "handle_changed_spte", ("tdcall",)))
    assert not is_hit(Finding("WARN", "handle_changed_spte"))
    assert not is_hit(Finding("KVM_BUG_ON", "tdp_mmu_set_spte"))


def test_each_cause_suffices_alone_but_in_row_10(cells: tuple[TableCell, ...]) -> None:
    for cell in cells:
        assert cell.confirmed == (() if cell.row.number == 10 else cell.causes)


def test_every_no_is_counted(cells: tuple[TableCell, ...]) -> None:
    for cell in cells:
        assert cell.hits or (
            cell.interleavings and cell.classes and cell.classes <= cell.interleavings
        )


@pytest.mark.parametrize(
    ("row", "order", "shared", "found"),
    [
        (
            2,
            "before",
            False,
            ["KVM_BUG_ON in tdp_mmu_set_spte", "TDX_BUG_ON in tdx_sept_remove_private_spte"],
        ),
        (5, "after", True, ["WARN in __handle_changed_spte"]),
        (5, "after", False, ["WARN in __handle_changed_spte"]),
        (6, "after", True, ["BUG in __handle_changed_spte"]),
        (6, "after", False, ["BUG in __handle_changed_spte"]),
        (6, "before", False, ["BUG in handle_changed_spte"]),
        (7, "after", True, ["lockdep in tdx_sept_split_private_spte, tdh_do_no_vcpus, tdx_track"]),
        (8, "after", False, []),
        (
            10,
            "after",
            False,
            ["WARN in __handle_changed_spte", "KVM_BUG_ON in tdx_sept_reclaim_private_spt"],
        ),
        (
            11,
            "after",
            True,
            [
                "lockdep in tdx_sept_remove_leaf_spte, tdh_do_no_vcpus, tdx_track",
                ZAPPED,
            ],
        ),
        (12, "after", False, []),
        (14, "after", False, []),
    ],
)
def test_what_else_is_found(
    cells: tuple[TableCell, ...], row: int, order: str, found: list[str], *, shared: bool
) -> None:
    """Row 6: one leaf for another in one step is what the TDP MMU calls BUG() for.

    Row 11 is (c) of the mail.
    """
    assert also(cell_of(cells, row, order, shared=shared).findings) == found


def test_a_sentence_says_what_the_module_changes(cells: tuple[TableCell, ...]) -> None:
    after = [cell for cell in cells if cell.order == "after" and len(cell.row.contenders) == 2]
    assert list(sentences(after)) == [
        f"row {number} (NP to {new}, exclusive), after: "
        "hit by zero-step, tdcall, each alone -> hit by tdcall, on 1.5.28, not 1.5.01"
        for number, new in ((2, "leaf"), (4, "nonleaf"))
    ]


DECIDES = {
    ("np=one", 5, True): "valid N -> Y",
    ("np=one", 5, False): "valid N -> Y",
    ("pfn=same", 6, False): "valid N -> Y",
    ("kernel=7.2", 8, False): "hit N -> Y (hit by unsupported)",
    ("interrupts=host", 8, False): "hit N -> Y (hit by interrupt)",
    ("kernel=in-turn", 9, False): "hit N -> Y (hit by unsupported)",
    ("kernel=in-turn", 14, False): "hit N -> Y (hit by always)",
    ("zap=retried", 13, True): "hit Y -> N",
    ("zap=serialised", 13, True): "hit Y -> N",
    ("zaps=2M", 12, False): "hit N -> Y (hit by unsupported)",
    ("teardown=leafs", 14, False): "hit N -> Y (hit by always)",
    ("teardown=live", 14, False): "now KVM_BUG_ON in tdx_sept_reclaim_private_spt",
    ("td=initialized", 2, False): "hit by zero-step, tdcall, each alone -> hit by always",
    ("armed=own", 1, True): "now livelock in v1",
    ("tdcalls=accept-4k", 4, False): "hit by zero-step, tdcall, each alone -> hit by zero-step",
    ("without stats-last", 1, True): "now divergence in stats-are-leafs",
    ("without wait-for-exiting", 12, False): "",
}


LARGE = {("zap=retried", 13, True), ("zap=serialised", 13, True)}
"""Twelve million states each: for `make slow`. Row 11 has the same question below, with fewer."""


@pytest.mark.parametrize(
    ("name", "row", "shared"),
    [pytest.param(*one, marks=[pytest.mark.slow] if one in LARGE else []) for one in DECIDES],
    ids=str,
)
def test_what_an_assumption_decides(
    cells: tuple[TableCell, ...], name: str, row: int, *, shared: bool
) -> None:
    (flip,) = (flip for flip in FLIPS if flip.name == name)
    plain = cell_of(cells, row, shared=shared)
    flipped = derive(TableQuery(plain.row, plain.row.after, "1.5.01", flip))
    assert flipped.flipped == name
    assert next(iter(changes(plain, flipped)), "") == DECIDES[name, row, shared]


def test_a_failing_second_half_leaves_a_page_table_that_is_freed() -> None:
    """The hazard of the mail: 2.2 fails after 2.1,
    step 3 restores an SPTE that points to what 2.1 has torn down.
    """
    alone = {"kernel": "in-turn", "contenders": "seamcall"}
    found = explore(recipe_named("nonleaf-to-np-shared").scenario(alone)).found
    assert "use-after-free kvm_tdp_mmu_map" in [str(one.finding) for one in found]
    assert explore(recipe_named("nonleaf-to-np-shared").scenario({"contenders": "seamcall"})).found
    whole = explore(recipe_named("nonleaf-to-np-shared").scenario({"contenders": "seamcall"}))
    assert "use-after-free" not in {one.finding.kind for one in whole.found}


@pytest.mark.parametrize("zap", ["retried", "serialised"])
@pytest.mark.parametrize("contenders", ["zero-step", "tdcall", "seamcall", "zapper"])
def test_what_would_make_an_atomic_zap_infallible(zap: str, contenders: str) -> None:
    """The mail's closing condition: either addition suffices.

    Without one a fault or another zapper is too much.
    """
    recipe = recipe_named("leaf-to-np-shared")
    with_it = explore(recipe.scenario({"zap": zap, "contenders": contenders}))
    assert {one.finding.kind for one in with_it.found} == {"lockdep"}
    without = explore(recipe.scenario({"contenders": contenders}))
    fails = contenders in {"seamcall", "zapper"}
    assert {one.finding.kind for one in without.found} == (
        {"lockdep", "TDX_BUG_ON"} if fails else {"lockdep"}
    )


def test_flips_are_named_by_switch_and_value() -> None:
    assert [flip.name for flip in flip_named("teardown")] == ["teardown=leafs", "teardown=live"]
    assert flip_named("teardown=live") == flip_named("teardown")[1:]
    assert flip_named("all") == FLIPS
    assert flip_named("nonsense") == ()


def test_what_is_kept_is_what_was_derived(tmp_path: Path) -> None:
    question = TableQuery(ROWS[1], "7.2", "1.5.28")
    cell = derive(question)
    kept = Kept(tmp_path)
    assert kept.get(question) is None
    kept.keep(question, cell)
    assert Kept(tmp_path).get(question) == cell
    (file,) = tmp_path.iterdir()
    file.write_text(file.read_text().replace("np-to", "nonsense"))
    assert Kept(tmp_path).get(question) is None
    file.write_text("[")
    assert Kept(tmp_path).get(question) is None


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    question = TableQuery(ROWS[1], "6.19", "1.5.28")
    Kept(tmp_path / "file").keep(question, derive(question))
    assert table.COUNTABLE


def test_the_readme_shows_what_is_derived(cells: tuple[TableCell, ...]) -> None:
    """Every line of the table in the README is a line of the table."""
    derived = {
        " ".join(line(cell, Notes())[:7]): cell
        for cell in cells
        if (cell.order, cell.module) == ("after", "1.5.01")
    }
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = [
        found.split()
        for found in readme.splitlines()
        if re.match(r" *\d+ +(NP|leaf|nonleaf) ", found)
    ]
    assert len(shown) == len(ROWS)
    found_rows = {" ".join(words[:7]): words for words in shown}
    assert derived.keys() <= found_rows.keys()
    for name, cell in derived.items():
        assert f"{cell.states:,}" in found_rows[name]


def kinds(exploration: Exploration) -> set[tuple[str, str]]:
    return {(found.finding.kind, found.finding.where) for found in exploration.found}


@pytest.mark.parametrize("kernel", ["before", "after"])
def test_without_restore_row_1_leaves_a_frozen_spte(kernel: str) -> None:
    exploration = explore(
        recipe_named("np-to-leaf-shared").scenario({"kernel": kernel}, ("restore",))
    )
    assert kinds(exploration) == {("divergence", "mirror-is-sept"), ("livelock", "v2")}
    assert "FROZEN" in exploration.found[0].witness.cells["spte[A]"]


def test_without_zero_step_the_tdcall_witness_stays() -> None:
    whole = explore(recipe_named("np-to-leaf-exclusive").scenario({}))
    without = explore(recipe_named("np-to-leaf-exclusive").scenario({}, ("zero-step",)))
    assert [found.finding.causes for found in whole.found] == [("zero-step",), ("tdcall",)]
    assert [found.finding.causes for found in without.found] == [("tdcall",)]
    assert without.found[0].witness.steps == whole.found[1].witness.steps


@pytest.mark.parametrize(
    "row", ["np-to-leaf-shared", "np-to-leaf-exclusive", "leaf-to-np-exclusive"]
)
def test_nobody_contends_nothing_is_found_after(row: str) -> None:
    assert explore(recipe_named(row).scenario({"contenders": "none"})).clean


@pytest.mark.parametrize(
    "row", ["np-to-leaf-shared", "np-to-leaf-exclusive", "nonleaf-to-np-exclusive"]
)
def test_fairness_of_mmu_lock_decides_nothing_here(row: str) -> None:
    fair, unfair = (
        explore(recipe_named(row).scenario({"mmu_lock": lock})) for lock in ("fair", "unfair")
    )
    assert [found.finding for found in fair.found] == [found.finding for found in unfair.found]


def test_a_question_is_named_by_what_it_asks() -> None:
    (flip,) = flip_named("np")
    assert TableQuery(ROWS[4], "7.2", "1.5.01", flip).key == "np-to-np-shared 7.2 1.5.01 np=one"
    assert attrs.evolve(TableQuery(ROWS[4], "7.2", "1.5.01")).key == "np-to-np-shared 7.2 1.5.01"
