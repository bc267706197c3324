"""The rows against the mail (KVM list, 7 April 2026), and what each answer hangs on."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import attrs
import pytest

from sim.engine.model.operations import Finding
from sim.scenarios.library import recipe_named
from sim.scenarios.switches import FLIPS
from sim.scenarios.transitions import ROWS
from sim.search.exploration import Exploration
from sim.search.explore import explore
from sim.surveys import table
from sim.surveys.cache import Kept
from sim.surveys.table import TableQuery, derive, flip_named, is_hit, questions
from sim.view.results.table import Notes, also, changes, hit, line, made_by, sentences
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
    "TDX_BUG_ON in tdx_sept_remove_leaf_spte (seamcall), tdx_track (epoch)",
    "silent TDX_BUG_ON in tdx_sept_remove_leaf_spte (epoch)",
)


SMALL = 6
"""The last row that has fewer than half a million states, whoever contends."""


def is_asked(query: TableQuery) -> bool:
    """Every row after, on 1.5.01; beside it those where two contend, on 1.5.28 the small ones.

    `make docs` derives every row on every family of modules, and a digest says that it did.
    """
    if (query.order, query.module) == ("after", "1.5.01"):
        return True
    two_contend = len(query.row.contenders) == 2
    return two_contend and (query.module == "1.5.01" or query.row.number <= SMALL)


def is_large(query: TableQuery) -> bool:
    """Whether it takes millions of states: a row with three contenders, or a late one before."""
    if query.order == "after":
        return query.row.number > SMALL and len(query.row.contenders) > 2
    return query.row.number > SMALL + 2


ASKED = tuple(filter(is_asked, questions(("before", "after"), ("1.5.01", "1.5.28"))))
SLOW = [pytest.mark.slow]
"""`make slow` derives these cells."""


def each_of(queries: Iterable[TableQuery]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "query",
        [pytest.param(one, id=one.key, marks=SLOW if is_large(one) else []) for one in queries],
    )


each = each_of(ASKED)
each_of_the_mail = each_of(
    query for query in ASKED if (query.order, query.module) == ("after", "1.5.01")
)

cell = cache(derive)
"""Each cell is derived once, by the first test that looks at it."""


def asked(row: int, order: str = "after", module: str = "1.5.01", *, shared: bool) -> TableQuery:
    return next(
        query
        for query in ASKED
        if (query.row.number, query.order, query.module, query.row.shared)
        == (row, order, module, shared)
    )


@each_of_the_mail
def test_the_columns_are_those_of_the_mail_but_for_what_is_argued(query: TableQuery) -> None:
    derived = cell(query)
    on_mirror = any(made.root == "mirror" for made in made_by(derived))
    differs = {
        name
        for name, column, answer in (
            ("valid", mail.VALID, derived.valid),
            ("mirror", mail.MIRROR, on_mirror),
            ("hit", mail.HIT, bool(derived.hits)),
        )
        if not mail.says(column, query.row, answer)
    }
    row = (query.row.number, query.row.shared)
    assert differs == {name for name, *argued in mail.ARGUED if tuple(argued) == row}


def test_nothing_under_sim_knows_the_mail() -> None:
    assert not [
        path
        for path in (ROOT / "sim").rglob("*.py")
        if "tests" in re.findall(r"^(?:from|import) (\w+)", path.read_text(), re.MULTILINE)
    ]


@each
def test_hits_have_their_causes(query: TableQuery) -> None:
    """handle_changed_spte() returns nothing before, and nothing is hit."""
    key = (query.row.number, query.row.shared, query.module)
    wanted = HITS.get(key, ()) if query.order == "after" else ()
    assert cell(query).causes == wanted
    assert bool(cell(query).hits) == bool(wanted)


def test_every_hit_is_of_a_cell_that_is_asked() -> None:
    after = {(q.row.number, q.row.shared, q.module) for q in ASKED if q.order == "after"}
    assert HITS.keys() <= after


@pytest.mark.parametrize("row", [2, 4, 8])
def test_before_another_one_is_hit_whatever_happens_beside_it(row: int) -> None:
    query = asked(row, "before", shared=False)
    assert "KVM_BUG_ON tdp_mmu_set_spte" in map(str, cell(query).findings)
    alone = explore(query.scenario(contenders="none"))
    assert "KVM_BUG_ON tdp_mmu_set_spte" in [str(found.finding) for found in alone.found]


def test_only_that_kvm_bug_on_is_a_hit() -> None:
    assert is_hit(Finding("KVM_BUG_ON", "handle_changed_spte", ("tdcall",)))
    assert not is_hit(Finding("WARN", "handle_changed_spte"))
    assert not is_hit(Finding("KVM_BUG_ON", "tdp_mmu_set_spte"))


@each
def test_each_cause_suffices_alone_but_in_row_10(query: TableQuery) -> None:
    assert cell(query).confirmed == (() if query.row.number == 10 else cell(query).causes)


@each
def test_every_no_is_counted(query: TableQuery) -> None:
    derived = cell(query)
    assert derived.hits or (
        derived.interleavings and derived.classes and derived.classes <= derived.interleavings
    )


@pytest.mark.parametrize(
    ("row", "order", "shared", "found"),
    [
        (
            2,
            "before",
            False,
            ["KVM_BUG_ON in tdp_mmu_set_spte", "silent TDX_BUG_ON in tdx_sept_remove_private_spte"],
        ),
        (5, "after", True, ["WARN in __handle_changed_spte"]),
        (5, "after", False, ["WARN in __handle_changed_spte"]),
        (6, "after", True, ["BUG in __handle_changed_spte"]),
        (6, "after", False, ["BUG in __handle_changed_spte"]),
        (6, "before", False, ["BUG in handle_changed_spte"]),
        pytest.param(
            7,
            "after",
            True,
            ["lockdep in tdx_sept_split_private_spte, tdh_do_no_vcpus, tdx_track"],
            marks=SLOW,
        ),
        (8, "after", False, []),
        (
            10,
            "after",
            False,
            ["WARN in __handle_changed_spte", "KVM_BUG_ON in tdx_sept_free_private_spt"],
        ),
        pytest.param(
            11,
            "after",
            True,
            [
                "lockdep in tdx_sept_remove_leaf_spte, tdh_do_no_vcpus, tdx_track",
                *ZAPPED,
            ],
            marks=SLOW,
        ),
        (12, "after", False, []),
        (14, "after", False, []),
    ],
)
def test_what_else_is_found(row: int, order: str, found: list[str], *, shared: bool) -> None:
    """Row 6: one leaf for another in one step is what the TDP MMU calls BUG() for.

    Row 11 is (c) of the mail.
    """
    assert also(cell(asked(row, order, shared=shared)).findings) == found


def test_a_sentence_says_what_the_module_changes() -> None:
    after = [query for query in ASKED if query.order == "after" and len(query.row.contenders) == 2]
    assert list(sentences(list(map(cell, after)))) == [
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
    ("zaps=2M", 12, False): "",
    ("teardown=leafs", 14, False): "hit N -> Y (hit by always)",
    ("teardown=live", 14, False): "now KVM_BUG_ON in tdx_sept_free_private_spt",
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
def test_what_an_assumption_decides(name: str, row: int, *, shared: bool) -> None:
    (flip,) = (flip for flip in FLIPS if flip.name == name)
    plain = asked(row, shared=shared)
    flipped = derive(attrs.evolve(plain, flip=flip))
    assert flipped.flipped == name
    assert next(iter(changes(cell(plain), flipped)), "") == DECIDES[name, row, shared]


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


def shown() -> list[list[str]]:
    """The lines of the table in the README, word by word."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = readme.splitlines()
    return [line.split() for line in lines if re.match(r" *\d+ +(NP|leaf|nonleaf) ", line)]


def test_the_readme_shows_every_row() -> None:
    assert len(shown()) == len(ROWS)


@each_of_the_mail
def test_the_readme_shows_what_is_derived(query: TableQuery) -> None:
    begins = " ".join(line(cell(query), Notes())[:7])
    (words,) = (words for words in shown() if " ".join(words[:7]) == begins)
    assert f"{cell(query).states:,}" in words


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


@pytest.mark.parametrize(
    ("row", "shared", "flipped", "said"),
    [
        (1, True, "", "N"),
        (2, False, "", "Y"),
        (5, True, "", "N*"),
        (14, False, "kernel=in-turn", "(Y)"),
    ],
)
def test_what_a_log_can_show_stands_beside_the_answer(
    row: int, shared: bool, flipped: str, said: str
) -> None:
    """Rows 9, 10 and 13 are as row 14 in turn: the assertion follows on another one."""
    flip = next((flip for flip in FLIPS if flip.name == flipped), None)
    found = derive(attrs.evolve(asked(row, shared=shared), flip=flip))
    assert hit(found) == said
