"""Who changes SPTEs: KVM's own callers of the setters, each a scenario,
on a direct root and on a mirror root.

The what-ifs ask what would happen; these ask what does. A caller that leaves mirror roots alone is
here as well: that it does is what running it on one shows. Private memory is mapped at 4K, or, with
the kernel `hugepages`, at 2M: that is the default of callers that are about such pages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import attrs

from sim.engine.model.routines import Again, Call, Done, repeat, routine
from sim.engine.model.scenario import Property, Scenario, Task
from sim.kvm.spte import PG_LEVEL_4K
from sim.kvm.tdp_mmu import Fault, RetPf
from sim.kvm.versions import HugePages
from sim.kvm.x86 import Kvm
from sim.scenarios.at_rest import AtRest
from sim.scenarios.kernels import kernel_of, kernel_param, past_the_gate
from sim.scenarios.machine import Program, machine, rcu_tasks
from sim.scenarios.recipe import KERNEL, Param, Recipe, Settings
from sim.scenarios.references import ACCEPT, CALLS, GMEM, MMU, TDP, TDX
from sim.scenarios.switches import GRAIN, GUARDS, INJECT, MMU_LOCK, MODULE, ZAP, injected
from sim.tdx.releases import release_named
from sim.tdx.sept import SeptState
from sim.tdx.vp_enter import Instruction
from sim.tdx.zero_step import Tdvps

S = SeptState

_ACCEPTS_AND_USES = (Instruction.ACCEPT_2M, Instruction.ACCEPT, Instruction.TOUCH)
"""At 2M, or at 4K where that is too large."""

SECTIONS = Param(
    "sections",
    ("rfc", "folio", "one"),
    "rfc",
    "how a hole in a part of a folio is announced, split and zapped: as huge pages v3 16/24 has "
    "it, in three sections of mmu_lock, of which the hole alone is announced; so, but the whole "
    "folio is announced; or in one section",
)
_SECTIONS = {"rfc": ("three-sections", "hole-alone"), "folio": ("three-sections",), "one": ()}

NOT_COVERED = (
    "weak memory: steps are sequentially consistent",
    "levels above 2M, memslots that come and go",
    "write protection, accessed and dirty bits",
)


@attrs.frozen
class Caller:
    """A path through KVM, as tasks: what is mapped at first, and who does what."""

    name: str
    doc: str
    place: str
    """Where in the kernel it is."""
    tasks: Callable[[Kvm], Iterator[tuple[str, Call[Any]]]]
    names: tuple[str, ...]
    first: tuple[SeptState, SeptState]
    """The 2M range of A and C, and the pages in it."""
    torn_down: bool = False
    reloads: bool = False
    """Whether a root that is not a mirror may become obsolete while a vCPU has it loaded."""
    is_what_if: bool = False
    """KVM does not do it; a mail asks what would come of it."""
    params: tuple[Param, ...] = ()
    """Parameters of its own."""
    kernel: str = "7.2"
    """By default: `hugepages` where it is about pages of 2M of a TD."""
    programs: tuple[tuple[str, Program], ...] = ()


@routine
async def fault_until_mapped(kvm: Kvm, vcpu: str, gfn: str) -> RetPf:
    """A vCPU's fault, retried as its caller does."""
    return await repeat(fault_once, kvm, Fault(vcpu, gfn))


@routine
async def fault_once(kvm: Kvm, fault: Fault) -> Again | Done[RetPf]:
    fault = await kvm.kvm_mmu_reload(fault)
    ret = await kvm.kvm_tdp_mmu_page_fault(fault)
    return Again(kvm, fault) if ret is RetPf.RETRY else Done(ret)


def _faults(kvm: Kvm) -> Iterator[tuple[str, Call[Any]]]:
    yield "f1", fault_until_mapped(kvm, "f1", "A")
    yield "f2", fault_until_mapped(kvm, "f2", "C")


def _faults_on_one(kvm: Kvm) -> Iterator[tuple[str, Call[Any]]]:
    yield "f1", fault_until_mapped(kvm, "f1", "A")
    yield "f2", fault_until_mapped(kvm, "f2", "A")


def _beside_a_fault(kvm: Kvm, call: Call[Any]) -> Iterator[tuple[str, Call[Any]]]:
    yield "host", call
    yield "f2", fault_until_mapped(kvm, "f2", "C")


def _punch(kvm: Kvm) -> Iterator[tuple[str, Call[Any]]]:
    yield "host", kvm.kvm_gmem_punch_hole(("A",), "host")
    yield "f2", fault_until_mapped(kvm, "f2", "A")


def _punch_beside_a_guest(kvm: Kvm) -> Iterator[tuple[str, Call[Any]]]:
    yield "host", kvm.kvm_gmem_punch_hole(("A",), "host")
    yield from _guest(kvm)


def _fast_zap(kvm: Kvm) -> Iterator[tuple[str, Call[Any]]]:
    return _beside_a_fault(kvm, kvm.kvm_mmu_zap_all_fast())


def _eager_split(kvm: Kvm) -> Iterator[tuple[str, Call[Any]]]:
    return _beside_a_fault(kvm, kvm.kvm_tdp_mmu_try_split_huge_pages("A", "host"))


def _recovery(kvm: Kvm) -> Iterator[tuple[str, Call[Any]]]:
    return _beside_a_fault(kvm, kvm.kvm_tdp_mmu_recover_huge_pages("A"))


def _nx(kvm: Kvm) -> Iterator[tuple[str, Call[Any]]]:
    return _beside_a_fault(kvm, kvm.kvm_tdp_mmu_zap_possible_nx_huge_page("A"))


@routine
async def zap_leafs_atomically(kvm: Kvm) -> None:
    """What an atomic zap of a root begins with: every leaf, with mmu_lock held for read."""
    await kvm.mmu_lock.read_lock()
    await kvm.rcu_read_lock()
    await kvm._tdp_mmu_zap_root(True, PG_LEVEL_4K)  # noqa: SLF001 - __tdp_mmu_zap_root()
    await kvm.rcu_read_unlock()
    await kvm.mmu_lock.read_unlock()


def _two_zappers(kvm: Kvm) -> Iterator[tuple[str, Call[Any]]]:
    yield "z1", zap_leafs_atomically(kvm)
    yield "z2", zap_leafs_atomically(kvm)


def _teardown(kvm: Kvm) -> Iterator[tuple[str, Call[Any]]]:
    yield "host", kvm.kvm_mmu_uninit_tdp_mmu()


def _guest(kvm: Kvm) -> Iterator[tuple[str, Call[Any]]]:
    yield from ((vcpu.name, kvm.vcpu_run(vcpu, Tdvps())) for vcpu in kvm.vcpus)


CALLERS = (
    Caller(
        "fault",
        "two vCPUs fault in one 2M range that is not mapped",
        f"{TDP}: kvm_tdp_mmu_map(), tdp_mmu_map_handle_target_level()",
        _faults,
        ("f1", "f2"),
        (S.FREE, S.FREE),
    ),
    Caller(
        "fault-over-a-table",
        "a vCPU faults where a page table is, and another one beside it",
        f"{TDP}: kvm_tdp_mmu_map(), tdp_mmu_map_handle_target_level()",
        _faults,
        ("f1", "f2"),
        (S.NL_MAPPED, S.FREE),
    ),
    Caller(
        "fault-on-one-gfn",
        "two vCPUs fault on one gfn that is not mapped",
        f"{TDP}: kvm_tdp_mmu_map(), tdp_mmu_map_handle_target_level()",
        _faults_on_one,
        ("f1", "f2"),
        (S.FREE, S.FREE),
    ),
    Caller(
        "punch-hole",
        "guest_memfd gives up a page of 4K",
        f"{GMEM}: kvm_gmem_punch_hole(), kvm_gmem_invalidate_begin(); {TDP}: "
        "kvm_tdp_mmu_unmap_gfn_range()",
        _punch,
        ("host", "f2"),
        (S.PENDING, S.FREE),
        kernel="hugepages",
    ),
    Caller(
        "punch-hole-4k",
        "the same where 4K are mapped",
        f"{GMEM}: kvm_gmem_punch_hole(); {TDP}: tdp_mmu_zap_leafs()",
        _punch,
        ("host", "f2"),
        (S.NL_MAPPED, S.PENDING),
    ),
    Caller(
        "punch-hole-beside-a-guest",
        "guest_memfd gives up 4K of a range that a guest accepts at 2M, and uses beside the hole",
        f"{GMEM}: kvm_gmem_punch_hole(), kvm_gmem_invalidate_begin(), kvm_gmem_split()",
        _punch_beside_a_guest,
        ("host",),
        (S.FREE, S.FREE),
        is_what_if=True,
        kernel="hugepages",
        params=(SECTIONS,),
        programs=(("v1", tuple((instruction, "C") for instruction in _ACCEPTS_AND_USES)),),
    ),
    Caller(
        "fast-zap",
        "kvm_mmu_zap_all_fast(): a memslot of a VM that is no TD goes",
        f"{MMU}: kvm_mmu_zap_all_fast(); {TDP}: kvm_tdp_mmu_zap_invalidated_roots()",
        _fast_zap,
        ("host", "f2"),
        (S.NL_MAPPED, S.PENDING),
        reloads=True,
    ),
    Caller(
        "eager-split",
        "dirty logging begins",
        f"{TDP}: kvm_tdp_mmu_try_split_huge_pages()",
        _eager_split,
        ("host", "f2"),
        (S.PENDING, S.FREE),
    ),
    Caller(
        "huge-recovery",
        "dirty logging ends",
        f"{TDP}: recover_huge_pages_range()",
        _recovery,
        ("host", "f2"),
        (S.NL_MAPPED, S.PENDING),
    ),
    Caller(
        "nx-recovery",
        "the NX recovery worker",
        f"{MMU}: kvm_recover_nx_huge_pages(); {TDP}: kvm_tdp_mmu_zap_possible_nx_huge_page()",
        _nx,
        ("host", "f2"),
        (S.NL_MAPPED, S.PENDING),
    ),
    Caller(
        "accept-4k",
        "a guest accepts 4K of a large page",
        f"{TDX}: tdx_handle_ept_violation(); {ACCEPT}",
        _guest,
        (),
        (S.PENDING, S.FREE),
        kernel="hugepages",
        programs=(("v1", ((Instruction.ACCEPT, "A"),)),),
    ),
    Caller(
        "atomic-zap",
        "two zappers walk one root with mmu_lock held for read, as nobody does on a mirror",
        f"{TDP}: __tdp_mmu_zap_root()",
        _two_zappers,
        ("z1", "z2"),
        (S.NL_MAPPED, S.PENDING),
        is_what_if=True,
        params=(ZAP,),
    ),
    Caller(
        "teardown",
        "the VM is destroyed, its leafs zapped before",
        f"{TDP}: kvm_tdp_mmu_zap_all(); {CALLS}/tdh_phymem_page_reclaim.c",
        _teardown,
        ("host",),
        (S.NL_MAPPED, S.FREE),
        True,
    ),
)

AFTER = "hugepages"
"""What the mail's `after` is in callers and storms."""

PARAMS = (
    kernel_param(AFTER, default="7.2"),
    MODULE,
    Param("root", ("mirror", "direct"), "mirror", "the root whose SPTEs are changed"),
    Param("pages", ("2M", "4K"), "2M", "what backs the range, where the kernel can map it so"),
    INJECT,
    Param("census", ("no", "yes"), "no", "whether every change of an SPTE is reported"),
    MMU_LOCK,
    GRAIN,
)


def build(recipe: Recipe, settings: Settings, caller: Caller) -> Scenario:
    """A caller, on one root."""
    is_mirror = settings["root"] == "mirror"
    above, below = caller.first
    programs = dict(caller.programs) if is_mirror else {}
    if settings["pages"] == "4K" and above.is_leaf:
        above, below = S.NL_MAPPED, above
    kernel = kernel_of(settings)
    if is_mirror and not issubclass(kernel, HugePages) and above.is_leaf:
        above, below = S.NL_MAPPED, above
    is_large = settings["pages"] == "2M" and (not is_mirror or issubclass(kernel, HugePages))
    given = {"huge": settings["pages"] == "2M", "4k": settings["pages"] == "4K"}
    given |= dict.fromkeys(_SECTIONS[settings.get("sections") or "one"], True)
    given |= {
        "census": settings["census"] == "yes",
        **dict.fromkeys(injected(settings["inject"]), True),
    }
    kvm = machine(
        kernel,
        release_named(settings["module"]),
        sept={"A": below, "C": below},
        above={"A": above},
        programs=programs,
        others=caller.names,
        spares=(*caller.names, *programs),
        frees=("A",) if above is S.NL_MAPPED and not caller.is_what_if else (),
        is_mirror=is_mirror,
        reloads=caller.reloads and not is_mirror,
        holes=1 if is_mirror and caller.name.startswith("punch-hole") else 0,
        torn_down=caller.torn_down and is_mirror,
        unfair=settings["mmu_lock"] == "unfair",
        without=settings.without,
        given=tuple(name for name, is_given in given.items() if is_given),
    )
    return Scenario(
        recipe.name,
        (*(Task(name, call) for name, call in caller.tasks(kvm)), *rcu_tasks(kvm)),
        _properties(caller, kvm),
        model=f"{kernel.VERSION}+{settings['module']}",
        params=tuple(settings.values.items()),
        without=settings.without,
        not_covered=(
            *NOT_COVERED,
            *(past_the_gate(kernel, release_named(settings["module"])) if is_mirror else ()),
            *_not_there(caller, is_large=is_large),
        ),
    )


def _properties(caller: Caller, kvm: Kvm) -> tuple[Property, ...]:
    """Those of every scenario, and that a guest which touches what it accepted is not killed."""
    at_rest = AtRest(kvm)
    if SECTIONS not in caller.params:
        return at_rest.properties()
    kept = Property.whole("memory-is-not-lost", "lost-memory", at_rest.memory_is_not_lost)
    return (*at_rest.properties(), kept)


def _not_there(caller: Caller, *, is_large: bool) -> Iterator[str]:
    """Which vCPUs, faults and sizes the scenario has not, and where they are."""
    if not caller.programs:
        yield "guests: no vCPU enters the module, and no kick has one to wait for (storm has)"
    if caller.tasks is _faults:
        yield "two faults on one gfn (fault-on-one-gfn)"
    if is_large:
        yield "faults that map 4K below a page table (pages=4K)"
    elif caller.first[0].is_leaf:
        yield "a leaf of 2M: this kernel maps none here, or pages=4K"


def _recipe(caller: Caller) -> Recipe:
    doc = f"What KVM {'would do' if caller.is_what_if else 'does'}: {caller.doc}."
    return Recipe(
        caller.name, doc, tuple(_params(caller)), GUARDS, partial(_build, caller), caller.place
    )


def _params(caller: Caller) -> Iterator[Param]:
    """The parameters; where only guests act there is no direct root, since it has no guests."""
    for param in (*PARAMS, *caller.params):
        if param.name == KERNEL:
            yield attrs.evolve(param, default=caller.kernel)
        elif param.name == "root" and not caller.names:
            yield attrs.evolve(param, values=("mirror",))
        else:
            yield param


def _build(caller: Caller, recipe: Recipe, settings: Settings) -> Scenario:
    return build(recipe, settings, caller)


RECIPES = tuple(map(_recipe, CALLERS))

KVMS_OWN = tuple(_recipe(caller) for caller in CALLERS if not caller.is_what_if)
"""The callers that KVM has: all but the what-ifs."""
