"""mmu_lock: a rwlock, fair as the kernel's qrwlock is.

kernel/locking/qrwlock.c: readers and writers that cannot have the lock at once queue up behind one
another. A new reader gets in at once unless a writer holds the lock or waits at the head of the
queue; a new writer only if nobody holds the lock or waits. The head of the queue takes the lock as
soon as it can. The queue is a spinlock's; taking that, and announcing a waiting writer, is one step
here with joining the queue.

`unfair=True` drops the queue: whoever comes first when the lock is free gets it.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any

import attrs

from sim.engine.model.cells import Cell
from sim.engine.model.operations import BLOCKED, Operation, Outcome, add, read, write
from sim.engine.model.routines import Call, routine

READ = "read"
WRITE = "write"


class Acquire(Enum):
    """How an attempt ended: with the lock, or in the queue for it."""

    LOCKED = True
    QUEUED = False


@attrs.frozen(cache_hash=True)
class RwState:
    """Who holds the lock, and who waits for it in which mode, first come first."""

    writer: str = ""
    readers: tuple[str, ...] = ()
    queue: tuple[tuple[str, str], ...] = ()

    @property
    def free(self) -> bool:
        return not self.writer and not self.readers

    def __str__(self) -> str:
        held = (
            f"write {self.writer}"
            if self.writer
            else f"read {' '.join(self.readers)}"
            if self.readers
            else "free"
        )
        waiting = ", ".join(f"{task} for {mode}" for task, mode in self.queue)
        return f"{held}; waiting: {waiting}" if waiting else held

    def taken(self, task: str, mode: str) -> RwState:
        if mode == WRITE:
            return attrs.evolve(self, writer=task)
        return attrs.evolve(self, readers=tuple(sorted((*self.readers, task))))

    def may_take(self, mode: str) -> bool:
        return self.free if mode == WRITE else not self.writer


@attrs.frozen
class _States:
    tasks: tuple[str, ...]

    def __contains__(self, state: object) -> bool:
        if not isinstance(state, RwState):
            return False
        tasks = [*state.readers, *(task for task, _ in state.queue)]
        if state.writer:
            tasks.append(state.writer)
        return len(dict.fromkeys(tasks)) == len(tasks) and all(task in self.tasks for task in tasks)


def _lock(task: str, values: tuple[RwState], mode: str) -> tuple[Outcome, ...]:
    (lock,) = values
    ahead = bool(lock.queue) if mode == WRITE else bool(lock.queue) and lock.queue[0][1] == WRITE
    if lock.may_take(mode) and not ahead:
        taken = lock.taken(task, mode)
        return write(Acquire.LOCKED, taken) if mode == WRITE else add(Acquire.LOCKED, taken)
    return write(Acquire.QUEUED, attrs.evolve(lock, queue=(*lock.queue, (task, mode))))


def _take(task: str, values: tuple[RwState], mode: str) -> tuple[Outcome, ...]:
    (lock,) = values
    if not lock.queue or lock.queue[0][0] != task or not lock.may_take(mode):
        return BLOCKED
    return write(None, attrs.evolve(lock.taken(task, mode), queue=lock.queue[1:]))


def _take_unfair(task: str, values: tuple[RwState], mode: str) -> tuple[Outcome, ...]:
    (lock,) = values
    if not lock.may_take(mode):
        return BLOCKED
    return (
        write(None, lock.taken(task, mode)) if mode == WRITE else add(None, lock.taken(task, mode))
    )


def _unlock(task: str, values: tuple[RwState], mode: str) -> tuple[Outcome, ...]:
    (lock,) = values
    if mode == WRITE:
        return write(None, attrs.evolve(lock, writer=""))
    return add(
        None, attrs.evolve(lock, readers=tuple(reader for reader in lock.readers if reader != task))
    )


def _held(task: str, values: tuple[RwState], modes: tuple[str, ...]) -> tuple[Outcome, ...]:
    (lock,) = values
    held = (WRITE if lock.writer == task else READ if task in lock.readers else "") in modes
    return read(held, values)


@attrs.frozen(eq=False)
class MmuLock:
    """The lock, as a task uses it."""

    cell: Cell[RwState]
    unfair: bool = False

    @classmethod
    def build(cls, tasks: tuple[str, ...], *, unfair: bool = False) -> MmuLock:
        return cls(Cell("mmu_lock", RwState(), _States(tasks)), unfair)

    def read_lock(self) -> Call[None]:
        return self._acquire(READ)

    def write_lock(self) -> Call[None]:
        return self._acquire(WRITE)

    def read_unlock(self) -> Operation[None]:
        return Operation("mmu_lock.read_unlock", (self.cell,), _unlock, (READ,))

    def write_unlock(self) -> Operation[None]:
        return Operation("mmu_lock.write_unlock", (self.cell,), _unlock, (WRITE,))

    def held(self, what: str, *modes: str) -> Operation[bool]:
        """Whether the task holds the lock in one of `modes`: what lockdep knows."""
        return self.step(what, _held, modes)

    @routine
    async def _acquire(self, mode: str) -> None:
        if self.unfair:
            await self.step(f"{mode}_lock", _take_unfair, mode)
        elif await self.step(f"{mode}_lock", _lock, mode) is Acquire.QUEUED:
            await self.step(f"{mode}_lock_slowpath", _take, mode)

    def step(
        self, what: str, effect: Callable[..., tuple[Outcome, ...]], *args: object
    ) -> Operation[Any]:
        """One step on the lock."""
        return Operation(f"mmu_lock.{what}", (self.cell,), effect, args)
