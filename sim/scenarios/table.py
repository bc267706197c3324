"""The table of transitions, derived: one loop over rows, orders and modules, and no word about any one of them.

*hit* is the mail's column: the condition of the KVM_BUG_ON() in handle_changed_spte() is true in some interleaving.
What it lacks is beside it: everything else that was found, and for each contender whether it alone suffices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import attrs

from sim.engine.operations import Finding
from sim.engine.scenario import Scenario
from sim.scenarios.library import recipe_named
from sim.scenarios.transitions import ROWS, Row
from sim.search.explore import explore
from sim.search.result import Exploration, Progress
from sim.tdx.td import TDCALL, ZERO_STEP

CONTENDERS = (ZERO_STEP, TDCALL)


def is_hit(finding: Finding) -> bool:
    """The KVM_BUG_ON() that the mail asks about."""
    return finding.kind == "KVM_BUG_ON" and finding.where == "handle_changed_spte"


@attrs.frozen
class Cell:
    """What running said about one row, order and module."""

    row: Row
    order: str
    module: str
    exploration: Exploration
    alone: tuple[tuple[str, bool], ...]
    """Per contender, whether a hit with that cause comes about when nobody else contends."""

    @property
    def scenario(self) -> Scenario:
        return self.exploration.scenario

    @property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(found.finding for found in self.exploration.found)

    @property
    def hits(self) -> tuple[Finding, ...]:
        return tuple(filter(is_hit, self.findings))

    @property
    def causes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(cause for finding in self.hits for cause in finding.causes))


def derive(
    orders: tuple[str, ...],
    modules: tuple[str, ...],
    tick: Callable[[Progress], None] | None = None,
) -> Iterator[Cell]:
    """Explore every cell of the table, row by row."""
    for row in ROWS:
        recipe = recipe_named(row.name)
        for order in orders:
            for module in modules:
                setting = {"order": order, "module": module}
                everybody = explore(recipe.scenario(setting), tick=tick)
                alone = tuple(
                    (one, _suffices(explore(recipe.scenario({**setting, "contenders": one}), tick=tick), one))
                    for one in CONTENDERS
                )
                yield Cell(row, order, module, everybody, alone)


def _suffices(exploration: Exploration, cause: str) -> bool:
    return any(is_hit(found.finding) and cause in found.finding.causes for found in exploration.found)
