"""S-EPT entries: their states, the lock inside each,
and what a TDCALL and a SEAMCALL do to each other on one entry.

An entry is one 64-bit word: state, page, TDEL (bit 11, the lock) and TDHP (bit 52, host priority),
and every access below is an access to that one word. Sources: x86_defs.h (bits), sept_manager.h and
sept_state_lookup.c (states), tdx_locks.h: `sept_lock_acquire_host`, `sept_lock_acquire_guest`,
`sept_lock_release`.

* A host that finds TDEL set sets TDHP in a second step and answers BUSY; one that gets TDEL clears
  TDHP in a second step.
* A guest that finds TDEL set answers BUSY. One that gets TDEL then looks at TDHP, and gives the
  lock back if it is set: a guest that polls holds the lock for moments, and can make the host's
  next attempt fail too. From 1.5.34 and 2.0.18 on it looks at TDHP before it touches TDEL, and not
  again after.
* Release clears TDEL alone.
* Before 1.5.20 a change of state is committed by a plain store of a value computed under the lock
  with TDHP clear, so a TDHP that a loser set in the meantime is lost. From then on it is a cmpxchg
  loop that keeps TDHP; under TDEL nothing else can change, so the loop is one step here.
"""

from __future__ import annotations

from collections.abc import Container
from enum import Enum

import attrs

from sim.engine.model.cells import BOOL, Cell, members, one_of
from sim.engine.model.operations import Operation, Outcome, read, write
from sim.tdx.locks import OK, Holder, Try


class SeptState(Enum):
    """sept_state_lookup.c. RWX is 7 in MAPPED and NL_MAPPED alone: anything else stops a walk."""

    FREE = 0
    BLOCKED = 1
    PENDING = 2
    PENDING_BLOCKED = 3
    MAPPED = 4
    NL_BLOCKED = 129
    NL_MAPPED = 132

    @property
    def is_leaf(self) -> bool:
        return self in {
            SeptState.MAPPED,
            SeptState.BLOCKED,
            SeptState.PENDING,
            SeptState.PENDING_BLOCKED,
        }

    @property
    def is_blocked(self) -> bool:
        return self in {SeptState.BLOCKED, SeptState.PENDING_BLOCKED, SeptState.NL_BLOCKED}


@attrs.frozen(cache_hash=True)
class SeptEntry:
    """The word: state, page (0: none, or an S-EPT page that no scenario touches),
    who holds TDEL, and TDHP.
    """

    state: SeptState = SeptState.FREE
    pfn: int = 0
    tdel: Holder | None = None
    tdhp: bool = False

    def __str__(self) -> str:
        lock = f" TDEL {self.tdel.task}" if self.tdel else ""
        return (
            f"{self.state.name}{f' pfn {self.pfn}' if self.pfn else ''}{lock}"
            f"{' TDHP' if self.tdhp else ''}"
        )


@attrs.frozen
class _Entries:
    """Entries that map one of these pages, locked by one of these tasks."""

    pfns: Container[object]
    tasks: tuple[str, ...]

    def __contains__(self, entry: object) -> bool:
        return (
            isinstance(entry, SeptEntry)
            and entry.state in members(SeptState)
            and (entry.pfn in self.pfns or (entry.pfn == 0 and not entry.state.is_leaf))
            and (entry.pfn == 0 or entry.state is not SeptState.FREE)
            and (entry.tdel is None or entry.tdel.task in self.tasks)
            and entry.tdhp in BOOL
        )


def sept_entry(
    name: str, first: SeptEntry, pfns: tuple[int, ...], tasks: tuple[str, ...]
) -> Cell[SeptEntry]:
    return Cell(name, first, _Entries(one_of(pfns), tasks))


def _bts_tdel(task: str, values: tuple[SeptEntry], leaf: str) -> tuple[Outcome, ...]:
    (entry,) = values
    if entry.tdel:
        return read(Try((entry.tdel,)), values)
    return write(OK, attrs.evolve(entry, tdel=Holder(task, leaf)))


def _btr_tdel(_task: str, values: tuple[SeptEntry]) -> tuple[Outcome, ...]:
    return write(None, attrs.evolve(values[0], tdel=None))


def _set_tdhp(_task: str, values: tuple[SeptEntry], tdhp: bool) -> tuple[Outcome, ...]:
    return write(None, attrs.evolve(values[0], tdhp=tdhp))


def _commit(
    task: str, values: tuple[SeptEntry], state: SeptState, pfn: int, held_by: str, keep_tdhp: bool
) -> tuple[Outcome, ...]:
    tdel = Holder(task, held_by) if held_by else None
    return write(None, SeptEntry(state, pfn, tdel, values[0].tdhp and keep_tdhp))


def _fill(_task: str, _values: tuple[SeptEntry, ...], *entries: SeptEntry) -> tuple[Outcome, ...]:
    return write(None, *entries)


def fill(
    name: str, cells: tuple[Cell[SeptEntry], ...], entries: tuple[SeptEntry, ...]
) -> Operation[None]:
    """A new S-EPT page. Nobody walks to it yet, so one step."""
    return Operation(f"{name}.fill", cells, _fill, entries)


def bts_tdel(entry: Cell[SeptEntry], leaf: str) -> Operation[Try]:
    """Locked bit-test-and-set of the entry lock."""
    return Operation(f"{entry.name}.bts_TDEL", (entry,), _bts_tdel, (leaf,))


def btr_tdel(entry: Cell[SeptEntry]) -> Operation[None]:
    return Operation(f"{entry.name}.btr_TDEL", (entry,), _btr_tdel)


def bts_tdhp(entry: Cell[SeptEntry]) -> Operation[None]:
    return Operation(f"{entry.name}.bts_TDHP", (entry,), _set_tdhp, (True,))


def btr_tdhp(entry: Cell[SeptEntry]) -> Operation[None]:
    return Operation(f"{entry.name}.btr_TDHP", (entry,), _set_tdhp, (False,))


def commit(
    entry: Cell[SeptEntry], state: SeptState, pfn: int, *, held_by: str = "", keep_tdhp: bool
) -> Operation[None]:
    """Store a new state and page; TDEL stays with the leaf `held_by`,
    or is dropped by the same store.
    """
    args = (state, pfn, held_by, keep_tdhp)
    return Operation(f"{entry.name}.store_{state.name}", (entry,), _commit, args)
