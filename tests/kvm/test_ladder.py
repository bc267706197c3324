"""The classes that KVM is made of: in which file a function stands."""

from __future__ import annotations

import pytest

from sim.kvm.guest_memfd import GuestMemfd
from sim.kvm.kvm_main import KvmMain
from sim.kvm.mmu import Mmu
from sim.kvm.tdp_mmu import TdpMmu
from sim.kvm.tdp_mmu_walks import TdpMmuWalks
from sim.kvm.tdx_sept import TdxSept
from sim.kvm.tdx_vcpu import TdxVcpu
from sim.kvm.x86 import Kvm

LADDER = (KvmMain, TdxSept, TdpMmu, TdpMmuWalks, Mmu, GuestMemfd, TdxVcpu, Kvm)


def test_each_class_is_on_top_of_the_one_it_calls_into() -> None:
    assert [base for base in reversed(Kvm.__mro__) if base is not object] == list(LADDER)


@pytest.mark.parametrize(
    ("name", "home"),
    [
        ("kvm_mmu_zap_all_fast", Mmu),
        ("kvm_mmu_uninit_tdp_mmu", Mmu),
        ("kvm_mmu_hugepage_adjust", Mmu),
        ("kvm_tdp_mmu_page_fault", Mmu),
        ("kvm_gmem_invalidate_begin", GuestMemfd),
        ("kvm_gmem_invalidate_end", GuestMemfd),
        ("kvm_gmem_punch_hole", GuestMemfd),
        ("is_hkid_assigned", TdxSept),
        ("TDX_BUG_ON", TdxSept),
        ("tdp_mmu_zap_leafs", TdpMmuWalks),
        ("vcpu_enter_guest", Kvm),
    ],
)
def test_a_function_stands_in_the_file_that_has_it_in_c(name: str, home: type) -> None:
    defined = next(base for base in Kvm.__mro__ if name in vars(base))
    assert defined is home
