"""The transitions of a mirror SPTE, each as a what-if: the setter called once, beside everybody who can contend.

The table (KVM list, 7 April 2026) asks of each (old, new, lock mode) whether the KVM_BUG_ON() in
handle_changed_spte() can be hit, were the transition to happen on a mirror root. So one task, `v0`, takes mmu_lock
and calls the setter of that mode, once. Beside it run

* `v1`, a vCPU whose zero-step list is armed with another gfn, B, that is mapped: it will enter, and to see that it may
  it takes the S-EPT tree lock;
* `v2`, a vCPU whose guest accepts gfn A, the one that v0 changes, and faults on it where it is not there.

Rows so far: 1, 2, 6, 11 and 12, the leaf rows at 4K that need no other page table. In row 6 the new leaf is another
page, B's.
"""

from __future__ import annotations

import attrs

from sim.engine.operations import load
from sim.engine.routines import routine
from sim.engine.scenario import Scenario, Task
from sim.kvm.spte import PG_LEVEL_4K, SHADOW_NONPRESENT_VALUE, Kind, Spte, TdpIter, make_spte
from sim.kvm.versions import Series
from sim.kvm.x86 import Kvm
from sim.scenarios.machine import PAGES, AtRest, Program, machine
from sim.scenarios.recipe import Guard, Param, Recipe, Settings
from sim.tdx.releases import RELEASES, release_named
from sim.tdx.sept import SeptState
from sim.tdx.td import TDCALL, ZERO_STEP
from sim.tdx.vp_enter import Instruction
from sim.tdx.zero_step import STEPPING_EPF_THRESHOLD, Tdvps

OTHER = "B"

ORDERS = {"before": Kvm, "after": Series}


@attrs.frozen
class Row:
    """A row of the table, for one lock mode."""

    number: int
    old: Kind
    new: Kind
    shared: bool

    @property
    def words(self) -> tuple[str, str]:
        """Old and new as the mail has them."""
        old, new = ("NP" if kind is Kind.NP else kind.name.lower() for kind in (self.old, self.new))
        return old, new

    @property
    def name(self) -> str:
        mode = "shared" if self.shared else "exclusive"
        return f"{'-to-'.join(self.words)}-{mode}".lower()


ROWS = (
    Row(1, Kind.NP, Kind.LEAF, shared=True),
    Row(2, Kind.NP, Kind.LEAF, shared=False),
    Row(6, Kind.LEAF, Kind.LEAF, shared=True),
    Row(6, Kind.LEAF, Kind.LEAF, shared=False),
    Row(11, Kind.LEAF, Kind.NP, shared=True),
    Row(12, Kind.LEAF, Kind.NP, shared=False),
)

PARAMS = (
    Param(
        "order",
        tuple(ORDERS),
        "after",
        "the order of steps in the setters: `before` is v6.19, `after` the end of the series that has patch 07/17",
    ),
    Param("module", tuple(release.VERSION for release in RELEASES), "1.5.01", "the release of the TDX module"),
    Param(
        "contenders",
        ("all", ZERO_STEP, TDCALL, "none"),
        "all",
        "who runs beside the setter: v1 (zero-step), v2 (tdcall), both, or nobody",
    ),
    Param("mmu_lock", ("fair", "unfair"), "fair", "whether waiters for mmu_lock queue up, as in qrwlock"),
    Param("grain", ("lock",), "lock", "the size of a step: each step of each lock on its own"),
)

GUARDS = (
    Guard("restore", "tdp_mmu_set_spte_atomic() puts the old SPTE back when the external operation failed"),
    Guard("zero-step", "TDH.VP.ENTER looks at the list of pages that faulted at one RIP"),
    Guard("kick", "KVM_REQ_OUTSIDE_GUEST_MODE makes vCPUs leave the guest, and waits for them"),
    Guard("wait-for-sept-zap", "tdx_vcpu_run() does not enter the guest while a zapper retries its SEAMCALL"),
    Guard("hp-timeout", "a guest that host priority keeps turning away exits with TDX_HOST_PRIORITY_BUSY_TIMEOUT"),
    Guard("local-retry", "tdx_handle_ept_violation() retries a fault itself instead of entering the guest again"),
)

NOT_COVERED = (
    "weak memory: steps are sequentially consistent",
    "page tables that come and go, huge pages, memslot invalidation",
    "host interrupts inside a SEAMCALL, signals, preemption by other vCPUs on one processor",
)


def _new_spte(kvm: Kvm, gfn: str, row: Row) -> Spte:
    if row.new is not Kind.LEAF:
        return SHADOW_NONPRESENT_VALUE
    return make_spte(kvm.gfn_to_pfn(gfn if row.old is Kind.NP else OTHER))


@routine
async def set_once(kvm: Kvm, gfn: str, row: Row) -> None:
    """What v0 does. Where another task was first and the old SPTE is not the row's any more, nothing."""
    await (kvm.mmu_lock.read_lock() if row.shared else kvm.mmu_lock.write_lock())
    old_spte = await load(kvm.sptep(gfn))
    if old_spte.kind is row.old:
        new_spte = _new_spte(kvm, gfn, row)
        if row.shared:
            await kvm.tdp_mmu_set_spte_atomic(TdpIter(gfn, PG_LEVEL_4K, old_spte), new_spte)
        else:
            await kvm.tdp_mmu_set_spte(gfn, old_spte, new_spte, PG_LEVEL_4K)
    await (kvm.mmu_lock.read_unlock() if row.shared else kvm.mmu_lock.write_unlock())


def build(recipe: Recipe, settings: Settings, row: Row) -> Scenario:
    """The what-if of one row."""
    programs: dict[str, Program] = {}
    armed = Tdvps(rip_on_entry=0, possibly_epf_stepping=STEPPING_EPF_THRESHOLD, last_epf_gpa_list=("B",))
    first = {"v1": armed, "v2": Tdvps()}
    if settings["contenders"] in {"all", ZERO_STEP}:
        programs["v1"] = ((Instruction.TOUCH, "B"),)
    if settings["contenders"] in {"all", TDCALL}:
        programs["v2"] = ((Instruction.ACCEPT, "A"),)
    kernel = ORDERS[settings["order"]]
    kvm = machine(
        kernel,
        release_named(settings["module"]),
        sept={"A": SeptState.FREE if row.old is Kind.NP else SeptState.PENDING, "B": SeptState.MAPPED},
        programs=programs,
        others=("v0",),
        unfair=settings["mmu_lock"] == "unfair",
        without=settings.without,
    )
    return Scenario(
        recipe.name,
        (
            Task("v0", set_once(kvm, next(iter(PAGES)), row)),
            *(Task(vcpu.name, kvm.vcpu_run(vcpu, first[vcpu.name])) for vcpu in kvm.vcpus),
        ),
        AtRest(kvm).properties(),
        model=f"{kernel.VERSION}+{settings['module']}",
        params=tuple(settings.values.items()),
        without=settings.without,
        not_covered=NOT_COVERED,
    )


def _recipe(row: Row) -> Recipe:
    mode = "read" if row.shared else "write"
    setter = "tdp_mmu_set_spte_atomic" if row.shared else "tdp_mmu_set_spte"
    doc = (
        f"Row {row.number} of the table: {' to '.join(row.words)} with mmu_lock held for {mode}. "
        f"v0 calls {setter}() once; v1 enters with its zero-step list armed, v2's guest accepts the same page."
    )
    return Recipe(row.name, doc, PARAMS, GUARDS, lambda recipe, settings: build(recipe, settings, row))


RECIPES = tuple(_recipe(row) for row in ROWS)
