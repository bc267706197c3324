"""The model's digest moves with what a step does, and with nothing else."""

from __future__ import annotations

import ast

import pytest

from sim.scenarios.model import _spelled

CODE = """
from sim.engine.operations import load

async def f(x: int) -> bool:
    'Reads.'
    if await load(x):
        return True
    return False
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("'Reads.'", "'Looks, and says what it saw.'"),
        ("x: int", "x"),
        (" -> bool", ""),
        ("import load", "import load, store"),
        ("    return False", "\n    # otherwise\n    return   False"),
    ],
)
def test_words_do_not_move_it(old: str, new: str) -> None:
    assert _spelled(ast.parse(CODE.replace(old, new))) == _spelled(ast.parse(CODE))


@pytest.mark.parametrize(
    ("old", "new"), [("True", "None"), ("load(x)", "load(y)"), ("return False", "return not x"), ("async def", "def")]
)
def test_steps_move_it(old: str, new: str) -> None:
    changed = CODE.replace(old, new).replace("await ", "" if old == "async def" else "await ")
    assert _spelled(ast.parse(changed)) != _spelled(ast.parse(CODE))
