"""TDH.MEM.* and TDH.PHYMEM.*: what the host asks of a TD's memory.

Each leaf is the ordered steps of its C function (api_calls/<leaf>.c), at 4K (level 0), some at 2M
(level 1) too.
"""

from __future__ import annotations

import attrs

from sim.engine.model.operations import load, store
from sim.engine.model.routines import routine
from sim.tdx.epoch import Epoch, advance
from sim.tdx.locks import Mode, release, try_lock
from sim.tdx.sept import SeptState, btr_tdel
from sim.tdx.status import SUCCESS, Code, Operand, Status
from sim.tdx.td import EPOCH, LeafBase, PageType, operand_busy

ADD = "TDH.MEM.PAGE.ADD"
AUG = "TDH.MEM.PAGE.AUG"
BLOCK = "TDH.MEM.RANGE.BLOCK"
TRACK = "TDH.MEM.TRACK"
REMOVE = "TDH.MEM.PAGE.REMOVE"
WBINVD = "TDH.PHYMEM.PAGE.WBINVD"

BLOCKED_FORM = (
    (SeptState.MAPPED, SeptState.BLOCKED),
    (SeptState.PENDING, SeptState.PENDING_BLOCKED),
    (SeptState.NL_MAPPED, SeptState.NL_BLOCKED),
)


def state_incorrect() -> Status:
    return Status(Code.TDX_EPT_ENTRY_STATE_INCORRECT, Operand.RCX)


@attrs.frozen(eq=False)
class TdhMem(LeafBase):
    """The leafs that KVM's MMU hooks call."""

    @routine
    async def tdh_mem_page_add(self, gfn: str, pfn: int) -> Status:
        """tdh_mem_page_add.c: TDR exclusively, and so alone on its TD;
        before TDH.MR.FINALIZE only.
        """
        busy = await try_lock(self.td.tdr, Mode.EXCLUSIVE, ADD)
        if busy:
            return operand_busy(Operand.RDX, busy)
        status = await self._page_add(gfn, pfn)
        await release(self.td.tdr, Mode.EXCLUSIVE)
        return status

    @routine
    async def _page_add(self, gfn: str, pfn: int) -> Status:
        if self.td.finalized:
            return Status(Code.TDX_OP_STATE_INCORRECT)
        if (await load(self.td.entry(gfn, 1))).state is not SeptState.NL_MAPPED:
            return Status(Code.TDX_EPT_WALK_FAILED, Operand.RCX)
        if (await load(self.td.entry(gfn))).state is not SeptState.FREE:
            return state_incorrect()
        busy = await self.lock_page(pfn, ADD)
        if busy:
            return operand_busy(Operand.R8, busy)
        if await load(self.td.page(pfn).pt) is not PageType.NDA:
            await release(self.td.page(pfn).lock, Mode.EXCLUSIVE)
            return Status(Code.TDX_PAGE_METADATA_INCORRECT, Operand.R8)
        await self.commit(gfn, SeptState.MAPPED, pfn)
        await self.unlock_page(pfn, PageType.REG)
        return SUCCESS

    @routine
    async def tdh_mem_page_aug(self, gfn: str, pfn: int, level: int = 0) -> Status:
        """tdh_mem_page_aug.c.

        The store of PENDING publishes the page and drops the entry's lock at once.
        """
        failed, entry = await self.lock_sept_entry(gfn, AUG, Mode.SHARED, level)
        if failed:
            return failed
        status = await self._page_aug(gfn, entry.state, pfn, level)
        await self.unlock_sept(Mode.SHARED)
        return status

    @routine
    async def _page_aug(self, gfn: str, state: SeptState, pfn: int, level: int) -> Status:
        if state is not SeptState.FREE:
            await btr_tdel(self.td.entry(gfn, level))
            return state_incorrect()
        busy = await self.lock_page(pfn, AUG)
        if busy:
            await btr_tdel(self.td.entry(gfn, level))
            return operand_busy(Operand.R8, busy)
        rest = self.td.rest_of(gfn, pfn, level)
        for part in (pfn, *rest):
            if await load(self.td.page(part).pt) is not PageType.NDA:
                await release(self.td.page(pfn).lock, Mode.EXCLUSIVE)
                await btr_tdel(self.td.entry(gfn, level))
                return Status(Code.TDX_PAGE_METADATA_INCORRECT, Operand.R8)
        await self.commit(gfn, SeptState.PENDING, pfn, level=level)
        for part in rest:
            await store(self.td.page(part).pt, PageType.REG)
        await self.unlock_page(pfn, PageType.REG)
        return SUCCESS

    @routine
    async def tdh_mem_range_block(self, gfn: str, level: int = 0) -> Status:
        """tdh_mem_range_block.c: the tree exclusively.

        Already blocked is a warning class, and not success either.
        """
        failed, entry = await self.lock_sept_entry(gfn, BLOCK, Mode.EXCLUSIVE, level)
        if failed:
            return failed
        status = await self._range_block(gfn, entry.state, entry.pfn, level)
        await self.unlock_sept(Mode.EXCLUSIVE)
        return status

    @routine
    async def _range_block(self, gfn: str, state: SeptState, pfn: int, level: int) -> Status:
        """The blocked state, then BEPOCH := td_epoch, then the entry's lock.

        The module reads td_epoch and writes BEPOCH in two steps. Whoever reads BEPOCH holds this
        entry's lock, and TRACK ages a sampled epoch as it ages a stored one, so one step here.
        """
        blocked = dict(BLOCKED_FORM).get(state)
        if blocked is None:
            await btr_tdel(self.td.entry(gfn, level))
            return (
                Status(Code.TDX_GPA_RANGE_ALREADY_BLOCKED, Operand.RCX)
                if state.is_blocked
                else state_incorrect()
            )
        await self.commit(gfn, blocked, pfn, held_by=BLOCK, level=level)
        await store(self.td.page(pfn).bepoch, Epoch.CURRENT)
        await btr_tdel(self.td.entry(gfn, level))
        return SUCCESS

    @routine
    async def tdh_mem_track(self) -> Status:
        """tdh_mem_track.c: no tree, no entry.

        Waits for nobody: it fails while a vCPU of the epoch before last runs.
        """
        failed = await self.lock_td(TRACK, Operand.RCX)
        if failed:
            return failed
        busy = await try_lock(self.td.epoch_lock, Mode.EXCLUSIVE, TRACK)
        if busy:
            await self.unlock_td()
            return operand_busy(Operand.TD_EPOCH, busy)
        refcount = await load(self.td.epoch_refcount)
        if refcount.previous:
            status = Status(Code.TDX_PREVIOUS_TLB_EPOCH_BUSY, causes=(EPOCH,))
        else:
            await advance(self.td.epoch_refcount, self.td.epochs)
            status = SUCCESS
        await release(self.td.epoch_lock, Mode.EXCLUSIVE)
        await self.unlock_td()
        return status

    @routine
    async def tdh_mem_page_remove(self, gfn: str, level: int = 0) -> Status:
        """tdh_mem_page_remove.c. A busy PAMT entry is reported as RCX, like a busy S-EPT entry."""
        failed, entry = await self.lock_sept_entry(gfn, REMOVE, Mode.SHARED, level)
        if failed:
            return failed
        status = await self._page_remove(gfn, entry.state, entry.pfn, level)
        await self.unlock_sept(Mode.SHARED)
        return status

    @routine
    async def _page_remove(self, gfn: str, state: SeptState, pfn: int, level: int) -> Status:
        """The page's type is looked at before anything else is asked:
        of a page that AUG has mapped and not yet typed, the module makes a fatal error.
        """
        if not state.is_leaf:
            await btr_tdel(self.td.entry(gfn, level))
            return state_incorrect()
        busy = await self.pamt_implicit_get_and_lock(pfn, REMOVE)
        if busy:
            await btr_tdel(self.td.entry(gfn, level))
            return operand_busy(Operand.RCX, busy)
        failed = await self.check_tracked(state, pfn)
        if failed:
            await release(self.td.page(pfn).lock, Mode.EXCLUSIVE)
            await btr_tdel(self.td.entry(gfn, level))
            return failed
        await self.commit(gfn, SeptState.FREE, level=level)
        for part in self.td.rest_of(gfn, pfn, level):
            await store(self.td.page(part).pt, PageType.NDA)
        await self.unlock_page(pfn, PageType.NDA)
        return SUCCESS

    @routine
    async def tdh_phymem_page_wbinvd(self, pfn: int) -> Status:
        """tdh_phymem_page_wbinvd.c: the page's PAMT entry shared, and it must belong to nobody."""
        page = self.td.page(pfn)
        busy = await try_lock(page.lock, Mode.SHARED, WBINVD)
        if busy:
            return operand_busy(Operand.RCX, busy)
        pt = await load(page.pt)
        await release(page.lock, Mode.SHARED)
        return (
            SUCCESS if pt is PageType.NDA else Status(Code.TDX_PAGE_METADATA_INCORRECT, Operand.RCX)
        )
