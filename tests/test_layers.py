"""Imports follow a table of allowed arrows between rooms, without circles,
and what is heavy is imported late.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import sim
from sim.cli.commands import COMMANDS, Command

ROOT = Path(sim.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
DOOR = ROOT / "__init__.py"
"""The front door, which imports late and from everywhere."""

ARROWS = {
    "base": "",
    "engine.arrays": "",
    "engine.model": "",
    "engine.run": "engine.model",
    "engine.states": "base engine.arrays engine.model engine.run",
    "engine.herd": "engine.arrays engine.model engine.run",
    "search.budget": "",
    "search.errors": "",
    "search.exploration": "engine.model engine.run",
    "search.exploring": """engine.arrays engine.model engine.run engine.states
        search.budget search.errors search.exploration""",
    "search.shrinking": """engine.model engine.run engine.states
        search.budget search.exploring""",
    "search.counting": """base engine.arrays engine.model engine.run engine.states
        search.budget search.errors search.exploration search.exploring search.shrinking""",
    "search.exporting": """engine.model engine.states
        search.exploring search.counting""",
    "search.fuzzing": "engine.arrays engine.model engine.run engine.herd search.counting",
    "search.explore": """engine.model engine.run engine.states
        search.budget search.exploration search.exploring search.counting""",
    "tdx": "engine.model",
    "kvm": "engine.model tdx",
    "scenarios": "base engine.model tdx kvm",
    "catalog": "engine.model engine.run search.exploration search.fuzzing tdx kvm scenarios",
    "surveys": """engine.model engine.run
        search.budget search.errors search.exploration search.explore
        tdx scenarios catalog""",
    "analysis": "engine.model engine.run tdx kvm",
    "campaign": "base engine.model engine.run search.fuzzing search.shrinking scenarios catalog",
    "view.numbers": "",
    "view.words": "engine.run",
    "view.results": """engine.model engine.run
        search.exploration search.fuzzing search.shrinking
        tdx scenarios catalog surveys campaign view.numbers view.words""",
    "view.runs": "engine.model engine.run tdx kvm analysis view.numbers view.words view.results",
    "view.explorer": """engine.arrays engine.model engine.run
        search.errors search.exploration search.counting
        tdx kvm analysis view.numbers view.words view.results""",
    "cli": "base engine search tdx kvm scenarios catalog surveys analysis campaign view",
}
"""Per room, the rooms that it may import, `engine` standing for all that begin so."""


def room(name: str) -> str | None:
    """The room of a dotted name below `sim`.

    None for what lies in no room, and for what is only a folder of rooms.
    """
    parts = name.split(".")[1:]
    return next((known for size in (2, 1) if (known := ".".join(parts[:size])) in ARROWS), None)


def imported(path: Path) -> set[str]:
    """What a file imports from anywhere, at any time.

    Of `from sim.x import y` both, since y may be a module.
    """
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def module(path: Path) -> str:
    return ".".join(["sim", *path.relative_to(ROOT).with_suffix("").parts])


def allowed(own: str) -> set[str]:
    wanted = ARROWS[own].split()
    return {other for other in ARROWS for begin in wanted if f"{other}.".startswith(f"{begin}.")}


def rooms_imported(path: Path) -> set[str]:
    found = {room(name) for name in imported(path) if name.partition(".")[0] == "sim"}
    return {other for other in found if other is not None} - {room(module(path))}


@pytest.mark.parametrize(
    "path", sorted({*FILES} - {DOOR}), ids=lambda path: str(path.relative_to(ROOT))
)
def test_a_file_imports_only_what_its_room_may(path: Path) -> None:
    own = room(module(path))
    if own is None:
        assert rooms_imported(path) == set()
    else:
        assert rooms_imported(path) <= allowed(own), f"{path.relative_to(ROOT)}, in {own}"


def test_no_arrows_go_round() -> None:
    order = list(TopologicalSorter({own: allowed(own) for own in ARROWS}).static_order())
    assert sorted(order) == sorted(ARROWS)


def test_no_arrow_is_allowed_that_no_file_takes() -> None:
    """The table is what is, not what might be.

    `search`, `engine` and `view` as a whole stand for some of theirs.
    """
    used: dict[str, set[str]] = {own: set() for own in ARROWS}
    for path in FILES:
        own = room(module(path))
        if own is not None:
            used[own] |= rooms_imported(path)
    idle = {
        f"{own} -> {begin}"
        for own, wanted in ARROWS.items()
        for begin in wanted.split()
        if not any(f"{other}.".startswith(f"{begin}.") for other in used[own])
    }
    assert idle == set()


def test_every_folder_is_a_room_or_has_rooms() -> None:
    folders = {path.parent for path in FILES}
    for folder in folders - {ROOT}:
        name = ".".join(folder.relative_to(ROOT).parts)
        holds_rooms = any(known.startswith(f"{name}.") for known in ARROWS)
        assert holds_rooms or room(f"sim.{name}") is not None, name


def loaded(code: str, *modules: str) -> str:
    """Which of these modules a program has loaded at its end."""
    program = f"import sys; {code}; print([m for m in {modules} if m in sys.modules])"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return run.stdout.strip()


def test_the_command_line_starts_light() -> None:
    assert loaded("import sim.cli", "trio", "numpy", "textual", "rich", "cattrs") == "[]"


@pytest.mark.parametrize("command", COMMANDS.values(), ids=lambda command: command.name)
def test_only_exploring_and_fuzzing_need_numpy(command: Command) -> None:
    module, _, function = command.place.partition(":")
    assert loaded(f"from {module} import {function}", "numpy") == (
        "['numpy']" if command.is_heavy else "[]"
    )


def test_only_the_explorer_needs_textual() -> None:
    """It is an extra, so nothing else may import it,
    and the command may not before it is called.
    """
    assert loaded("import sim.cli.tui", "textual", "numpy") == "[]"
    for path in FILES:
        uses = [name for name in imported(path) if name.partition(".")[0] == "textual"]
        assert not uses or path.is_relative_to(ROOT / "view" / "explorer"), path
