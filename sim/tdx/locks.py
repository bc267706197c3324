"""The module's locks: every one of them a try-lock, none ever waits.

sharex (common/helpers/tdx_locks.h): bit 0 EXCLUSIVE, the rest a count of readers.
`acquire_sharex_lock_sh` adds to the count and then looks at EXCLUSIVE in the old value; where it
fails, the count stays raised until the exclusive holder's release stores 0 over the whole word.
Nobody can see that surplus in between: a reader looks at EXCLUSIVE only, and an exclusive attempt
fails on EXCLUSIVE alone. So a failed attempt changes nothing here. `acquire_sharex_lock_ex` is one
cmpxchg of the free word, and fails without a trace. There is no fairness.

sharex_hp adds a host-priority bit. A host that finds the lock taken sets it in a second step, and
one that gets the lock clears it: a shared one in a second step, an exclusive one with its second
cmpxchg, which may lose. Release leaves it as it is. It turns away *guest-side* acquirers, of TDR,
OP_STATE, TDVPR, PAMT entries and (from 1.5.20 on) the S-EPT tree, and in this model no guest-side
call takes any of them: the bit could be set but not felt, and is left out. In one family of
releases TDH.MEM.PAGE.DEMOTE feels that of the tree (`sim.tdx.releases`), and only there it is kept.

The S-EPT entry lock, where host priority is felt, has its own file (`sim.tdx.sept`).

What a lock holds here is not a count but who: the task and the leaf it is executing. That is the
same word to the module, and it lets a BUSY say who was in the way.
"""

from __future__ import annotations

from enum import Enum

import attrs

from sim.engine.model.cells import Cell
from sim.engine.model.operations import Operation, Outcome, add, read, write


@attrs.frozen(cache_hash=True)
class Holder:
    """A task inside a leaf."""

    task: str
    leaf: str

    def __str__(self) -> str:
        return f"{self.task} {self.leaf}"


@attrs.frozen(cache_hash=True)
class Try:
    """What a try-lock says: who is in the way. True, as a C error code is, where it failed."""

    holders: tuple[Holder, ...] = ()
    hp: bool = False
    """The host-priority bit was set: a shared attempt has the lock,
    an exclusive one goes on to its second cmpxchg."""
    is_lost: bool = False
    """That second cmpxchg lost to somebody who may be gone again."""

    def __bool__(self) -> bool:
        return self.is_lost or bool(self.holders)

    def __str__(self) -> str:
        """One holder with its leaf; of several, the tasks: a schedule's lines are short."""
        if self.hp:
            return "host priority"
        if self.is_lost and not self.holders:
            return "busy"
        if len(self.holders) == 1:
            return f"busy: {self.holders[0]}"
        return f"busy: {' '.join(holder.task for holder in self.holders)}" if self.holders else "ok"


OK = Try()


class Mode(Enum):
    SHARED = "shared"
    EXCLUSIVE = "exclusive"


@attrs.frozen(cache_hash=True)
class Sharex:
    """The word of a sharex lock."""

    exclusive: Holder | None = None
    shared: tuple[Holder, ...] = ()
    hp: bool = False

    def __str__(self) -> str:
        hp = " HP" if self.hp else ""
        if self.exclusive:
            return f"X {self.exclusive}{hp}"
        return f"S {', '.join(map(str, self.shared))}{hp}" if self.shared else f"free{hp}"


@attrs.frozen
class _HeldBy:
    """Sharex words: one exclusive holder or any readers, each of these tasks at most once,
    in order of task.
    """

    tasks: tuple[str, ...]

    def __contains__(self, word: object) -> bool:
        if not isinstance(word, Sharex):
            return False
        readers = [holder.task for holder in word.shared]
        known = [*readers, word.exclusive.task] if word.exclusive else readers
        return (
            all(task in self.tasks for task in known)
            and readers == sorted(dict.fromkeys(readers))
            and not (word.exclusive and readers)
        )


def sharex(name: str, tasks: tuple[str, ...]) -> Cell[Sharex]:
    """A free lock that `tasks` may take."""
    return Cell(name, Sharex(), _HeldBy(tasks))


def _try(task: str, values: tuple[Sharex], mode: Mode, leaf: str) -> tuple[Outcome, ...]:
    (word,) = values
    me = Holder(task, leaf)
    if word.exclusive:
        return read(Try((word.exclusive,)), values)
    if mode is Mode.SHARED:
        readers = sorted((*word.shared, me), key=lambda holder: holder.task)
        return add(Try(hp=True) if word.hp else OK, attrs.evolve(word, shared=tuple(readers)))
    if word.shared or word.hp:
        return read(Try(word.shared, hp=not word.shared), values)
    return write(OK, Sharex(exclusive=me))


def _release(task: str, values: tuple[Sharex], mode: Mode) -> tuple[Outcome, ...]:
    (word,) = values
    if mode is Mode.EXCLUSIVE:
        return write(None, Sharex(hp=word.hp))
    rest = tuple(holder for holder in word.shared if holder.task != task)
    return add(None, attrs.evolve(word, shared=rest))


def _set_hp(_task: str, values: tuple[Sharex], hp: bool) -> tuple[Outcome, ...]:
    return write(None, attrs.evolve(values[0], hp=hp))


def _take_hp(task: str, values: tuple[Sharex], leaf: str) -> tuple[Outcome, ...]:
    (word,) = values
    if word == Sharex(hp=True):
        return write(OK, Sharex(exclusive=Holder(task, leaf)))
    return read(Try((word.exclusive,) if word.exclusive else word.shared, is_lost=True), values)


def try_lock(lock: Cell[Sharex], mode: Mode, leaf: str) -> Operation[Try]:
    """One attempt, by a task executing `leaf`."""
    return Operation(f"{lock.name}.try_{mode.value}", (lock,), _try, (mode, leaf))


def release(lock: Cell[Sharex], mode: Mode) -> Operation[None]:
    """Release what the task holds in this mode."""
    return Operation(f"{lock.name}.release_{mode.value}", (lock,), _release, (mode,))


def set_hp(lock: Cell[Sharex], *, hp: bool) -> Operation[None]:
    """Set the host-priority bit, or clear it."""
    return Operation(f"{lock.name}.{'or' if hp else 'and'}_HP", (lock,), _set_hp, (hp,))


def take_hp(lock: Cell[Sharex], leaf: str) -> Operation[Try]:
    """A host's second cmpxchg: take what nobody holds and has the bit set, and clear that."""
    return Operation(f"{lock.name}.cmpxchg_HP", (lock,), _take_hp, (leaf,))
