"""Which model this is: a digest of everything that decides what a step does.

It is taken over the syntax trees of the model's files, without comments, docstrings, annotations and imports, so that
it moves when the model may have moved, and is the same under every Python.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import chain
from typing import Any

from sim.engine.scenario import Scenario

_PARTS = ("tdx", "kvm", "scenarios")
_BESIDE = (
    "census.py",
    "contention.py",
    "derived.py",
    "glossary.py",
    "library.py",
    "model.py",
    "patch.py",
    "recipe.py",
    "references.py",
    "table.py",
    "witnesses.py",
    "words.py",
    "functions.py",
)
"""Files of `scenarios` that decide nothing about a step."""
_ENGINE = ("operations.py", "cells.py", "values.py")
_UNSAID = ("annotation", "returns", "type_comment", "type_params", "kind", "ctx")


def _sources(folder: Traversable) -> Iterator[Traversable]:
    for item in sorted(folder.iterdir(), key=lambda item: item.name):
        if item.is_dir():
            yield from _sources(item)
        elif item.name.endswith(".py") and item.name not in _BESIDE:
            yield item


def _spelled(node: object) -> str:
    if isinstance(node, list):
        return "[" + ",".join(map(_spelled, node)) + "]"
    if not isinstance(node, ast.AST):
        return repr(node)
    body = getattr(node, "body", None)
    if isinstance(body, list) and isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
        node.body = [part for part in body if not _is_unsaid(part)]
    parts = (
        f"{name}={_spelled(value)}"
        for name, value in ast.iter_fields(node)
        if name not in _UNSAID and value is not None and value != []
    )
    return f"{type(node).__name__}({','.join(parts)})"


def _is_unsaid(node: ast.stmt) -> bool:
    """Imports, and texts that stand for themselves."""
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return True
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _digest(sources: Iterable[Traversable]) -> str:
    seen = sha256()
    for source in sources:
        seen.update(_spelled(ast.parse(source.read_text(encoding="utf-8"))).encode())
    return seen.hexdigest()[:8]


@cache
def model_digest() -> str:
    """Eight hexadecimal digits."""
    root = files("sim")
    own = _digest(chain((root / "engine" / name for name in _ENGINE), *(_sources(root / part) for part in _PARTS)))
    return sha256(f"{own}{_spelled(ast.parse(_patch))}".encode()).hexdigest()[:8] if _patch else own


_patch = ""


def note_patch(source: str) -> None:
    """What a kernel from a file consists of is part of the model from now on."""
    global _patch  # noqa: PLW0603 - one command, one patch
    _patch = source
    model_digest.cache_clear()
    program_digest.cache_clear()
    table_digest.cache_clear()


@cache
def program_digest() -> str:
    """Of the model, and of what explores it."""
    root = files("sim")
    return f"{model_digest()}-{_digest(chain(_sources(root / 'engine'), _sources(root / 'search')))}"


@cache
def table_digest() -> str:
    """Of all that a derived cell depends on: the above, and the loop that derives it."""
    return f"{program_digest()}-{_digest([files('sim') / 'scenarios' / 'table.py'])}"


def identity(scenario: Scenario) -> dict[str, Any]:
    """What has to be the same for a checkpoint to be gone on from: the question, the model, and what explores it."""
    return {
        "scenario": scenario.name,
        "parameters": dict(scenario.params),
        "guards out": list(scenario.without),
        "model": f"{scenario.model} {model_digest()}",
        "program": program_digest(),
    }
