"""Who held which lock, and whose SPTE was FROZEN, from which step of a run to which."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import attrs

from sim.analysis.moments import Moment
from sim.kvm.mmu_lock import READ, WRITE, RwState
from sim.kvm.mutex import Mutex
from sim.kvm.spte import Spte
from sim.tdx.locks import Sharex
from sim.tdx.sept import SeptEntry


@attrs.frozen
class Hold:
    """A lock, its holder, how it was held (by which leaf, or in which mode),
    and the steps that took and gave it.

    Steps count from 0; what is not given back ends past the last one.
    """

    lock: str
    task: str
    how: str
    is_shared: bool
    begin: int
    end: int


def _holders(value: object) -> dict[str, tuple[str, bool]]:
    """Who holds a lock, how, and whether shared, where the cell is one."""
    match value:
        case Sharex():
            shared = {holder.task: (holder.leaf, True) for holder in value.shared}
            return shared | (
                {value.exclusive.task: (value.exclusive.leaf, False)} if value.exclusive else {}
            )
        case SeptEntry():
            return {value.tdel.task: (value.tdel.leaf, False)} if value.tdel else {}
        case RwState():
            readers = dict.fromkeys(value.readers, (READ, True))
            return readers | ({value.writer: (WRITE, False)} if value.writer else {})
        case Mutex():
            return {value.holder: (WRITE, False)} if value.holder else {}
    return {}


def holds(seen: tuple[Moment, ...]) -> Iterator[Hold]:
    """Every lock that anybody held."""
    held: dict[tuple[str, str], Hold] = {}
    for number, moment in enumerate(seen):
        for lock, value in moment.changed:
            now = _holders(value)
            for task, (how, is_shared) in now.items():
                held.setdefault((lock, task), Hold(lock, task, how, is_shared, number, len(seen)))
            for key in [key for key in held if key[0] == lock and key[1] not in now]:
                yield attrs.evolve(held.pop(key), end=number)
    yield from held.values()


def frozen(seen: tuple[Moment, ...]) -> Iterator[tuple[str, int, int]]:
    """In whose lane, from which step and to which an SPTE was FROZEN."""
    since: dict[str, tuple[str, int]] = {}
    for number, moment in enumerate(seen):
        for cell, value in moment.changed:
            if isinstance(value, Spte) and value.is_frozen:
                since[cell] = moment.step.task, number
            elif cell in since:
                yield (*since.pop(cell), number)
    for task, begin in since.values():
        yield task, begin, len(seen)


def slots(held: Iterable[Hold]) -> Iterator[tuple[int, Hold]]:
    """A place side by side for each bar."""
    free: list[int] = []
    for hold in sorted(held, key=lambda hold: (hold.begin, -hold.end)):
        slot = next((i for i, end in enumerate(free) if end < hold.begin), len(free))
        free[slot : slot + 1] = [hold.end]
        yield slot, hold
