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


Part = Callable[[Look, Any], object]
"""Reads cells through the first argument and nothing else; which ones may depend on what it has read.

The second is what the part before it said, None for the first. True is that the property holds, whatever comes after,
False that it does not; anything else, which must be hashable, is for the next part. After the last it holds.
"""


@attrs.frozen(eq=False)
class Property:
    """A predicate over cells. Where it does not hold, that is a finding of kind `kind` at `name`.

    What is asked of many things one after the other has a part for each: what is known of a part is known of it beside
    whatever the others see (`sim.engine.answers`).
    """

    name: str
    kind: str
    parts: tuple[Part, ...] = attrs.field(validator=attrs.validators.min_len(1))

    @classmethod
    def whole(cls, name: str, kind: str, holds: Callable[[Look], bool]) -> Property:
        """One that is asked in one go."""
        return cls(name, kind, (lambda look, _: holds(look),))

    def holds(self, look: Look) -> bool:
        said: object = None
        for part in self.parts:
            said = part(look, said)
            if isinstance(said, bool):
                return said
        return True

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
