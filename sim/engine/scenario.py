"""Scenarios: tasks, properties, and the name under which a schedule can ask for them again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import attrs

from sim.engine.cells import Cell
from sim.engine.operations import Finding
from sim.engine.routines import Call

V = TypeVar("V")


@attrs.frozen
class Task:
    """A simulated thread. A daemon need not finish: an idle one is no deadlock."""

    name: str
    call: Call[Any]
    daemon: bool = False


class Look(Protocol):
    """How a property reads a cell; what it reads is watched."""

    def __call__(self, cell: Cell[V], /) -> V: ...


@attrs.frozen(eq=False)
class Property:
    """A predicate over cells. Where it does not hold, that is a finding of kind `kind` at `name`.

    `holds` reads cells through its argument and nothing else; which ones it reads may depend on what it has read.
    """

    name: str
    kind: str
    holds: Callable[[Look], bool]

    def finding(self) -> Finding:
        return Finding(self.kind, self.name)


@attrs.frozen(eq=False)
class Scenario:
    """A question: these tasks, from these first values, with these properties."""

    name: str
    tasks: tuple[Task, ...]
    properties: tuple[Property, ...] = ()
    model: str = ""
    params: tuple[tuple[str, str], ...] = ()
    without: tuple[str, ...] = ()
    not_covered: tuple[str, ...] = ()

    def __attrs_post_init__(self) -> None:
        names = [task.name for task in self.tasks]
        if len(dict.fromkeys(names)) < len(names):
            raise ValueError(f"scenario {self.name}: two tasks have one name: {names}")
