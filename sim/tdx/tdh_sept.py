"""TDH.MEM.SEPT.*, PAGE.DEMOTE, RANGE.UNBLOCK, and RECLAIM: the S-EPT's own pages,
and taking a BLOCK back.

Each leaf is the ordered steps of its C function (api_calls/<leaf>.c), at 4K (level 0) and 2M (level
1). Left out: L2 S-EPT pages, `allow_existing`, and the interruption points that only those have;
PAGE.PROMOTE, which KVM never calls.
"""

from __future__ import annotations

import attrs

from sim.engine.model.operations import choose, load, store
from sim.engine.model.routines import routine
from sim.tdx.epoch import tracked
from sim.tdx.locks import Mode, release, try_lock
from sim.tdx.sept import SeptEntry, SeptState, btr_tdel, fill
from sim.tdx.status import SUCCESS, Code, Operand, Status
from sim.tdx.td import EPOCH, INTERRUPT, PRIORITY, LeafBase, PageType, operand_busy
from sim.tdx.tdh_mem import BLOCKED_FORM, state_incorrect

SEPT_ADD = "TDH.MEM.SEPT.ADD"
SEPT_REMOVE = "TDH.MEM.SEPT.REMOVE"
SEPT_RD = "TDH.MEM.SEPT.RD"
UNBLOCK = "TDH.MEM.RANGE.UNBLOCK"
DEMOTE = "TDH.MEM.PAGE.DEMOTE"
RECLAIM = "TDH.PHYMEM.PAGE.RECLAIM"


@attrs.frozen(eq=False)
class TdhSept(LeafBase):
    """The leafs on S-EPT pages."""

    UNTRACKED_UNBLOCK = Operand.SEPT_TREE
    """The operand with which UNBLOCK says that tracking is not done."""

    DEMOTE_IS_INTERRUPTED = True
    """Whether a pending host interrupt ends DEMOTE; if not, only in a TD with nested VMs,
    which this one has not."""

    @routine
    async def tdh_mem_sept_add(self, gfn: str, level: int, pfn: int) -> Status:
        """tdh_mem_sept_add.c: link page `pfn` below the entry of that level.

        The entry's lock outlives the store.
        """
        failed, entry = await self.lock_sept_entry(gfn, SEPT_ADD, Mode.SHARED, level)
        if failed:
            return failed
        status = await self._sept_add(gfn, level, entry.state, pfn)
        await btr_tdel(self.td.entry(gfn, level))
        await self.unlock_sept(Mode.SHARED)
        return status

    @routine
    async def _sept_add(self, gfn: str, level: int, state: SeptState, pfn: int) -> Status:
        if state is not SeptState.FREE:
            return state_incorrect()
        busy = await self.lock_page(pfn, SEPT_ADD)
        if busy:
            return operand_busy(Operand.R8, busy)
        page = self.td.page(pfn)
        if await load(page.pt) is PageType.NDA:
            children = self.td.children(gfn)
            await fill(f"page[{pfn}]", children, tuple(SeptEntry() for _ in children))
            await store(page.pt, PageType.EPT)
            await self.commit(gfn, SeptState.NL_MAPPED, pfn, held_by=SEPT_ADD, level=level)
            status = SUCCESS
        else:
            status = Status(Code.TDX_PAGE_METADATA_INCORRECT, Operand.R8)
        await release(page.lock, Mode.EXCLUSIVE)
        return status

    @routine
    async def tdh_mem_sept_remove(self, gfn: str, level: int) -> Status:
        """tdh_mem_sept_remove.c: the tree exclusively. A busy PAMT entry is reported as RCX."""
        failed, entry = await self.lock_sept_entry(gfn, SEPT_REMOVE, Mode.EXCLUSIVE, level)
        if failed:
            return failed
        status = await self._sept_remove(gfn, level, entry.state, entry.pfn)
        if status:
            await btr_tdel(self.td.entry(gfn, level))
        await self.unlock_sept(Mode.EXCLUSIVE)
        return status

    @routine
    async def _sept_remove(self, gfn: str, level: int, state: SeptState, pfn: int) -> Status:
        if state not in (SeptState.NL_MAPPED, SeptState.NL_BLOCKED):
            return state_incorrect()
        busy = await self.lock_page(pfn, SEPT_REMOVE)
        if busy:
            return operand_busy(Operand.RCX, busy)
        failed = await self.check_tracked(state, pfn)
        for child in self.td.children(gfn):
            if not failed and (await load(child)).state is not SeptState.FREE:
                failed = Status(Code.TDX_EPT_PAGE_NOT_FREE, Operand.RCX)
        if failed:
            await release(self.td.page(pfn).lock, Mode.EXCLUSIVE)
            return failed
        await self.commit(gfn, SeptState.FREE, level=level)
        await self.unlock_page(pfn, PageType.NDA)
        return SUCCESS

    @routine
    async def tdh_mem_sept_rd(self, gfn: str, level: int = 0) -> Status:
        """tdh_mem_sept_rd.c: reads, and yet takes the entry's lock,
        and so takes back a host's priority.
        """
        failed, _ = await self.lock_sept_entry(gfn, SEPT_RD, Mode.SHARED, level)
        if failed:
            return failed
        await btr_tdel(self.td.entry(gfn, level))
        await self.unlock_sept(Mode.SHARED)
        return SUCCESS

    @routine
    async def tdh_mem_range_unblock(self, gfn: str, level: int = 0) -> Status:
        """tdh_mem_range_unblock.c: needs the TRACK sequence as REMOVE does.

        The store drops the entry's lock.
        """
        failed, entry = await self.lock_sept_entry(gfn, UNBLOCK, Mode.EXCLUSIVE, level)
        if failed:
            return failed
        status = await self._range_unblock(gfn, level, entry.state, entry.pfn)
        if status:
            await btr_tdel(self.td.entry(gfn, level))
        await self.unlock_sept(Mode.EXCLUSIVE)
        return status

    @routine
    async def _range_unblock(self, gfn: str, level: int, state: SeptState, pfn: int) -> Status:
        unblocked = next((before for before, blocked in BLOCKED_FORM if blocked is state), None)
        if unblocked is None:
            return state_incorrect()
        if self.td.finalized and not await tracked(
            self.td.epoch_refcount, self.td.page(pfn).bepoch
        ):
            return Status(Code.TDX_TLB_TRACKING_NOT_DONE, self.UNTRACKED_UNBLOCK, causes=(EPOCH,))
        await self.commit(gfn, unblocked, pfn, level=level)
        return SUCCESS

    @routine
    async def tdh_mem_page_demote(self, gfn: str, level: int, pfn: int) -> Status:
        """tdh_mem_page_demote.c: a large page into pages of the level below,
        linked by S-EPT page `pfn`.
        """
        failed, entry = await self.lock_sept_entry(gfn, DEMOTE, Mode.SHARED, level)
        if failed:
            return failed
        status = await self._page_demote(gfn, level, entry.state, entry.pfn, pfn)
        await btr_tdel(self.td.entry(gfn, level))
        await self.unlock_sept(Mode.SHARED)
        return status

    @routine
    async def _page_demote(
        self, gfn: str, level: int, state: SeptState, large: int, pfn: int
    ) -> Status:
        """The children are built before anything points to them;
        what interrupts this leaves nothing behind.
        """
        if not state.is_leaf:
            return state_incorrect()
        await self.pamt_implicit_get(large)
        failed = await self.check_tracked(state, large)
        if failed:
            return failed
        busy = await self.lock_page(pfn, DEMOTE)
        if busy:
            return operand_busy(Operand.R8, busy)
        if await load(self.td.page(pfn).pt) is not PageType.NDA:
            status = Status(Code.TDX_PAGE_METADATA_INCORRECT, Operand.R8)
        else:
            status = await self._check_host_interrupt_and_hp_bit()
            status = status or await self._pamt_demote(gfn, level, state, large, pfn)
        if status:
            await release(self.td.page(pfn).lock, Mode.EXCLUSIVE)
        return status

    @routine
    async def _check_host_interrupt_and_hp_bit(self) -> Status:
        """helpers.c, with that name from 1.5.20 on.

        Whether a host interrupt is pending is the environment's choice.
        """
        if (
            self.DEMOTE_IS_INTERRUPTED
            and "interrupts" in self.given
            and await choose("host_interrupt", (False, True))
        ):
            return Status(Code.TDX_INTERRUPTED_RESTARTABLE, causes=(INTERRUPT,))
        if self.DEMOTE_FEELS_TREE_HP and (await load(self.td.sept_tree)).hp:
            return Status(Code.TDX_INTERRUPTED_BUSY, causes=(PRIORITY,))
        return SUCCESS

    @routine
    async def _pamt_demote(
        self, gfn: str, level: int, state: SeptState, large: int, pfn: int
    ) -> Status:
        busy = await self.lock_page(large, DEMOTE)
        if busy:
            return operand_busy(Operand.RCX, busy)
        below = (
            SeptState.PENDING
            if state in {SeptState.PENDING, SeptState.PENDING_BLOCKED}
            else SeptState.MAPPED
        )
        children = self.td.children(gfn)
        await fill(
            f"page[{pfn}]",
            children,
            tuple(SeptEntry(below, large + i) for i in range(len(children))),
        )
        await release(self.td.page(large).lock, Mode.EXCLUSIVE)
        await self.commit(gfn, SeptState.NL_MAPPED, pfn, held_by=DEMOTE, level=level)
        await self.unlock_page(pfn, PageType.EPT)
        return SUCCESS

    @routine
    async def tdh_phymem_page_reclaim(self, pfn: int) -> Status:
        """tdh_phymem_page_reclaim.c: the page, then its TD's TDR; the S-EPT is not looked at.

        TEARDOWN only.
        """
        busy = await self.lock_page(pfn, RECLAIM)
        if busy:
            return operand_busy(Operand.RCX, busy)
        status = await self._page_reclaim(pfn)
        await release(self.td.page(pfn).lock, Mode.EXCLUSIVE)
        return status

    @routine
    async def _page_reclaim(self, pfn: int) -> Status:
        page = self.td.page(pfn)
        if await load(page.pt) is PageType.NDA:
            return Status(Code.TDX_PAGE_METADATA_INCORRECT, Operand.RCX)
        busy = await try_lock(self.td.tdr, Mode.SHARED, RECLAIM)
        if busy:
            return operand_busy(Operand.TDR, busy)
        if self.td.torn_down:
            await store(page.pt, PageType.NDA)
        await release(self.td.tdr, Mode.SHARED)
        return SUCCESS if self.td.torn_down else Status(Code.TDX_LIFECYCLE_STATE_INCORRECT)
