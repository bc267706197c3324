"""Every state is asked: properties that read by what they have read,
and threads that share wide operations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sim.engine.model.cells import Cell
from sim.engine.model.operations import Operation, Outcome, choose, load, store, write
from sim.engine.model.routines import routine
from sim.engine.model.scenario import Property, Scenario, Task
from sim.engine.run import trio_executor
from sim.engine.run.scheduler import RandomWalk
from sim.engine.states import frontier
from sim.engine.states.frontier import Frontier
from sim.engine.states.product import Product
from sim.search.budget import Budget
from sim.search.exploration import Counting, Exploration, Verdict
from sim.search.explore import explore
from sim.search.exploring.checkpoint import Checkpoint
from sim.search.fuzzing.batch import Runner

X: Cell[int] = Cell("x", 0, range(9))
DONE: Cell[int] = Cell("done", 0, range(2))


@routine
async def chooses() -> None:
    value = await choose("value", (0, 1))
    await store(X, value)
    await store(DONE, 1)


@routine
async def increments(done: Cell[int]) -> None:
    await store(X, await load(X) + 1)
    await store(done, 1)


def missed() -> Scenario:
    """One task, four states that matter: x is read only once done is set."""
    prop = Property.whole(
        "zero-when-done", "divergence", lambda look: not look(DONE) or look(X) == 0
    )
    return Scenario("missed", (Task("t", chooses()),), (prop,))


def lost_update(tasks: int) -> Scenario:
    """The first thing a newcomer writes: when all are done, the sum is their number."""
    done = tuple(Cell(f"done{i}", 0, range(2)) for i in range(tasks))
    prop = Property.whole(
        "sum", "lost-update", lambda look: not all(look(d) for d in done) or look(X) == tasks
    )
    return Scenario(
        "lost", tuple(Task(f"t{i}", increments(done[i])) for i in range(tasks)), (prop,)
    )


def plainly(asked: Scenario, _: Any) -> Exploration:
    return explore(asked)


def with_counting(asked: Scenario, _: Any) -> Exploration:
    return explore(asked, counting=Counting())


def with_a_budget(asked: Scenario, _: Any) -> Exploration:
    return explore(asked, budget=Budget(seconds=600))


def with_a_checkpoint(asked: Scenario, folder: Any) -> Exploration:
    """Cut off before every chunk, and gone on with."""
    while True:
        found = explore(
            asked, checkpoint=Checkpoint(folder / "kept", {}), budget=Budget(seconds=0.01)
        )
        if not found.unexpanded:
            return found


def by_two(asked: Scenario, _: Any) -> Exploration:
    return explore(asked, jobs=2, counting=Counting())


Way = Callable[[Scenario, Any], Exploration]


@pytest.mark.parametrize("way", [plainly, with_counting, with_a_budget, with_a_checkpoint, by_two])
@pytest.mark.parametrize("make", [missed, *[lambda n=n: lost_update(n) for n in range(2, 5)]])
def test_what_a_property_reads_later_is_asked_of_every_state(
    way: Way, make: Callable[[], Scenario], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frontier, "_CHUNK", 64)
    assert way(make(), tmp_path).verdict is Verdict.FINDING


@pytest.mark.parametrize("make", [missed, lambda: lost_update(3)])
def test_and_by_runs_too(make: Callable[[], Scenario]) -> None:
    assert any(trio_executor.run(make(), RandomWalk(seed)).findings for seed in range(60))
    assert Runner(make(), "walk").batch(0, 200).sightings


def _turn(_task: str, values: tuple[int, ...], by: int) -> tuple[Outcome, ...]:
    return write(
        None, *(value if i % 3 != by else (value + 1) % 3 for i, value in enumerate(values))
    )


@routine
async def turns(cells: tuple[Cell[int], ...], by: int) -> None:
    for _ in range(2):
        await Operation(f"turn{by}", cells, _turn, (by,))
        await store(cells[0], await load(cells[0]))


@pytest.mark.parametrize("jobs", [2, 3])
def test_threads_number_wide_questions_as_one_does(
    jobs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operation on seven cells is asked by what they hold.

    Who learns it first must not show in anything.
    """
    monkeypatch.setattr(frontier, "_CHUNK", 32)
    monkeypatch.setattr(frontier, "_EACH", 2)
    cells = tuple(Cell(f"c{i}", 0, range(3)) for i in range(7))
    asked = Scenario("wide", tuple(Task(f"t{by}", turns(cells, by)) for by in range(3)))

    def visited(jobs: int) -> tuple[list[range], list[list[int]], list[int], int]:
        this = Frontier(Product(asked), jobs=jobs)
        levels = list(this.levels())
        states, before = this.visited.states.tolist(), this.visited.before[: this.visited.count]
        return levels, states, before.tolist(), this.transitions

    alone = visited(1)
    assert len(alone[2]) > 1000
    assert visited(jobs) == alone
