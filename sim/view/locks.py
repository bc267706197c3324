"""Who held which lock, from which step of a run to which."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from sim.kvm.mmu_lock import READ, WRITE, RwState
from sim.tdx.locks import Sharex
from sim.tdx.sept import SeptEntry
from sim.view.slice import Moment


@attrs.frozen
class Hold:
    """A lock, its holder, how it was held (by which leaf, or in which mode), and the steps that took and gave it."""

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
            return shared | ({value.exclusive.task: (value.exclusive.leaf, False)} if value.exclusive else {})
        case SeptEntry():
            return {value.tdel.task: (value.tdel.leaf, False)} if value.tdel else {}
        case RwState():
            readers = dict.fromkeys(value.readers, (READ, True))
            return readers | ({value.writer: (WRITE, False)} if value.writer else {})
    return {}


def holds(seen: tuple[Moment, ...]) -> Iterator[Hold]:
    """Every lock that anybody held; one that is not given back is held to the last step."""
    held: dict[tuple[str, str], Hold] = {}
    for number, moment in enumerate(seen):
        for lock, value in moment.changed:
            now = _holders(value)
            for task, (how, is_shared) in now.items():
                held.setdefault((lock, task), Hold(lock, task, how, is_shared, number, len(seen) - 1))
            for key in [key for key in held if key[0] == lock and key[1] not in now]:
                yield attrs.evolve(held.pop(key), end=number)
    yield from held.values()
