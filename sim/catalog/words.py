"""Words, what each means, and where to read on: plain data.

`WORDS` has every word that a timeline can show (a cell, a lock, a value, an operation or a task),
and where the kernel or the module has it. Kernel files are those of v6.19 where nothing else is
said, module files those of release 1.5.01, below `src/`. Functions and leafs are not here: what
they do is said where they are modelled (`sim.catalog.functions`). `OWN_WORDS`
(`sim.catalog.own_words`) has the words of this project. docs/words.md is made of both.
"""

from __future__ import annotations

import re

import attrs


@attrs.frozen
class Word:
    """A word, or several of one form."""

    name: str
    """As `tdpsim list` shows it: where there are several of a form, one of them."""

    text: str
    place: str = ""
    """The file and the name there; empty for what is the model's own."""

    pattern: str = ""
    """A regular expression for all of them; empty where `name` is the only one."""

    def matches(self, word: str) -> bool:
        return word == self.name or bool(self.pattern and re.fullmatch(self.pattern, word))


_GFN = r"\[(?:[A-C]|p\d+)\]"
_ENTRY = r"\[(?:[A-C]|p\d+)(?:\.2M)?\]"
_PFN = r"\[\d+\]"
_TASK = r"(?:v\d+|f\d+|z\d*|host|irq)"
_VCPU = r"v\d+"

_TDP, _MMU, _SPTE = (f"arch/x86/kvm/mmu/{file}" for file in ("tdp_mmu.c", "mmu.c", "spte.h"))
_FOLDER = "arch/x86/kvm/mmu"
_TDX, _HOST, _MAIN = "arch/x86/kvm/vmx/tdx.c", "include/linux/kvm_host.h", "virt/kvm/kvm_main.c"
_GMEM, _LOCKS = "virt/kvm/guest_memfd.c", "common/helpers/tdx_locks.h"
_TDCS, _PAMT = (
    "common/data_structures/td_control_structures.h",
    "common/memory_handlers/pamt_manager.c",
)
_STATES = "include/auto_gen/sept_state_lookup.c"
_DEFS, _ERRORS = "common/x86_defs/x86_defs.h", "include/auto_gen/tdx_error_codes_defs.h"
_CALLS = "vmm_dispatcher/api_calls"

TASKS = (
    Word(
        "v0",
        "In a row of the table, the task that calls the setter, once. In a storm, a vCPU as "
        "the others.",
    ),
    Word(
        "v1",
        "A vCPU. In a row of the table, the one whose zero-step list is armed: TDH.VP.ENTER "
        "takes the S-EPT tree lock "
        "for it.",
    ),
    Word(
        "v2",
        "A vCPU. In a row of the table, the one whose guest accepts the page that v0 changes "
        "the SPTE of.",
    ),
    Word(
        "v3",
        "A vCPU. In a row of the table, the one that faults on gfn C beside v0, which nothing "
        "maps.",
    ),
    Word("v4", "A vCPU.", pattern=r"v(?:[4-9]|\d\d+)"),
    Word("f1", "A vCPU that only faults: it runs no guest.", f"{_TDP}: kvm_tdp_mmu_map()", r"f\d+"),
    Word(
        "z",
        "A host thread that takes pages away: in a row of the table it zaps gfn C beside v0.",
        pattern=r"z\d*",
    ),
    Word("host", "A host thread: the caller that the scenario is about."),
    Word("irq", "A host interrupt: it hits any vCPU.", _DEFS),
    Word(
        "rcu1",
        "The grace period of a page table, as a task: it ends when nobody who was reading then "
        "still is, and the table "
        "is freed.",
        f"{_TDP}: tdp_mmu_free_sp_rcu_callback()",
        r"rcu\d+",
    ),
)
"""Who steps."""

CELLS = (
    Word(
        "spte[A]",
        "The SPTE of a gfn in the page table of 4K; with .2M, that of its 2M range in the one "
        "above. On a mirror root, "
        "a mirror SPTE.",
        f"{_TDP}: iter->sptep",
        f"spte{_ENTRY}",
    ),
    Word(
        "v0.spte[A]",
        "An SPTE in the page table that a task has allocated, before or after it is linked.",
        f"{_TDP}: tdp_mmu_alloc_sp(), tdp_mmu_link_sp()",
        rf"{_TASK}\.spte{_ENTRY}",
    ),
    Word(
        "pt[A].life",
        "Whether a page table is linked, ZAPPED (given to RCU) or FREED; and which readers a "
        "grace period still waits "
        "for.",
        f"{_TDP}: handle_removed_pt(), call_rcu()",
        r"(?:pt\[\w+\]|v\d+\.pt|\w+)\.life",
    ),
    Word(
        "pt[A].external_spt",
        "A page table's own structure, as far as it is read: the page that it lends the S-EPT.",
        f"{_FOLDER}/mmu_internal.h: struct kvm_mmu_page, external_spt",
        r"pt\[\w+\]\.external_spt",
    ),
    Word(
        "mmu_lock",
        "KVM's lock of a VM's page tables, a rwlock: many hold it for read, or one for write.",
        f"{_HOST}: struct kvm, mmu_lock; kernel/locking/qrwlock.c",
    ),
    Word(
        "rcu.readers",
        "The tasks inside rcu_read_lock(): page tables that go are freed after all of them.",
        f"{_TDP}: rcu_read_lock() of a walk",
    ),
    Word(
        "rcu",
        "Who reads page tables: rcu_read_lock() and rcu_read_unlock() (cell rcu.readers).",
        _TDP,
    ),
    Word(
        "epoch",
        "A TD's epoch, which TDH.MEM.TRACK raises: TLB tracking goes by it.",
        f"{_TDCS}: td_epoch",
    ),
    Word(
        "vm_bugged",
        "Whether KVM has given the VM up.",
        f"{_HOST}: struct kvm, vm_bugged; kvm_vm_bugged()",
    ),
    Word(
        "halted",
        "Whether a BUG() has stopped the host: no task takes another step.",
        "include/asm-generic/bug.h",
    ),
    Word(
        "root.invalid",
        "Whether the root was invalidated, so that faults on it are stale.",
        f"{_MMU}: is_page_fault_stale(); {_FOLDER}/mmu_internal.h: role.invalid",
    ),
    Word(
        "root.put",
        "Whether an invalidated root was zapped, and put after that.",
        f"{_TDP}: kvm_tdp_mmu_zap_invalidated_roots(), kvm_tdp_mmu_put_root()",
    ),
    Word(
        "wait_for_sept_zap",
        "Set while KVM keeps vCPUs out of the guest to zap a private SPTE.",
        f"{_TDX}: tdx_no_vcpus_enter_start(), tdx_vcpu_run()",
    ),
    Word(
        "stats.pages_4k",
        "The number of leafs of a size, as KVM counts them.",
        f"{_TDP}: handle_changed_spte(), kvm_update_page_stats()",
        r"stats\.pages_(?:4k|2m)",
    ),
    Word(
        "v1.mode",
        "Where a vCPU is: OUTSIDE_GUEST_MODE, IN_GUEST_MODE or EXITING_GUEST_MODE.",
        f"{_HOST}: struct kvm_vcpu, mode",
        rf"{_VCPU}\.mode",
    ),
    Word(
        "v1.req_vm_dead",
        "Whether a vCPU has been sent KVM_REQ_VM_DEAD, which ends it before it enters again.",
        f"{_HOST}: KVM_REQ_VM_DEAD",
        rf"{_VCPU}\.req_vm_dead",
    ),
    Word(
        "v1.irq",
        "The interrupts of the processor that a vCPU runs on: ENABLED, DISABLED, or one PENDING.",
        f"{_MAIN}: kvm_make_all_cpus_request(), smp_call_function_many()",
        rf"{_VCPU}\.irq",
    ),
    Word(
        "gmem[A]",
        "Whether guest_memfd still has the page of a gfn, or has given it up.",
        f"{_GMEM}: kvm_gmem_punch_hole()",
        f"gmem{_GFN}",
    ),
    Word(
        "gmem[A].level",
        "At which size a folio of guest_memfd can be mapped: 2M while it is whole.",
        f"{_GMEM}: kvm_gmem_get_pfn(), max_order",
        rf"gmem{_GFN}\.level",
    ),
    Word(
        "mmu_invalidate",
        "Which gfns are being taken away, by how many, and how often some have been.",
        f"{_HOST}: struct kvm, mmu_invalidate_in_progress, mmu_invalidate_seq",
    ),
    Word(
        "filemap_invalidate_lock",
        "The lock of a guest_memfd file that makes holes in it wait for each other.",
        f"{_GMEM}: filemap_invalidate_lock()",
    ),
    Word(
        "slots_lock",
        "The lock that makes changes of memslots, and fast zaps, wait for each other.",
        f"{_HOST}: struct kvm, slots_lock",
    ),
    Word(
        "sept_lock",
        "A what-if of this model, no lock of KVM's: one lock of a TD around every external "
        "operation.",
    ),
    Word(
        "sept.tree",
        "The lock of a TD's whole S-EPT: shared to change an entry, exclusive for "
        "TDH.MEM.RANGE.BLOCK "
        "and for TDH.VP.ENTER past a zero-step list.",
        f"{_TDCS}: secure_ept_lock; {_LOCKS}",
    ),
    Word(
        "sept[A]",
        "The S-EPT entry of a gfn, a word of state, page, TDEL and TDHP; with .2M, that of its "
        "2M range.",
        f"{_STATES}; {_DEFS}",
        f"sept{_ENTRY}",
    ),
    Word(
        "tdr",
        "The lock of a TD's root page: nearly all that is done to the TD holds it shared.",
        f"{_PAMT}: the PAMT entry of TDR; {_LOCKS}",
    ),
    Word(
        "op_state",
        "The lock of a TD's operation state, which leafs hold shared so that it does not change.",
        f"{_TDCS}: op_state_lock; {_LOCKS}",
    ),
    Word(
        "v1.tdvpr",
        "The lock of a vCPU's root page: TDH.VP.ENTER holds it shared while the guest runs.",
        f"{_PAMT}: the PAMT entry of TDVPR; {_LOCKS}",
        rf"{_VCPU}\.tdvpr",
    ),
    Word(
        "epoch.lock",
        "The lock of a TD's epoch: TDH.VP.ENTER takes it shared to sample the epoch, TDH.MEM.TRACK "
        "exclusively to raise it.",
        f"{_TDCS}: epoch_lock",
    ),
    Word(
        "epoch.refcount",
        "How many vCPUs are in the guest that sampled the current epoch, and how many the one "
        "before.",
        f"{_TDCS}: refcount[2]",
    ),
    Word(
        "v1.epoch",
        "The epoch that a vCPU sampled when it entered: CURRENT, PREVIOUS or OLDER.",
        "TDVPS.vcpu_epoch: td_transitions/tdh_vp_enter.c",
        rf"{_VCPU}\.epoch",
    ),
    Word("pamt[1]", "The lock of a page's PAMT entry.", f"{_PAMT}; {_LOCKS}", f"pamt{_PFN}"),
    Word("pamt[1].pt", "What a page is to the module: NDA, REG or EPT.", _PAMT, rf"pamt{_PFN}\.pt"),
    Word(
        "pamt[1].bepoch",
        "The epoch in which a page was blocked; what was blocked in it is in no TLB once it is "
        "over.",
        f"{_CALLS}/tdh_mem_range_block.c, PAMT.BEPOCH; common/helpers/helpers.h: is_tlb_tracked()",
        rf"pamt{_PFN}\.bepoch",
    ),
    Word(
        "page[1]",
        "A page of memory: the module fills a new S-EPT page, and zeroes one that it gives back.",
        f"{_CALLS}/tdh_mem_sept_add.c",
        f"page{_PFN}",
    ),
)
"""What is shared. A point is one of these, a dot, and an operation."""

CHOICES = (
    Word(
        "HP_LOCK_TIMEOUT",
        "A choice: whether the time is over after which a TDCALL that was turned away for the "
        "host's "
        "sake ends the guest's run.",
        "td_dispatcher/tdx_td_dispatcher.c: td_call(), TDCS.HP_LOCK_TIMEOUT",
    ),
    Word(
        "host_interrupt",
        "A choice: whether a host interrupt is pending inside TDH.MEM.PAGE.DEMOTE.",
        f"{_CALLS}/tdh_mem_page_demote.c",
    ),
    Word(
        "v0.instruction",
        "A choice of a guest in a storm: what it does next.",
        pattern=rf"{_VCPU}\.instruction",
    ),
    Word(
        "z.deed",
        "A choice of a host thread in a storm: how it takes pages away.",
        pattern=rf"{_TASK}\.deed",
    ),
    Word("v0.gfn", "A choice of a task in a storm: of which gfn.", pattern=rf"{_TASK}\.gfn"),
    Word("irq.lp", "A choice in a storm: whom a host interrupt hits."),
    Word(
        "resched",
        "A fault that --inject lets happen: mmu_lock is dropped in a walk, and taken again.",
        f"{_TDP}: tdp_mmu_iter_cond_resched()",
    ),
    Word(
        "invalidation",
        "A fault that --inject lets happen: a notifier is in progress, so a fault is retried.",
        f"{_MMU}: is_page_fault_stale()",
    ),
)
"""What is decided where nobody else has a say."""

OPERATIONS = (
    Word("load", "Reads a cell, and shows what it held (READ_ONCE() in the kernel)."),
    Word("store", "Writes a cell, whatever it holds (WRITE_ONCE())."),
    Word(
        "cmpxchg",
        "Writes a cell if it holds what is expected, and shows what it held. As a choice of "
        "--inject: it "
        "fails, although nobody else wrote.",
        f"{_TDP}: __tdp_mmu_set_spte_atomic(), try_cmpxchg64()",
    ),
    Word(
        "xchg",
        "Writes a cell and shows what it held.",
        f"{_FOLDER}/tdp_iter.h: kvm_tdp_mmu_write_spte_atomic()",
    ),
    Word(
        "add",
        "Adds to a counter without looking, so two of them commute.",
        f"{_TDP}: kvm_update_page_stats(), atomic64_add()",
    ),
    Word(
        "choose",
        "Takes one of several values; each is an interleaving of its own, and the schedule "
        "records which.",
    ),
    Word("done", "The step at which a guest in a storm says that it has got somewhere."),
    Word("fill", "Writes all entries of a page that nobody can walk to yet, in one step."),
    Word("zero", "Clears a page that is given back."),
    Word(
        "read_lock",
        "Takes mmu_lock for read, or shows QUEUED and waits its turn in read_lock_slowpath.",
        "kernel/locking/qrwlock.c: queued_read_lock()",
    ),
    Word(
        "write_lock",
        "Takes mmu_lock for write, or shows QUEUED and waits its turn in write_lock_slowpath.",
        "kernel/locking/qrwlock.c: queued_write_lock()",
    ),
    Word("read_unlock", "Gives mmu_lock back.", "kernel/locking/qrwlock.c"),
    Word("write_unlock", "Gives mmu_lock back.", "kernel/locking/qrwlock.c"),
    Word(
        "read_lock_slowpath",
        "Waits in the queue for mmu_lock, and then has it for read.",
        "kernel/locking/qrwlock.c: queued_read_lock_slowpath()",
    ),
    Word(
        "write_lock_slowpath",
        "Waits in the queue for mmu_lock, and then has it for write.",
        "kernel/locking/qrwlock.c: queued_write_lock_slowpath()",
    ),
    Word(
        "lockdep_assert_held",
        "Asks whether the task holds mmu_lock as it should; shows yes or no.",
        "include/linux/lockdep.h: lockdep_assert_held_read(), lockdep_assert_held_write()",
    ),
    Word(
        "tdp_mmu_free_sp_rcu_callback",
        "The grace period of a page table is over, and it is freed.",
        f"{_TDP}: tdp_mmu_free_sp_rcu_callback()",
    ),
    Word("lock", "Takes a mutex, waiting until it is free.", "kernel/locking/mutex.c"),
    Word("unlock", "Gives a mutex back.", "kernel/locking/mutex.c"),
    Word(
        "try_shared",
        "Tries a lock of the module shared, and never waits: ok, or busy and who is in the way.",
        f"{_LOCKS}: acquire_sharex_lock_sh()",
    ),
    Word(
        "try_exclusive",
        "Tries a lock of the module exclusively, and never waits: ok, or busy and who is in "
        "the way.",
        f"{_LOCKS}: acquire_sharex_lock_ex()",
    ),
    Word("release_shared", "Gives a lock of the module back.", _LOCKS),
    Word("release_exclusive", "Gives a lock of the module back.", _LOCKS),
    Word("or_HP", "Sets the host-priority bit of a lock: a host found it taken.", _LOCKS),
    Word("and_HP", "Clears the host-priority bit of a lock: a host has got it.", _LOCKS),
    Word(
        "cmpxchg_HP",
        "The second attempt at a lock of a host that found nothing but the host-priority bit "
        "in the way.",
        _LOCKS,
    ),
    Word(
        "bts_TDEL",
        "Tries to lock an S-EPT entry: sets TDEL, or shows busy and who has it.",
        f"{_LOCKS}: sept_lock_acquire_host(), sept_lock_acquire_guest()",
    ),
    Word("btr_TDEL", "Unlocks an S-EPT entry.", f"{_LOCKS}: sept_lock_release()"),
    Word(
        "bts_TDHP",
        "Sets TDHP in an S-EPT entry: a host found it locked, and guests are to let it go first.",
        f"{_LOCKS}: sept_lock_acquire_host()",
    ),
    Word(
        "btr_TDHP",
        "Clears TDHP in an S-EPT entry: a host has got it.",
        f"{_LOCKS}: sept_lock_acquire_host()",
    ),
    Word(
        "store_FREE",
        "Commits a new state of an S-EPT entry, the one that is named.",
        "common/memory_handlers/sept_manager.c",
        r"store_[A-Z_]+",
    ),
    Word(
        "sample",
        "TDH.VP.ENTER counts the vCPU in the current epoch; shows whether it had another one "
        "before.",
        "common/helpers/helpers.c: adjust_tlb_tracking_state()",
    ),
    Word(
        "leave",
        "A TD exit takes the vCPU out of the count of its epoch.",
        "td_transitions/td_exit.c",
    ),
    Word(
        "advance",
        "TDH.MEM.TRACK raises the epoch: everything stored is one older.",
        f"{_CALLS}/tdh_mem_track.c",
    ),
    Word(
        "is_tlb_tracked",
        "Whether what was blocked is in nobody's TLB any more.",
        "common/helpers/helpers.h: is_tlb_tracked()",
    ),
    Word(
        "disable",
        "Disables interrupts of the vCPU's processor.",
        "local_irq_disable() in vcpu_enter_guest()",
    ),
    Word(
        "enable",
        "Enables interrupts, and takes the one that is pending.",
        "local_irq_enable() in vcpu_enter_guest()",
    ),
    Word(
        "ipi", "Sends the vCPU's processor an interrupt.", f"{_MAIN}: kvm_make_all_cpus_request()"
    ),
    Word(
        "pending",
        "Whether an interrupt is pending, as the processor looks between two instructions of "
        "the guest.",
    ),
    Word(
        "wait_for_ack",
        "Waits until the interrupt that was sent has been taken.",
        f"{_MAIN}: kvm_make_all_cpus_request() of a request with KVM_REQUEST_WAIT",
    ),
    Word("begin", "An invalidation begins.", f"{_MAIN}: kvm_mmu_invalidate_begin()"),
    Word(
        "range_add",
        "An invalidation says which gfns it is about.",
        f"{_MAIN}: kvm_mmu_invalidate_range_add()",
    ),
    Word(
        "end",
        "An invalidation ends; shows how many are left.",
        f"{_MAIN}: kvm_mmu_invalidate_end()",
    ),
)
"""What a step does: the last part of a point."""

VALUES = (
    Word(
        "NP",
        "A non-present SPTE, as empty slots have it (bit 63, suppress #VE).",
        f"{_SPTE}: SHADOW_NONPRESENT_VALUE",
    ),
    Word(
        "ZERO",
        "A non-present SPTE that is 0: a VM has it where #VE goes to the guest.",
        f"{_SPTE}: SHADOW_NONPRESENT_VALUE",
    ),
    Word("MMIO", "An MMIO SPTE.", f"{_SPTE}: is_mmio_spte()"),
    Word(
        "FROZEN",
        "The SPTE of somebody who is between two steps: others see it, leave it alone and retry.",
        f"{_SPTE}: FROZEN_SPTE, is_frozen_spte()",
    ),
    Word("leaf", "A present SPTE that maps a page, whose pfn follows.", f"{_SPTE}: is_last_spte()"),
    Word(
        "nonleaf",
        "A present SPTE that points to a page table; NONLEAF in a timeline.",
        f"{_SPTE}: is_shadow_present_pte()",
        "NONLEAF|nonleaf",
    ),
    Word(
        "pfn",
        "The number of a page follows: of a leaf the page that it maps, of NL_MAPPED the S-EPT "
        "page.",
    ),
    Word("FREE", "An S-EPT entry that maps nothing.", _STATES),
    Word("PENDING", "An S-EPT leaf whose page the guest has not accepted yet.", _STATES),
    Word("MAPPED", "An S-EPT leaf that the guest has accepted.", _STATES),
    Word(
        "BLOCKED",
        "An accepted S-EPT leaf after TDH.MEM.RANGE.BLOCK: no new translation of it is made.",
        _STATES,
    ),
    Word("PENDING_BLOCKED", "A PENDING S-EPT leaf after TDH.MEM.RANGE.BLOCK.", _STATES),
    Word("NL_MAPPED", "An S-EPT entry that links an S-EPT page.", _STATES),
    Word("NL_BLOCKED", "The same after TDH.MEM.RANGE.BLOCK.", _STATES),
    Word(
        "TDEL",
        "The lock bit of an S-EPT entry (bit 11), and the task that holds it.",
        f"{_DEFS}; {_LOCKS}: sept_lock_acquire_host()",
    ),
    Word(
        "TDHP",
        "The host-priority bit of an S-EPT entry (bit 52): a host was turned away, and guests "
        "are to let it go first.",
        f"{_DEFS}; {_LOCKS}: sept_lock_acquire_host()",
    ),
    Word("HP", "The host-priority bit of a lock of the module.", _LOCKS),
    Word("host priority", "A host found nothing but the host-priority bit in the way.", _LOCKS),
    Word("ok", "A try-lock has the lock.", _LOCKS),
    Word(
        "busy",
        "A try-lock has failed: TDX_OPERAND_BUSY comes of it. Who holds the lock follows, and "
        "inside which "
        "leaf; of several holders, the tasks alone.",
        f"{_ERRORS}: TDX_OPERAND_BUSY",
    ),
    Word("S", "A lock of the module is held shared, by these tasks inside these leafs."),
    Word("X", "A lock of the module is held exclusively, by this task inside this leaf."),
    Word("free", "Nobody holds the lock."),
    Word("read", "mmu_lock is held for read, by these tasks."),
    Word("write", "mmu_lock is held for write, by this task."),
    Word("LOCKED", "An attempt at mmu_lock has the lock.", "kernel/locking/qrwlock.c"),
    Word("QUEUED", "An attempt at mmu_lock waits in the queue for it.", "kernel/locking/qrwlock.c"),
    Word("OUTSIDE_GUEST_MODE", "A vCPU is in KVM.", f"{_HOST}: enum, vcpu->mode"),
    Word(
        "IN_GUEST_MODE",
        "A vCPU is in the guest, or about to enter it with interrupts disabled.",
        f"{_HOST}: enum, vcpu->mode",
    ),
    Word(
        "EXITING_GUEST_MODE",
        "A vCPU is in the guest, and an IPI that makes it exit has been sent.",
        f"{_HOST}: enum, vcpu->mode",
    ),
    Word("ENABLED", "Interrupts are enabled.", pattern="ENABLED|DISABLED"),
    Word("CURRENT", "Sampled in the current epoch.", f"{_TDCS}: td_epoch"),
    Word("PREVIOUS", "Sampled in the epoch before the current one.", f"{_TDCS}: td_epoch"),
    Word("OLDER", "Sampled in an earlier epoch than the two that matter.", f"{_TDCS}: td_epoch"),
    Word("now", "So many vCPUs sampled the current epoch."),
    Word("before", "So many vCPUs sampled the epoch before the current one."),
    Word("NDA", "A page that is the host's: not directly assigned.", _PAMT),
    Word("REG", "A page of a TD's memory.", _PAMT),
    Word("EPT", "A page of a TD's S-EPT.", _PAMT),
    Word(
        "ZAPPED",
        "A page table that nobody can walk to from the root, and that is freed after a grace "
        "period.",
        f"{_TDP}: handle_removed_pt()",
    ),
    Word(
        "FREED",
        "A page table that is freed: who still reads it uses memory after it was freed.",
        f"{_TDP}: tdp_mmu_free_sp_rcu_callback()",
    ),
    Word("ALLOCATED", "guest_memfd has the page.", f"{_GMEM}: kvm_gmem_get_folio()"),
    Word("HOLE", "guest_memfd has given the page up.", f"{_GMEM}: kvm_gmem_punch_hole()"),
    Word(
        "goes",
        "These gfns are being taken away; `nothing` where none is.",
        f"{_HOST}: mmu_invalidate_range_start",
        "goes|nothing",
    ),
    Word(
        "yes", "What was asked is so. After a finding such as KVM_BUG_ON: the VM was bugged before."
    ),
    Word(
        "no",
        "What was asked is not so. After a finding such as KVM_BUG_ON: the VM was not bugged "
        "before; the "
        "condition is true all the same.",
    ),
    Word("-", "The step gives its task nothing."),
    Word("touch", "A guest in a storm reads memory."),
    Word(
        "accept",
        "A guest accepts a page, or 2M of them.",
        "td_dispatcher/vm_exits/tdg_mem_page_accept.c",
        "accept(?: 2M)?",
    ),
    Word(
        "attr.wr",
        "A guest sets attributes of a page.",
        "td_dispatcher/vm_exits/tdg_mem_page_attr_wr.c",
    ),
    Word(
        "punch hole",
        "A host thread in a storm gives pages of guest_memfd up.",
        f"{_GMEM}: kvm_gmem_punch_hole()",
    ),
    Word(
        "unmap range",
        "A host thread in a storm zaps a range.",
        f"{_TDP}: kvm_tdp_mmu_unmap_gfn_range()",
    ),
    Word("zap all", "A host thread in a storm zaps everything.", f"{_MMU}: kvm_mmu_zap_all_fast()"),
)
"""What a cell holds, or a step shows."""

TERMS = (
    Word(
        "S-EPT",
        "The module's Secure EPT: the page table that a TD's processor walks. Only the module "
        "writes it.",
        _STATES,
        "S-?EPT|s-?ept|secure[ -]ept",
    ),
    Word(
        "mirror",
        "The kind of root that KVM keeps of a TD's private memory: its own copy of the S-EPT, "
        "which no "
        "processor walks. Every change of it has to be made in the S-EPT too.",
        f"{_TDP}: is_mirror_sp(); {_FOLDER}/mmu_internal.h",
        "mirror(?: root| SPTE)?",
    ),
    Word(
        "direct",
        "The kind of root that a processor walks itself: an ordinary VM's, or of a TD's shared "
        "memory.",
        _TDP,
        "direct(?: root)?",
    ),
    Word(
        "gfn",
        "The number of a guest's page. A, B and C in a row of the table: A is the one that v0 "
        "changes, C is in "
        "A's 2M range, B is mapped elsewhere. p0, p1, ... in a storm, four in a 2M range.",
        pattern=r"gfn|[ABC]|p\d+",
    ),
    Word(
        "2M",
        "The size of a page or range, or the level whose entries map as much.",
        pattern="2M|4K",
    ),
    Word("SPTE", "An entry of KVM's page tables, of 4K or 2M here.", _SPTE),
    Word(
        "setter",
        "The function that changes an SPTE: tdp_mmu_set_spte_atomic() where mmu_lock is held for "
        "read, tdp_mmu_set_spte() where it is held for write.",
        _TDP,
    ),
    Word(
        "zap",
        "To make a present SPTE non-present. On a mirror root, the page is then removed from the "
        "S-EPT too: BLOCK, TRACK, kick, REMOVE.",
        f"{_TDP}: tdp_mmu_zap_leafs(); {_TDX}: tdx_sept_remove_private_spte()",
    ),
    Word(
        "SEAMCALL",
        "A call of the host into the module: its leafs begin with TDH.",
        "vmm_dispatcher/",
    ),
    Word(
        "TDCALL", "A call of a guest into the module: its leafs begin with TDG.", "td_dispatcher/"
    ),
    Word(
        "BUSY",
        "What a leaf answers that found a lock taken: TDX_OPERAND_BUSY, with the operand that was.",
        f"{_ERRORS}: TDX_OPERAND_BUSY",
    ),
    Word(
        "TDX_OPERAND_BUSY", "A status of a leaf: a lock was taken; the operand says which.", _ERRORS
    ),
    Word(
        "TDX_SUCCESS",
        "A status of a leaf; those of the module are called as its sources have them.",
        _ERRORS,
        r"TDX_[A-Z_]+",
    ),
    Word(
        "RCX",
        "An operand of BUSY: the S-EPT entry, or the page, that the call is about.",
        _ERRORS,
        "RCX|RDX|R8",
    ),
    Word("TDR", "An operand of BUSY: the TD's root page (cell tdr).", _ERRORS),
    Word("SEPT_TREE", "An operand of BUSY: the lock of the whole S-EPT (cell sept.tree).", _ERRORS),
    Word("TD_EPOCH", "An operand of BUSY: the lock of the TD's epoch (cell epoch.lock).", _ERRORS),
    Word("OP_STATE", "An operand of BUSY: the TD's operation state (cell op_state).", _ERRORS),
    Word(
        "commutes",
        "A mark beside a step: it could stand elsewhere, since no step of others depends on it.",
    ),
    Word(
        "hangs on",
        "A step hangs on another task's step if something else would have come of it without.",
    ),
)
"""What is talked of, and no cell or step."""

WORDS = (*TASKS, *CELLS, *CHOICES, *OPERATIONS, *VALUES, *TERMS)
