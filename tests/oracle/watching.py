"""Looking at the engine while it runs: what came up, so that a run can say what it has tried."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import attrs

from sim.engine.states import frontier, tables
from sim.engine.states.frontier import Frontier
from sim.engine.states.product import Product
from sim.engine.states.visited import Visited
from sim.search.exploring.properties import Watched


@attrs.define
class Seen:
    """What happened in the engine while something was run."""

    layouts: int = 0
    gained: int = 0
    grown: int = 0
    shared: int = 0


@contextmanager
def watching(**also: Any) -> Iterator[Seen]:
    """Look at the engine while it runs.

    `also` sets `chunk`, `each` and `widest` for the time being.
    """
    seen, first = Seen(), dict[int, None]()
    layout, widen, broken, together = (
        Product.layout,
        Visited.widen,
        Watched.broken,
        Frontier._together,
    )

    def laid_out(self: Product) -> int:
        # A product lays its fields out when it is made, and once more when its exploration begins.
        seen.layouts += self._top > 0 and any(
            field.bits > 3 + 5 * (i < len(self._locals)) for i, field in enumerate(self.fields)
        )
        return layout(self)

    def widened(self: Visited, words: int) -> None:
        seen.gained += self.words < words
        widen(self, words)

    def looked(self: Watched, state: int) -> Any:
        before = len(self.names)
        said = broken(self, state)
        seen.grown += state != 0 and len(self.names) > before and id(self) in first
        first[id(self)] = None
        return said

    def sharing(self: Frontier, chunks: list[range]) -> bool:
        seen.shared += 1
        return together(self, chunks)

    with ExitStack() as stack:
        patches: list[tuple[Any, str, Any]] = [
            (Product, "layout", laid_out),
            (Visited, "widen", widened),
            (Watched, "broken", looked),
            (Frontier, "_together", sharing),
        ]
        settings = {
            "chunk": (frontier, "_CHUNK"),
            "each": (frontier, "_EACH"),
            "widest": (tables, "_WIDEST"),
        }
        patches += [(*settings[name], value) for name, value in also.items()]
        for where, name, value in patches:
            stack.enter_context(mock.patch.object(where, name, value))
        yield seen
