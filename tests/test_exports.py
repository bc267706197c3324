"""The front door: `from sim import ...` has what a model of one's own needs, and nothing else."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import sim
from tests.test_layers import loaded

MODEL = {"Cell", "BOOL", "one_of", "members", "record", "Task", "Property", "Scenario", "Finding"}
ROUTINES = {"routine", "repeat", "Again", "Done"}
OPERATIONS = {
    *("load", "store", "cmpxchg", "xchg", "fetch_add", "atomic_add", "wait", "choose"),
    *("step", "progress", "report", "bug", "Operation", "Outcome", "Access"),
}
EXPLORING = {"explore", "Exploration", "Found", "Verdict", "Budget", "Counting"}
RUNNING = {"run", "RandomWalk", "Picks", "Run", "Step", "replay", "Drift", "EngineError"}
SCHEDULES = {"Schedule", "FoundBy", "parse_schedule", "record_schedule", "write_schedule"}
SHIPPED = {"recipe_named", "shipped_schedules"}
DRAWING = {"moments", "commit"}

EVERY = MODEL | ROUTINES | OPERATIONS | EXPLORING | RUNNING | SCHEDULES | SHIPPED | DRAWING
ROOT = Path(__file__).parents[1]


def test_it_is_exactly_this() -> None:
    assert sorted(EVERY | {"__version__"}) == sorted(sim.__all__) == dir(sim)


@pytest.mark.parametrize("name", sorted(EVERY))
def test_each_is_what_its_module_has(name: str) -> None:
    module, _, theirs = sim._PLACES[name].partition(":")
    assert getattr(sim, name) is getattr(import_module(module), theirs)


def test_what_is_typed_is_what_is_loaded() -> None:
    """The imports for whoever checks types name the same things as the places for whoever runs."""
    typed = {
        alias.asname or alias.name: f"{node.module}:{alias.name}"
        for node in ast.walk(ast.parse(Path(sim.__file__).read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("sim.")
        for alias in node.names
    }
    assert typed == sim._PLACES


def test_no_other_name_is_there() -> None:
    with pytest.raises(AttributeError, match="module 'sim' has no attribute 'Explorer'"):
        _ = sim.Explorer  # type: ignore[attr-defined]


def test_none_of_it_is_loaded_before_it_is_used() -> None:
    assert loaded("import sim", "numpy", "trio", "rich", "attrs", "sim.engine") == "[]"
    assert loaded("from sim import Cell, load, routine, Scenario", "numpy", "trio", "rich") == "[]"


def test_each_has_a_type(tmp_path: Path) -> None:
    """No name is an Any to whoever installs tdpsim and runs mypy over a model of his own."""
    file = tmp_path / "own.py"
    names = sorted(EVERY)
    file.write_text(
        f"from sim import {', '.join(names)}\n"
        + "".join(f"reveal_type({name})\n" for name in names)
    )
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--no-incremental",
        "--config-file=",
        str(file),
    ]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    revealed = [
        line.partition('Revealed type is "')[2]
        for line in run.stdout.splitlines()
        if "Revealed" in line
    ]
    assert len(revealed) == len(names), run.stdout
    assert not [kind for kind in revealed if kind.startswith("Any")]
    assert run.returncode == 0, run.stdout


def imports_of(text: str) -> set[str]:
    """The modules of this package that a program imports from."""
    return {
        node.module
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom)
        and node.module
        and node.module.partition(".")[0] == "sim"
    }


@pytest.mark.parametrize(
    "path", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.name
)
def test_examples_come_in_by_the_front_door(path: Path) -> None:
    assert imports_of(path.read_text(encoding="utf-8")) <= {"sim"}
