"""TDH.VP.ENTER: the way into the guest, the guest itself, and the way out.

td_transitions/tdh_vp_enter.c, td_exit.c. TDR and TDVPR stay locked (shared) while the guest runs;
OP_STATE, the epoch lock and, where zero-step took it, the tree are released before. Left out: the
association with a logical processor (each vCPU has its own here) and the single-step defence, which
touches no S-EPT lock.

The guest is a fixed program, or decides at each instruction what it is and what it is on. TOUCH is
an access to a private page (a hardware walk: no lock stops it), ACCEPT and the others TDCALLs, with
the guest's own loop around a BUSY answer; HLT (a TDVMCALL) ends it. Guests run with
SEPT_VE_DISABLE: a touch of a PENDING page is an EPT violation. Where `ve` is given it is a #VE, and
the guest's handler accepts the page. Between two instructions a pending interrupt makes the guest
exit.

A guest that host priority keeps turning away is taken out after a time (a second, unless the host
sets another): td_dispatcher/tdx_td_dispatcher.c:td_call. There are no seconds here, so from the
second time on it may happen or not.
"""

from __future__ import annotations

from enum import Enum

import attrs

from sim.engine.model.cells import Cell
from sim.engine.model.operations import choose, load
from sim.engine.model.routines import Again, Done, repeat, routine
from sim.tdx.epoch import leave, sample
from sim.tdx.locks import Mode, Try, release, try_lock
from sim.tdx.lp import Irq, interrupt_pending
from sim.tdx.sept import SeptState
from sim.tdx.status import Code, Operand, Status
from sim.tdx.td import operand_busy
from sim.tdx.tdg_mem import Accepted, TdgMem
from sim.tdx.zero_step import Tdvps, ZeroStep

ENTER = "TDH.VP.ENTER"


class Instruction(Enum):
    TOUCH = "touch"
    ACCEPT = "accept"
    ACCEPT_2M = "accept 2M"
    ATTR_RD = "attr.rd"
    ATTR_WR = "attr.wr"
    HLT = "hlt"


@attrs.frozen(cache_hash=True)
class Guest:
    """One vCPU as the module and the guest see it: its program, and the processor it runs on."""

    name: str
    program: tuple[tuple[Instruction, str], ...]
    lp: Cell[Irq]
    menu: tuple[tuple[Instruction, tuple[str, ...]], ...] = ()
    """What it decides between, each with the gfns that it may be on;
    empty for one that has a program."""
    length: int = 0
    """How many instructions it decides on."""

    def at(self, tdvps: Tdvps) -> tuple[Instruction, str]:
        if tdvps.in_ve:
            return Instruction.ACCEPT, tdvps.in_ve
        if tdvps.fetched:
            return Instruction(tdvps.fetched[0]), tdvps.fetched[1]
        return self.program[tdvps.rip] if tdvps.rip < len(self.program) else (Instruction.HLT, "")


class ExitReason(Enum):
    """Why TDH.VP.ENTER came back without an error."""

    EXTERNAL_INTERRUPT = 1
    EPT_VIOLATION = 48
    TDVMCALL = 77


@attrs.frozen(cache_hash=True)
class Exit:
    """What KVM gets back: an exit, or a status that says the guest was not entered."""

    reason: ExitReason | None = None
    gfn: str = ""
    pending: bool = False
    """The EPT violation's extended qualification says that the page is PENDING."""
    accepts_4k: bool = False
    """Or that the guest accepts a page of 4K."""
    status: Status | None = None


@attrs.frozen(eq=False)
class VpEnter(ZeroStep, TdgMem):
    """The leaf that runs the guest: behind the zero-step filter,
    and with the TDCALLs that the guest makes.
    """

    @routine
    async def tdh_vp_enter(self, guest: Guest, tdvps: Tdvps) -> tuple[Exit, Tdvps]:
        """The leaf, in the order of tdh_vp_enter.c:tdh_vp_enter."""
        vp = self.td.vp(guest.name)
        busy = await try_lock(vp.tdvpr, Mode.SHARED, ENTER)
        if busy:
            return Exit(status=operand_busy(Operand.RCX, busy)), tdvps
        busy = await try_lock(self.td.tdr, Mode.SHARED, ENTER)
        if busy:
            await release(vp.tdvpr, Mode.SHARED)
            return Exit(status=operand_busy(Operand.TDR, busy)), tdvps
        exit, tdvps = await self._enter_under_tdr(guest, tdvps)
        await release(self.td.tdr, Mode.SHARED)
        await release(vp.tdvpr, Mode.SHARED)
        return exit, tdvps

    @routine
    async def _enter_under_tdr(self, guest: Guest, tdvps: Tdvps) -> tuple[Exit, Tdvps]:
        vp = self.td.vp(guest.name)
        busy = await try_lock(self.td.op_state, Mode.SHARED, ENTER)
        if busy:
            return Exit(status=operand_busy(Operand.OP_STATE, busy)), tdvps
        busy = await self._adjust_tlb_tracking_state(guest)
        if busy:
            await release(self.td.op_state, Mode.SHARED)
            return Exit(status=operand_busy(Operand.TD_EPOCH, busy)), tdvps
        tdvps = attrs.evolve(tdvps, rip_on_entry=tdvps.position)
        filtered = await self.td_entry_stepping_filter(tdvps.last_epf_gpa_list)
        if filtered.busy or filtered.expected:
            await leave(self.td.epoch_refcount, vp.epoch)
            await release(self.td.op_state, Mode.SHARED)
            if filtered.busy:
                return Exit(status=filtered.busy), tdvps
            return Exit(ExitReason.EPT_VIOLATION, filtered.expected or ""), tdvps
        await release(self.td.op_state, Mode.SHARED)
        if filtered.tree_held:
            await self.unlock_tree(self.STEPPING_TREE_MODE)
        exit, tdvps = await repeat(self._run_guest, guest, tdvps)
        await leave(self.td.epoch_refcount, vp.epoch)
        return exit, tdvps

    @routine
    async def _adjust_tlb_tracking_state(self, guest: Guest) -> Try:
        """helpers.c:adjust_tlb_tracking_state, whose INVEPT is not a step of its own."""
        busy = await try_lock(self.td.epoch_lock, Mode.SHARED, ENTER)
        if not busy:
            await sample(self.td.epoch_refcount, self.td.vp(guest.name).epoch)
            await release(self.td.epoch_lock, Mode.SHARED)
        return busy

    @routine
    async def _run_guest(self, guest: Guest, tdvps: Tdvps) -> Again | Done[tuple[Exit, Tdvps]]:
        """One guest instruction, with the interrupt window before it."""
        if await interrupt_pending(guest.lp):
            return Done((Exit(ExitReason.EXTERNAL_INTERRUPT), tdvps.vmexit_stepping_filter()))
        if tdvps.rip < guest.length and not tdvps.fetched:
            tdvps = attrs.evolve(tdvps, fetched=await self._decide(guest))
        instruction, gfn = guest.at(tdvps)
        match instruction:
            case Instruction.TOUCH:
                return await self._touch(guest, tdvps, gfn)
            case Instruction.ACCEPT:
                said = await self.tdg_mem_page_accept(gfn)
            case Instruction.ACCEPT_2M:
                said = await self.tdg_mem_page_accept(gfn, 1)
            case Instruction.ATTR_RD:
                said = await self.tdg_mem_page_attr_rd(gfn)
            case Instruction.ATTR_WR:
                said = await self.tdg_mem_page_attr_wr(gfn)
            case Instruction.HLT:
                return Done((Exit(ExitReason.TDVMCALL), tdvps.vmexit_stepping_filter()))
        return await self._tdcall(guest, tdvps.vmexit_stepping_filter(), said)

    @routine
    async def _decide(self, guest: Guest) -> tuple[str, str]:
        """What the guest does next."""
        menu = {instruction.value: gfns for instruction, gfns in guest.menu}
        instruction = await choose(f"{guest.name}.instruction", tuple(menu))
        return instruction, await choose(f"{guest.name}.gfn", menu[instruction])

    @routine
    async def _touch(
        self, guest: Guest, tdvps: Tdvps, gfn: str
    ) -> Again | Done[tuple[Exit, Tdvps]]:
        """A hardware walk: one read a level."""
        if await self._walk(gfn) is SeptState.MAPPED:
            return Again(guest, tdvps.retired())
        return await self.td_ept_violation_exit(guest, tdvps, gfn)

    @routine
    async def _walk(self, gfn: str) -> SeptState:
        """The state of the entry that a walk without locks ends at."""
        state = (await load(self.td.entry(gfn, 1))).state
        return (await load(self.td.entry(gfn))).state if state is SeptState.NL_MAPPED else state

    @routine
    async def td_ept_violation_exit(
        self, guest: Guest, tdvps: Tdvps, gfn: str
    ) -> Again | Done[tuple[Exit, Tdvps]]:
        """td_ept_violation.c: the module walks again, in software, to tell a PENDING page.

        What it finds may be another state than the one that hardware stopped at.
        """
        pending = await self._walk(gfn) is SeptState.PENDING
        if pending and "ve" in self.given:  # tdx_inject_ve()
            return Again(guest, attrs.evolve(tdvps.vmexit_stepping_filter(), in_ve=gfn))
        return Done(
            (Exit(ExitReason.EPT_VIOLATION, gfn, pending), tdvps.td_exit_epf_stepping_log(gfn))
        )

    @routine
    async def _tdcall(
        self, guest: Guest, tdvps: Tdvps, said: Accepted
    ) -> Again | Done[tuple[Exit, Tdvps]]:
        """What becomes of it, and what the guest does then: what was too large for 4K,
        it tries at 4K next.
        """
        instruction, gfn = guest.at(tdvps)
        if said is Accepted.SIZE_MISMATCH:
            said = Accepted.SUCCESS if instruction is Instruction.ACCEPT_2M else Accepted.BUSY
        match said:
            case Accepted.EPT_VIOLATION:
                exit = Exit(
                    ExitReason.EPT_VIOLATION, gfn, accepts_4k=instruction is Instruction.ACCEPT
                )
                return Done((exit, tdvps))
            case Accepted.BUSY | Accepted.SIZE_MISMATCH:
                return Again(guest, attrs.evolve(tdvps, hp_lock_busy=False))
            case Accepted.SUCCESS | Accepted.ALREADY_ACCEPTED:
                return Again(guest, attrs.evolve(tdvps, hp_lock_busy=False).retired())
            case Accepted.BUSY_HOST_PRIORITY:
                if tdvps.hp_lock_busy and await self._hp_lock_timeout():
                    timeout = Exit(status=Status(Code.TDX_HOST_PRIORITY_BUSY_TIMEOUT))
                    return Done((timeout, attrs.evolve(tdvps, hp_lock_busy=False)))
                return Again(guest, attrs.evolve(tdvps, hp_lock_busy=True))

    @routine
    async def _hp_lock_timeout(self) -> bool:
        return "hp-timeout" not in self.without and await choose("HP_LOCK_TIMEOUT", (False, True))
