"""The fault path: what a guest's access comes to, and what keeps zero-step from waking."""

from __future__ import annotations

import pytest

from sim.engine.model.scenario import Property, Scenario, Task
from sim.kvm.versions import KERNELS, Series
from sim.kvm.x86 import Kvm
from sim.scenarios.at_rest import AtRest
from sim.scenarios.machine import machine
from sim.search.exploration import Exploration
from sim.search.explore import explore
from sim.tdx.module import TdxModule
from sim.tdx.releases import FAMILIES, Module_1_5_01
from sim.tdx.sept import SeptState
from sim.tdx.vp_enter import Instruction
from sim.tdx.zero_step import STEPPING_EPF_THRESHOLD, Tdvps

EVERY = [(kernel, module) for kernel in KERNELS.values() for module in FAMILIES]
IDS = [f"{kernel.VERSION}+{module.VERSION}" for kernel, module in EVERY]
each = pytest.mark.parametrize(("kernel", "module"), EVERY, ids=IDS)


def guests(
    kernel: type[Kvm], module: type[TdxModule], *programs: tuple[Instruction, ...], armed: str = ""
) -> Exploration:
    return explore(machine_with(kernel, module, *programs, armed=armed), finals=True)


def machine_with(
    kernel: type[Kvm], module: type[TdxModule], *programs: tuple[Instruction, ...], armed: str = ""
) -> Scenario:
    """vCPUs v1, v2, ... that run these instructions on gfn A, and nobody else."""
    names = [f"v{i}" for i in range(1, len(programs) + 1)]
    kvm = machine(
        kernel,
        module,
        sept={"A": SeptState.FREE, "B": SeptState.MAPPED},
        programs={
            name: tuple((instruction, "A") for instruction in program)
            for name, program in zip(names, programs, strict=True)
        },
        others=(),
    )
    first = Tdvps(0, 0, STEPPING_EPF_THRESHOLD, (armed,)) if armed else Tdvps()
    tasks = tuple(Task(vcpu.name, kvm.vcpu_run(vcpu, first)) for vcpu in kvm.vcpus)
    return Scenario("guests", tasks, AtRest(kvm).properties())


ACCEPT, TOUCH = Instruction.ACCEPT, Instruction.TOUCH


@each
def test_a_guest_that_accepts_gets_its_page(kernel: type[Kvm], module: type[TdxModule]) -> None:
    exploration = guests(kernel, module, (ACCEPT, TOUCH))
    assert exploration.clean
    assert {
        (s["sept[A]"], s["spte[A]"], s["stats.pages_4k"]) for s in exploration.final_states
    } == {("MAPPED pfn 1", "leaf pfn 1", "2")}


@each
def test_two_guests_that_accept_one_page_share_it(
    kernel: type[Kvm], module: type[TdxModule]
) -> None:
    """Freeze, retry, spurious fault, busy entry, already accepted: whatever happens,
    the page is mapped once.
    """
    exploration = guests(kernel, module, (ACCEPT,), (ACCEPT,))
    assert exploration.clean
    assert {
        (s["sept[A]"].removesuffix(" TDHP"), s["stats.pages_4k"]) for s in exploration.final_states
    } == {("MAPPED pfn 1", "2")}


@each
def test_a_touch_of_a_page_that_nobody_accepts_kills_the_vm(
    kernel: type[Kvm], module: type[TdxModule]
) -> None:
    """The second fault says that the page is PENDING:
    KVM gives the VM up without calling it bugged.
    """
    exploration = guests(kernel, module, (TOUCH,))
    assert exploration.clean
    assert {s["v1.req_vm_dead"] for s in exploration.final_states} == {"yes"}
    assert {s.get("vm_bugged", "no") for s in exploration.final_states} == {"no"}


@each
def test_a_vcpu_whose_listed_page_stays_pending_never_enters(
    kernel: type[Kvm], module: type[TdxModule]
) -> None:
    """Armed with the very page it waits for: fake EPT violations, one after another,
    and the run never ends.
    """
    exploration = guests(kernel, module, (ACCEPT,), armed="A")
    assert [str(found.finding) for found in exploration.found] == ["livelock v1"]
    assert exploration.final_states == ()


@pytest.mark.parametrize(("without", "armed"), [((), False), (("local-retry",), True)])
def test_the_local_retry_keeps_the_zero_step_list_empty(
    without: tuple[str, ...], *, armed: bool
) -> None:
    """How the list gets armed at all: seven faults in vain at one RIP,
    each of which lets the guest enter again.

    A fault that is retried in the host is one that the module does not see. An event or a signal
    that is pending breaks that off, and so does taking it out. What was listed stays PENDING once
    it is mapped, which is as good as missing: the vCPU never enters again, unless another one
    accepts the page.
    """
    kvm = machine(
        Series,
        Module_1_5_01,
        sept={"A": SeptState.FREE},
        programs={"v1": ((TOUCH, "A"),)},
        others=(),
        without=without,
        given=("invalidation",),
    )
    (vcpu,) = kvm.vcpus
    tree = kvm.module.td.sept_tree
    nobody = Property.whole("no-stepping", "armed", lambda look: look(tree).exclusive is None)
    found = explore(Scenario("arming", (Task("v1", kvm.vcpu_run(vcpu, Tdvps())),), (nobody,))).found
    assert [str(one.finding) for one in found] == (
        ["armed no-stepping", "livelock v1"] if armed else []
    )


def test_a_listed_page_that_stays_pending_keeps_its_vcpu_out_until_another_accepts_it() -> None:
    """v1 touches what it has on its list, PENDING: only v2's ACCEPT lets it in."""
    kvm = machine(
        Series,
        Module_1_5_01,
        sept={"A": SeptState.PENDING},
        programs={"v1": ((TOUCH, "A"),), "v2": ((ACCEPT, "A"),)},
        others=(),
    )
    armed = Tdvps(0, 0, STEPPING_EPF_THRESHOLD, ("A",))
    v1, v2 = kvm.vcpus
    alone = explore(
        Scenario("alone", (Task("v1", kvm.vcpu_run(v1, armed)),), AtRest(kvm).properties())
    )
    assert [str(one.finding) for one in alone.found] == ["livelock v1"]
    tasks = (Task("v1", kvm.vcpu_run(v1, armed)), Task("v2", kvm.vcpu_run(v2, Tdvps())))
    both = explore(Scenario("both", tasks, AtRest(kvm).properties()), finals=True)
    assert both.clean
    assert {final["sept[A]"].removesuffix(" TDHP") for final in both.final_states} == {
        "MAPPED pfn 1"
    }
