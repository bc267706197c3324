"""Which steps of two tasks may change places: the rule behind classes of interleavings,
and whatever goes by it.
"""

from __future__ import annotations

from sim.engine.model.operations import HALTED, Access

Touch = tuple[tuple[str, Access], ...]
"""The cells that a step touches, and how."""

COMMUTE = {(Access.READ, Access.READ), (Access.ADD, Access.ADD)}
"""Ways in which two steps may touch one cell in either order."""


def both_add(one: Touch, other: Touch) -> bool:
    """Whether two steps add to a common cell,
    and so may change places only if what they add commutes.
    """
    added = {cell for cell, access in one if access is Access.ADD}
    return any(cell in added and access is Access.ADD for cell, access in other)


def dependent(one: Touch, other: Touch) -> bool:
    """Whether steps of two tasks depend on each other."""
    if any(cell == HALTED.name for cell, _ in (*one, *other)):
        return True
    theirs = dict(other)
    return any(cell in theirs and (access, theirs[cell]) not in COMMUTE for cell, access in one)
