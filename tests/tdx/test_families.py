"""What is known of the module's families, point by point; and that each test notices the module
that answers as the model did before it was known.

Points 1 to 6 and 8 of the families' digest. A mutant is a class that takes one of them back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from sim.engine.model.cells import Cell
from sim.engine.model.operations import store
from sim.engine.model.routines import routine
from sim.engine.model.scenario import Scenario, Task
from sim.engine.run import automata_executor
from sim.engine.run.scheduler import RandomWalk
from sim.kvm.versions import HugePages, Series
from sim.kvm.x86 import Kvm
from sim.scenarios import transitions
from sim.scenarios.library import recipe_named
from sim.search.explore import explore
from sim.surveys import contention
from sim.surveys.contention import Relation, meeting
from sim.tdx.leafs import LEAFS
from sim.tdx.lp import irq
from sim.tdx.module import TdxModule
from sim.tdx.releases import (
    Module_1_5_01,
    Module_1_5_05,
    Module_1_5_20,
    Module_1_5_28,
    Module_1_5_34,
)
from sim.tdx.sept import SeptEntry, SeptState
from sim.tdx.status import Operand
from sim.tdx.td import Td
from sim.tdx.tdg_mem import Accepted
from sim.tdx.vp_enter import Guest, Instruction
from sim.tdx.zero_step import Tdvps


class _Text:
    def __contains__(self, value: object) -> bool:
        return isinstance(value, str)


SAID = Cell("said", "", _Text())
Asked = Callable[[type[TdxModule], pytest.MonkeyPatch], bool]


def found(
    patch: pytest.MonkeyPatch, row: str, module: type[TdxModule], *without: str, **given: str
) -> set[str]:
    """What exploring a row finds, with this class in the place of its release."""
    patch.setattr(transitions, "release_named", lambda _version: module)
    exploration = explore(recipe_named(row).scenario({"module": "1.5.01", **given}, without))
    return {str(one.finding) for one in exploration.found}


def met_on(
    module: type[TdxModule], one: str, two: str, wanted: Relation
) -> list[contention.Meeting]:
    """What the lock matrix has of two leafs whose operands are so related."""
    mine, theirs = (next(leaf for leaf in LEAFS if leaf.name == name) for name in (one, two))
    return [
        meeting(module, mine, theirs, relation, (ours, others))
        for relation, ours, others in contention.relations(mine, theirs)
        if relation is wanted
    ]


# 1: up to 1.5.28 a guest takes TDEL before it looks at TDHP, and so can keep a host out for ever


def keeps_a_host_out(module: type[TdxModule], patch: pytest.MonkeyPatch) -> bool:
    return "livelock v2" in found(patch, "np-to-leaf-shared", module, "hp-timeout")


@attrs.frozen(eq=False)
class LooksFirst(Module_1_5_28):
    sept_lock_acquire_guest = Module_1_5_34.sept_lock_acquire_guest


# 2: in the third family a host interrupt still ends DEMOTE


def is_ended_by_an_interrupt(module: type[TdxModule], patch: pytest.MonkeyPatch) -> bool:
    row = "leaf-to-nonleaf-exclusive"
    return found(patch, row, module, interrupts="host", contenders="none") == {
        "TDX_BUG_ON tdx_sept_split_private_spte",
        "KVM_BUG_ON handle_changed_spte",
    }


@attrs.frozen(eq=False)
class IsNotInterrupted(Module_1_5_20):
    DEMOTE_IS_INTERRUPTED = False


# 3: and there it gives way to a host that the tree turned away


def gives_way(module: type[TdxModule], _patch: pytest.MonkeyPatch) -> bool:
    (met,) = met_on(module, "TDH.MEM.PAGE.DEMOTE", "TDH.MEM.RANGE.BLOCK", Relation.FAMILY)
    return "TDX_INTERRUPTED_BUSY" in met.busy_one


@attrs.frozen(eq=False)
class FeelsNothing(Module_1_5_20):
    DEMOTE_FEELS_TREE_HP = False


# 4: AUG shows its entry before its page has an owner, and who finds such a page halts the module


def halts(module: type[TdxModule], _patch: pytest.MonkeyPatch) -> bool:
    (met,) = met_on(module, "TDH.MEM.PAGE.AUG", "TDH.MEM.PAGE.REMOVE", Relation.SAME)
    return met.halts


@attrs.frozen(eq=False)
class AsksNobody(Module_1_5_01):
    @routine
    async def pamt_implicit_get(self, pfn: int) -> None:
        pass


# 5: from 1.5.05 on UNBLOCK names RCX where it says that tracking is not done


@routine
async def block_and_take_back(module: TdxModule) -> None:
    await module.tdh_mem_range_block("A")
    await store(SAID, str(await module.tdh_mem_range_unblock("A")))


def names_rcx(module: type[TdxModule], _patch: pytest.MonkeyPatch) -> bool:
    td = Td.build({"A": SeptEntry(SeptState.MAPPED, 1)}, 1, ("v1",), ("v0",))
    one = Task("v0", block_and_take_back(module(td)))
    run = automata_executor.run(Scenario("unblock", (one,)), RandomWalk(0))
    return run.cells["said"] == "TDX_TLB_TRACKING_NOT_DONE|RCX"


@attrs.frozen(eq=False)
class NamesTheTree(Module_1_5_05):
    UNTRACKED_UNBLOCK = Operand.SEPT_TREE


# 6: that a guest was turned away by host priority outlives an EPT violation that its ACCEPT raised


@routine
async def enter(module: TdxModule, guest: Guest, tdvps: Tdvps) -> None:
    """Run a guest once; what came of it, and whether host priority is remembered."""
    exit, after = await module.tdh_vp_enter(guest, tdvps)
    await store(SAID, f"{exit.reason.name if exit.reason else ''} {after.hp_lock_busy}")


def remembers(module: type[TdxModule], _patch: pytest.MonkeyPatch) -> bool:
    this = module(Td.build({"A": SeptEntry()}, 1, ("v1",), ("v1",)))
    guest = Guest("v1", ((Instruction.ACCEPT, "A"),), irq("v1.irq"))
    task = Task("v1", enter(this, guest, Tdvps(hp_lock_busy=True)))
    run = automata_executor.run(Scenario("violation", (task,)), RandomWalk(0))
    return run.cells["said"] == "EPT_VIOLATION True"


@attrs.frozen(eq=False)
class Forgets(Module_1_5_01):
    @routine
    async def _tdcall(self, guest: Guest, tdvps: Tdvps, said: Accepted) -> Any:
        if said is Accepted.EPT_VIOLATION:
            tdvps = attrs.evolve(tdvps, hp_lock_busy=False)
        return await Module_1_5_01._tdcall(self, guest, tdvps, said)


# 8: what is in the way of a page may lie in another 2M range


def meets_in_another_range(module: type[TdxModule], _patch: pytest.MonkeyPatch) -> bool:
    met = met_on(module, "TDH.MEM.SEPT.ADD", "TDH.MEM.PAGE.AUG", Relation.PAGE)
    return [(one.busy_one, one.busy_two) for one in met] == [(_R8, _R8)]


_R8 = ("TDX_OPERAND_BUSY|R8",)


POINTS: tuple[tuple[Asked, type[TdxModule], type[TdxModule]], ...] = (
    (keeps_a_host_out, Module_1_5_28, LooksFirst),
    (is_ended_by_an_interrupt, Module_1_5_20, IsNotInterrupted),
    (gives_way, Module_1_5_20, FeelsNothing),
    (halts, Module_1_5_01, AsksNobody),
    (names_rcx, Module_1_5_05, NamesTheTree),
    (remembers, Module_1_5_01, Forgets),
)


@pytest.mark.parametrize(
    ("is_so", "module", "mutant"), POINTS, ids=lambda of: getattr(of, "__name__", "")
)
def test_a_point_holds_and_a_mutant_is_noticed(
    is_so: Asked, module: type[TdxModule], mutant: type[TdxModule], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert is_so(module, monkeypatch)
    assert not is_so(mutant, monkeypatch)


def test_what_is_in_the_way_of_a_page_may_lie_in_another_range(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With one range alone the two are never on one page: there is no table, or the entry is not
    free.
    """
    assert meets_in_another_range(Module_1_5_01, monkeypatch)
    monkeypatch.setattr(contention, "_RANGES", (("A", "B", "D"),))
    monkeypatch.setattr(contention, "_TABLES", (4,))
    monkeypatch.setattr(contention, "_LARGE", (6,))
    monkeypatch.setattr(contention, "_starts", _of_one_range)
    assert not meets_in_another_range(Module_1_5_01, monkeypatch)


def _of_one_range(_leafs: object) -> Any:
    for above in (SeptState.FREE, SeptState.NL_MAPPED):
        yield dict.fromkeys(("A", "B", "D"), SeptState.FREE), (above,)


@pytest.mark.parametrize(("module", "is_kept_out"), [(Module_1_5_05, True), (Module_1_5_20, False)])
def test_a_guest_with_ve_is_kept_out_by_a_pending_page_before_1_5_20(
    module: type[TdxModule], is_kept_out: bool
) -> None:
    """Its list has a page that the host has added and it has not accepted, as it would."""
    td = Td.build({"A": SeptEntry(SeptState.PENDING, 1)}, 1, ("v1",), ("v1",))
    guest = Guest("v1", ((Instruction.TOUCH, "A"),), irq("v1.irq"))
    listed = Tdvps(rip_on_entry=0, last_epf_gpa_list=("A",))
    task = Task("v1", enter(module(td, given=("ve",)), guest, listed))
    run = automata_executor.run(Scenario("list", (task,)), RandomWalk(0))
    assert run.cells["said"].split()[0] == ("EPT_VIOLATION" if is_kept_out else "TDVMCALL")
    assert run.cells["sept[A]"].split()[0] == ("PENDING" if is_kept_out else "MAPPED")


@pytest.mark.parametrize("kernel", [Series, HugePages])
def test_no_kernel_halts_the_module(kernel: type[Kvm]) -> None:
    """KVM blocks a page, under the write lock, before it removes it."""
    for row in ("leaf-to-np-exclusive", "leaf-to-nonleaf-exclusive"):
        scenario = recipe_named(row).scenario({"kernel": kernel.VERSION})
        assert not [one for one in explore(scenario).found if one.finding.kind == "halt"]
