"""Digests of the program: which one wrote a checkpoint, a store or a table that is kept.

A scenario's own digest is `Scenario.digest`. These are of whole files, in no order, without
comments and docstrings.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from sim.engine.model.scenario import Scenario
from sim.engine.model.source import spelled

_EXPLORES = ("engine", "search")
"""Rooms whose files decide how a scenario is searched."""

_SHOWS = ("analysis", "campaign", "cli", "view")
"""Rooms whose files decide nothing that is kept."""


def _digests(folder: Traversable) -> Iterator[bytes]:
    for item in folder.iterdir():
        if item.is_dir():
            yield from _digests(item)
        elif item.name.endswith(".py"):
            yield sha256(spelled(ast.parse(item.read_text(encoding="utf-8"))).encode()).digest()


def _digest(*rooms: Traversable) -> str:
    seen = sha256()
    for digest in sorted(digest for room in rooms for digest in _digests(room)):
        seen.update(digest)
    return seen.hexdigest()[:8]


@cache
def program_digest() -> str:
    """Of what searches a scenario."""
    return _digest(*(files("sim") / room for room in _EXPLORES))


@cache
def table_digest() -> str:
    """Of all that a cell of the table depends on: every scenario, what searches them,
    the loop that derives it.
    """
    rooms = (room for room in files("sim").iterdir() if room.is_dir() and room.name not in _SHOWS)
    return _digest(*rooms)


def identity(scenario: Scenario) -> dict[str, Any]:
    """What has to be the same for a checkpoint or a store to be gone on with: the question,
    the model, the program.
    """
    return {
        "scenario": scenario.name,
        "parameters": dict(scenario.params),
        "guards out": list(scenario.without),
        "model": scenario.full_model,
        "program": program_digest(),
    }
