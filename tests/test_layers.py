"""Imports run downwards, and what is heavy is imported late."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import sim
from sim.cli.commands import COMMANDS, Command

ROOT = Path(sim.__file__).parent
LAYERS = ["engine", "search", "tdx", "kvm", "scenarios", "campaign", "view", "cli"]
FILES = sorted(ROOT.rglob("*.py"))


def layer(name: str) -> int | None:
    """The layer of a dotted module name; None outside the layers."""
    parts = name.split(".")
    return LAYERS.index(parts[1]) if parts[0] == "sim" and len(parts) > 1 and parts[1] in LAYERS else None


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_downwards(path: Path) -> None:
    own = layer(".".join(["sim", *path.relative_to(ROOT).with_suffix("").parts]))
    for name in imported(path):
        theirs = layer(name)
        if own is not None and theirs is not None:
            assert theirs <= own, f"{path.name} imports {name}"


def test_every_room_is_a_layer() -> None:
    rooms = {path.name for path in ROOT.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert rooms <= {*LAYERS, "schedules"}


def loaded(code: str, *modules: str) -> str:
    """Which of these modules a program has loaded at its end."""
    program = f"import sys; {code}; print([m for m in {modules} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return run.stdout.strip()


def test_the_command_line_starts_light() -> None:
    assert loaded("import sim.cli", "trio", "numpy", "textual", "rich", "cattrs") == "[]"


@pytest.mark.parametrize("command", COMMANDS.values(), ids=lambda command: command.name)
def test_only_exploring_and_fuzzing_need_numpy(command: Command) -> None:
    module, _, function = command.place.partition(":")
    assert loaded(f"from {module} import {function}", "numpy") == ("['numpy']" if command.is_heavy else "[]")


def test_only_the_explorer_needs_textual() -> None:
    """It is an extra, so nothing else may import it, and the command may not before it is called."""
    assert loaded("import sim.cli.tui", "textual", "numpy") == "[]"
    for path in FILES:
        uses = [name for name in imported(path) if name.partition(".")[0] == "textual"]
        assert not uses or path.is_relative_to(ROOT / "view" / "explorer"), path
