"""TLB tracking: the TD's epoch, who runs in which,
and when a blocked page is known to be in nobody's TLB.

In the module (TDCS.td_epoch, refcount[2], TDVPS.vcpu_epoch, PAMT.bepoch) an epoch is a 64-bit
counter that only TDH.MEM.TRACK raises. What is asked of it is only whether something was sampled in
the current epoch, in the one before, or earlier; so that is what is kept here, and TRACK, in the
one step that raises the counter, makes everything that was sampled one older. The two refcounts,
indexed by parity in the module, are those of the current and of the previous epoch: TRACK insists
that the previous one is 0, and that slot becomes the new epoch's.

Sources: helpers.c:adjust_tlb_tracking_state, helpers.h:is_tlb_tracked, api_calls/tdh_mem_track.c,
td_exit.c.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

import attrs

from sim.engine.model.cells import Cell, members, record
from sim.engine.model.operations import Operation, Outcome, add, read, write


class Epoch(Enum):
    """When something was sampled, seen from now."""

    CURRENT = 0
    PREVIOUS = 1
    OLDER = 2

    @property
    def aged(self) -> Epoch:
        return Epoch.PREVIOUS if self is Epoch.CURRENT else Epoch.OLDER


@attrs.frozen(cache_hash=True)
class Counts:
    """How many vCPUs are in the guest (or past the sampling in TDH.VP.ENTER),
    by the epoch they sampled.
    """

    current: int = 0
    previous: int = 0

    def __str__(self) -> str:
        return f"{self.current} now, {self.previous} before"


def counts(vcpus: int) -> Cell[Counts]:
    every = range(vcpus + 1)
    return Cell("epoch.refcount", Counts(), record(Counts, current=every, previous=every))


def epoch(name: str) -> Cell[Epoch]:
    """An epoch that some structure has stored; at first older than any that matters."""
    return Cell(name, Epoch.OLDER, members(Epoch))


def _sample(_task: str, values: tuple[Counts, Epoch]) -> tuple[Outcome, ...]:
    refcount, stored = values
    return write(
        stored is not Epoch.CURRENT,
        attrs.evolve(refcount, current=refcount.current + 1),
        Epoch.CURRENT,
    )


def _leave(_task: str, values: tuple[Counts, Epoch]) -> tuple[Outcome, ...]:
    refcount, stored = values
    if stored is Epoch.CURRENT:
        return add(None, attrs.evolve(refcount, current=refcount.current - 1), stored)
    return add(None, attrs.evolve(refcount, previous=refcount.previous - 1), stored)


def _advance(_task: str, values: tuple[Any, ...]) -> tuple[Outcome, ...]:
    refcount, *stored = values
    return write(None, Counts(0, refcount.current), *(epoch.aged for epoch in stored))


def _tracked(_task: str, values: tuple[Counts, Epoch]) -> tuple[Outcome, ...]:
    refcount, stored = values
    return read(
        stored is Epoch.OLDER or (stored is Epoch.PREVIOUS and refcount.previous == 0), values
    )


def sample(refcount: Cell[Counts], vcpu_epoch: Cell[Epoch]) -> Operation[bool]:
    """Count the vCPU in the current epoch. Gives whether it had another one (and must flush).

    The module reads td_epoch and raises the count in two steps, both under the epoch lock that
    keeps TRACK out; whatever else happens in between (exits, other samplings) does not look at this
    vCPU. One step here.
    """
    return Operation("epoch.sample", (refcount, vcpu_epoch), _sample)


def leave(refcount: Cell[Counts], vcpu_epoch: Cell[Epoch]) -> Operation[None]:
    """TD exit: a bare atomic decrement, no lock."""
    return Operation("epoch.leave", (refcount, vcpu_epoch), _leave)


def advance(refcount: Cell[Counts], stored: tuple[Cell[Epoch], ...]) -> Operation[None]:
    """TRACK: raise the epoch; everything stored grows one older."""
    return Operation("epoch.advance", (refcount, *stored), _advance)


def tracked(refcount: Cell[Counts], bepoch: Cell[Epoch]) -> Operation[bool]:
    """is_tlb_tracked(): one 128-bit snapshot, no lock."""
    return Operation("epoch.is_tlb_tracked", (refcount, bepoch), _tracked)
