"""A TD as the module sees it: control structures, S-EPT, PAMT,
and how every SEAMCALL on its memory begins.

Left out: the PAMT entries of the 2M and 1G ranges around a page (taken shared by everybody here),
`chldcnt`, the key state and lifecycle checks (a TD that runs passes them), and S-EPT levels above
2M (the walk reads one entry a level, and all of them are NL_MAPPED for good). A page of 2M and the
first 4K page in it share a PAMT entry here, and the entries below a 2M entry are those of whatever
S-EPT page it links: KVM gives one back only once the TD is torn down.
"""

from __future__ import annotations

from collections.abc import Awaitable
from enum import Enum

import attrs

from sim.engine.model.cells import Cell, members
from sim.engine.model.operations import Operation, halt, load, store
from sim.engine.model.routines import routine
from sim.tdx.epoch import Counts, Epoch, counts, epoch, tracked
from sim.tdx.locks import OK, Mode, Sharex, Try, release, set_hp, sharex, take_hp, try_lock
from sim.tdx.sept import SeptEntry, SeptState, btr_tdhp, bts_tdel, bts_tdhp, commit, sept_entry
from sim.tdx.status import Code, Operand, Status

ZERO_STEP = "zero-step"
TDCALL = "tdcall"
SEAMCALL = "seamcall"
EPOCH = "epoch"
INTERRUPT = "interrupt"
PRIORITY = "priority"


def causes(operand: Operand, busy: Try) -> tuple[str, ...]:
    """What stood in the way, in the words of a finding's causes;
    nobody is there where only a bit was (`take_hp()`).
    """
    kinds = []
    for holder in busy.holders:
        if holder.leaf.startswith("TDG."):
            kinds.append(TDCALL)
        elif operand is Operand.TD_EPOCH:
            kinds.append(EPOCH)
        elif operand is Operand.SEPT_TREE and holder.leaf == "TDH.VP.ENTER":
            kinds.append(ZERO_STEP)
        else:
            kinds.append(SEAMCALL)
    return tuple(dict.fromkeys(kinds)) or (PRIORITY,)


def operand_busy(operand: Operand, busy: Try) -> Status:
    return Status(Code.TDX_OPERAND_BUSY, operand, causes(operand, busy))


async def _nobody_there() -> Try:
    """What a lock says that is left out."""
    return OK


class PageType(Enum):
    """PAMT.pt, as far as it is told apart here."""

    NDA = 0
    REG = 3
    EPT = 5


_ABOVE = SeptEntry(SeptState.NL_MAPPED)


def _type_of(pfn: int, mapped: list[int], table: list[int]) -> PageType:
    if pfn in table:
        return PageType.EPT
    return PageType.REG if pfn in mapped else PageType.NDA


@attrs.frozen(eq=False)
class Page:
    """A physical page's PAMT entry: its lock, its type, and the epoch in which it was blocked."""

    lock: Cell[Sharex]
    pt: Cell[PageType]
    bepoch: Cell[Epoch]


@attrs.frozen(eq=False)
class Vp:
    """A vCPU's TDVPR, as far as others see it: the lock on it,
    and the epoch in which it last entered.
    """

    tdvpr: Cell[Sharex]
    epoch: Cell[Epoch]


@attrs.frozen(eq=False)
class Range:
    """2M of guest-physical memory: its S-EPT entry, and the entries below that, by gfn."""

    entry: Cell[SeptEntry]
    below: tuple[tuple[str, Cell[SeptEntry]], ...]


@attrs.frozen(eq=False)
class Td:
    """Everything the module shares between SEAMCALLs and TDCALLs on one TD.

    Its op_state is RUNNABLE throughout, or INITIALIZED throughout where it is not `finalized`:
    TDH.MR.FINALIZE has the TD to itself. `torn_down` is a lifecycle of its own: TEARDOWN, with the
    key given back and every vCPU flushed.
    """

    tdr: Cell[Sharex]
    op_state: Cell[Sharex]
    sept_tree: Cell[Sharex]
    epoch_lock: Cell[Sharex]
    epoch_refcount: Cell[Counts]
    sept: tuple[Range, ...]
    pages: tuple[Page, ...]
    vps: tuple[tuple[str, Vp], ...]
    finalized: bool = True
    torn_down: bool = False

    @classmethod
    def build(
        cls,
        sept: dict[str, SeptEntry],
        pfns: int,
        vps: tuple[str, ...],
        tasks: tuple[str, ...],
        sept_2m: SeptEntry = _ABOVE,
        finalized: bool = True,
    ) -> Td:
        """A TD with one 2M range, whose S-EPT maps `sept` (by gfn, at 4K) onto pages 1..pfns."""
        return cls.of(((sept_2m, sept),), pfns, vps, tasks, finalized)

    @classmethod
    def of(
        cls,
        ranges: tuple[tuple[SeptEntry, dict[str, SeptEntry]], ...],
        pfns: int,
        vps: tuple[str, ...],
        tasks: tuple[str, ...],
        finalized: bool = True,
        torn_down: bool = False,
    ) -> Td:
        """A TD with these 2M ranges, each its own entry and the 4K ones below it,
        for these vCPUs and tasks.
        """
        mapped, table = list[int](), list[int]()
        for entry, below in ranges:
            if entry.state.is_leaf:
                mapped += range(entry.pfn, entry.pfn + len(below))
            table.append(0 if entry.state.is_leaf else entry.pfn)
            mapped += [child.pfn for child in below.values()]
        known = tuple(range(1, pfns + 1))
        return cls(
            tdr=sharex("tdr", tasks),
            op_state=sharex("op_state", tasks),
            sept_tree=sharex("sept.tree", tasks),
            epoch_lock=sharex("epoch.lock", tasks),
            epoch_refcount=counts(len(vps)),
            sept=tuple(
                Range(
                    sept_entry(f"sept[{next(iter(below))}.2M]", entry, known, tasks),
                    tuple(
                        (gfn, sept_entry(f"sept[{gfn}]", child, known, tasks))
                        for gfn, child in below.items()
                    ),
                )
                for entry, below in ranges
            ),
            pages=tuple(
                Page(
                    sharex(f"pamt[{pfn}]", tasks),
                    Cell(f"pamt[{pfn}].pt", _type_of(pfn, mapped, table), members(PageType)),
                    epoch(f"pamt[{pfn}].bepoch"),
                )
                for pfn in known
            ),
            vps=tuple(
                (name, Vp(sharex(f"{name}.tdvpr", tasks), epoch(f"{name}.epoch"))) for name in vps
            ),
            finalized=finalized,
            torn_down=torn_down,
        )

    def _range(self, gfn: str) -> Range:
        return next(one for one in self.sept if gfn in dict(one.below))

    def entry(self, gfn: str, level: int = 0) -> Cell[SeptEntry]:
        """The entry that maps `gfn` at a level, 0 being 4K and 1 being 2M."""
        return self._range(gfn).entry if level else dict(self._range(gfn).below)[gfn]

    def children(self, gfn: str) -> tuple[Cell[SeptEntry], ...]:
        """The entries of the S-EPT page below the 2M entry of a gfn."""
        return tuple(cell for _, cell in self._range(gfn).below)

    def rest_of(self, gfn: str, pfn: int, level: int) -> range:
        """The 4K pages of a leaf after its first one, `pfn`: none at 4K."""
        return range(pfn + 1, pfn + len(self.children(gfn))) if level else range(0)

    def page(self, pfn: int) -> Page:
        return self.pages[pfn - 1]

    def vp(self, vcpu: str) -> Vp:
        return next(vp for name, vp in self.vps if name == vcpu)

    @property
    def epochs(self) -> tuple[Cell[Epoch], ...]:
        """Every place in which an epoch is stored."""
        return (*(vp.epoch for _, vp in self.vps), *(page.bepoch for page in self.pages))


@attrs.frozen(eq=False)
class LeafBase:
    """What all leafs have in common; TdhMem, TdhSept, ... are siblings on it,
    and `sim.tdx.module` joins them.

    `without` names guards that are taken out to see what they guard, `given` what the environment
    may do that is off by default.
    """

    td: Td
    without: tuple[str, ...] = ()
    given: tuple[str, ...] = ()

    VERSION = ""
    KEEPS_TDHP = False
    """Whether a committed state keeps the TDHP that somebody set meanwhile (`sim.tdx.sept`)."""
    DEMOTE_FEELS_TREE_HP = False
    """Whether DEMOTE gives way to the tree's host-priority bit. Where it does not, nobody does,
    and there is no bit."""

    @routine
    async def lock_td(self, leaf: str, tdr: Operand = Operand.RDX) -> Status | None:
        """TDR and OP_STATE, shared: what nearly every TDH.MEM.* leaf begins with.

        Undoes itself where it fails.

        helpers.c:check_any_td_state_map_tdcs_and_lock. TDR contention is reported as the register
        that TDR came in.
        """
        busy = await try_lock(self.td.tdr, Mode.SHARED, leaf)
        if busy:
            return operand_busy(tdr, busy)
        busy = await try_lock(self.td.op_state, Mode.SHARED, leaf)
        if busy:
            await release(self.td.tdr, Mode.SHARED)
            return operand_busy(Operand.OP_STATE, busy)
        return None

    @routine
    async def unlock_td(self) -> None:
        await release(self.td.op_state, Mode.SHARED)
        await release(self.td.tdr, Mode.SHARED)

    @routine
    async def lock_sept_entry(
        self, gfn: str, leaf: str, tree: Mode, level: int = 0
    ) -> tuple[Status | None, SeptEntry]:
        """TDR, OP_STATE, the tree in mode `tree`, the walk, the entry;
        gives the entry as read under its lock.

        helpers.c:lock_sept_check_and_walk_internal, sept_manager.c:secure_ept_walk. The walk takes
        no entry locks and reads each level once. Undoes itself where it fails, but for the TDHP
        that a host leaves behind.
        """
        none = SeptEntry()
        failed = await self.lock_td(leaf)
        if failed:
            return failed, none
        busy = await self.lock_tree(tree, leaf)
        if busy:
            await self.unlock_td()
            return operand_busy(Operand.SEPT_TREE, busy), none
        if not level and (await load(self.td.entry(gfn, 1))).state is not SeptState.NL_MAPPED:
            await self.unlock_sept(tree)
            return Status(Code.TDX_EPT_WALK_FAILED, Operand.RCX), none
        entry = self.td.entry(gfn, level)
        busy = await self.sept_lock_acquire_host(entry, leaf)
        if busy:
            await self.unlock_sept(tree)
            return operand_busy(Operand.RCX, busy), none
        return None, attrs.evolve(await load(entry), tdel=None)

    def lock_tree(self, mode: Mode, leaf: str) -> Awaitable[Try]:
        """One attempt at the S-EPT tree."""
        if "tree-lock" in self.without:
            return _nobody_there()
        if self.DEMOTE_FEELS_TREE_HP:
            return self.acquire_sharex_lock_hp(self.td.sept_tree, mode, leaf)
        return try_lock(self.td.sept_tree, mode, leaf)

    def unlock_tree(self, mode: Mode) -> Awaitable[object]:
        if "tree-lock" in self.without:
            return _nobody_there()
        return release(self.td.sept_tree, mode)

    @routine
    async def acquire_sharex_lock_hp(self, lock: Cell[Sharex], mode: Mode, leaf: str) -> Try:
        """tdx_locks.h, on the host's side: acquire_sharex_lock_hp_sh() or _ex()."""
        said = await try_lock(lock, mode, leaf)
        if said:
            await set_hp(lock, hp=True)
        elif said.hp and mode is Mode.SHARED:
            await set_hp(lock, hp=False)
        elif said.hp:
            return await take_hp(lock, leaf)
        return said

    @routine
    async def unlock_sept(self, tree: Mode) -> None:
        """The tree, OP_STATE and TDR; the entry's lock went with the commit, or before."""
        await self.unlock_tree(tree)
        await self.unlock_td()

    @routine
    async def sept_lock_acquire_host(self, entry: Cell[SeptEntry], leaf: str) -> Try:
        """tdx_locks.h:sept_lock_acquire_host."""
        if "entry-lock" in self.without:
            return OK
        busy = await bts_tdel(entry, leaf)
        if busy:
            await bts_tdhp(entry)
        else:
            await btr_tdhp(entry)
        return busy

    def commit(
        self, gfn: str, state: SeptState, pfn: int = 0, *, held_by: str = "", level: int = 0
    ) -> Operation[None]:
        """Store an entry's new state, as this release does it."""
        return commit(
            self.td.entry(gfn, level), state, pfn, held_by=held_by, keep_tdhp=self.KEEPS_TDHP
        )

    @routine
    async def check_tracked(self, state: SeptState, pfn: int) -> Status | None:
        """Blocked, and then out of every TLB:
        op_state_lookup.c demands both once the TD is RUNNABLE.
        """
        if not self.td.finalized:
            return None
        if not state.is_blocked and "blocked-first" not in self.without:
            return Status(Code.TDX_GPA_RANGE_NOT_BLOCKED, Operand.RCX)
        if "tracked-first" in self.without:
            return None
        if not await tracked(self.td.epoch_refcount, self.td.page(pfn).bepoch):
            return Status(Code.TDX_TLB_TRACKING_NOT_DONE, Operand.RCX, causes=(EPOCH,))
        return None

    @routine
    async def lock_page(self, pfn: int, leaf: str) -> Try:
        """The page's own PAMT entry, exclusive."""
        return await try_lock(self.td.page(pfn).lock, Mode.EXCLUSIVE, leaf)

    @routine
    async def pamt_implicit_get(self, pfn: int) -> None:
        """pamt_manager.c: the PAMT entry of a page that an S-EPT entry maps, so it has an owner.

        One that has none halts the module. AUG shows its S-EPT entry, and drops that entry's lock,
        before it sets the page's type: who comes to the page in between finds none. Leafs that hold
        the tree exclusively cannot, since AUG holds it shared until it is done; they do without
        this step here.
        """
        if await load(self.td.page(pfn).pt) is PageType.NDA:
            await halt("pamt_implicit_get")

    @routine
    async def pamt_implicit_get_and_lock(self, pfn: int, leaf: str) -> Try:
        """pamt_manager.c: the same, and its lock, exclusive."""
        await self.pamt_implicit_get(pfn)
        return await self.lock_page(pfn, leaf)

    @routine
    async def unlock_page(self, pfn: int, pt: PageType) -> None:
        """Set the page's type and release its PAMT entry."""
        await store(self.td.page(pfn).pt, pt)
        await release(self.td.page(pfn).lock, Mode.EXCLUSIVE)
