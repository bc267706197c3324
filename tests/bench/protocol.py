"""The protocol that `make bench` gives to every checker: KVM's fault path against a zap,
over one S-EPT entry.

`vcpus` vCPUs fault on one gfn under the shared mmu_lock: freeze the SPTE, TDH.MEM.PAGE.AUG, store
the SPTE or restore it. A vCPU that has faulted too often takes the tree on its next TDH.VP.ENTER.
The first one also accepts the page, and faults again where it finds none. A zapper takes the write
lock, then blocks and removes the page; where the tree is BUSY it kicks the vCPUs out, keeps them
out, and tries again. `limit` is how many faults without progress are too many.

Seven shared cells; a step is one access to them, or the end of a wait. It is smaller than the model
under `sim/`, so that it can be written by hand in Promela (`protocol.pml`), TLA+ (`protocol.tla`)
and other people's Python, and each be held beside this one, step by step.
"""

from __future__ import annotations

from enum import Enum

import attrs

from sim.engine.model.cells import BOOL, Cell, members, one_of
from sim.engine.model.operations import (
    Finding,
    Operation,
    Outcome,
    add,
    cmpxchg,
    load,
    read,
    report,
    store,
    wait,
    write,
)
from sim.engine.model.routines import Again, Call, Done, repeat, routine
from sim.engine.model.scenario import Look, Property, Scenario, Task

EXCLUSIVE = -1
"""What a lock's count is while one task has it alone."""


class Spte(Enum):
    NP = "NP"
    FROZEN = "FROZEN"
    LEAF = "LEAF"


class Stage(Enum):
    """How far a fault has come under the read lock."""

    FAILED = "FAILED"
    LOCKED = "LOCKED"
    MAPPED = "MAPPED"


class Sept(Enum):
    FREE = "FREE"
    PENDING = "PENDING"
    MAPPED = "MAPPED"
    BLOCKED = "BLOCKED"


def _enter(_task: str, values: tuple[bool, int]) -> tuple[Outcome, ...]:
    zapping, inside = values
    return () if zapping else write(None, zapping, inside + 1)


def _exit(_task: str, values: tuple[int]) -> tuple[Outcome, ...]:
    return add(None, values[0] - 1)


def _read_lock(_task: str, values: tuple[int]) -> tuple[Outcome, ...]:
    return () if values[0] == EXCLUSIVE else add(None, values[0] + 1)


def _write_lock(_task: str, values: tuple[int]) -> tuple[Outcome, ...]:
    return write(None, EXCLUSIVE) if values[0] == 0 else ()


def _try_shared(_task: str, values: tuple[int]) -> tuple[Outcome, ...]:
    return read(False, values) if values[0] == EXCLUSIVE else add(True, values[0] + 1)


def _try_exclusive(_task: str, values: tuple[int]) -> tuple[Outcome, ...]:
    return write(True, EXCLUSIVE) if values[0] == 0 else read(False, values)


def _aug(_task: str, values: tuple[Sept]) -> tuple[Outcome, ...]:
    if values[0] is not Sept.FREE:
        return (
            attrs.evolve(read(None, values)[0], finding=Finding("TDX_BUG_ON", "tdh_mem_page_aug")),
        )
    return write(None, Sept.PENDING)


def _accept(_task: str, values: tuple[Sept]) -> tuple[Outcome, ...]:
    return (
        write(True, Sept.MAPPED)
        if values[0] is Sept.PENDING
        else read(values[0] is Sept.MAPPED, values)
    )


def _nobody(inside: int) -> bool:
    return inside == 0


@attrs.frozen(eq=False)
class Protocol:
    """The cells, and what tasks do to them."""

    mmu_lock: Cell[int]
    spte: Cell[Spte]
    sept: Cell[Sept]
    tree: Cell[int]
    entry: Cell[bool]
    zapping: Cell[bool]
    inside: Cell[int]
    limit: int

    def vp_enter(self) -> Operation[None]:
        return Operation("vp_enter", (self.zapping, self.inside), _enter)

    def vp_exit(self) -> Operation[None]:
        return Operation("vp_exit", (self.inside,), _exit)

    def read_lock(self) -> Operation[None]:
        return Operation("mmu_lock.read_lock", (self.mmu_lock,), _read_lock)

    def read_unlock(self) -> Operation[None]:
        return Operation("mmu_lock.read_unlock", (self.mmu_lock,), _exit)

    def write_lock(self) -> Operation[None]:
        return Operation("mmu_lock.write_lock", (self.mmu_lock,), _write_lock)

    def try_shared(self) -> Operation[bool]:
        return Operation("tree.try_shared", (self.tree,), _try_shared)

    def put_shared(self) -> Operation[None]:
        return Operation("tree.put_shared", (self.tree,), _exit)

    def try_exclusive(self) -> Operation[bool]:
        return Operation("tree.try_exclusive", (self.tree,), _try_exclusive)

    def _accept(self) -> Operation[Sept]:
        return Operation("sept.accept", (self.sept,), _accept)

    @routine
    async def take_entry(self) -> bool:
        """The tree shared and the entry lock; False: BUSY, and neither is held."""
        if not await self.try_shared():
            return False
        if await cmpxchg(self.entry, old=False, new=True):
            await self.put_shared()
            return False
        return True

    @routine
    async def put_entry(self) -> None:
        await store(self.entry, new=False)
        await self.put_shared()

    @routine
    async def begin(self) -> Stage:
        """The fault path under the read lock, up to where it is sure to map the page or to fail."""
        old = await load(self.spte)
        if old is not Spte.NP:
            return Stage.MAPPED if old is Spte.LEAF else Stage.FAILED
        if await cmpxchg(self.spte, Spte.NP, Spte.FROZEN) is not Spte.NP:
            return Stage.FAILED
        if await self.take_entry():
            return Stage.LOCKED
        await store(self.spte, Spte.NP)
        return Stage.FAILED

    @routine
    async def fault(self, faults: int | Stage) -> Again | Done[None]:
        """Enter, fault, leave, and have the fault handled, after so many in vain.

        How many is forgotten on success.
        """
        if isinstance(faults, Stage):
            return await self.succeed(faults)
        await self.vp_enter()
        if faults == self.limit:
            if not await self.try_exclusive():
                await self.vp_exit()
                return Again(faults)
            await store(self.tree, 0)
        await self.vp_exit()
        await self.read_lock()
        stage = await self.begin()
        if stage is not Stage.FAILED:
            return Again(stage)
        await self.read_unlock()
        return Again(min(faults + 1, self.limit))

    @routine
    async def succeed(self, stage: Stage) -> Again | Done[None]:
        if stage is Stage.LOCKED:
            await Operation("sept.aug", (self.sept,), _aug)
            await self.put_entry()
            await store(self.spte, Spte.LEAF)
            return Again(Stage.MAPPED)
        await self.read_unlock()
        return Done(None)

    @routine
    async def tdg_mem_page_accept(self) -> bool | None:
        """TDG.MEM.PAGE.ACCEPT: whether there is a page; None: BUSY."""
        if not await self.take_entry():
            return None
        found: bool = await Operation("sept.accept", (self.sept,), _accept)
        await self.put_entry()
        return found

    @routine
    async def accept(self, faulting: bool) -> Again | Done[None]:
        """Fault if there is no page, else try to accept it."""
        if faulting:
            await repeat(self.fault, 0)
            return Again(False)
        await self.vp_enter()
        found = await self.tdg_mem_page_accept()
        await self.vp_exit()
        return Done(None) if found else Again(found is not None)

    @routine
    async def vcpu(self) -> None:
        await repeat(self.fault, 0)

    @routine
    async def accepting_vcpu(self) -> None:
        await repeat(self.accept, True)

    @routine
    async def exclusively(self, after: Sept) -> bool:
        """TDH.MEM.RANGE.BLOCK or TDH.MEM.PAGE.REMOVE: the same locks,
        another state. False: BUSY.
        """
        if not await self.try_exclusive():
            return False
        if await cmpxchg(self.entry, old=False, new=True):
            await report("BUG", "an entry lock was held beside the exclusive tree")
        await store(self.sept, after)
        await store(self.entry, new=False)
        await store(self.tree, 0)
        return True

    @routine
    async def tdh_do_no_vcpus(self, after: Sept) -> None:
        if await self.exclusively(after):
            return
        await store(self.zapping, new=True)
        await wait("kick", _nobody, self.inside)
        if not await self.exclusively(after):
            await report("TDX_BUG_ON", "tdh_do_no_vcpus")
        await store(self.zapping, new=False)

    @routine
    async def zap(self) -> None:
        if await load(self.spte) is Spte.LEAF:
            await store(self.spte, Spte.NP)
            await self.tdh_do_no_vcpus(Sept.BLOCKED)
            await self.tdh_do_no_vcpus(Sept.FREE)

    @routine
    async def zapper(self) -> None:
        await self.write_lock()
        await self.zap()
        await store(self.mmu_lock, 0)


def protocol(vcpus: int, limit: int = 2) -> Scenario:
    """The protocol with this many vCPUs, from an entry that is free."""
    count = one_of(range(-1, vcpus + 1))
    cells = Protocol(
        mmu_lock=Cell("mmu_lock", 0, count),
        spte=Cell("spte", Spte.NP, members(Spte)),
        sept=Cell("sept", Sept.FREE, members(Sept)),
        tree=Cell("tree", 0, count),
        entry=Cell("entry", initial=False, domain=BOOL),
        zapping=Cell("zapping", initial=False, domain=BOOL),
        inside=Cell("inside", 0, count),
        limit=limit,
    )

    def backed(look: Look) -> bool:
        return look(cells.spte) is not Spte.LEAF or look(cells.sept) in {Sept.PENDING, Sept.MAPPED}

    def thawed(look: Look) -> bool:
        return look(cells.spte) is not Spte.FROZEN or look(cells.mmu_lock) != EXCLUSIVE

    calls: list[Call[None]] = [cells.accepting_vcpu(), *(cells.vcpu() for _ in range(vcpus - 1))]
    return Scenario(
        f"protocol-{vcpus}-{limit}",
        (*(Task(f"v{i}", call) for i, call in enumerate(calls)), Task("zapper", cells.zapper())),
        (
            Property.whole("a leaf SPTE has a page behind it", "divergence", backed),
            Property.whole("nobody has frozen the SPTE under the write lock", "divergence", thawed),
        ),
    )
