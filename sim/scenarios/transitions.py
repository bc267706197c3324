"""The transitions of a mirror SPTE, each as a what-if: the setter called once,
beside everybody who can contend.

The table (KVM list, 7 April 2026) asks of each (old, new, lock mode) whether the KVM_BUG_ON() in
handle_changed_spte() can be hit, were the transition to happen on a mirror root. So one task, `v0`,
takes mmu_lock and calls the setter of that mode, once, on gfn A: at 4K where both SPTEs are
non-present or leafs, else at 2M. Beside it run

* `v1`, a vCPU whose zero-step list is armed with another gfn, B, that is mapped: it will enter, and
  to see that it may it takes the S-EPT tree lock;
* `v2`, a vCPU whose guest accepts gfn A, and faults on it where it is not there;
* `v3`, where a present SPTE goes under the read lock: a vCPU that faults on gfn C beside A, which
  nothing maps;
* `z`, in the place of all of them where a leaf is zapped under the read lock: the same for gfn C.

A row has no code of its own: what is where at first follows from the kind of its old SPTE, and what
v0 calls from that of its new one.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import attrs

from sim.engine.model.routines import routine
from sim.engine.model.scenario import Scenario, Task
from sim.kvm.mmu_page import MmuPage, TdpIter
from sim.kvm.spte import (
    PG_LEVEL_2M,
    PG_LEVEL_4K,
    SHADOW_NONPRESENT_VALUE,
    ZERO_SPTE,
    Kind,
    Spte,
    make_spte,
)
from sim.kvm.x86 import Kvm
from sim.scenarios.at_rest import AtRest
from sim.scenarios.kernels import kernel_of, kernel_param, past_the_gate, words
from sim.scenarios.machine import Program, machine, rcu_tasks
from sim.scenarios.recipe import Param, Recipe, Settings
from sim.scenarios.references import SETTERS
from sim.scenarios.switches import GRAIN, GUARDS, INJECT, MMU_LOCK, MODULE, injected, params_of
from sim.tdx.releases import release_named
from sim.tdx.sept import SeptState
from sim.tdx.td import SEAMCALL, TDCALL, ZERO_STEP
from sim.tdx.vp_enter import Instruction
from sim.tdx.zero_step import STEPPING_EPF_THRESHOLD, Tdvps

_FORMS = {"if-else": "7.2", "in-turn": "in-turn"}
_SPLITS = {"hook": "hugepages", "dispatcher": "7.2"}
"""What parameters that chose a kernel have become, in the rows that had them."""

CONTENDERS = (ZERO_STEP, TDCALL, SEAMCALL)

ZAPPER = "zapper"

_MANY = 3


@attrs.frozen
class Row:
    """A row of the table, for one lock mode."""

    number: int
    old: Kind
    new: Kind
    shared: bool

    @property
    def level(self) -> int:
        return PG_LEVEL_2M if Kind.NONLEAF in {self.old, self.new} else PG_LEVEL_4K

    @property
    def contenders(self) -> tuple[str, ...]:
        """Who can contend, each alone: a fault on C only where v0 holds the lock for read and
        takes something away.
        """
        return (
            CONTENDERS if self.shared and self.old in {Kind.LEAF, Kind.NONLEAF} else CONTENDERS[:2]
        )

    @property
    def crowds(self) -> tuple[str, ...]:
        """Who the table has contend at a time: all of two, but of three each two.

        All three are hundreds of millions of states (`sim.surveys.everybody`).

        A second zapper is alone with v0: guests beside two zappers are more than that.
        """
        if len(self.contenders) < _MANY:
            return ("all",)
        pairs = tuple(map("+".join, combinations(self.contenders, 2)))
        return (*pairs, ZAPPER) if (self.old, self.new) == (Kind.LEAF, Kind.NP) else pairs

    @property
    def after(self) -> str:
        """The kernel that is after the mail's series: where a leaf is split,
        the one that has something to split.
        """
        return "hugepages" if (self.old, self.new) == (Kind.LEAF, Kind.NONLEAF) else "7.2"

    @property
    def formerly(self) -> dict[str, dict[str, str]]:
        """Parameters of before there was `kernel`, which chose one."""
        splits = {"split": _SPLITS} if (self.old, self.new) == (Kind.LEAF, Kind.NONLEAF) else {}
        return splits | ({"form": _FORMS} if self.old is Kind.NONLEAF else {})

    def kernel_named(self, name: str) -> str:
        """The kernel that a name stands for in this row: its own, or the mail's word for it."""
        return words(self.after).get(name, name)

    def order_of(self, kernel: str) -> str:
        """The mail's word for a kernel in this row, or the kernel's own name."""
        return next((word for word, name in words(self.after).items() if name == kernel), kernel)

    def begins_with(self, spte: Spte) -> bool:
        """Whether an SPTE is one that the row changes."""
        return spte.kind is self.old or (self.old is Kind.NP and spte == ZERO_SPTE)

    @property
    def words(self) -> tuple[str, str]:
        """Old and new as the mail has them."""
        old, new = ("NP" if kind is Kind.NP else kind.name.lower() for kind in (self.old, self.new))
        return old, new

    @property
    def name(self) -> str:
        mode = "shared" if self.shared else "exclusive"
        return f"{'-to-'.join(self.words)}-{mode}".lower()


TRANSITIONS = (
    (1, Kind.NP, Kind.LEAF, (True,)),
    (2, Kind.NP, Kind.LEAF, (False,)),
    (3, Kind.NP, Kind.NONLEAF, (True,)),
    (4, Kind.NP, Kind.NONLEAF, (False,)),
    (5, Kind.NP, Kind.NP, (True, False)),
    (6, Kind.LEAF, Kind.LEAF, (True, False)),
    (7, Kind.LEAF, Kind.NONLEAF, (True,)),
    (8, Kind.LEAF, Kind.NONLEAF, (False,)),
    (9, Kind.NONLEAF, Kind.LEAF, (True, False)),
    (10, Kind.NONLEAF, Kind.NONLEAF, (True, False)),
    (11, Kind.LEAF, Kind.NP, (True,)),
    (12, Kind.LEAF, Kind.NP, (False,)),
    (13, Kind.NONLEAF, Kind.NP, (True,)),
    (14, Kind.NONLEAF, Kind.NP, (False,)),
)

ROWS = tuple(
    Row(number, old, new, shared) for number, old, new, modes in TRANSITIONS for shared in modes
)


def params(row: Row) -> tuple[Param, ...]:
    """What can be set for a row."""
    return (
        kernel_param(row.after, row.formerly),
        MODULE,
        Param(
            "contenders",
            tuple(dict.fromkeys(("all", *row.crowds, *row.contenders, "none"))),
            row.crowds[0],
            "who runs beside the setter: v1 (zero-step), v2 (tdcall), v3 (seamcall), z "
            "(another zapper), or nobody",
        ),
        Param("root", ("mirror", "direct"), "mirror", "the root that the SPTE belongs to"),
        INJECT,
        MMU_LOCK,
        GRAIN,
        *params_of(row.number),
    )


NOT_COVERED = (
    "weak memory: steps are sequentially consistent",
    "levels above 2M, memslots that come and go, invalidation",
    (
        "host interrupts inside a SEAMCALL but DEMOTE, signals, preemption by other vCPUs on one "
        "processor"
    ),
)


@routine
async def set_once(kvm: Kvm, sp: MmuPage, row: Row, gfn: str, new_pfn: int) -> None:
    """What v0 does.

    Where another task was first and the old SPTE is not the row's any more, nothing.
    """
    await (kvm.mmu_lock.read_lock() if row.shared else kvm.mmu_lock.write_lock())
    await kvm.rcu_read_lock()
    old_spte = await kvm.kvm_tdp_mmu_read_spte(sp, gfn)
    if row.begins_with(old_spte):
        iter = TdpIter(gfn, sp.level, old_spte, sp)
        if row.new is Kind.NONLEAF:
            child = kvm.tdp_mmu_alloc_sp("v0")
            if row.old is Kind.LEAF:
                await kvm.tdp_mmu_split_huge_page(iter, child, row.shared)
            else:
                await kvm.tdp_mmu_link_sp(iter, child, row.shared)
        else:
            new_spte = make_spte(new_pfn) if row.new is Kind.LEAF else SHADOW_NONPRESENT_VALUE
            if row.shared:
                await kvm.tdp_mmu_set_spte_atomic(iter, new_spte)
            else:
                await kvm.tdp_mmu_set_spte(sp, gfn, old_spte, new_spte, sp.level)
    await kvm.rcu_read_unlock()
    await (kvm.mmu_lock.read_unlock() if row.shared else kvm.mmu_lock.write_unlock())


def _programs(row: Row, settings: Settings) -> dict[str, Program]:
    """Who runs beside v0, and what: nobody in a TD that is not runnable, or torn down."""
    if settings["root"] == "direct" or settings.get("td") == "initialized":
        return {}
    if settings.get("teardown") in {"zapped", "leafs"}:
        return {}
    accepts = ((Instruction.ACCEPT, "A"),)
    if (
        row.level == PG_LEVEL_2M
        and row.old is not Kind.NONLEAF
        and settings.get("tdcalls") != "accept-4k"
    ):
        accepts = ((Instruction.ACCEPT_2M, "A"), *(accepts if row.old is Kind.NP else ()))
    everybody: dict[str, tuple[str, Program]] = {
        ZERO_STEP: ("v1", ((Instruction.TOUCH, "B"),)),
        TDCALL: ("v2", accepts),
        SEAMCALL: ("v3", ((Instruction.TOUCH, "C"),)),
    }
    wanted = (
        row.contenders if settings["contenders"] == "all" else settings["contenders"].split("+")
    )
    return dict(program for one, program in everybody.items() if one in wanted)


def _is_large(row: Row, settings: Settings) -> bool:
    """Whether v0 changes the SPTE of the 2M range."""
    return row.level == PG_LEVEL_2M or settings.get("zaps") == "2M"


def _memory(row: Row, settings: Settings) -> tuple[dict[str, SeptState], SeptState]:
    """The state of each gfn, and of the 2M range of A."""
    below = settings.get("children") != "empty" and settings.get("teardown") != "zapped"
    large = _is_large(row, settings)
    leaf = (
        SeptState.PENDING
        if row.old is Kind.LEAF or (row.old is Kind.NONLEAF and below)
        else SeptState.FREE
    )
    sept = {"A": leaf, "B": SeptState.MAPPED}
    if large or SEAMCALL in row.contenders:
        sept["C"] = leaf if settings["contenders"] == ZAPPER else SeptState.FREE
    above = {Kind.LEAF: SeptState.PENDING, Kind.NP: SeptState.FREE}.get(
        row.old, SeptState.NL_MAPPED
    )
    return sept, above if large else SeptState.NL_MAPPED


def build(recipe: Recipe, settings: Settings, row: Row) -> Scenario:
    """The what-if of one row."""
    programs = _programs(row, settings)
    sept, above = _memory(row, settings)
    large = _is_large(row, settings)
    kernel, zapper = (
        kernel_of(settings),
        settings["contenders"] == ZAPPER and settings.get("zaps") != "2M",
    )
    is_mirror, torn_down = (
        settings["root"] == "mirror",
        settings.get("teardown") in {"zapped", "leafs"},
    )
    spares = ("v0",) if row.new is Kind.NONLEAF else ()
    frees = row.old is Kind.NONLEAF
    kvm = machine(
        kernel,
        release_named(settings["module"]),
        sept=sept,
        above={"A": above},
        programs=programs,
        others=("v0", "z") if zapper else ("v0",),
        spares=(*spares, *(name for name in programs if large and name != "v1")),
        frees=("A",) if frees else (),
        is_mirror=is_mirror,
        finalized=settings.get("td") != "initialized",
        torn_down=torn_down,
        unfair=settings["mmu_lock"] == "unfair",
        without=settings.without,
        given=(
            *injected(settings["inject"]),
            *(("interrupts",) if settings.get("interrupts") == "host" else ()),
            *(("ve",) if settings.get("ve") == "enabled" else ()),
        ),
    )
    if settings.get("np") == "two":
        kvm = attrs.evolve(kvm, pages=(_with_zero(kvm.pages[0]), *kvm.pages[1:]))
    listed = "A" if settings.get("armed") == "own" else "B"
    armed = Tdvps(
        rip_on_entry=0, possibly_epf_stepping=STEPPING_EPF_THRESHOLD, last_epf_gpa_list=(listed,)
    )
    sp = kvm.root if large else kvm.pages[0]
    new_pfn = kvm.gfn_to_pfn(
        "B" if row.old is Kind.LEAF and settings.get("pfn") == "changed" else "A"
    )
    return Scenario(
        recipe.name,
        (
            Task("v0", set_once(kvm, sp, row, "A", new_pfn)),
            *((Task("z", set_once(kvm, sp, row, "C", new_pfn)),) if zapper else ()),
            *(
                Task(vcpu.name, kvm.vcpu_run(vcpu, armed if vcpu.name == "v1" else Tdvps()))
                for vcpu in kvm.vcpus
            ),
            *rcu_tasks(kvm),
        ),
        AtRest(kvm).properties(),
        model=f"{kernel.VERSION}+{settings['module']}",
        params=tuple(settings.values.items()),
        without=settings.without,
        not_covered=(
            *NOT_COVERED,
            *past_the_gate(kernel, release_named(settings["module"])),
            *_not_there(row, settings),
        ),
    )


_SAID = {
    ZERO_STEP: "v1, whose zero-step list is armed (zero-step)",
    TDCALL: "v2, whose guest accepts the page (tdcall)",
    SEAMCALL: "v3, who faults beside it (seamcall)",
}


def _not_there(row: Row, settings: Settings) -> Iterator[str]:
    """Who could contend and is not there, and how to have them."""
    wanted = settings["contenders"]
    if settings["root"] == "direct":
        yield "everything of a TD: the root is a direct one"
        return
    missing = [one for one in row.contenders if wanted != "all" and one not in wanted.split("+")]
    if missing:
        said = ", ".join(_SAID[one] for one in missing)
        yield f"contenders that are not there (contenders=all has them): {said}"
    if ZAPPER in row.crowds and wanted != ZAPPER:
        yield "a second zapper (contenders=zapper has one)"


def _with_zero(page: MmuPage) -> MmuPage:
    """The page with 0 in place of every plain non-present value."""
    sptes = tuple(
        (
            gfn,
            attrs.evolve(cell, initial=ZERO_SPTE)
            if cell.initial == SHADOW_NONPRESENT_VALUE
            else cell,
        )
        for gfn, cell in page.sptes
    )
    return attrs.evolve(page, sptes=sptes)


def _recipe(row: Row) -> Recipe:
    mode = "read" if row.shared else "write"
    setter = "tdp_mmu_set_spte_atomic" if row.shared else "tdp_mmu_set_spte"
    doc = (
        f"Row {row.number} of the table: {' to '.join(row.words)} with mmu_lock held for {mode}. "
        f"v0 calls {setter}() once; v1 enters with its zero-step list armed, v2's guest "
        "accepts the same page."
    )
    return Recipe(
        row.name,
        doc,
        params(row),
        GUARDS,
        lambda recipe, settings: build(recipe, settings, row),
        SETTERS,
    )


RECIPES = tuple(_recipe(row) for row in ROWS)
