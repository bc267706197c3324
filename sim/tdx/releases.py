"""Releases of the module: each a class that overrides what it changed."""

from __future__ import annotations

import attrs

from sim.engine.cells import Cell
from sim.engine.operations import load
from sim.engine.routines import routine
from sim.tdx.locks import Mode
from sim.tdx.sept import SeptEntry, bts_tdel
from sim.tdx.status import Operand
from sim.tdx.tdg_mem import Accepted
from sim.tdx.vp_enter import VpEnter


@attrs.frozen(eq=False)
class Module_1_5_01(VpEnter):
    """The public release (tag TDX_1.5.01). Zero-step takes the tree exclusively; commits erase TDHP. "OLD"."""

    VERSION = "1.5.01"


@attrs.frozen(eq=False)
class Module_1_5_28(Module_1_5_01):
    """As read in 1.5.28: zero-step takes the tree shared (so since 1.5.24 at the latest). "NEW".

    The stepping filter of 1.5.28 itself was not read, only the release of a shared lock in TDH.VP.ENTER; that of
    1.5.24 was. DEMOTE was read in 1.5.34.
    """

    VERSION = "1.5.28"
    STEPPING_TREE_MODE = Mode.SHARED
    KEEPS_TDHP = True
    STALE_IS_LEAF = False
    DEMOTE_IS_INTERRUPTED = False

    @routine
    async def sept_lock_acquire_guest(self, entry: Cell[SeptEntry], leaf: str) -> Accepted | None:
        """Looks at TDHP before it touches TDEL, and not again."""
        if (await load(entry)).tdhp:
            return Accepted.BUSY_HOST_PRIORITY
        return Accepted.BUSY if await bts_tdel(entry, leaf) else None


@attrs.frozen(eq=False)
class Module_2_0_08(Module_1_5_01):
    """As read in 2.0.08: locks, stepping, ACCEPT and the TDH.MEM leafs are those of 1.5.01, so "OLD".

    UNBLOCK names RCX where it says that tracking is not done.
    """

    VERSION = "2.0.08"
    UNTRACKED_UNBLOCK = Operand.RCX


@attrs.frozen(eq=False)
class Module_2_0_14(Module_1_5_28):
    """As read in 2.0.14: RANGE.BLOCK and the tail of TDH.VP.ENTER, which releases a shared tree lock, so "NEW".

    That the rest is as in 1.5.28 is likely, and was not read.
    """

    VERSION = "2.0.14"
    UNTRACKED_UNBLOCK = Operand.RCX


RELEASES = (Module_1_5_01, Module_1_5_28, Module_2_0_08, Module_2_0_14)


def release_named(version: str) -> type[VpEnter]:
    return next(release for release in RELEASES if version == release.VERSION)
