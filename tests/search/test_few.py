"""A dict of states and arrays of them come to the same."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import example, given

from sim.engine.model.cells import BOOL, Cell
from sim.engine.model.operations import store
from sim.engine.model.routines import routine
from sim.engine.model.scenario import Property, Scenario, Task
from sim.engine.run import trio_executor
from sim.engine.states.product import Product
from sim.scenarios.library import recipe_named
from sim.search.exploration import Exploration
from sim.search.explore import explore
from sim.search.exploring import in_a_dict
from tests.engine.mini import programs, scenario
from tests.engine.test_laws import ABBA, PULSE, SPIN, Programs, laws


def gist(exploration: Exploration) -> tuple[object, ...]:
    """All but the seconds, and which of several shortest ways it shows."""
    e = exploration
    found = Counter((found.finding, len(found.witness.steps)) for found in e.found)
    finals = Counter(tuple(sorted(final.items())) for final in e.final_states)
    return e.states, e.transitions, e.depth, e.verdict, e.unknown, found, finals


def by_arrays(this: Scenario, *, liveness: bool) -> Exploration:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(in_a_dict, "_MOST", 0)
        return explore(this, liveness=liveness, finals=True)


@laws
@given(programs)
@example(SPIN)
@example(PULSE)
@example(ABBA)
def test_few_and_many_say_the_same(program: Programs) -> None:
    this = scenario(program)
    for liveness in (True, False):
        quick = explore(this, liveness=liveness, finals=True)
        assert gist(quick) == gist(by_arrays(this, liveness=liveness))
        for found in quick.found:
            assert trio_executor.run(this, found.picks, lasso=found.witness.lasso) == found.witness


@laws
@given(programs)
@example(SPIN)
def test_what_goes_round_is_left_to_arrays(program: Programs) -> None:
    """No cycle passes for a tree: a graph without one is what a depth-first search finds
    no way back in.
    """
    product = Product(scenario(program))
    quick = in_a_dict.dict_search(product, acyclic=True, tick=None)
    if quick is None:
        return
    entered, left, todo = set[int](), set[int](), [0]
    while todo:
        state = todo[-1]
        entered.add(state)
        for task in product.scenario.tasks:
            for delta, _ in product.answer(task.name, state):
                after = state + delta
                assert after in left or after not in entered
                if after not in entered and todo[-1] == state:
                    todo.append(after)
        if todo[-1] == state:
            left.add(todo.pop())
    assert len(left) == quick.states


def test_a_way_round_is_seen() -> None:
    assert in_a_dict.dict_search(Product(scenario(SPIN)), acyclic=True, tick=None) is None
    assert in_a_dict.dict_search(Product(scenario(SPIN)), acyclic=False, tick=None) is not None
    assert in_a_dict.dict_search(Product(scenario(ABBA)), acyclic=True, tick=None) is not None


def test_more_than_a_few_are_left_to_arrays() -> None:
    assert (
        in_a_dict.dict_search(
            Product(recipe_named("np-to-leaf-shared").scenario({})), acyclic=False, tick=None
        )
        is None
    )


A, B, C = (Cell(name, initial=False, domain=BOOL) for name in "abc")


@routine
async def put(cell: Cell[bool], *values: bool) -> None:
    for value in values:
        await store(cell, value)


@pytest.mark.parametrize("liveness", [True, False])
def test_what_a_property_reads_may_depend_on_what_it_has_read(liveness: bool) -> None:
    """`b if a else c`: which of the two is read changes on the way,
    and no verdict is carried over to the other.
    """
    tasks = (Task("a", put(A, True)), Task("b", put(B, True)), Task("c", put(C, True, False)))
    for prop in (
        Property.whole(
            "b only after c", "divergence", lambda look: not (look(B) if look(A) else look(C))
        ),
        Property.whole("never c", "divergence", lambda look: not look(C)),
        Property.whole("a and b", "divergence", lambda look: not (look(A) and look(B))),
    ):
        this = Scenario("three", tasks, (prop,))
        quick = explore(this, liveness=liveness, finals=True)
        assert gist(quick) == gist(by_arrays(this, liveness=liveness))
        assert len(quick.found) == 1
