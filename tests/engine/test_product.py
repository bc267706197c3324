"""The product executor: every state, each kept apart, in fields that grow."""

from __future__ import annotations

from typing import Any

import pytest

from sim.engine.model.cells import BOOL, Cell
from sim.engine.model.operations import bug, choose, fetch_add, load, store, wait
from sim.engine.model.routines import Again, Call, Done, repeat, routine
from sim.engine.model.scenario import Look, Property, Scenario, Task
from sim.engine.model.values import spell
from sim.engine.run.automata import Automata
from sim.engine.states import frontier, tables
from sim.engine.states.frontier import Frontier
from sim.engine.states.product import Product
from sim.scenarios.library import recipe_named
from sim.search.exploration import Exploration
from sim.search.explore import explore
from tests.engine.plain import by_arrays, plainly

X: Cell[int] = Cell("x", 0, range(200))
Y: Cell[int] = Cell("y", 0, range(200))
Z: Cell[int] = Cell("z", 0, range(200))
DONE: Cell[bool] = Cell("done", initial=False, domain=BOOL)


def scenario(
    *calls: Call[Any], properties: tuple[Property, ...] = (), daemon: Call[Any] | None = None
) -> Scenario:
    tasks = [Task(f"t{i}", call) for i, call in enumerate(calls)]
    if daemon is not None:
        tasks.append(Task("daemon", daemon, daemon=True))
    return Scenario("product", tuple(tasks), properties)


def kinds(exploration: Exploration) -> list[str]:
    return [found.finding.kind for found in exploration.found]


@routine
async def own_steps(cell: Cell[int], n: int) -> None:
    for i in range(n):
        await store(cell, i + 1)


@pytest.mark.parametrize(("k", "n"), [(1, 5), (2, 3), (3, 4)])
def test_independent_tasks_make_a_grid(k: int, n: int) -> None:
    cells = [Cell(f"c{i}", 0, range(n + 1)) for i in range(k)]
    exploration = explore(scenario(*(own_steps(cell, n) for cell in cells)))
    assert exploration.states == (n + 1) ** k
    assert exploration.transitions == k * n * (n + 1) ** (k - 1)
    assert exploration.depth == k * n


@routine
async def count_up(n: int) -> None:
    for _ in range(n):
        await fetch_add(X, 1)


def test_a_field_that_outgrows_its_bits_starts_over_and_loses_nothing() -> None:
    """100 values of one cell and 101 local states, of which the first layout holds 8 and 256."""
    exploration = explore(scenario(count_up(100)), finals=True)
    assert exploration.states == 101
    assert exploration.final_states == ({"halted": "no", "x": "100"},)


@routine
async def pulse(cell: Cell[int]) -> None:
    await store(cell, 1)
    await store(cell, 0)


def _never_both(look: Look) -> bool:
    return not (look(X) and look(Y))


def test_the_pulse_is_found_in_between() -> None:
    """x=1;x=0 beside y=1;y=0: no final state, and no partial-order reduced search,
    shows both at 1.
    """
    exploration = explore(
        scenario(
            pulse(X),
            pulse(Y),
            properties=(Property.whole("never-both", "divergence", _never_both),),
        )
    )
    assert kinds(exploration) == ["divergence"]
    assert [len(found.witness.steps) for found in exploration.found] == [2]
    assert exploration.states == 9


def _reads_by_value(look: Look) -> bool:
    return look(Y) != 1 if look(X) else look(Z) != 1


def test_a_property_may_read_what_its_last_read_told_it_to() -> None:
    """x chooses between y and z; each violation is seen, and z at 1 beside x at 1 is none."""
    prop = Property.whole("by-value", "divergence", _reads_by_value)
    assert kinds(explore(scenario(own_steps(X, 1), properties=(prop,)))) == []
    assert kinds(explore(scenario(own_steps(Z, 1), properties=(prop,)))) == ["divergence"]
    assert kinds(explore(scenario(x_then(Z), properties=(prop,)))) == []
    assert kinds(explore(scenario(x_then(Y), properties=(prop,)))) == ["divergence"]


@routine
async def x_then(cell: Cell[int]) -> None:
    await store(X, 1)
    await store(cell, 1)


@pytest.mark.parametrize("name", ["np-to-leaf-shared", "np-to-leaf-exclusive"])
@pytest.mark.parametrize("contenders", ["zero-step", "tdcall"])
def test_arrays_and_a_plain_set_agree_on_the_model(name: str, contenders: str) -> None:
    this = recipe_named(name).scenario({"contenders": contenders})
    automata = Automata()
    assert by_arrays(Product(this, automata)) == plainly(Product(this, automata))


def test_states_of_many_words_are_states() -> None:
    """Ten tasks and ten cells with two hundred values each: more than two words,
    and fields that grow on the way.
    """
    cells = [Cell(f"wide{i}", 0, range(200)) for i in range(10)]
    calls = [set_to(cell, 150 + i) for i, cell in enumerate(cells)]
    this = scenario(*calls)
    automata = Automata()
    product = Product(this, automata)
    assert by_arrays(product) == plainly(Product(this, automata))
    assert product.words >= 2
    assert explore(this).states == 2**10


@pytest.mark.parametrize("widest", [0, 16])
def test_footprints_with_too_many_valuations_for_a_table(
    widest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three cells that count to a hundred each are 21 bits:
    their questions are numbered as they come up.
    """
    monkeypatch.setattr(tables, "_WIDEST", widest)
    cells = tuple(Cell(f"wide{i}", 0, range(200)) for i in range(3))
    this = scenario(*(climb_to(cell, 100) for cell in cells[:2]), watch_all(cells))
    automata = Automata()
    product = Product(this, automata)
    assert by_arrays(product) == plainly(Product(this, automata))
    assert sum(product.field(cell).bits for cell in cells[:2]) > 10


@routine
async def climb_to(cell: Cell[int], top: int) -> None:
    for value in range(1, top):
        await store(cell, value)


@routine
async def watch_all(cells: tuple[Cell[int], ...]) -> None:
    await wait("all.together", _together, *cells)


def _together(a: int, b: int, c: int) -> bool:
    return a == b == 50 + c


@routine
async def set_to(cell: Cell[int], value: int) -> None:
    await store(cell, value)


@routine
async def toss() -> None:
    await store(X, await choose("coin", (3, 5, 7)))


def test_a_choice_takes_each_value() -> None:
    finals = explore(scenario(toss()), finals=True).final_states
    assert sorted(state["x"] for state in finals) == ["3", "5", "7"]


@routine
async def crash() -> None:
    await store(X, 1)
    await bug("somewhere")
    await store(X, 2)


def test_bug_stops_everybody_and_is_no_deadlock() -> None:
    exploration = explore(scenario(crash(), own_steps(Y, 1)), finals=True)
    assert kinds(exploration) == ["BUG"]
    assert {state["x"] for state in exploration.final_states} == {"1"}


@routine
async def serve() -> None:
    await repeat(serve_once)


@routine
async def serve_once() -> Again | Done[None]:
    await wait("request", bool, DONE)
    await store(DONE, False)
    return Again()


@routine
async def ask() -> None:
    await store(DONE, True)


def test_an_idle_daemon_is_no_deadlock() -> None:
    assert kinds(explore(scenario(ask(), daemon=serve()))) == []
    assert kinds(explore(scenario(ask(), serve()))) == ["deadlock"]


@routine
async def take_both(first: Cell[bool], second: Cell[bool]) -> None:
    await wait(f"{first}.free", _free, first)
    await store(first, True)
    await wait(f"{second}.free", _free, second)
    await store(second, True)
    await load(X)
    await store(second, False)
    await store(first, False)


def _free(held: bool) -> bool:
    return not held


def test_a_deadlock_names_each_task_and_what_it_waits_for() -> None:
    """Waiting for a lock and taking it are two steps here,
    but nobody else takes the one that is waited for.
    """
    a, b = Cell("a", initial=False, domain=BOOL), Cell("b", initial=False, domain=BOOL)
    exploration = explore(scenario(take_both(a, b), take_both(b, a)))
    assert [str(found.finding) for found in exploration.found] == ["deadlock t0@b.free,t1@a.free"]


def test_whole_histories_make_more_states_than_frames_that_forget() -> None:
    """Otherwise the two namings that the laws compare would be one."""
    merged, whole = (
        explore(scenario(calls(), calls()), merge=merge).states for merge in (True, False)
    )
    assert merged < whole


@routine
async def calls() -> None:
    await look()
    await look()


@routine
async def look() -> None:
    await store(X, 1 - await load(X))


@pytest.mark.parametrize("jobs", [1, 2])
def test_packed_states_are_the_same_states(jobs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fields that are packed early, and grow by a bit again and again."""
    monkeypatch.setattr(frontier, "_CHUNK", 64)

    def explored(many: int) -> Frontier:
        monkeypatch.setattr(frontier, "_MANY", many)
        scenario = recipe_named("np-to-leaf-exclusive").scenario({"contenders": "zero-step"})
        found = Frontier(Product(scenario), jobs=jobs)
        for _ in found.levels():
            pass
        return found

    def held(found: Frontier) -> list[dict[str, str]]:
        """What all cells hold, state by state."""
        states = map(found.visited.state, range(found.visited.count))
        cells = found.product.cells
        return [
            {cell.name: spell(found.product.cell(state, cell)) for cell in cells}
            for state in states
        ]

    wide, packed = explored(1 << 60), explored(500)
    assert packed.product.words < wide.product.words
    assert held(packed) == held(wide)
    before = [found.visited.before[: found.visited.count].tolist() for found in (wide, packed)]
    assert before[0] == before[1]
    assert packed.flags.keys() == wide.flags.keys()
    assert packed.transitions == wide.transitions


def test_what_was_packed_is_packed_again_by_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frontier, "_MANY", 500)
    scenario = recipe_named("np-to-leaf-exclusive").scenario({"contenders": "zero-step"})
    found = Frontier(Product(scenario))
    for _ in found.levels():
        pass
    assert ("pack", "", 0) in found.product.log
    again = Product(scenario)
    again.replay_log(found.product.log, lambda _state: None)
    assert again.fields_now == found.product.fields_now
