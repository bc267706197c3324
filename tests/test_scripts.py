"""The programs that tests hold as text import what is there: no type checker reads them."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent


def programs() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(TESTS.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Constant(value=str(text)) if "import " in text:
                    try:
                        yield f"{path.relative_to(TESTS)}:{node.lineno}", ast.parse(text)
                    except SyntaxError:
                        continue  # prose, or a part of a program


def imported(program: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(program):
        match node:
            case ast.ImportFrom(module=str(module), names=names):
                yield from ((module, each.name) for each in names)
            case ast.Import(names=names):
                yield from ((each.name, "") for each in names)


OF_SIM = [
    pytest.param(module, name, id=f"{place} {module} {name}")
    for place, program in programs()
    for module, name in imported(program)
    if module.split(".")[0] in {"sim", "tests"}
]


def test_there_are_programs_to_look_at() -> None:
    assert len(OF_SIM) > 10


@pytest.mark.parametrize(("module", "name"), OF_SIM)
def test_a_program_in_a_string_imports_what_is_there(module: str, name: str) -> None:
    holder = importlib.import_module(module)
    if name and not hasattr(holder, name):
        importlib.import_module(f"{module}.{name}")
