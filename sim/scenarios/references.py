"""Where in the kernel's and the module's sources a name comes from, to be read beside the model.

Kernel files are those of v6.19 where nothing else is said; module files those of release 1.5.01,
below `src/`.
"""

from __future__ import annotations

TDP, SPTE, TDX = (f"arch/x86/kvm/{path}" for path in ("mmu/tdp_mmu.c", "mmu/spte.h", "vmx/tdx.c"))
MMU, HOST, MAIN = "arch/x86/kvm/mmu/mmu.c", "include/linux/kvm_host.h", "virt/kvm/kvm_main.c"
GMEM, BUG = "virt/kvm/guest_memfd.c", "include/asm-generic/bug.h"
ENTER, STEPPING = "td_transitions/tdh_vp_enter.c", "td_transitions/td_exit_stepping.c"
CALLS, ACCEPT = "vmm_dispatcher/api_calls", "td_dispatcher/vm_exits/tdg_mem_page_accept.c"

SETTERS = (
    f"{TDP}: tdp_mmu_set_spte_atomic(), tdp_mmu_set_spte(), handle_changed_spte(); {TDX}: "
    "tdx_sept_*()"
)

FINDINGS = {
    "KVM_BUG_ON": f"{HOST}: KVM_BUG_ON(), kvm_vm_bugged()",
    "TDX_BUG_ON": f"{TDX}: TDX_BUG_ON(), and whoever uses it",
    "WARN": f"{BUG}: WARN_ON_ONCE()",
    "lockdep": "include/linux/lockdep.h: lockdep_assert_held_read(), lockdep_assert_held_write()",
    "BUG": f"{BUG}: BUG(); {TDP}: handle_changed_spte()",
    "divergence": f"{TDP}: handle_changed_spte(); {TDX}: tdx_sept_*(), which are to keep both "
    "tables "
    "alike",
    "use-after-free": f"{TDP}: handle_removed_pt(), tdp_mmu_free_sp_rcu_callback()",
    "leak": f"{TDP}: handle_removed_pt(), tdp_mmu_free_sp_rcu_callback()",
    "lost-memory": f"{TDX}: tdx_is_sept_violation_unexpected_pending()",
    "halt": "common/memory_handlers/pamt_manager.c: pamt_implicit_get()",
    "transition": "arch/x86/kvm/mmu/mmutrace.h: kvm_tdp_mmu_spte_changed",
    "deadlock": "kernel/locking/qrwlock.c; the module's own locks are tried, and never waited for",
    "livelock": f"{TDX}: tdx_handle_ept_violation(); {ACCEPT}",
    "starvation": f"{TDX}: tdx_handle_ept_violation(); {ACCEPT}",
}

PROPERTIES = {
    "memory-is-not-lost": f"{TDX}: tdx_handle_ept_violation(); {GMEM}: kvm_gmem_punch_hole()",
    "put-root-is-empty": (
        f"{MMU}: is_page_fault_stale(); {TDP}: kvm_tdp_mmu_zap_invalidated_roots()"
    ),
    "mirror-is-sept": f"{TDP}: handle_changed_spte(), at is_mirror_sptep(); {TDX}: tdx_sept_*()",
    "no-frozen": f"{SPTE}: FROZEN_SPTE, is_frozen_spte()",
    "stats-are-leafs": f"{TDP}: handle_changed_spte(), at kvm_update_page_stats()",
    "leafs-are-backed": f"{GMEM}: kvm_gmem_punch_hole(); {MMU}: is_page_fault_stale()",
    "tables-are-linked": f"{TDP}: tdp_mmu_link_sp(), handle_removed_pt()",
}

CAUSES = {
    "bugged": "include/linux/kvm_host.h: KVM_BUG_ON()",
    "zero-step": f"{STEPPING}; {ENTER}",
    "tdcall": ACCEPT,
    "seamcall": f"{CALLS}/tdh_mem_*.c",
    "interrupt": f"{CALLS}/tdh_mem_page_demote.c",
    "priority": "common/helpers/helpers.c: check_host_interrupt_and_hp_bit(), release 1.5.24",
    "unsupported": f"{TDX}: tdx_sept_*(), level != PG_LEVEL_4K",
    "epoch": f"{CALLS}/tdh_mem_track.c; {ENTER}",
}
