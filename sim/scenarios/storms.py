"""Storms: as many vCPUs, pages and zappers as one likes, and each decides as it goes what it does.

What cannot be explored is fuzzed. The tasks run the functions that the what-ifs run; only what they
are asked to do is left to choice: a guest's next instruction and the page that it is on, what a
zapper takes away, whom an interrupt hits. With `inject`, when a walk yields and a fault is stale is
left to chance as well.

Every other page is mapped at first. Every 2M range has a page table; with `levels=2M` the first one
has none, and is mapped at 2M by whoever faults there first, as long as no part of it has been given
up. Guests do no more than accept it at 2M: guests that accept a part of a large page are
`accept-4k`, and what keeps the next fault from mapping it at 2M again (the accept-level inhibit) is
not modelled. Zappers take single pages, so that a large page is split, and never goes whole: a
range of one page is refused where anybody zaps. A guest touches pages that were mapped at first;
where one has been taken away and has come back PENDING, that is the end of its TD.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from sim.base.errors import UsageError
from sim.engine.model.operations import choose, progress
from sim.engine.model.routines import Again, Done, repeat, routine
from sim.engine.model.scenario import Scenario, Task
from sim.kvm.kvm_main import Vcpu
from sim.kvm.x86 import Kvm
from sim.scenarios.at_rest import AtRest
from sim.scenarios.callers import AFTER, NOT_COVERED
from sim.scenarios.kernels import kernel_of, kernel_param, past_the_gate
from sim.scenarios.machine import machine, rcu_tasks
from sim.scenarios.recipe import Param, Recipe, Settings
from sim.scenarios.references import SETTERS
from sim.scenarios.switches import GRAIN, GUARDS, INJECT, MMU_LOCK, MODULE, injected
from sim.tdx.lp import send_ipi
from sim.tdx.releases import release_named
from sim.tdx.sept import SeptState
from sim.tdx.vp_enter import Instruction
from sim.tdx.zero_step import Tdvps

_IN_A_RANGE = 4
"""Gfns in a 2M range, as far as there are that many."""

PUNCH, UNMAP, ZAP_ALL = "punch hole", "unmap range", "zap all"
"""What a zapper may do: guest_memfd gives a page up; memory is converted; a memslot goes."""


@routine
async def zapper(kvm: Kvm, task: str, gfns: tuple[str, ...], left: int) -> Again | Done[None]:
    """One thing after another that takes pages away."""
    if not left:
        return Done(None)
    await _zap(kvm, task, gfns)
    await progress(f"{task}.done")
    return Again(kvm, task, gfns, left - 1)


@routine
async def _zap(kvm: Kvm, task: str, gfns: tuple[str, ...]) -> None:
    deed = await choose(f"{task}.deed", (PUNCH, UNMAP, ZAP_ALL))
    if deed == ZAP_ALL:
        await kvm.kvm_mmu_zap_all_fast()
        return
    gfn = await choose(f"{task}.gfn", gfns)
    if deed == PUNCH:
        await kvm.kvm_gmem_punch_hole((gfn,), task)
        return
    await kvm.kvm_vm_set_mem_attributes((gfn,), task)


@routine
async def interrupts(kvm: Kvm, left: int) -> Again | Done[None]:
    """Host interrupts, each for a vCPU's processor: a guest that runs there exits."""
    if not left:
        return Done(None)
    name = await choose("irq.lp", tuple(vcpu.name for vcpu in kvm.vcpus))
    await send_ipi(next(vcpu.lp for vcpu in kvm.vcpus if vcpu.name == name))
    return Again(kvm, left - 1)


@routine
async def zapping(kvm: Kvm, task: str, gfns: tuple[str, ...], times: int) -> None:
    await repeat(zapper, kvm, task, gfns, times)


@routine
async def interrupting(kvm: Kvm, times: int) -> None:
    await repeat(interrupts, kvm, times)


@attrs.frozen
class _Ground:
    """Which gfns there are, which of them are mapped at first,
    and those of the range that may be mapped at 2M.
    """

    gfns: tuple[str, ...]
    large: tuple[str, ...]

    @property
    def shape(self) -> tuple[tuple[str, ...], ...]:
        return tuple(
            self.gfns[at : at + _IN_A_RANGE] for at in range(0, len(self.gfns), _IN_A_RANGE)
        )

    @property
    def mapped(self) -> tuple[str, ...]:
        return tuple(gfn for gfn in self.gfns[::2] if gfn not in self.large)

    @property
    def small(self) -> tuple[str, ...]:
        return tuple(gfn for gfn in self.gfns if gfn not in self.large)

    @property
    def menu(self) -> tuple[tuple[Instruction, tuple[str, ...]], ...]:
        """What a guest may do, and where."""
        menu = (
            (Instruction.TOUCH, self.mapped),
            (Instruction.ACCEPT, self.small),
            (Instruction.ACCEPT_2M, self.large),
            (Instruction.ATTR_WR, self.small),
        )
        return tuple((instruction, gfns) for instruction, gfns in menu if gfns)


def _deciding(vcpu: Vcpu, ground: _Ground, length: int) -> Vcpu:
    """A vCPU whose guest decides as it goes."""
    return attrs.evolve(vcpu, guest=attrs.evolve(vcpu.guest, menu=ground.menu, length=length))


def _tasks(
    kvm: Kvm, settings: Settings, ground: _Ground, zappers: tuple[str, ...]
) -> Iterator[Task]:
    for name in zappers:
        yield Task(name, zapping(kvm, name, ground.gfns, int(settings["zaps"])))
    for vcpu in kvm.vcpus:
        yield Task(vcpu.name, kvm.vcpu_run(vcpu, Tdvps()))
    if settings["irqs"] != "0":
        yield Task("irq", interrupting(kvm, int(settings["irqs"])))
    yield from rcu_tasks(kvm)


def build(recipe: Recipe, settings: Settings) -> Scenario:
    """A storm."""
    gfns = tuple(f"p{number}" for number in range(int(settings["pages"])))
    large = settings["levels"] == "2M"
    ground = _Ground(gfns, gfns[:_IN_A_RANGE] if large else ())
    vcpus = tuple(f"v{number}" for number in range(int(settings["vcpus"])))
    zappers = tuple(f"z{number}" for number in range(int(settings["zappers"])))
    if len(ground.large) == 1 and zappers:
        raise UsageError(
            f"{recipe.name}: with levels=2M and pages=1 a zapper would take a page of 2M "
            "whole, which is not modelled;"
            " pages=2 or more, or zappers=0"
        )
    kernel = kernel_of(settings)
    given = {"huge": large, "4k": not large, **dict.fromkeys(injected(settings["inject"]), True)}
    kvm = machine(
        kernel,
        release_named(settings["module"]),
        sept={gfn: SeptState.MAPPED if gfn in ground.mapped else SeptState.FREE for gfn in gfns},
        above={gfns[0]: SeptState.FREE} if large else {},
        programs=dict.fromkeys(vcpus, ()),
        others=(*zappers, *(("irq",) if settings["irqs"] != "0" else ())),
        spares=(*vcpus, *zappers) if large else (),
        holes=len(zappers) * int(settings["zaps"]),
        unfair=settings["mmu_lock"] == "unfair",
        without=settings.without,
        given=tuple(name for name, is_given in given.items() if is_given),
        shape=ground.shape,
    )
    kvm = attrs.evolve(
        kvm, vcpus=tuple(_deciding(vcpu, ground, int(settings["guest_ops"])) for vcpu in kvm.vcpus)
    )
    return Scenario(
        recipe.name,
        tuple(_tasks(kvm, settings, ground, zappers)),
        AtRest(kvm).properties(),
        model=f"{kernel.VERSION}+{settings['module']}",
        params=tuple(settings.values.items()),
        without=settings.without,
        not_covered=(
            *NOT_COVERED,
            *(past_the_gate(kernel, release_named(settings["module"])) if large else ()),
        ),
    )


def _numbers(*numbers: int) -> tuple[str, ...]:
    return tuple(map(str, numbers))


PARAMS = (
    kernel_param(AFTER, default="7.2"),
    MODULE,
    Param("vcpus", _numbers(*range(1, 9)), "4", "how many vCPUs run"),
    Param(
        "pages", _numbers(1, 2, 4, 8, 16, 32), "4", "how many gfns there are, four in a 2M range"
    ),
    Param("levels", ("4K", "2M"), "4K", "whether the first range may be mapped at 2M"),
    Param(
        "guest_ops",
        _numbers(1, 2, 3, 4, 6, 8, 12, 16),
        "2",
        "how many instructions each guest decides on",
    ),
    Param("zappers", _numbers(0, 1, 2, 3), "1", "how many host threads take pages away"),
    Param("zaps", _numbers(1, 2, 3, 4, 6, 8), "1", "how often each of them does"),
    Param("irqs", _numbers(0, 1, 2, 4, 8), "0", "how many host interrupts hit somebody"),
    INJECT,
    MMU_LOCK,
    GRAIN,
)

STORM = Recipe(
    "storm",
    "Guests that touch, accept and change pages as they decide, beside host threads that take "
    "them away. For fuzzing.",
    PARAMS,
    GUARDS,
    build,
    SETTERS,
)
