"""The lock matrix that was measured, against the one that the module's sources give.

It is typed in here alone.
"""

from __future__ import annotations

from itertools import pairwise

import pytest

from sim.engine.model.cells import Cell
from sim.engine.model.scenario import Scenario, Task
from sim.search.explore import explore
from sim.surveys.contention import ONE, TWO, Meeting, Relation, meetings, note
from sim.tdx.leafs import LEAFS
from sim.tdx.lp import irq
from sim.tdx.module import TdxModule
from sim.tdx.releases import FAMILIES, Module_1_5_01, Module_1_5_20, Module_1_5_28, Module_1_5_34
from sim.tdx.sept import SeptEntry
from sim.tdx.td import Td
from sim.tdx.vp_enter import Guest
from sim.tdx.zero_step import Tdvps
from sim.view.results.contention import ABREAST, SIGNS, contention_lines, signs

S, X = "shared", "exclusive"
TDR, TREE, ENTRY, PAGE, EPOCH = "tdr", "SEPT_TREE", "RCX", "page", "TD_EPOCH"

Locks = dict[str, tuple[tuple[str, str], ...]]
LOCKS: Locks = {
    "TDH.MEM.SEPT.ADD": ((TDR, S), (TREE, S), (ENTRY, X), (PAGE, X)),
    "TDH.MEM.SEPT.REMOVE": ((TDR, S), (TREE, X), (ENTRY, X), (PAGE, X)),
    "TDH.MEM.SEPT.RD": ((TDR, S), (TREE, S), (ENTRY, X)),
    "TDH.MEM.PAGE.AUG": ((TDR, S), (TREE, S), (ENTRY, X), (PAGE, X)),
    "TDH.MEM.PAGE.AUG 2M": ((TDR, S), (TREE, S), (ENTRY, X), (PAGE, X)),
    "TDH.MEM.PAGE.REMOVE": ((TDR, S), (TREE, S), (ENTRY, X), (PAGE, X)),
    "TDH.MEM.PAGE.REMOVE 2M": ((TDR, S), (TREE, S), (ENTRY, X), (PAGE, X)),
    "TDH.MEM.PAGE.DEMOTE": ((TDR, S), (TREE, S), (ENTRY, X), (PAGE, X)),
    "TDH.MEM.RANGE.BLOCK": ((TDR, S), (TREE, X), (ENTRY, X)),
    "TDH.MEM.RANGE.BLOCK 2M": ((TDR, S), (TREE, X), (ENTRY, X)),
    "TDH.MEM.RANGE.UNBLOCK": ((TDR, S), (TREE, X), (ENTRY, X)),
    "TDH.MEM.PAGE.ADD": ((TDR, X), (PAGE, X)),
    "TDH.MEM.TRACK": ((TDR, S), (EPOCH, X)),
    "TDH.PHYMEM.PAGE.WBINVD": ((PAGE, S),),
    "TDH.PHYMEM.PAGE.RECLAIM": ((PAGE, X), (TDR, S)),
    "TDH.VP.ENTER": ((TDR, S), (EPOCH, S)),
    "TDH.VP.ENTER zero-step": ((TDR, S), (EPOCH, S), (TREE, X)),
    "TDG.MEM.PAGE.ACCEPT": ((ENTRY, X),),
    "TDG.MEM.PAGE.ACCEPT 2M": ((ENTRY, X),),
    "TDG.MEM.PAGE.ATTR.RD": ((ENTRY, X),),
    "TDG.MEM.PAGE.ATTR.WR": ((ENTRY, X),),
}
"""Section 6 of the digest of the module's sources, 1.5.01, in the order in which the locks are
taken; OP_STATE is shared by all of these, and guests run with TDR that their vCPU's TDH.VP.ENTER
holds."""

PAGE_OPERAND = {
    "TDH.MEM.SEPT.ADD": "R8",
    "TDH.MEM.PAGE.DEMOTE": "R8",
    "TDH.MEM.PAGE.AUG": "R8",
    "TDH.MEM.PAGE.AUG 2M": "R8",
    "TDH.MEM.PAGE.ADD": "R8",
}
TDR_OPERAND = {
    "TDH.PHYMEM.PAGE.RECLAIM": "TDR",
    "TDH.MEM.TRACK": "RCX",
    "TDH.VP.ENTER": "TDR",
    "TDH.VP.ENTER zero-step": "TDR",
}

OTHERWISE = {
    ("TDH.PHYMEM.PAGE.RECLAIM", "TDH.MEM.PAGE.ADD", Relation.TD): set[str](),
    ("TDH.MEM.PAGE.ADD", "TDH.PHYMEM.PAGE.RECLAIM", Relation.TD): set[str](),
    ("TDH.PHYMEM.PAGE.RECLAIM", "TDH.MEM.PAGE.ADD", Relation.PAGE): {"RCX", "TDR"},
    ("TDH.MEM.PAGE.ADD", "TDH.PHYMEM.PAGE.RECLAIM", Relation.PAGE): {"R8"},
}
"""RECLAIM asks for TDR once it knows the page's owner: never for a page that has none,
and for one that ADD has just given away while ADD still holds TDR."""

HALTS = {
    ("TDH.MEM.PAGE.AUG", "TDH.MEM.PAGE.REMOVE"),
    ("TDH.MEM.PAGE.AUG 2M", "TDH.MEM.PAGE.REMOVE 2M"),
    ("TDH.MEM.PAGE.AUG 2M", "TDH.MEM.PAGE.DEMOTE"),
}
"""On one entry: the second finds the page before AUG has given it an owner."""


def expected(one: str, two: str, relation: Relation, locks: Locks) -> set[str]:
    """The operands of the BUSY that `one` is answered because of `two`.

    It meets a lock that the other holds in a mode that excludes its own, unless an earlier lock
    keeps the two apart.
    """
    if (one, two, relation) in OTHERWISE:
        return OTHERWISE[one, two, relation]
    theirs, said = dict(locks[two]), set[str]()
    for name, mode in locks[one]:
        if is_common(name, one, two, relation) and X in (mode, theirs.get(name)) and name in theirs:
            names = {PAGE: PAGE_OPERAND.get(one, "RCX"), TDR: TDR_OPERAND.get(one, "RDX")}
            said.add(names.get(name, name))
            break
    return said


def is_common(name: str, one: str, two: str, relation: Relation) -> bool:
    """Whether a lock of that name is the same lock for both.

    Two leafs on one entry remove the same page. ATTR.RD locks the 2M entry where there is no table
    below it.
    """
    if name == PAGE:
        return relation is Relation.PAGE or (
            relation is Relation.SAME and one == two and "TDH.MEM.PAGE.REMOVE" in one
        )
    if name == ENTRY:
        return relation is Relation.SAME or (
            relation is Relation.FAMILY and "TDG.MEM.PAGE.ATTR.RD" in (one, two)
        )
    return True


def operands(busy: tuple[str, ...]) -> set[str]:
    """Of the answers, the operands; a guest is told of the entry in other words."""
    answers = (status for status in busy if status != "TDX_INTERRUPTED_BUSY")
    return {ENTRY if status.startswith("BUSY") else status.partition("|")[2] for status in answers}


@pytest.fixture(
    scope="module",
    params=[
        FAMILIES[0],
        *(pytest.param(family, marks=pytest.mark.slow) for family in FAMILIES[1:]),
    ],
    ids=lambda release: release.VERSION,
)
def met(request: pytest.FixtureRequest) -> tuple[type[TdxModule], list[Meeting]]:
    return request.param, list(meetings(request.param))


def test_what_was_measured_is_the_lock_matrix(met: tuple[type[TdxModule], list[Meeting]]) -> None:
    release, measured = met
    locks = dict(LOCKS)
    if issubclass(release, Module_1_5_20):
        locks["TDH.VP.ENTER zero-step"] = ((TDR, S), (EPOCH, S), (TREE, S))
    for meeting in measured:
        for one, two, busy in (
            (meeting.one, meeting.two, meeting.busy_one),
            (meeting.two, meeting.one, meeting.busy_two),
        ):
            gives_way = (
                release is Module_1_5_20
                and one == "TDH.MEM.PAGE.DEMOTE"
                and (TREE, X) in locks[two]
            )
            if meeting.relation is Relation.PAGE:
                # the other's page has an owner, unless that blocks a range with a table
                gives_way &= two == "TDH.MEM.RANGE.BLOCK 2M"
            assert ("TDX_INTERRUPTED_BUSY" in busy) == gives_way, (one, two, meeting.relation)
            assert operands(busy) == expected(one, two, meeting.relation, locks), (
                one,
                two,
                meeting.relation,
            )


def test_the_module_halts_where_a_page_is_mapped_before_it_has_an_owner(
    met: tuple[type[TdxModule], list[Meeting]],
) -> None:
    """Point 4 of the families' digest; in no pair that KVM makes, since KVM blocks first."""
    _, measured = met
    halting = {(one.one, one.two) for one in measured if one.halts}
    assert halting == HALTS
    assert {one.relation for one in measured if one.halts} == {Relation.SAME}


def test_only_guests_are_told_to_stand_back_and_by_one_look_before_1_5_34(
    met: tuple[type[TdxModule], list[Meeting]],
) -> None:
    """They look at TDHP after they have taken TDEL.

    From 1.5.34 on before, when no one has lost to them yet.
    """
    release, measured = met
    told = {
        meeting.one
        for meeting in measured
        if "BUSY_HOST_PRIORITY" in meeting.busy_two and meeting.two.startswith("TDG.")
    }
    assert bool(told) == (release is not Module_1_5_34)
    assert not any("HOST_PRIORITY" in status for meeting in measured for status in meeting.busy_one)


def test_every_leaf_is_there_and_every_pair(met: tuple[type[TdxModule], list[Meeting]]) -> None:
    _, measured = met
    assert {leaf.name for leaf in LEAFS} == LOCKS.keys()
    pairs = {frozenset((meeting.one, meeting.two)) for meeting in measured}
    assert len(pairs) == len(LEAFS) * (len(LEAFS) + 1) // 2


def test_the_matrix_fits_a_terminal_and_says_where_modules_differ() -> None:
    every = {release.VERSION: list(meetings(release)) for release in (Module_1_5_01, Module_1_5_28)}
    lines = list(contention_lines(every))
    columns = min(len(LEAFS), ABREAST)
    assert [len(line) for line in lines[3 : 4 + len(LEAFS)]] == [22 + 3 * columns] * (
        1 + len(LEAFS)
    )
    assert max(map(len, lines[3:])) <= 79
    assert "  TDH.MEM.PAGE.AUG beside TDH.VP.ENTER zero-step: . and not T" in lines
    assert all(before != after for before, after in pairwise(lines) if before)


def test_an_answer_that_is_new_gets_a_sign_of_its_own() -> None:
    """A letter of its operand, or another one, that nothing else has."""
    new = ("TDX_OPERAND_BUSY|OP_STATE", "TDX_OPERAND_BUSY|OP_STATES", "TDX_PREVIOUS_TLB_EPOCH_BUSY")
    found = signs([*new, "BUSY"])
    assert [found[status][0] for status in (*new, "BUSY")] == ["o", "s", "t", "g"]
    assert found[new[0]] == ("o", new[0])
    assert found.keys() == {*new, "BUSY"}
    many = signs([*SIGNS, *(f"TDX_OPERAND_BUSY|X{number}" for number in range(30))])
    assert len({sign for sign, _ in many.values()}) == len(SIGNS) + 30


@pytest.mark.parametrize("release", FAMILIES)
def test_two_entries_of_one_vcpu_share_its_tdvpr(release: type[TdxModule]) -> None:
    """Exclusive in a report of September 2024 on 1.5.05, shared in the source of 1.5.01:
    docs/fidelity.md.
    """
    module = release(Td.build({"A": SeptEntry()}, 1, ("v1", "another"), (ONE, TWO)))
    said = tuple(Cell(name, "", _Any()) for name in (ONE, TWO))
    calls = [module.tdh_vp_enter(Guest("v1", (), irq(f"{cell.name}.lp")), Tdvps()) for cell in said]
    tasks = tuple(Task(cell.name, note(cell, call)) for cell, call in zip(said, calls, strict=True))
    finals = explore(Scenario("one vCPU", tasks), liveness=False, finals=True).final_states
    assert not any("RCX" in final[cell.name] for final in finals for cell in said)


class _Any:
    def __contains__(self, value: object) -> bool:
        return True
