"""Where families of modules part, on one S-EPT entry and in its epochs.

And which release is of which.
"""

from __future__ import annotations

import pytest

from sim.engine.model.cells import Cell, members
from sim.engine.model.operations import store
from sim.engine.model.routines import Call, routine
from sim.engine.model.scenario import Scenario, Task
from sim.engine.run import automata_executor
from sim.engine.run.scheduler import RandomWalk
from sim.search.explore import explore
from sim.tdx.epoch import advance, sample
from sim.tdx.locks import Holder
from sim.tdx.module import TdxModule
from sim.tdx.releases import (
    FAMILIES,
    ONE_OF_EACH,
    RELEASES,
    Module_1_5_01,
    Module_1_5_20,
    Module_1_5_28,
    Module_1_5_34,
    release_named,
)
from sim.tdx.sept import SeptEntry, SeptState
from sim.tdx.status import Status
from sim.tdx.td import Td
from sim.tdx.tdg_mem import Accepted

OLD, NEW = Module_1_5_01, Module_1_5_34
BACKS_OUT = ("sept[A].bts_TDEL", "sept[A].load", "sept[A].btr_TDEL")
SAID: Cell[Accepted | None] = Cell(
    "said", None, type("Said", (), {"__contains__": lambda _self, _value: True})()
)


@routine
async def guest(call: Call[Accepted]) -> None:
    await store(SAID, await call)


@routine
async def host(call: Call[Status]) -> None:
    await call


def td_with(entry: SeptEntry) -> Td:
    return Td.build({"A": entry}, 1, ("v1",), ("v0", "v1"))


def said(module: type[TdxModule], entry: SeptEntry) -> set[str]:
    """What ACCEPT may say while a host AUGs the same page."""
    this = module(td_with(entry))
    tasks = (
        Task("v0", host(this.tdh_mem_page_aug("A", 1))),
        Task("v1", guest(this.tdg_mem_page_accept("A"))),
    )
    return {state["said"] for state in explore(Scenario("race", tasks), finals=True).final_states}


def test_old_accept_may_call_a_fresh_page_the_wrong_size() -> None:
    """Walk sees FREE, AUG makes it PENDING, and `is_leaf` is the walk's: fixed in 1.5.28."""
    assert said(OLD, SeptEntry()) == {
        "EPT_VIOLATION",
        "SUCCESS",
        "BUSY",
        "BUSY_HOST_PRIORITY",
        "SIZE_MISMATCH",
    }
    assert said(Module_1_5_20, SeptEntry()) == said(OLD, SeptEntry())
    assert said(Module_1_5_28, SeptEntry()) == {
        "EPT_VIOLATION",
        "SUCCESS",
        "BUSY",
        "BUSY_HOST_PRIORITY",
    }
    assert said(NEW, SeptEntry()) == {"EPT_VIOLATION", "SUCCESS", "BUSY"}


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        *((module, ["sept[A.2M].load", "sept[A].load", *BACKS_OUT]) for module in FAMILIES[:4]),
        (NEW, ["sept[A.2M].load", "sept[A].load", "sept[A].load"]),
    ],
    ids=[module.VERSION for module in FAMILIES],
)
def test_a_guest_gives_way_to_host_priority(module: type[TdxModule], expected: list[str]) -> None:
    """Up to 1.5.28 and 2.0.16 it takes the lock first and gives it back.

    Later it does not touch it.
    """
    this = module(td_with(SeptEntry(SeptState.PENDING, 1, tdhp=True)))
    run = automata_executor.run(
        Scenario("polite", (Task("v1", guest(this.tdg_mem_page_accept("A"))),)), RandomWalk(0)
    )
    assert [step.point for step in run.steps[:-1]] == expected
    assert run.cells["said"] == "BUSY_HOST_PRIORITY"
    assert run.cells["sept[A]"] == "PENDING pfn 1 TDHP"


@pytest.mark.parametrize("module", FAMILIES)
def test_a_commit_forgets_or_keeps_the_losers_claim(module: type[TdxModule]) -> None:
    """Keeps it from 1.5.20 on."""
    left = "MAPPED pfn 1 TDHP" if issubclass(module, Module_1_5_20) else "MAPPED pfn 1"
    this = module(td_with(SeptEntry()))
    commit = this.commit("A", SeptState.MAPPED, 1)
    (outcome,) = commit.outcomes(
        "v1", (SeptEntry(SeptState.PENDING, 1, Holder("v1", "TDG"), tdhp=True),)
    )
    assert str(outcome.values[0]) == left


def test_a_host_that_loses_an_entry_claims_priority() -> None:
    this = OLD(td_with(SeptEntry(SeptState.PENDING, 1, tdel=Holder("v1", "TDG.MEM.PAGE.ACCEPT"))))
    run = automata_executor.run(
        Scenario("loser", (Task("v0", host(this.tdh_mem_range_block("A"))),)), RandomWalk(0)
    )
    assert run.cells["sept[A]"] == "PENDING pfn 1 TDEL v1 TDHP"
    assert run.cells["sept.tree"] == run.cells["tdr"] == "free"


@routine
async def track_twice(module: TdxModule) -> None:
    """A vCPU enters, the epoch moves on, and the vCPU has not left."""
    td = module.td
    await sample(td.epoch_refcount, td.vp("v1").epoch)
    await advance(td.epoch_refcount, td.epochs)
    await store(CODE, str(await module.tdh_mem_track()))


CODE: Cell[str] = Cell(
    "code", "", type("Text", (), {"__contains__": lambda _self, value: isinstance(value, str)})()
)


def test_track_does_not_leave_the_epoch_before_last_behind() -> None:
    run = automata_executor.run(
        Scenario("track", (Task("v1", track_twice(OLD(td_with(SeptEntry())))),)), RandomWalk(0)
    )
    assert run.cells["code"] == "TDX_PREVIOUS_TLB_EPOCH_BUSY"
    assert run.cells["epoch.refcount"] == "0 now, 1 before"
    assert run.cells["epoch.lock"] == "free"


def test_states_are_all_there() -> None:
    assert len(members(SeptState).values) == 7


OF_FAMILY = {
    "1.5.01": "1.5.01",
    "1.5.05": "1.5.05 1.5.06 1.5.08 1.5.09 1.5.13 1.5.16 2.0.02 2.0.04 2.0.08",
    "1.5.20": "1.5.20 1.5.24 1.5.25 2.0.12 2.0.14",
    "1.5.28": "1.5.28 2.0.16",
    "1.5.34": "1.5.34 2.0.18",
}
"""Every release that is known, by the first one of its family; read off the releases' sources,
and typed in here."""


def test_every_release_is_of_one_family() -> None:
    families = {
        version: family for family, versions in OF_FAMILY.items() for version in versions.split()
    }
    assert {release.version: release.family.VERSION for release in RELEASES} == families
    assert [release.version for release in RELEASES] == sorted(families)
    assert all(family == release_named(version).VERSION for version, family in families.items())
    assert sorted(families[version] for version in ONE_OF_EACH) == [
        family.VERSION for family in FAMILIES
    ]


def test_what_was_read_is_said() -> None:
    known = {release.version: release.known for release in RELEASES}
    assert known["1.5.16"] == known["1.5.25"] == ""
    assert known["2.0.04"] == "by its neighbours"
    assert known["1.5.28"] == known["2.0.14"] == "read in part"
