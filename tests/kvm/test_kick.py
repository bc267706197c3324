"""Kick-and-retry: break one part of it at a time, and see BUSY come back."""

from __future__ import annotations

import pytest

from sim.engine.operations import step
from sim.engine.routines import Call
from sim.kvm import kvm_main
from sim.kvm.kvm_main import KvmMain, Request, Vcpu
from sim.scenarios.library import recipe_named
from sim.search.explore import explore
from sim.search.result import Exploration

ZAP = recipe_named("leaf-to-np-exclusive")
ORDERS = pytest.mark.parametrize("order", ["before", "after"])


def zap(order: str, contenders: str, *without: str) -> Exploration:
    return explore(ZAP.scenario({"order": order, "contenders": contenders}, without))


def findings(exploration: Exploration) -> set[tuple[str, str]]:
    return {(found.finding.kind, cause) for found in exploration.found for cause in found.finding.causes}


@ORDERS
@pytest.mark.parametrize("contenders", ["zero-step", "tdcall", "none"])
def test_whole_it_is_clean(order: str, contenders: str) -> None:
    assert zap(order, contenders).clean


@ORDERS
@pytest.mark.parametrize("contender", ["zero-step", "tdcall"])
def test_without_the_kick_the_second_try_is_busy_and_tracking_is_not_done(order: str, contender: str) -> None:
    found = findings(zap(order, contender, "kick"))
    assert ("TDX_BUG_ON", contender) in found
    assert ("TDX_BUG_ON", "epoch") in found
    assert (("KVM_BUG_ON", contender) in found) == (order == "after")


@ORDERS
def test_without_the_flag_a_kicked_vcpu_comes_back_too_soon(order: str) -> None:
    assert ("TDX_BUG_ON", "zero-step") in findings(zap(order, "zero-step", "wait-for-sept-zap"))


@ORDERS
def test_a_kick_that_does_not_wait_is_no_kick(order: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kvm_main, "wait_for_ack", lambda lp: step(f"{lp.name}.not_waited_for"))
    assert ("TDX_BUG_ON", "zero-step") in findings(zap(order, "zero-step"))
    assert ("TDX_BUG_ON", "tdcall") in findings(zap(order, "tdcall"))


def test_one_zapper_never_meets_a_vcpu_that_is_exiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that waits does so for EXITING_GUEST_MODE too. Nothing else makes a vCPU exit here: it is not felt."""
    honest = KvmMain.kvm_request_needs_ipi

    def careless(self: KvmMain, vcpu: Vcpu, _request: Request) -> Call[bool]:
        return honest(self, vcpu, Request.VM_DEAD)

    monkeypatch.setattr(KvmMain, "kvm_request_needs_ipi", careless)
    assert zap("after", "tdcall").clean
