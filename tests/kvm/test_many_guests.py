"""Three and four guests on one page: states of more than 128 bits, held against a plain set,
and cut by a budget.
"""

from __future__ import annotations

import pytest

from sim.engine.states import product as product_module
from sim.engine.states.frontier import Frontier
from sim.engine.states.product import Product
from sim.kvm.versions import Series
from sim.search.budget import Budget
from sim.search.exploration import Verdict
from sim.search.explore import explore
from sim.tdx.releases import Module_1_5_01
from sim.tdx.vp_enter import Instruction
from tests.engine.plain import steps_from
from tests.kvm.test_fault import machine_with

ACCEPT = (Instruction.ACCEPT,)


def test_states_of_more_than_128_bits_are_those_of_a_plain_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Level by level, up to a million of them, each as the integer that it is.

    Then how many there are in all. Cells have more bits than they need, so that states are wide.
    """
    monkeypatch.setattr(product_module, "_bits_for", lambda _cell: 3)
    product = Product(machine_with(Series, Module_1_5_01, ACCEPT, ACCEPT, ACCEPT))
    frontier = Frontier(product)
    levels = list(frontier.levels())
    assert sum(field.bits for field in product.fields) > 128
    assert frontier.visited.count == 1_661_862
    seen, level = {0}, {0}
    for numbers in levels:
        rows = frontier.visited.rows(numbers).tolist()
        assert {a | b << 64 | c << 128 for a, b, c in rows} == level
        if len(seen) > 1_000_000:
            break
        level = {after for state in level for after, _ in steps_from(product, state)} - seen
        seen |= level
    assert 1_000_000 < len(seen) <= frontier.visited.count


def test_more_than_there_is_time_for_is_undecided() -> None:
    scenario = machine_with(Series, Module_1_5_01, ACCEPT, ACCEPT, ACCEPT, ACCEPT)
    exploration = explore(scenario, budget=Budget(seconds=1.5))
    assert exploration.verdict is Verdict.UNDECIDED
    assert exploration.states > exploration.unexpanded > 0
    assert exploration.seconds < 15
