"""What the table assumes: each assumption a switch, at the mail's reading unless it is flipped.

A reading is what the mail of 7 April 2026 leaves unsaid. It is either a parameter of the scenario
or a guard that is in place; a flip is another value, or the guard taken out.
"""

from __future__ import annotations

import attrs

from sim.scenarios.recipe import KERNEL, Guard, Param
from sim.scenarios.references import CALLS, ENTER, HOST, MAIN, MMU, SPTE, STEPPING, TDP, TDX
from sim.tdx.releases import RELEASES


@attrs.frozen
class Switch:
    """An assumption, the rows that it may decide, and what the table reads."""

    param: Param
    """For the kernel, which every row has: the values that are compared,
    and what they decide in these rows."""
    rows: tuple[int, ...]
    orders: tuple[str, ...] = ("before", "after")
    beside: tuple[tuple[str, str], ...] = ()
    """What is set as well where it is flipped: the kernel in which the other value makes sense."""


ZAP = Param(
    "zap",
    ("fallible", "retried", "serialised"),
    "fallible",
    "what makes an atomic zap succeed: nothing; retrying for ever; a lock around every "
    "external operation",
)

SWITCHES = (
    Switch(
        Param(
            "np",
            ("two", "one"),
            "two",
            "plain non-present values: with one, old and new of row 5 are equal",
        ),
        (5,),
    ),
    Switch(
        Param(
            "pfn", ("changed", "same"), "changed", "whether the new leaf of row 6 maps another page"
        ),
        (6,),
    ),
    Switch(
        Param(
            KERNEL,
            ("hugepages", "7.2"),
            "hugepages",
            "what splits a large leaf: the hook of the huge-page series (RFC v5), or the "
            "stored dispatcher alone",
        ),
        (7, 8),
        ("after",),
    ),
    Switch(
        Param(
            "interrupts",
            ("none", "host"),
            "none",
            "whether a host interrupt may be pending inside DEMOTE",
        ),
        (7, 8),
        ("after",),
    ),
    Switch(
        Param(
            KERNEL,
            ("7.2", "in-turn"),
            "7.2",
            "__handle_changed_spte() on a nonleaf: handle_removed_pt() *or* the external "
            "operation, or both in turn",
        ),
        (9, 10, 13, 14),
        ("after",),
    ),
    Switch(
        Param(
            "children",
            ("populated", "empty"),
            "populated",
            "whether a page below the nonleaf is mapped",
        ),
        (9, 13),
    ),
    Switch(
        Param(
            "children",
            ("empty", "populated"),
            "empty",
            "whether a page below the nonleaf is mapped",
        ),
        (10,),
    ),
    Switch(
        Param("zaps", ("4K", "2M"), "4K", "the size of the leaf that is zapped"),
        (11, 12),
        ("after",),
        ((KERNEL, "hugepages"),),
    ),
    Switch(
        Param(
            "teardown",
            ("zapped", "leafs", "live"),
            "zapped",
            "where row 14 happens: after the leafs were zapped and the HKID released, with "
            "leafs left, or in a live TD",
        ),
        (14,),
    ),
    Switch(
        ZAP,
        (11, 13),
        ("after",),
    ),
    Switch(
        Param(
            "td",
            ("runnable", "initialized"),
            "runnable",
            "the TD's state: before TDH.MR.FINALIZE no vCPU runs, and a leaf is added with "
            "TDH.MEM.PAGE.ADD",
        ),
        (1, 2),
    ),
    Switch(
        Param(
            "armed",
            ("other", "own"),
            "other",
            "the gfn in v1's zero-step list: another, mapped one, or the one that is being mapped",
        ),
        (1, 2),
    ),
    Switch(
        Param(
            "ve",
            ("disabled", "enabled"),
            "disabled",
            "whether an access to a PENDING page is a #VE in the guest, whose handler accepts it "
            "(SEPT_VE_DISABLE is not set)",
        ),
        (1, 2),
    ),
    Switch(
        Param(
            "tdcalls",
            ("all", "accept-4k"),
            "all",
            "what v2's guest tries: ACCEPT at 2M and then at 4K, or 4K alone",
        ),
        (3, 4),
    ),
)

FAULTS = ("invalidation", "cmpxchg", "resched")

MODULE = Param(
    "module",
    tuple(release.version for release in RELEASES),
    "1.5.01",
    "the release of the TDX module",
)
MMU_LOCK = Param(
    "mmu_lock", ("fair", "unfair"), "fair", "whether waiters for mmu_lock queue up, as in qrwlock"
)
GRAIN = Param("grain", ("lock",), "lock", "the size of a step: each step of each lock on its own")

INJECT = Param(
    "inject",
    ("none", *FAULTS, "all"),
    "none",
    "faults that may happen at any time: a fault finds its gfn invalidated, a cmpxchg of an "
    "SPTE fails, a walk yields",
)


def injected(value: str) -> tuple[str, ...]:
    """The faults that a value of `inject` stands for."""
    return FAULTS if value == "all" else tuple(fault for fault in FAULTS if fault == value)


GUARDS = (
    Guard(
        "freeze",
        "tdp_mmu_set_spte_atomic() keeps the SPTE FROZEN while the S-EPT changes",
        f"{SPTE}: FROZEN_SPTE; {TDP}: tdp_mmu_set_spte_atomic()",
    ),
    Guard(
        "restore",
        "tdp_mmu_set_spte_atomic() puts the old SPTE back when the external operation failed",
        f"{TDP}: __tdp_mmu_set_spte_atomic(), where the external operation failed",
    ),
    Guard(
        "tree-lock",
        "leafs take the S-EPT tree, shared or exclusively",
        "common/helpers/helpers.c: lock_sept_check_and_walk_internal()",
    ),
    Guard(
        "entry-lock",
        "leafs and TDCALLs lock the S-EPT entry that they change (TDEL)",
        "common/helpers/tdx_locks.h: sept_lock_acquire_host(), sept_lock_acquire_guest()",
    ),
    Guard(
        "blocked-first",
        "REMOVE, DEMOTE and SEPT.REMOVE refuse an entry that is not blocked",
        f"{CALLS}/tdh_mem_page_remove.c: TDX_GPA_RANGE_NOT_BLOCKED",
    ),
    Guard(
        "tracked-first",
        "and one that may still be in some vCPU's TLB",
        f"{CALLS}/tdh_mem_page_remove.c: TDX_TLB_TRACKING_NOT_DONE",
    ),
    Guard(
        "zero-step",
        "TDH.VP.ENTER looks at the list of pages that faulted at one RIP",
        f"{STEPPING}; {ENTER}",
    ),
    Guard(
        "mmu-seq",
        "a fault asks again, under mmu_lock, whether its page is going (is_page_fault_stale())",
        f"{MMU}: is_page_fault_stale(); {HOST}: mmu_invalidate_retry_gfn()",
    ),
    Guard(
        "obsolete-root",
        "a fault asks, under mmu_lock, whether its vCPU's root was invalidated (a955cad84cda)",
        f"{MMU}: is_page_fault_stale(), is_obsolete_sp()",
    ),
    Guard(
        "kick",
        "KVM_REQ_OUTSIDE_GUEST_MODE makes vCPUs leave the guest, and waits for them",
        f"{TDX}: tdh_do_no_vcpus(), tdx_no_vcpus_enter_start(); {MAIN}: "
        "kvm_make_all_cpus_request()",
    ),
    Guard(
        "wait-for-exiting",
        "a kick waits for a vCPU in EXITING_GUEST_MODE, too",
        f"{MAIN}: kvm_make_all_cpus_request() of a request with KVM_REQUEST_WAIT",
    ),
    Guard(
        "wait-for-sept-zap",
        "tdx_vcpu_run() does not enter the guest while a zapper retries its SEAMCALL",
        f"{TDX}: tdx_vcpu_run(), tdx_no_vcpus_enter_start(), tdx_no_vcpus_enter_stop()",
    ),
    Guard(
        "hp-timeout",
        "a guest that host priority keeps turning away exits with TDX_HOST_PRIORITY_BUSY_TIMEOUT",
        "td_dispatcher/tdx_td_dispatcher.c: td_call(), TDCS.HP_LOCK_TIMEOUT",
    ),
    Guard(
        "local-retry",
        "tdx_handle_ept_violation() retries a fault itself instead of entering the guest again",
        f"{TDX}: tdx_handle_ept_violation()",
    ),
    Guard(
        "stats-last",
        "page statistics move once the external operation has succeeded (not so on 2026-02-06)",
        "KVM list, 6 to 11 February 2026, on handle_changed_spte() of the series that became v3",
    ),
)
"""Every guard, with its place in the sources. A guard is added with an entry here,
and a look at `without` there."""

ASSUMED_GUARDS = {
    "wait-for-exiting": ((8, 12), ("before", "after")),
    "stats-last": ((1, 3), ("after",)),
}
"""Guards that are assumptions of the table, the rows that they may decide,
and the orders that have them."""


@attrs.frozen
class Flip:
    """One assumption turned over."""

    name: str
    doc: str
    reading: str
    setting: tuple[tuple[str, str], ...]
    without: tuple[str, ...]
    rows: tuple[int, ...]
    orders: tuple[str, ...]

    @property
    def switch(self) -> str:
        """The parameter, or the guard."""
        return self.setting[0][0] if self.setting else self.without[0]


def _flips_of(switch: Switch) -> tuple[Flip, ...]:
    param = switch.param
    return tuple(
        Flip(
            f"{param.name}={value}",
            param.doc,
            param.default,
            ((param.name, value), *switch.beside),
            (),
            switch.rows,
            switch.orders,
        )
        for value in param.values[1:]
    )


FLIPS = (
    *(flip for switch in SWITCHES for flip in _flips_of(switch)),
    *(
        Flip(
            f"without {guard.name}",
            guard.doc,
            "in place",
            (),
            (guard.name,),
            *ASSUMED_GUARDS[guard.name],
        )
        for guard in GUARDS
        if guard.name in ASSUMED_GUARDS
    ),
)


def params_of(row: int) -> tuple[Param, ...]:
    """The switches that a row has of its own."""
    return tuple(
        switch.param for switch in SWITCHES if row in switch.rows and switch.param.name != KERNEL
    )
