"""Checks that two steps which say that they add commute, in a state where both can be taken."""

from __future__ import annotations

from sim.engine.model.errors import refuse_function
from sim.engine.model.values import is_same
from sim.engine.states.product import Product

StepPick = tuple[str, int]
"""A step: its task, and which of the outcomes."""


def check_adds(product: Product, state: int, one: StepPick, other: StepPick) -> None:
    """Refuse two steps out of a state that say that they add,
    and of which it matters which one is first.

    Raises RuleError unless both can be taken in either order, give the same, and lead to the same
    state.
    """
    (task, outcome), (later, then) = one, other
    ends = []
    for first, second in ((one, other), (other, one)):
        between = state + product.answer(first[0], state)[first[1]][0]
        answer = product.answer(second[0], between)
        ends.append(between + answer[second[1]][0] if second[1] < len(answer) else None)
    mine, theirs = product.outcomes(task, state)[outcome], product.outcomes(later, state)[then]
    if ends[0] == ends[1] is not None:
        after_theirs = product.outcomes(task, state + product.answer(later, state)[then][0])[
            outcome
        ]
        after_mine = product.outcomes(later, state + product.answer(task, state)[outcome][0])[then]
        if is_same(mine.result, after_theirs.result) and is_same(theirs.result, after_mine.result):
            return
    operations = [product.local(state, name).operation for name in (task, later)]
    points = " and ".join(
        f"{name}'s {op.point}" for name, op in zip((task, later), operations, strict=True) if op
    )
    effect = next(op.effect for op in operations if op is not None)
    raise refuse_function(
        effect, f"{points} say that they add to a common cell, and it matters which is first"
    )
