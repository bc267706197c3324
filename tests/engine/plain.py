"""Breadth first with a plain Python set, one state at a time: what the arrays are compared with."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from sim.engine.model.operations import Finding
from sim.engine.states.frontier import Frontier
from sim.engine.states.product import Product, Widen

Valuation = tuple[object, ...]


@attrs.define
class Seen:
    """What an exploration came to, in terms that no layout of bits shows in."""

    states: set[Valuation]
    stuck: set[Valuation]
    findings: set[Finding]
    transitions: int
    depth: int


def valuation(product: Product, state: int) -> Valuation:
    """Where every task stands, and what every cell holds that has left its first value."""
    cells = tuple(
        (cell.name, value)
        for cell in product.cells
        if (value := product.cell(state, cell)) != cell.initial
    )
    return (*(product.local(state, task.name) for task in product.scenario.tasks), *cells)


def plainly(product: Product) -> Seen:
    """Explore with a set. Starts over when a field has run out of numbers."""
    while True:
        try:
            return _plainly(product)
        except Widen:
            continue


def _plainly(product: Product) -> Seen:
    first = product.layout()
    seen, level = {first}, [first]
    result = Seen(set(), set(), set(), 0, -1)
    while level:
        result.depth += 1
        following = []
        for state in level:
            steps = list(steps_from(product, state))
            result.transitions += len(steps)
            if not steps:
                result.stuck.add(valuation(product, state))
            for after, finding in steps:
                if finding is not None:
                    result.findings.add(finding)
                if after not in seen:
                    seen.add(after)
                    following.append(after)
        level = following
    result.states = {valuation(product, state) for state in seen}
    return result


def steps_from(product: Product, state: int) -> Iterator[tuple[int, Finding | None]]:
    for task in product.scenario.tasks:
        for delta, finding in product.answer(task.name, state):
            yield state + delta, finding


def by_arrays(product: Product) -> Seen:
    """The same by `sim.engine.states.frontier`."""
    frontier = Frontier(product)
    depth = sum(1 for _ in frontier.levels()) - 1
    every = [frontier.visited.state(i) for i in range(frontier.visited.count)]
    return Seen(
        {valuation(product, state) for state in every},
        {valuation(product, every[i]) for part in frontier.stuck for i in part},
        set(frontier.flags),
        frontier.transitions,
        depth,
    )
