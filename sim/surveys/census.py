"""A census of who changes SPTEs how: every modelled caller, on both kinds of root,
explored to the end.

What is collected is what reaches the trace point in handle_changed_spte(): old and new kind, level,
lock mode, and the functions on the way there. A page table that goes has its children frozen: that
counts as the zap that it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import attrs

from sim.catalog.schedules import witness
from sim.engine.model.scenario import Scenario
from sim.engine.run.automata import LocalState
from sim.engine.run.replay import follow_schedule
from sim.engine.run.world import Step
from sim.scenarios.callers import KVMS_OWN
from sim.scenarios.recipe import KERNEL
from sim.scenarios.transitions import Row
from sim.search.exploration import Found
from sim.search.explore import explore

PAGES = ("2M", "4K")
_SETTERS = (
    "tdp_mmu_set_spte_atomic",
    "tdp_mmu_set_spte",
    "tdp_mmu_iter_set_spte",
    "tdp_mmu_link_sp",
    "handle_changed_spte",
    "__handle_changed_spte",
)


@attrs.frozen
class Change:
    """A transition that a caller makes on a root, by the kernel functions that ask for it:
    the path, and who sets.
    """

    root: str
    old: str
    new: str
    shared: bool
    caller: str
    setter: str

    def is_of(self, row: Row) -> bool:
        """Whether it is what a row of the table is about."""
        return (self.old, self.new) == row.words and self.shared == row.shared


@cache
def census(kernel: str, pages: tuple[str, ...] = PAGES) -> tuple[Change, ...]:
    """Every change that any caller makes.

    The kernel may be given in the mail's words, as the callers have them.
    """
    changes: dict[Change, None] = {}
    for recipe in KVMS_OWN:
        for root in sorted(recipe.param("root").values):
            for size in pages:
                given = {KERNEL: kernel, "root": root, "pages": size, "census": "yes"}
                exploration = explore(recipe.scenario(given), liveness=False)
                changes |= dict.fromkeys(_changes(recipe.name, root, exploration.found))
    return tuple(changes)


def _changes(caller: str, root: str, found: tuple[Found, ...]) -> Iterator[Change]:
    for one in found:
        if one.finding.kind == "transition":
            kinds, _, mode = one.finding.where.split(", ")
            old, new = kinds.split(" to ")
            if new != "FROZEN" or old != "NP":
                kind = "NP" if new == "FROZEN" else new
                yield Change(
                    root, old, kind, mode == "shared", caller, _setter(one, one.witness.scenario)
                )


def _setter(found: Found, scenario: Scenario) -> str:
    """The function that called the setter at the last step of a witness."""
    calls: tuple[str, ...] = ()

    def watch(_step: Step, local: LocalState) -> None:
        nonlocal calls
        calls = local.calls

    follow_schedule(witness(found), scenario, watch=watch)
    inner = next(
        i
        for i, name in reversed(list(enumerate(calls)))
        if name not in _SETTERS and not _is_ours(name)
    )
    return calls[inner]


def _is_ours(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")
