"""What properties read, and which of them do not hold in a state."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from sim.engine.model.cells import Cell
from sim.engine.model.operations import Finding
from sim.engine.states.product import Product

V = TypeVar("V")


class Watched:
    """Evaluates all properties of a scenario, and watches what they read.

    Which cells that is depends on what they hold; there are only ever more of them. A state that
    agrees in all of them with one that was looked at needs no look: the verdict is that one's.
    """

    def __init__(self, product: Product) -> None:
        self._product = product
        self._cells: dict[Cell[Any], None] = {}

    def broken(self, state: int) -> tuple[Finding, ...]:
        """The properties that do not hold in a state."""

        def look(cell: Cell[V]) -> V:
            self._cells[cell] = None
            return self._product.cell(state, cell)

        with self._product.noting("look", "", state):
            return tuple(
                p.finding() for p in self._product.scenario.properties if not p.holds(look)
            )

    @property
    def cells(self) -> list[Cell[Any]]:
        """The cells that are read."""
        return list(self._cells)

    @property
    def names(self) -> list[str]:
        """The names of the cells that are read."""
        return [cell.name for cell in self._cells]

    def watch(self, names: Iterable[str]) -> None:
        """Take these cells for read."""
        cells = {cell.name: cell for cell in self._product.cells}
        self._cells = {cells[name]: None for name in names}

    @property
    def mask(self) -> int:
        """The bits of a state that are read."""
        fields = (self._product.field(cell) for cell in self._cells)
        return sum(field.mask << field.shift for field in fields)
