"""Zero-step mitigation: what the module does about a host that keeps a guest from finishing
an instruction.

A host that unmaps a page, lets the guest fault on it, and maps and unmaps it again, could watch one
instruction as often as it likes. So the module counts EPT violations at one RIP, and from the
seventh on it keeps a list of the pages that faulted; while that list is not empty, TDH.VP.ENTER
refuses to enter a guest whose listed pages are not all mapped. To look at them it takes the S-EPT
tree lock: exclusively before 1.5.20, and then it contends with every SEAMCALL that maps a page;
shared since, and then with those that block and remove.

State, all of it private to one vCPU (TDVPS): the counter, the list, and the RIP at the last entry.
It is carried as a value, not kept in a cell: nobody else can look at it.

Rules, td_transitions/td_exit_stepping.c:

* every VM exit, also one the module handles itself, clears counter and list if RIP is not that of
  the last entry (`vmexit_stepping_filter`);
* an EPT violation that is passed on to the host raises the counter to STEPPING_EPF_THRESHOLD; once
  there, it adds its page to the list, if that is not there and the list has room
  (`td_exit_epf_stepping_log`). Violations that TDG.MEM.PAGE.ACCEPT raises, and those made up below,
  do not count;
* TDH.VP.ENTER records RIP; with a list, it walks to every page on it (`td_entry_stepping_filter`).
  The first one that is not fully mapped is reported to the host as an EPT violation, and the guest
  is not entered: PENDING is not mapped, so a page that the host has added and the guest has not
  accepted keeps its vCPU out. Otherwise the tree lock is held until just before entry.

Progress is RIP alone: an instruction that loops to itself makes none.
"""

from __future__ import annotations

import attrs

from sim.engine.model.operations import load
from sim.engine.model.routines import routine
from sim.tdx.locks import Mode
from sim.tdx.sept import SeptState
from sim.tdx.status import Operand, Status
from sim.tdx.td import LeafBase, operand_busy

STEPPING_EPF_THRESHOLD = 6
EPF_GPA_LIST_SIZE = 32


@attrs.frozen(cache_hash=True)
class Tdvps:
    """What the module keeps per vCPU, and where the guest stands: RIP counts its instructions."""

    rip: int = 0
    rip_on_entry: int | None = None
    possibly_epf_stepping: int = 0
    last_epf_gpa_list: tuple[str, ...] = ()
    hp_lock_busy: bool = False
    """The last TDCALL was turned away by host priority."""
    in_ve: str = ""
    """The gfn that the guest's #VE handler is accepting, which has a RIP of its own."""
    fetched: tuple[str, str] | None = None
    """What a guest that decides as it goes is at: an instruction, and its gfn."""

    def retired(self) -> Tdvps:
        """After an instruction that is done, or the handler of a #VE that it got."""
        if self.in_ve:
            return attrs.evolve(self, in_ve="")
        return attrs.evolve(self, rip=self.rip + 1, fetched=None)

    @property
    def position(self) -> int:
        """RIP as the module tells it apart: that of an instruction, or of its #VE handler (< 0)."""
        return -1 - self.rip if self.in_ve else self.rip

    def vmexit_stepping_filter(self) -> Tdvps:
        if self.position == self.rip_on_entry:
            return self
        return attrs.evolve(self, possibly_epf_stepping=0, last_epf_gpa_list=())

    def td_exit_epf_stepping_log(self, gfn: str) -> Tdvps:
        now = self.vmexit_stepping_filter()
        if now.possibly_epf_stepping < STEPPING_EPF_THRESHOLD:
            return attrs.evolve(now, possibly_epf_stepping=now.possibly_epf_stepping + 1)
        known = now.last_epf_gpa_list
        if gfn in known or len(known) >= EPF_GPA_LIST_SIZE:
            return now
        return attrs.evolve(now, last_epf_gpa_list=(*known, gfn))


@attrs.frozen(cache_hash=True)
class Filtered:
    """What the filter says: go on (holding the tree lock or not),
    the page that is still missing, or busy.
    """

    tree_held: bool = False
    expected: str | None = None
    busy: Status | None = None


@attrs.frozen(eq=False)
class ZeroStep(LeafBase):
    """The filter that TDH.VP.ENTER runs."""

    STEPPING_TREE_MODE = Mode.EXCLUSIVE
    LETS_IN_FOR_VE = False
    """Whether a guest that gets a #VE for a PENDING page is entered while one is on its list."""

    @routine
    async def td_entry_stepping_filter(self, gfns: tuple[str, ...]) -> Filtered:
        if not gfns or "zero-step" in self.without:
            return Filtered()
        busy = await self.lock_tree(self.STEPPING_TREE_MODE, "TDH.VP.ENTER")
        if busy:
            return Filtered(busy=operand_busy(Operand.SEPT_TREE, busy))
        for gfn in gfns:
            if await self._is_epf_expected(gfn):
                await self.unlock_tree(self.STEPPING_TREE_MODE)
                return Filtered(expected=gfn)
        return Filtered(tree_held=True)

    @routine
    async def _is_epf_expected(self, gfn: str) -> bool:
        """td_exit_stepping.c:is_epf_expected: a walk without entry locks;
        anything but a full mapping faults.
        """
        parent = await load(self.td.entry(gfn, 1))
        if parent.state is not SeptState.NL_MAPPED:
            return parent.state is not SeptState.MAPPED
        entry = await load(self.td.entry(gfn))
        if entry.state is SeptState.PENDING and "ve" in self.given and self.LETS_IN_FOR_VE:
            return False
        return entry.state is not SeptState.MAPPED
