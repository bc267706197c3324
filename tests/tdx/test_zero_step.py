"""Zero-step mitigation: six exits count, the seventh is listed, and the next entry looks."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from sim.engine.model.routines import Again, Done, repeat, routine
from sim.engine.model.scenario import Scenario, Task
from sim.engine.run import automata_executor
from sim.engine.run.scheduler import RandomWalk
from sim.tdx.lp import irq
from sim.tdx.module import TdxModule
from sim.tdx.releases import Module_1_5_01, Module_1_5_28
from sim.tdx.sept import SeptEntry, SeptState
from sim.tdx.td import Td
from sim.tdx.vp_enter import Guest, Instruction
from sim.tdx.zero_step import EPF_GPA_LIST_SIZE, STEPPING_EPF_THRESHOLD, Tdvps


def test_six_violations_count_and_the_seventh_is_listed() -> None:
    now = Tdvps(rip=3, rip_on_entry=3)
    for _ in range(6):
        now = now.td_exit_epf_stepping_log("A")
        assert now.last_epf_gpa_list == ()
    assert now.possibly_epf_stepping == STEPPING_EPF_THRESHOLD == 6
    now = now.td_exit_epf_stepping_log("A")
    assert now.last_epf_gpa_list == ("A",)
    assert now.td_exit_epf_stepping_log("A") == now
    assert now.td_exit_epf_stepping_log("B").last_epf_gpa_list == ("A", "B")


def test_the_list_has_room_for_32_pages() -> None:
    now = Tdvps(0, 0, STEPPING_EPF_THRESHOLD, tuple(map(str, range(EPF_GPA_LIST_SIZE))))
    assert now.td_exit_epf_stepping_log("A") == now
    assert EPF_GPA_LIST_SIZE == 32


def test_any_exit_with_another_rip_clears_counter_and_list() -> None:
    armed = Tdvps(5, 5, STEPPING_EPF_THRESHOLD, ("A",))
    assert armed.vmexit_stepping_filter() == armed
    moved = attrs.evolve(armed, rip=6)
    assert moved.vmexit_stepping_filter() == Tdvps(6, 5)
    assert moved.td_exit_epf_stepping_log("B") == Tdvps(6, 5, possibly_epf_stepping=1)


@routine
async def enter_again(
    module: TdxModule, guest: Guest, tdvps: Tdvps, left: int
) -> Again | Done[Tdvps]:
    """A host that enters the guest again and again and never maps what it faults on."""
    _, tdvps = await module.tdh_vp_enter(guest, tdvps)
    return Again(module, guest, tdvps, left - 1) if left > 1 else Done(tdvps)


@routine
async def host(module: TdxModule, guest: Guest, tdvps: Tdvps, times: int) -> None:
    await repeat(enter_again, module, guest, tdvps, times)


def points(
    module: type[TdxModule], state: SeptState, times: int, without: tuple[str, ...] = ()
) -> list[str]:
    td = Td.build({"A": SeptEntry(state, 1 if state.is_leaf else 0)}, 1, ("v1",), ("v1",))
    guest = Guest("v1", ((Instruction.TOUCH, "A"),), irq("v1.irq"))
    call = host(module(td, without), guest, Tdvps(), times)
    return [
        step.point
        for step in automata_executor.run(
            Scenario("enter", (Task("v1", call),)), RandomWalk(0)
        ).steps
    ]


@pytest.mark.parametrize(
    ("module", "mode"),
    [(Module_1_5_01, "exclusive"), (Module_1_5_28, "shared")],
    ids=["OLD", "NEW"],
)
def test_the_eighth_entry_takes_the_tree(module: type[TdxModule], mode: str) -> None:
    """Seven exits at one RIP: the eighth TDH.VP.ENTER looks, finds the page missing,
    and does not enter.
    """
    assert f"sept.tree.try_{mode}" not in points(module, SeptState.FREE, 7)
    eighth = points(module, SeptState.FREE, 8)[len(points(module, SeptState.FREE, 7)) :]
    assert eighth.count(f"sept.tree.try_{mode}") == 1
    assert "v1.irq.pending" not in eighth


def test_without_the_mitigation_nobody_looks() -> None:
    assert not any(
        "tree" in point for point in points(Module_1_5_01, SeptState.FREE, 9, ("zero-step",))
    )


def test_a_page_that_waits_for_its_guest_is_still_expected_to_fault() -> None:
    """PENDING is not mapped: the host has done its part, and the vCPU is kept out all the same."""
    assert "sept.tree.try_exclusive" in points(Module_1_5_01, SeptState.PENDING, 8)


def test_a_mapped_page_lets_the_guest_in_and_the_list_is_forgotten() -> None:
    assert not any("tree" in point for point in points(Module_1_5_01, SeptState.MAPPED, 9))


def test_tdcalls_do_not_count() -> None:
    """An EPT violation that TDG.MEM.PAGE.ACCEPT raises leaves counter and list as they are."""
    td = Td.build({"A": SeptEntry()}, 1, ("v1",), ("v1",))
    guest = Guest("v1", ((Instruction.ACCEPT, "A"),), irq("v1.irq"))
    call: Any = host(Module_1_5_01(td), guest, Tdvps(), 12)
    run = automata_executor.run(Scenario("accept", (Task("v1", call),)), RandomWalk(0))
    assert not any("tree" in step.point for step in run.steps)
