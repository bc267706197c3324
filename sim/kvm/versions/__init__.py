"""The kernels that there are: a file each, and each a class that overrides what it changed.

A kernel is added with a file here, and its class in `_EVERY`. Its VERSION is the name by which one
asks for it, and the first sentence of its docstring is what users are told of it. A kernel that is
not in the tree comes from a file that the command line names: `patch`.
"""

from __future__ import annotations

from sim.kvm.versions.huge_pages import HugePages
from sim.kvm.versions.in_turn import InTurn
from sim.kvm.versions.patch07 import Patch07
from sim.kvm.versions.v6_18 import V6_18
from sim.kvm.versions.v7_2 import Series
from sim.kvm.x86 import Kvm

__all__ = ["KERNELS", "V6_18", "HugePages", "InTurn", "Kvm", "Patch07", "Series"]

_EVERY: tuple[type[Kvm], ...] = (
    V6_18,
    Kvm,
    Patch07,
    Series,
    HugePages,
    InTurn,
)

KERNELS: dict[str, type[Kvm]] = {kernel.VERSION: kernel for kernel in _EVERY}
"""Every kernel by its VERSION, the oldest first."""
