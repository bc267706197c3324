"""Which leafs of the module get in each other's way, measured: every pair,
in every interleaving of the two.

No leaf says what it conflicts with. Two tasks call one leaf each, on the same operands or on
others, from every state of the S-EPT in which one of them would go all the way, before
TDH.MR.FINALIZE and after it (where a vCPU runs, only after it); whatever BUSY either of them is
ever answered is what the other can do to it. A vCPU inside TDH.VP.ENTER is there once as it enters
with nothing logged, and once with a page in its zero-step list.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from functools import cache
from itertools import combinations_with_replacement, product
from typing import Any

import attrs

from sim.engine.model.cells import Cell
from sim.engine.model.operations import store
from sim.engine.model.routines import Call, routine
from sim.engine.model.scenario import Scenario, Task
from sim.search.explore import explore
from sim.tdx.leafs import LEAFS, Leaf, Operands
from sim.tdx.module import TdxModule
from sim.tdx.sept import SeptEntry, SeptState
from sim.tdx.status import Status
from sim.tdx.td import Td

S = SeptState
ONE, TWO = "one", "two"
_GFNS = {"A": 1, "B": 2}
_TABLE, _NEW, _ALSO_NEW = 3, 5, 6


class Relation(Enum):
    """What the operands of two leafs have to do with each other."""

    SAME = "the same entry"
    OTHER = "another entry"
    FAMILY = "parent and child"
    PAGE = "the same page"
    TD = "the same TD"


@attrs.frozen
class Meeting:
    """Two leafs on operands that are so related,
    and every BUSY that the one can be answered because of the other.
    """

    one: str
    two: str
    relation: Relation
    busy_one: tuple[str, ...]
    busy_two: tuple[str, ...]


class _Text:
    def __contains__(self, value: object) -> bool:
        return isinstance(value, str)


@routine
async def note(cell: Cell[str], call: Call[Any]) -> None:
    """Call, and write down what was said."""
    said = await call
    if isinstance(said, tuple):
        exit, _ = said
        said = exit.status or exit.reason
    await store(cell, str(said) if isinstance(said, Status) else said.name)


def relations(one: Leaf, two: Leaf) -> Iterator[tuple[Relation, Operands, Operands]]:
    """The ways in which the operands of two leafs can be related."""
    if one.level is not None and two.level is not None:
        near = Relation.SAME if one.level == two.level else Relation.FAMILY
        yield near, Operands("A", _NEW), Operands("A", _ALSO_NEW)
    if one.level == two.level == 0:
        yield Relation.OTHER, Operands("A", _NEW), Operands("B", _ALSO_NEW)
    if one.level is None or two.level is None:
        yield Relation.TD, Operands("A", _NEW), Operands("A", _ALSO_NEW)
    if one.page and two.page and not one.level == two.level == 1:
        yield (
            Relation.PAGE,
            Operands("A", _NEW),
            Operands("B" if one.level == two.level else "A", _NEW),
        )
    elif one.page and two.level == 0:
        yield Relation.PAGE, Operands("B", _GFNS["A"]), Operands("A", _NEW)
    elif two.page and one.level == 0:
        yield Relation.PAGE, Operands("A", _NEW), Operands("B", _GFNS["A"])


def _starts(
    leafs: tuple[tuple[Leaf, Operands], ...],
) -> Iterator[tuple[dict[str, SeptState], SeptState]]:
    """The S-EPT as one of the leafs or the other wants it: the 4K entries by gfn,
    and the 2M entry.
    """
    wanted: dict[str, dict[SeptState, None]] = {"A": {}, "B": {}}
    above = dict.fromkeys([S.NL_MAPPED])
    for leaf, on in leafs:
        for state in leaf.wants:
            (above if leaf.level else wanted[on.gfn])[state] = None
    for a, b, table in product(wanted["A"] or [S.FREE], wanted["B"] or [S.FREE], above):
        yield {"A": a, "B": b}, table


def _entry(state: SeptState, pfn: int) -> SeptEntry:
    return SeptEntry(state, 0 if state is S.FREE else pfn)


def meeting(
    module: type[TdxModule], one: Leaf, two: Leaf, relation: Relation, on: tuple[Operands, Operands]
) -> Meeting:
    """Run two leafs against each other, from every start, in every interleaving."""
    busy: tuple[dict[str, None], dict[str, None]] = ({}, {})
    runs = any(leaf.name.startswith(("TDG.", "TDH.VP.")) for leaf in (one, two))
    for (sept, table), finalized in product(
        _starts(((one, on[0]), (two, on[1]))), (True,) if runs else (True, False)
    ):
        entries = {gfn: _entry(state, _GFNS[gfn]) for gfn, state in sept.items()}
        td = Td.build(entries, _ALSO_NEW, (ONE, TWO), (ONE, TWO), _entry(table, _TABLE), finalized)
        this = module(td)
        said = tuple(Cell(name, "", _Text()) for name in (ONE, TWO))
        calls = (one.call(this, ONE, on[0]), two.call(this, TWO, on[1]))
        tasks = (Task(cell.name, note(cell, call)) for cell, call in zip(said, calls, strict=True))
        for final in explore(
            Scenario("contention", tuple(tasks)), liveness=False, finals=True
        ).final_states:
            for cell, found in zip(said, busy, strict=True):
                if "BUSY" in final[cell.name]:
                    found[final[cell.name]] = None
    return Meeting(one.name, two.name, relation, tuple(sorted(busy[0])), tuple(sorted(busy[1])))


@cache
def meetings(module: type[TdxModule]) -> tuple[Meeting, ...]:
    """Every pair of leafs, with every relation of their operands: some seconds of exploring."""
    return tuple(
        meeting(module, one, two, relation, (mine, theirs))
        for one, two in combinations_with_replacement(LEAFS, 2)
        for relation, mine, theirs in relations(one, two)
    )
