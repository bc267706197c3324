"""Compiled loops do what numpy's do, in the same order: states have the same numbers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sim.engine.model.cells import Cell
from sim.engine.model.operations import load, store
from sim.engine.model.routines import Again, Done, repeat, routine
from sim.engine.model.scenario import Scenario, Task
from sim.engine.states import frontier
from sim.engine.states.frontier import Frontier
from sim.engine.states.product import Product
from sim.engine.states.successors import Successors
from sim.scenarios.library import recipe_named
from sim.search.explore import explore
from tests.bench.protocol import protocol

pytest.importorskip("numba", reason="without it there is nothing to compare")

LIMIT = 200_000
NEVER = 1 << 60
ASKED: dict[str, dict[str, str]] = {
    "np-to-leaf-exclusive": {},
    "np-to-nonleaf-shared": {},
    "leaf-to-np-exclusive": {},
    "nonleaf-to-nonleaf-shared": {"contenders": "tdcall+seamcall"},
    "storm": {"vcpus": "2", "pages": "2", "guest_ops": "1"},
}
"""States of two and three words; a choice; findings; footprints that are wide."""


def explored(scenario: Scenario, patch: pytest.MonkeyPatch, compiled_from: int) -> Frontier:
    patch.setattr(frontier, "COMPILED_FROM", compiled_from)
    found = Frontier(Product(scenario), lambda _bytes: found.visited.count > LIMIT)
    for _ in found.levels():
        pass
    return found


CELL = Cell("x", 0, range(3))


@routine
async def spin(until: int) -> Again | Done[None]:
    """A step that leads to the state that it leaves, unless somebody comes."""
    return Done(None) if await load(CELL) == until else Again(until)


@routine
async def spins(until: int) -> None:
    await repeat(spin, until)


@routine
async def stores(value: int) -> None:
    await store(CELL, value)


def spinning() -> Scenario:
    tasks = (Task("a", spins(1)), Task("b", spins(2)), Task("c", stores(1)))
    return Scenario("spinning", tasks, ())


def scenario(name: str) -> Scenario:
    own = {"protocol": lambda: protocol(3, 2), "spinning": spinning}
    return own[name]() if name in own else recipe_named(name).scenario(ASKED[name])


@pytest.mark.parametrize("name", [*ASKED, "protocol", "spinning"])
def test_states_are_the_same_in_the_same_order(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one = explored(scenario(name), monkeypatch, NEVER)
    two = explored(scenario(name), monkeypatch, 0)
    count = one.visited.count
    assert count == two.visited.count > 0
    for mine, theirs in zip(one.visited.words, two.visited.words, strict=True):
        assert np.array_equal(mine[:count], theirs[:count])
    assert np.array_equal(one.visited.before[:count], two.visited.before[:count])
    assert (one.transitions, one.unexpanded) == (two.transitions, two.unexpanded)
    assert list(one.flags.items()) == list(two.flags.items())
    for lists in ("stuck", "deadlocked", "tops"):
        mine, theirs = (np.concatenate(getattr(of, lists)) for of in (one, two))
        assert np.array_equal(mine, theirs)
    assert (one.moves, one.waits) == (two.moves, two.waits)


def test_edges_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = (explored(protocol(2, 2), monkeypatch, start) for start in (NEVER, 0))
    numbers = np.arange(0, one.visited.count, 3)
    monkeypatch.setattr(frontier, "COMPILED_FROM", NEVER)
    mine = one.edges(numbers)
    monkeypatch.setattr(frontier, "COMPILED_FROM", 0)
    theirs = two.edges(numbers)
    for name in ("before", "task", "after", "row"):
        assert np.array_equal(getattr(mine, name), getattr(theirs, name))


def test_where_there_is_no_numba_numpy_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frontier, "_has_compiler", lambda: False)
    monkeypatch.setattr(frontier, "COMPILED_FROM", 0)
    found = Frontier(Product(protocol(2, 1)))
    assert type(found._successors([np.zeros(1, np.uint64)], 0, keeps_rows=False)) is Successors
    assert explore(protocol(2, 1)).clean


TOLD = """
import sys
from sim.engine.states import frontier
from sim.search.explore import explore
from tests.bench.protocol import protocol
frontier.COMPILED_FROM = int(sys.argv[1])
print(explore(protocol(2, 2), counting=None).clean, "numba" in sys.modules)
"""


def told(compiled_from: int, cache: Path) -> str:
    root = Path(__file__).parents[2]
    env = {**os.environ, "XDG_CACHE_HOME": str(cache), "PYTHONPATH": str(root)}
    command = [sys.executable, "-c", TOLD, str(compiled_from)]
    run = subprocess.run(command, env=env, cwd=root, capture_output=True, text=True, check=True)
    return run.stdout.strip()


def test_what_is_small_does_not_wait_for_a_compiler(tmp_path: Path) -> None:
    assert told(frontier.COMPILED_FROM, tmp_path) == "True False"
    assert not list(tmp_path.iterdir())


def test_machine_code_is_kept_by_the_text_that_it_is_of(tmp_path: Path) -> None:
    """Numba itself would go by the time and the size of the file."""
    from sim.engine.states import compiled  # noqa: PLC0415 - after it was looked for

    place = compiled.kept_in(tmp_path)
    assert place.name.startswith("compiled-")
    text = Path(compiled.__file__).read_bytes()
    assert compiled.kept_in(tmp_path, text) == place
    assert compiled.kept_in(tmp_path, text + b"\n") != place


def test_where_nothing_can_be_kept_it_is_compiled_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert told(0, tmp_path / "file") == "True True"
