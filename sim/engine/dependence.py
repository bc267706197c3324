"""Which steps of two tasks may change places: the rule behind classes of interleavings, and whatever goes by it."""

from __future__ import annotations

from sim.engine.errors import refuse_function
from sim.engine.operations import HALTED, Access
from sim.engine.product import Product
from sim.engine.values import is_same

Touch = tuple[tuple[str, Access], ...]
"""The cells that a step touches, and how."""

COMMUTE = {(Access.READ, Access.READ), (Access.ADD, Access.ADD)}
"""Ways in which two steps may touch one cell in either order."""


Pick = tuple[str, int]
"""A step: its task, and which of the outcomes."""


def both_add(one: Touch, other: Touch) -> bool:
    """Whether two steps add to a common cell, and so may change places only if what they add commutes."""
    added = {cell for cell, access in one if access is Access.ADD}
    return any(cell in added and access is Access.ADD for cell, access in other)


def check_adds(product: Product, state: int, one: Pick, other: Pick) -> None:
    """Refuse two steps out of a state that say that they add, and of which it matters which one is first.

    Raises RuleError unless both can be taken in either order, give the same, and lead to the same state.
    """
    (task, outcome), (later, then) = one, other
    ends = []
    for first, second in ((one, other), (other, one)):
        between = state + product.answer(first[0], state)[first[1]][0]
        answer = product.answer(second[0], between)
        ends.append(between + answer[second[1]][0] if second[1] < len(answer) else None)
    mine, theirs = product.outcomes(task, state)[outcome], product.outcomes(later, state)[then]
    if ends[0] == ends[1] is not None:
        after_theirs = product.outcomes(task, state + product.answer(later, state)[then][0])[outcome]
        after_mine = product.outcomes(later, state + product.answer(task, state)[outcome][0])[then]
        if is_same(mine.result, after_theirs.result) and is_same(theirs.result, after_mine.result):
            return
    operations = [product.local(state, name).operation for name in (task, later)]
    points = " and ".join(f"{name}'s {op.point}" for name, op in zip((task, later), operations, strict=True) if op)
    effect = next(op.effect for op in operations if op is not None)
    raise refuse_function(effect, f"{points} say that they add to a common cell, and it matters which is first")


def dependent(one: Touch, other: Touch) -> bool:
    """Whether steps of two tasks depend on each other."""
    if any(cell == HALTED.name for cell, _ in (*one, *other)):
        return True
    theirs = dict(other)
    return any(cell in theirs and (access, theirs[cell]) not in COMMUTE for cell, access in one)
