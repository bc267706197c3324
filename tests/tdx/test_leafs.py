"""The leafs, each alone, against the module's own tables:
S-EPT transitions (sept_state_lookup.c) and the lock matrix.

Both tables are typed in here and nowhere in `sim`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from sim.engine.model.cells import Cell, one_of
from sim.engine.model.operations import store
from sim.engine.model.routines import Call, routine
from sim.engine.model.scenario import Scenario, Task
from sim.engine.run import automata_executor
from sim.engine.run.scheduler import RandomWalk
from sim.engine.run.world import Run
from sim.search.explore import explore
from sim.tdx.leafs import LEAFS as EVERY
from sim.tdx.leafs import Operands
from sim.tdx.locks import Holder, Mode, Sharex, Try, release
from sim.tdx.module import TdxModule
from sim.tdx.releases import (
    FAMILIES,
    RELEASES,
    Module_1_5_01,
    Module_1_5_20,
    Module_1_5_28,
    release_named,
)
from sim.tdx.sept import SeptEntry, SeptState
from sim.tdx.status import Operand
from sim.tdx.td import Td, causes

S = SeptState
MODULES = [Module_1_5_01, Module_1_5_28]
STATES = [S.FREE, S.MAPPED, S.BLOCKED, S.PENDING, S.PENDING_BLOCKED, S.NL_MAPPED, S.NL_BLOCKED]

INCORRECT = "TDX_EPT_ENTRY_STATE_INCORRECT|RCX"
NOT_BLOCKED = "TDX_GPA_RANGE_NOT_BLOCKED|RCX"
ALREADY = "TDX_GPA_RANGE_ALREADY_BLOCKED|RCX"
NOT_FREE = "TDX_EPT_PAGE_NOT_FREE|RCX"
UNTRACKED = ("TDX_TLB_TRACKING_NOT_DONE|SEPT_TREE", "TDX_TLB_TRACKING_NOT_DONE|RCX")
WALK = "TDX_EPT_WALK_FAILED|RCX"
OP_STATE = "TDX_OP_STATE_INCORRECT"
OK = "TDX_SUCCESS"
TREE_BUSY, ENTRY_BUSY, GAVE_WAY = (
    "TDX_OPERAND_BUSY|SEPT_TREE",
    "TDX_OPERAND_BUSY|RCX",
    "TDX_INTERRUPTED_BUSY",
)
STATUSES = (
    TREE_BUSY,
    ENTRY_BUSY,
    GAVE_WAY,
    OK,
    INCORRECT,
    NOT_BLOCKED,
    ALREADY,
    NOT_FREE,
    *UNTRACKED,
    WALK,
    OP_STATE,
)

AUG = {S.FREE: (OK, S.PENDING)}
BLOCK = {
    S.NL_MAPPED: (OK, S.NL_BLOCKED),
    S.MAPPED: (OK, S.BLOCKED),
    S.PENDING: (OK, S.PENDING_BLOCKED),
    S.BLOCKED: (ALREADY, S.BLOCKED),
    S.PENDING_BLOCKED: (ALREADY, S.PENDING_BLOCKED),
    S.NL_BLOCKED: (ALREADY, S.NL_BLOCKED),
}
REMOVE = {
    S.MAPPED: (NOT_BLOCKED, S.MAPPED),
    S.PENDING: (NOT_BLOCKED, S.PENDING),
    S.BLOCKED: (OK, S.FREE),
    S.PENDING_BLOCKED: (OK, S.FREE),
}
UNBLOCK = {
    S.NL_BLOCKED: (OK, S.NL_MAPPED),
    S.BLOCKED: (OK, S.MAPPED),
    S.PENDING_BLOCKED: (OK, S.PENDING),
}
SEPT_ADD = {S.FREE: (OK, S.NL_MAPPED)}
SEPT_REMOVE = {S.NL_MAPPED: (NOT_BLOCKED, S.NL_MAPPED), S.NL_BLOCKED: (OK, S.FREE)}
SEPT_RD = {state: (OK, state) for state in STATES}
DEMOTE = {
    S.MAPPED: (NOT_BLOCKED, S.MAPPED),
    S.PENDING: (NOT_BLOCKED, S.PENDING),
    S.BLOCKED: (OK, S.NL_MAPPED),
    S.PENDING_BLOCKED: (OK, S.NL_MAPPED),
}
ACCEPT = {
    S.FREE: ("EPT_VIOLATION", S.FREE),
    S.MAPPED: ("ALREADY_ACCEPTED", S.MAPPED),
    S.BLOCKED: ("EPT_VIOLATION", S.BLOCKED),
    S.PENDING: ("SUCCESS", S.MAPPED),
    S.PENDING_BLOCKED: ("EPT_VIOLATION", S.PENDING_BLOCKED),
    S.NL_MAPPED: ("SIZE_MISMATCH", S.NL_MAPPED),
    S.NL_BLOCKED: ("SIZE_MISMATCH", S.NL_BLOCKED),
}


def called(name: str, pfn: int = 2) -> Callable[[TdxModule], Call[Any]]:
    """A leaf of the registry, on gfn A and this page."""
    (leaf,) = (leaf for leaf in EVERY if leaf.name == name)
    return lambda module: leaf.call(module, "v0", Operands("A", pfn))


ATTR_RD = {
    state: ("SUCCESS" if state in {S.MAPPED, S.PENDING} else "EPT_VIOLATION", state)
    for state in STATES
}
ATTR_WR = {**ATTR_RD, **{state: ("SIZE_MISMATCH", state) for state in (S.NL_MAPPED, S.NL_BLOCKED)}}
LEAFS: dict[str, tuple[Callable[[TdxModule], Call[Any]], dict[S, tuple[str, S]]]] = {
    "AUG": (called("TDH.MEM.PAGE.AUG"), AUG),
    "BLOCK": (called("TDH.MEM.RANGE.BLOCK"), BLOCK),
    "REMOVE": (called("TDH.MEM.PAGE.REMOVE"), REMOVE),
    "UNBLOCK": (called("TDH.MEM.RANGE.UNBLOCK"), UNBLOCK),
    "SEPT.RD": (called("TDH.MEM.SEPT.RD"), SEPT_RD),
    "ACCEPT": (called("TDG.MEM.PAGE.ACCEPT"), ACCEPT),
    "ATTR.RD": (called("TDG.MEM.PAGE.ATTR.RD"), ATTR_RD),
    "ATTR.WR": (called("TDG.MEM.PAGE.ATTR.WR"), ATTR_WR),
    "ADD": (called("TDH.MEM.PAGE.ADD"), {state: (OP_STATE, state) for state in STATES}),
}
BUILDING: dict[str, dict[S, tuple[str, S]]] = {
    "ADD": {S.FREE: (OK, S.MAPPED)},
    "AUG": AUG,
    "BLOCK": BLOCK,
    "UNBLOCK": UNBLOCK,
    "REMOVE": dict.fromkeys((S.MAPPED, S.PENDING, S.BLOCKED, S.PENDING_BLOCKED), (OK, S.FREE)),
}
"""Before TDH.MR.FINALIZE nobody runs, and nothing has to be tracked."""

LEAFS_2M: dict[str, tuple[Callable[[TdxModule], Call[Any]], dict[S, tuple[str, S]]]] = {
    "BLOCK 2M": (called("TDH.MEM.RANGE.BLOCK 2M"), BLOCK),
    "UNBLOCK 2M": (lambda module: module.tdh_mem_range_unblock("A", 1), UNBLOCK),
    "SEPT.ADD": (called("TDH.MEM.SEPT.ADD"), SEPT_ADD),
    "SEPT.REMOVE": (called("TDH.MEM.SEPT.REMOVE"), SEPT_REMOVE),
    "SEPT.RD 2M": (lambda module: module.tdh_mem_sept_rd("A", 1), SEPT_RD),
    "DEMOTE": (called("TDH.MEM.PAGE.DEMOTE"), DEMOTE),
    "REMOVE 2M": (called("TDH.MEM.PAGE.REMOVE 2M"), REMOVE),
    "ACCEPT 2M": (called("TDG.MEM.PAGE.ACCEPT 2M"), ACCEPT),
    "AUG 2M": (called("TDH.MEM.PAGE.AUG 2M", 3), AUG),
}

TD_LOCKS = ("tdr", "op_state", "sept.tree", "pamt[1]", "pamt[2]")
RESULT: Cell[str] = Cell(
    "result",
    "",
    one_of(
        [
            "",
            *STATUSES,
            "TDX_INTERRUPTED_RESTARTABLE",
            "TDX_LIFECYCLE_STATE_INCORRECT",
            "TDX_PAGE_METADATA_INCORRECT|RCX",
            *(a for a, _ in ACCEPT.values()),
        ]
    ),
)


@routine
async def note(call: Call[Any]) -> None:
    result = await call
    await store(RESULT, getattr(result, "name", None) or str(result))


def run(module: TdxModule, call: Call[Any]) -> Run:
    return automata_executor.run(Scenario("leaf", (Task("v0", note(call)),)), RandomWalk(0))


def td_with(state: S) -> Td:
    entry = SeptEntry(state, 0 if state is S.FREE else 1)
    return Td.build({"A": entry}, 2, ("v0",), ("v0",))


def td_with_2m(state: S, child: S = S.FREE) -> Td:
    below = SeptEntry(child, 0 if child is S.FREE else 3)
    return Td.build(
        {"A": below}, 3, ("v0",), ("v0",), SeptEntry(state, 0 if state is S.FREE else 1)
    )


def hold(
    this: TdxModule, call: Call[Any], entry: str, state: S, table: dict[S, tuple[str, S]]
) -> None:
    """Call a leaf: it says and leaves what the table has for that state of its entry,
    and gives back every lock.
    """
    cells = run(this, call).cells
    said, after = table.get(state, (INCORRECT, state))
    now = cells.get(entry, state.name)
    assert (cells["result"], now.split(" ")[0]) == (said, after.name)
    assert "TDEL" not in now
    assert {cells.get(lock, "free") for lock in TD_LOCKS} == {"free"}


@pytest.mark.parametrize(("level", "tables"), [(0, LEAFS), (1, LEAFS_2M)])
def test_every_leaf_of_the_registry_that_has_an_entry_has_a_table_here(
    level: int, tables: dict[str, Any]
) -> None:
    names = [leaf.name for leaf in EVERY if leaf.level == level]
    assert {re.sub(r"^TD[HG]\.MEM\.(PAGE\.|RANGE\.)?", "", name) for name in names} <= tables.keys()


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("leaf", LEAFS)
def test_every_leaf_on_every_state(leaf: str, state: S, module: type[TdxModule]) -> None:
    """A page blocked in an older epoch, by the way the cells begin, is tracked."""
    enter, table = LEAFS[leaf]
    this = module(td_with(state))
    hold(this, enter(this), "sept[A]", state, table)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("leaf", BUILDING)
def test_every_leaf_on_every_state_before_finalization(leaf: str, state: S) -> None:
    this = Module_1_5_01(attrs.evolve(td_with(state), finalized=False))
    hold(this, LEAFS[leaf][0](this), "sept[A]", state, BUILDING[leaf])


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("leaf", LEAFS_2M)
def test_every_leaf_on_every_state_of_a_2m_entry(
    leaf: str, state: S, module: type[TdxModule]
) -> None:
    enter, table = LEAFS_2M[leaf]
    this = module(td_with_2m(state))
    hold(this, enter(this), "sept[A.2M]", state, table)


@pytest.mark.parametrize(
    ("state", "below"),
    [
        (S.BLOCKED, S.MAPPED),
        (S.PENDING_BLOCKED, S.PENDING),
        (S.MAPPED, S.MAPPED),
        (S.PENDING, S.PENDING),
    ],
)
def test_what_demote_leaves_below(state: S, below: S) -> None:
    """Before finalization nothing has to be blocked.

    The small pages are where the large one was, and unblocked.
    """
    td = attrs.evolve(td_with_2m(state), finalized=state.is_blocked)
    this = Module_1_5_01(td)
    cells = run(this, this.tdh_mem_page_demote("A", 1, 2)).cells
    assert (cells["sept[A.2M]"], cells["sept[A]"]) == ("NL_MAPPED pfn 2", f"{below.name} pfn 1")
    assert cells["pamt[2].pt"] == "EPT"


@pytest.mark.parametrize("version", [release.version for release in RELEASES])
def test_a_host_interrupt_ends_demote_before_1_5_28_and_2_0_16(version: str) -> None:
    """It may: both are explored, and what is interrupted has changed nothing and holds nothing."""
    this = release_named(version)(td_with_2m(S.BLOCKED), given=("interrupts",))
    task = Task("v0", note(this.tdh_mem_page_demote("A", 1, 2)))
    finals = explore(Scenario("leaf", (task,)), finals=True).final_states
    said = {final["result"]: final.get("sept[A.2M]") for final in finals}
    assert said.pop(OK) == "NL_MAPPED pfn 2"
    interrupted = version < ("2.0.16" if version.startswith("2") else "1.5.28")
    assert said == ({"TDX_INTERRUPTED_RESTARTABLE": "BLOCKED pfn 1"} if interrupted else {})


@pytest.mark.parametrize("module", FAMILIES)
def test_demote_gives_way_to_a_host_that_the_tree_turned_away(module: type[TdxModule]) -> None:
    """DEMOTE has the tree shared, BLOCK wants it exclusively, fails, and sets the bit:
    1.5.20 to 1.5.25, and 2.0.14.
    """
    td = Td.build({"A": SeptEntry()}, 3, (), ("v0", "v1"), SeptEntry(S.BLOCKED, 1))
    this = module(td)
    tasks = (
        Task("v0", note(this.tdh_mem_page_demote("A", 1, 2))),
        Task("v1", ignore(this.tdh_mem_range_block("A", 1))),
    )
    finals = explore(Scenario("leafs", tasks), finals=True).final_states
    said = {final["result"] for final in finals} - {ENTRY_BUSY, TREE_BUSY}
    feels = module is Module_1_5_20
    assert said == ({OK, GAVE_WAY} if feels else {OK})
    assert {final.get("sept.tree", "free") for final in finals} == (
        {"free", "free HP"} if feels else {"free"}
    )
    left = {
        final.get("sept[A.2M]", "BLOCKED pfn 1") for final in finals if final["result"] == GAVE_WAY
    }
    assert left <= {"BLOCKED pfn 1", "BLOCKED pfn 1 TDHP"}


@routine
async def ignore(call: Call[Any]) -> None:
    await call


@pytest.mark.parametrize("mode", list(Mode))
def test_a_host_that_gets_the_tree_clears_its_priority_and_one_that_does_not_sets_it(
    mode: Mode,
) -> None:
    """1.5.24's acquire_sharex_lock_hp_sh() and _ex(), step by step."""
    holder = Holder("v1", "TDH.MEM.SEPT.ADD")
    for word, steps, left in (
        (Sharex(), [f"try_{mode.value}"], "free"),
        (
            Sharex(hp=True),
            [f"try_{mode.value}", "and_HP" if mode is Mode.SHARED else "cmpxchg_HP"],
            "free",
        ),
        (Sharex(exclusive=holder), [f"try_{mode.value}", "or_HP"], "X v1 TDH.MEM.SEPT.ADD HP"),
    ):
        td = Td.build({"A": SeptEntry()}, 1, (), ("v0", "v1"))
        td = attrs.evolve(td, sept_tree=attrs.evolve(td.sept_tree, initial=word))
        done = automata_executor.run(
            Scenario("tree", (Task("v0", taking(Module_1_5_20(td), mode)),)), RandomWalk(0)
        )
        points = [step.point.removeprefix("sept.tree.") for step in done.steps]
        assert [point for point in points if not point.startswith("release")] == steps
        assert done.cells.get("sept.tree", "free") == left


@routine
async def taking(module: TdxModule, mode: Mode) -> None:
    if not await module.lock_tree(mode, "leaf"):
        await release(module.td.sept_tree, mode)


def test_the_second_attempt_at_the_tree_may_lose() -> None:
    """Two hosts that find the bit set: the one whose second cmpxchg is too late is BUSY,
    with the tree free or held.
    """
    td = Td.build({"A": SeptEntry()}, 1, (), ("v0", "v1"))
    td = attrs.evolve(td, sept_tree=attrs.evolve(td.sept_tree, initial=Sharex(hp=True)))
    this = Module_1_5_20(td)
    tasks = (
        Task("v0", note(this.tdh_mem_range_block("A"))),
        Task("v1", ignore(this.tdh_mem_sept_rd("A"))),
    )
    said = {
        final["result"] for final in explore(Scenario("leafs", tasks), finals=True).final_states
    }
    assert {TREE_BUSY, INCORRECT} <= said
    lost = Try(is_lost=True)
    assert (bool(lost), str(lost), causes(Operand.SEPT_TREE, lost)) == (True, "busy", ("priority",))


@pytest.mark.parametrize(
    ("torn_down", "page", "said"),
    [
        (True, 1, OK),
        (False, 1, "TDX_LIFECYCLE_STATE_INCORRECT"),
        (True, 2, "TDX_PAGE_METADATA_INCORRECT|RCX"),
    ],
)
def test_a_page_is_reclaimed_from_a_td_that_is_torn_down(
    page: int, said: str, *, torn_down: bool
) -> None:
    this = Module_1_5_01(attrs.evolve(td_with_2m(S.NL_MAPPED), torn_down=torn_down))
    cells = run(this, this.tdh_phymem_page_reclaim(page)).cells
    assert cells["result"] == said
    assert {cells.get(lock, "free") for lock in TD_LOCKS} == {"free"}
    assert cells.get("sept[A.2M]", "NL_MAPPED pfn 1") == "NL_MAPPED pfn 1"


def test_a_table_that_was_never_used_goes_without_a_block_before_finalization() -> None:
    td = Td.build(
        {"A": SeptEntry()}, 2, ("v0",), ("v0",), SeptEntry(S.NL_MAPPED, 1), finalized=False
    )
    module = Module_1_5_01(td)
    assert run(module, module.tdh_mem_sept_remove("A", 1)).cells["result"] == OK


@pytest.mark.parametrize("state", [S.FREE, S.NL_BLOCKED, S.MAPPED])
def test_attr_rd_locks_the_entry_that_its_walk_stopped_at(state: S) -> None:
    module = Module_1_5_01(td_with_2m(state))
    steps = run(module, module.tdg_mem_page_attr_rd("A")).steps
    assert "sept[A.2M].bts_TDEL" in [step.point for step in steps]


@pytest.mark.parametrize("state", [S.FREE, S.NL_BLOCKED, S.MAPPED, S.PENDING, S.BLOCKED])
def test_nothing_is_found_below_what_is_no_mapped_table(state: S) -> None:
    for leaf in ("AUG", "BLOCK", "REMOVE", "UNBLOCK", "SEPT.RD"):
        module = Module_1_5_01(td_with_2m(state))
        assert run(module, LEAFS[leaf][0](module)).cells["result"] == WALK


@pytest.mark.parametrize("child", [S.MAPPED, S.PENDING, S.BLOCKED, S.PENDING_BLOCKED])
def test_a_table_goes_only_when_all_of_it_is_free(child: S) -> None:
    module = Module_1_5_01(td_with_2m(S.NL_BLOCKED, child))
    assert run(module, module.tdh_mem_sept_remove("A", 1)).cells["result"] == NOT_FREE


@pytest.mark.parametrize("module", FAMILIES)
def test_what_was_just_blocked_is_in_some_tlb(module: type[TdxModule]) -> None:
    """A vCPU that entered before may use it still: UNBLOCK,
    SEPT.REMOVE and PAGE.REMOVE all want the TRACK sequence.
    """
    tree, rcx = UNTRACKED
    for block, then, said in (
        ("tdh_mem_range_block", "tdh_mem_range_unblock", tree if module is Module_1_5_01 else rcx),
        ("tdh_mem_range_block", "tdh_mem_page_remove", rcx),
    ):
        this = module(td_with(S.MAPPED))
        calls = tuple(getattr(this, name)("A") for name in (block, then))
        result = automata_executor.run(
            Scenario("leafs", (Task("v0", one_after_the_other(calls)),)), RandomWalk(0)
        )
        assert result.cells["result"] == said
    this = module(td_with_2m(S.NL_MAPPED))
    calls = (this.tdh_mem_range_block("A", 1), this.tdh_mem_sept_remove("A", 1))
    result = automata_executor.run(
        Scenario("leafs", (Task("v0", one_after_the_other(calls)),)), RandomWalk(0)
    )
    assert result.cells["result"] == rcx


@routine
async def one_after_the_other(calls: tuple[Call[Any], ...]) -> None:
    """Each of these, with no TRACK in between."""
    for call in calls:
        await note(call)


def test_a_new_table_is_free_all_over() -> None:
    module = Module_1_5_01(td_with_2m(S.FREE, S.PENDING))
    cells = run(module, module.tdh_mem_sept_add("A", 1, 2)).cells
    assert (cells["sept[A.2M]"], cells["sept[A]"]) == ("NL_MAPPED pfn 2", "FREE")


MATRIX = {
    "AUG": {"tdr": "shared", "op_state": "shared", "sept.tree": "shared", "pamt[2]": "exclusive"},
    "BLOCK": {"tdr": "shared", "op_state": "shared", "sept.tree": "exclusive"},
    "REMOVE": {
        "tdr": "shared",
        "op_state": "shared",
        "sept.tree": "shared",
        "pamt[1]": "exclusive",
    },
    "ACCEPT": {},
    "TRACK": {"tdr": "shared", "op_state": "shared", "epoch.lock": "exclusive"},
}
STARTS = {
    "AUG": S.FREE,
    "BLOCK": S.MAPPED,
    "REMOVE": S.BLOCKED,
    "ACCEPT": S.PENDING,
    "TRACK": S.FREE,
}


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("leaf", MATRIX)
def test_the_lock_matrix_comes_out_of_running(leaf: str, module: type[TdxModule]) -> None:
    this = module(td_with(STARTS[leaf]))
    call = this.tdh_mem_track() if leaf == "TRACK" else LEAFS[leaf][0](this)
    taken = {}
    for step in run(this, call).steps:
        lock, _, what = step.point.rpartition(".")
        if what.startswith("try_"):
            taken[lock] = what.removeprefix("try_")
    assert taken == MATRIX[leaf]


@pytest.mark.parametrize("leaf", ["AUG", "BLOCK", "REMOVE", "ACCEPT"])
def test_every_leaf_on_an_entry_locks_that_entry(leaf: str) -> None:
    this = Module_1_5_01(td_with(STARTS[leaf]))
    points = [step.point for step in run(this, LEAFS[leaf][0](this)).steps]
    assert points.count("sept[A].bts_TDEL") == 1


def test_a_page_that_belongs_to_somebody_cannot_be_added() -> None:
    td = Td.build({"A": SeptEntry(), "B": SeptEntry(S.MAPPED, 1)}, 1, (), ("v0",))
    module = Module_1_5_01(td)
    with pytest.raises(Exception, match="TDX_PAGE_METADATA_INCORRECT"):
        run(module, module.tdh_mem_page_aug("A", 1))


def test_aug_is_the_ordered_steps_of_its_c_function() -> None:
    module = Module_1_5_01(td_with(S.FREE))
    points = [step.point for step in run(module, module.tdh_mem_page_aug("A", 2)).steps]
    assert points == [
        "tdr.try_shared",
        "op_state.try_shared",
        "sept.tree.try_shared",
        "sept[A.2M].load",
        "sept[A].bts_TDEL",
        "sept[A].btr_TDHP",
        "sept[A].load",
        "pamt[2].try_exclusive",
        "pamt[2].pt.load",
        "sept[A].store_PENDING",
        "pamt[2].pt.store",
        "pamt[2].release_exclusive",
        "sept.tree.release_shared",
        "op_state.release_shared",
        "tdr.release_shared",
        "result.store",
    ]
