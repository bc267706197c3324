"""Functions of the command line and of the search have few ways through them.

McCabe's number, counted as radon does. ruff's C901, which is on as well, leaves out conditional
expressions, `and`, `or` and comprehensions, and those are what a function here would hide its
branches in.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import sim

MOST = 12
BRANCHES = (
    ast.If,
    ast.IfExp,
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.ExceptHandler,
    ast.Assert,
    ast.match_case,
)
FOLDERS = [Path(sim.__file__).parent / name for name in ("cli", "search")]


def complexity(function: ast.AST) -> int:
    """One, and one more for each place where it goes one way or another.

    Functions inside count as its own.
    """
    nodes = list(ast.walk(function))
    loops = [node for node in nodes if isinstance(node, ast.comprehension)]
    return (
        1
        + sum(isinstance(node, BRANCHES) for node in nodes)
        + sum(len(node.values) - 1 for node in nodes if isinstance(node, ast.BoolOp))
        + sum(1 + len(loop.ifs) for loop in loops)
    )


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return (
        node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    )


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_no_function_has_too_many_branches(folder: Path) -> None:
    found = {
        f"{path.relative_to(folder)}: {function.name}": complexity(function)
        for path in folder.rglob("*.py")
        for function in functions(path)
    }
    assert len(found) > 50
    assert {name: number for name, number in found.items() if number > MOST} == {}


def test_branches_are_counted_wherever_they_hide() -> None:
    (function,) = ast.parse(
        "def f(a):\n if a and a:\n  return [b for b in a if b]\n return 1 if a else 2"
    ).body
    assert complexity(function) == 6
