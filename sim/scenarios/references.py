"""Where in the kernel's and the module's sources a name comes from, to be read beside the model.

Kernel files are those of v6.19 where nothing else is said; module files those of release 1.5.01, below `src/`.
"""

from __future__ import annotations

_TDP, _SPTE, _TDX = (f"arch/x86/kvm/{path}" for path in ("mmu/tdp_mmu.c", "mmu/spte.h", "vmx/tdx.c"))
_MMU, _HOST, _MAIN = "arch/x86/kvm/mmu/mmu.c", "include/linux/kvm_host.h", "virt/kvm/kvm_main.c"
_GMEM, _BUG = "virt/kvm/guest_memfd.c", "include/asm-generic/bug.h"
_ENTER, _STEPPING = "td_transitions/tdh_vp_enter.c", "td_transitions/td_exit_stepping.c"
_CALLS, _ACCEPT = "vmm_dispatcher/api_calls", "td_dispatcher/vm_exits/tdg_mem_page_accept.c"

SETTERS = f"{_TDP}: tdp_mmu_set_spte_atomic(), tdp_mmu_set_spte(), handle_changed_spte(); {_TDX}: tdx_sept_*()"

CALLERS = {
    "fault": f"{_TDP}: kvm_tdp_mmu_map(), tdp_mmu_map_handle_target_level()",
    "fault-over-a-table": f"{_TDP}: kvm_tdp_mmu_map(), tdp_mmu_map_handle_target_level()",
    "punch-hole": f"{_GMEM}: kvm_gmem_punch_hole(), kvm_gmem_invalidate_begin(); {_TDP}: kvm_tdp_mmu_unmap_gfn_range()",
    "punch-hole-4k": f"{_GMEM}: kvm_gmem_punch_hole(); {_TDP}: tdp_mmu_zap_leafs()",
    "fast-zap": f"{_MMU}: kvm_mmu_zap_all_fast(); {_TDP}: kvm_tdp_mmu_zap_invalidated_roots()",
    "eager-split": f"{_TDP}: kvm_tdp_mmu_try_split_huge_pages()",
    "huge-recovery": f"{_TDP}: recover_huge_pages_range()",
    "nx-recovery": f"{_MMU}: kvm_recover_nx_huge_pages(); {_TDP}: kvm_tdp_mmu_zap_possible_nx_huge_page()",
    "accept-4k": f"{_TDX}: tdx_handle_ept_violation(); {_ACCEPT}",
    "teardown": f"{_TDP}: kvm_tdp_mmu_zap_all(); {_CALLS}/tdh_phymem_page_reclaim.c",
}

FINDINGS = {
    "KVM_BUG_ON": f"{_HOST}: KVM_BUG_ON(), kvm_vm_bugged()",
    "TDX_BUG_ON": f"{_TDX}: TDX_BUG_ON(), and whoever uses it",
    "WARN": f"{_BUG}: WARN_ON_ONCE()",
    "lockdep": "include/linux/lockdep.h: lockdep_assert_held_read(), lockdep_assert_held_write()",
    "BUG": f"{_BUG}: BUG(); {_TDP}: handle_changed_spte()",
    "divergence": f"{_TDP}: handle_changed_spte(); {_TDX}: tdx_sept_*(), which are to keep both tables alike",
    "use-after-free": f"{_TDP}: handle_removed_pt(), tdp_mmu_free_sp_rcu_callback()",
    "leak": f"{_TDP}: handle_removed_pt(), tdp_mmu_free_sp_rcu_callback()",
    "transition": "arch/x86/kvm/mmu/mmutrace.h: kvm_tdp_mmu_spte_changed",
    "deadlock": "kernel/locking/qrwlock.c; the module's own locks are tried, and never waited for",
    "livelock": f"{_TDX}: tdx_handle_ept_violation(); {_ACCEPT}",
    "starvation": f"{_TDX}: tdx_handle_ept_violation(); {_ACCEPT}",
}

PROPERTIES = {
    "mirror-is-sept": f"{_TDP}: handle_changed_spte(), at is_mirror_sptep(); {_TDX}: tdx_sept_*()",
    "no-frozen": f"{_SPTE}: FROZEN_SPTE, is_frozen_spte()",
    "stats-are-leafs": f"{_TDP}: handle_changed_spte(), at kvm_update_page_stats()",
    "leafs-are-backed": f"{_GMEM}: kvm_gmem_punch_hole(); {_MMU}: is_page_fault_stale()",
    "tables-are-linked": f"{_TDP}: tdp_mmu_link_sp(), handle_removed_pt()",
}

GUARDS = {
    "freeze": f"{_SPTE}: FROZEN_SPTE; {_TDP}: tdp_mmu_set_spte_atomic()",
    "restore": f"{_TDP}: __tdp_mmu_set_spte_atomic(), where the external operation failed",
    "zero-step": f"{_STEPPING}; {_ENTER}",
    "mmu-seq": f"{_MMU}: is_page_fault_stale(); {_HOST}: mmu_invalidate_retry_gfn()",
    "kick": f"{_TDX}: tdh_do_no_vcpus(), tdx_no_vcpus_enter_start(); {_MAIN}: kvm_make_all_cpus_request()",
    "wait-for-exiting": f"{_MAIN}: kvm_make_all_cpus_request() of a request with KVM_REQUEST_WAIT",
    "wait-for-sept-zap": f"{_TDX}: tdx_vcpu_run(), tdx_no_vcpus_enter_start(), tdx_no_vcpus_enter_stop()",
    "hp-timeout": "td_dispatcher/tdx_td_dispatcher.c: td_call(), TDCS.HP_LOCK_TIMEOUT",
    "local-retry": f"{_TDX}: tdx_handle_ept_violation()",
    "stats-last": "KVM list, 6 to 11 February 2026, on handle_changed_spte() of the series that became v3",
}

CAUSES = {
    "zero-step": f"{_STEPPING}; {_ENTER}",
    "tdcall": _ACCEPT,
    "seamcall": f"{_CALLS}/tdh_mem_*.c",
    "interrupt": f"{_CALLS}/tdh_mem_page_demote.c",
    "priority": "common/helpers/helpers.c: check_host_interrupt_and_hp_bit(), release 1.5.24",
    "unsupported": f"{_TDX}: tdx_sept_*(), level != PG_LEVEL_4K",
    "epoch": f"{_CALLS}/tdh_mem_track.c; {_ENTER}",
}
