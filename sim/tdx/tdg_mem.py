"""TDG.MEM.*: what a guest asks of its own memory.

No lock but the entry's; the guest runs with TDR and TDVPR held.

Source: td_dispatcher/vm_exits/tdg_mem_page_accept.c. A guest is told that it was turned away
(TDX_OPERAND_BUSY), not why; the module keeps apart whether that was for host priority
(`sim.tdx.vp_enter` has what comes of it).
"""

from __future__ import annotations

from enum import Enum

import attrs

from sim.engine.model.cells import Cell
from sim.engine.model.operations import load, step
from sim.engine.model.routines import routine
from sim.tdx.sept import SeptEntry, SeptState, btr_tdel, bts_tdel
from sim.tdx.td import LeafBase

ACCEPT = "TDG.MEM.PAGE.ACCEPT"
ATTR_RD = "TDG.MEM.PAGE.ATTR.RD"
ATTR_WR = "TDG.MEM.PAGE.ATTR.WR"


class Accepted(Enum):
    """What a TDCALL on a page comes to: a status for the guest,
    or an EPT violation for the host.
    """

    SUCCESS = 0
    ALREADY_ACCEPTED = 1
    BUSY = 2
    SIZE_MISMATCH = 3
    EPT_VIOLATION = 4
    BUSY_HOST_PRIORITY = 5


@attrs.frozen(eq=False)
class TdgMem(LeafBase):
    """The TDCALLs that lock an S-EPT entry."""

    STALE_IS_LEAF = True
    """Whether ACCEPT takes `is_leaf` from the entry as it walked to it,
    not as it found it under the lock."""

    @routine
    async def tdg_mem_page_accept(self, gfn: str, level: int = 0) -> Accepted:
        """An unlocked walk, the guest's entry lock, and only then a look at the state.

        4K (level 0) or 2M.

        At 2M, an interrupt between two of its 4K pages makes the guest execute it again: left out,
        the zeroing is one step.
        """
        if not level:
            parent = (await load(self.td.entry(gfn, 1))).state
            if parent is not SeptState.NL_MAPPED:
                return (
                    Accepted.ALREADY_ACCEPTED
                    if parent is SeptState.MAPPED
                    else Accepted.EPT_VIOLATION
                )
        entry = self.td.entry(gfn, level)
        walked = await load(entry)
        busy = await self.sept_lock_acquire_guest(entry, ACCEPT)
        if busy is not None:
            return busy
        return await self._page_accept(gfn, level, walked.state)

    @routine
    async def _page_accept(self, gfn: str, level: int, walked: SeptState) -> Accepted:
        entry = self.td.entry(gfn, level)
        found = await load(entry)
        state = found.state
        leaf = walked.is_leaf if self.STALE_IS_LEAF else state.is_leaf
        if not leaf and state is not SeptState.FREE:
            verdict = Accepted.SIZE_MISMATCH
        elif state is SeptState.MAPPED:
            verdict = Accepted.ALREADY_ACCEPTED
        elif state is not SeptState.PENDING:
            verdict = Accepted.EPT_VIOLATION
        else:
            await step(f"page[{found.pfn}].zero")  # long, and with the entry locked
            await self.commit(gfn, SeptState.MAPPED, found.pfn, held_by=ACCEPT, level=level)
            verdict = Accepted.SUCCESS
        await btr_tdel(entry)
        return verdict

    @routine
    async def tdg_mem_page_attr_rd(self, gfn: str) -> Accepted:
        """tdg_mem_page_attr_rd.c: locks whatever entry the unlocked walk stopped at,
        at 2M as well; changes none.
        """
        parent = await load(self.td.entry(gfn, 1))
        entry = self.td.entry(gfn, 0 if parent.state is SeptState.NL_MAPPED else 1)
        busy = await self.sept_lock_acquire_guest(entry, ATTR_RD)
        if busy is not None:
            return busy
        state = (await load(entry)).state
        await btr_tdel(entry)
        return (
            Accepted.SUCCESS if state.is_leaf and not state.is_blocked else Accepted.EPT_VIOLATION
        )

    @routine
    async def tdg_mem_page_attr_wr(self, gfn: str) -> Accepted:
        """tdg_mem_page_attr_wr.c at 4K.

        The attributes are those of nested VMs, and not in this model.
        """
        if (await load(self.td.entry(gfn, 1))).state is not SeptState.NL_MAPPED:
            return Accepted.EPT_VIOLATION
        entry = self.td.entry(gfn)
        busy = await self.sept_lock_acquire_guest(entry, ATTR_WR)
        if busy is not None:
            return busy
        state = (await load(entry)).state
        await btr_tdel(entry)
        if state in (SeptState.NL_MAPPED, SeptState.NL_BLOCKED):
            return Accepted.SIZE_MISMATCH
        return (
            Accepted.SUCCESS if state.is_leaf and not state.is_blocked else Accepted.EPT_VIOLATION
        )

    @routine
    async def sept_lock_acquire_guest(self, entry: Cell[SeptEntry], leaf: str) -> Accepted | None:
        """What stood in the way. Take TDEL, then look at TDHP, and give TDEL back if it is set."""
        if "entry-lock" in self.without:
            return None
        if await bts_tdel(entry, leaf):
            return Accepted.BUSY
        if not (await load(entry)).tdhp:
            return None
        await btr_tdel(entry)
        return Accepted.BUSY_HOST_PRIORITY
