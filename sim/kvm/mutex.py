"""Locks that are slept for: a mutex, and a rwsem that whoever takes it here takes for write.

Whether those who wait queue up is left out: nobody here takes one twice in a row.
"""

from __future__ import annotations

import attrs

from sim.engine.model.cells import Cell
from sim.engine.model.operations import BLOCKED, Operation, Outcome, write


@attrs.frozen(cache_hash=True)
class Mutex:
    """Who holds it."""

    holder: str = ""

    def __str__(self) -> str:
        return self.holder or "free"


class _Mutexes:
    def __contains__(self, value: object) -> bool:
        return isinstance(value, Mutex)


def mutex(name: str) -> Cell[Mutex]:
    return Cell(name, Mutex(), _Mutexes())


def _lock(task: str, values: tuple[Mutex]) -> tuple[Outcome, ...]:
    return BLOCKED if values[0].holder else write(None, Mutex(task))


def _unlock(_task: str, _values: tuple[Mutex]) -> tuple[Outcome, ...]:
    return write(None, Mutex())


def lock(cell: Cell[Mutex]) -> Operation[None]:
    return Operation(f"{cell.name}.lock", (cell,), _lock)


def unlock(cell: Cell[Mutex]) -> Operation[None]:
    return Operation(f"{cell.name}.unlock", (cell,), _unlock)
