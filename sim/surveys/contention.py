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
_RANGES = (("A", "B"), ("D",))
"""Two 2M ranges, by the gfns in them: what is in the way of one page may be in the other."""
_GFNS = {"A": 1, "B": 2, "D": 3}
"""The page that each maps, where it maps one."""
_TABLES, _LARGE = (4, 5), (6, 8)
"""The S-EPT page below each 2M entry, or the first page that the entry maps."""
_NEW, _ALSO_NEW = 9, 11
"""Pages of nobody, each with one after it that makes it one of 2M."""
_PAGES = 12


class Relation(Enum):
    """What the operands of two leafs have to do with each other."""

    SAME = "the same entry"
    OTHER = "another entry"
    FAMILY = "parent and child"
    PAGE = "the same page"
    ASSIGNED = "a page of the TD"
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
    halts: bool = False
    """Whether one of them can find a page that is mapped and has no owner: the module halts."""


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
    apart = "B" if one.level == two.level == 0 else "D"
    if one.level is not None and two.level is not None:
        near = Relation.SAME if one.level == two.level else Relation.FAMILY
        yield near, Operands("A", _NEW), Operands("A", _ALSO_NEW)
        yield Relation.OTHER, Operands("A", _NEW), Operands(apart, _ALSO_NEW)
    else:
        yield Relation.TD, Operands("A", _NEW), Operands("A", _ALSO_NEW)
        if two.page and two.level is None:
            yield Relation.ASSIGNED, Operands("A", _NEW), Operands("A", _TABLES[1])
        elif one.page and one.level is None:
            yield Relation.ASSIGNED, Operands("A", _TABLES[1]), Operands("A", _NEW)
    if one.page and two.page:
        yield Relation.PAGE, Operands("A", _NEW), Operands(apart, _NEW)
    elif one.page and two.level is not None:
        yield Relation.PAGE, Operands(apart, _mapped("A", two)), Operands("A", _NEW)
    elif two.page and one.level is not None:
        yield Relation.PAGE, Operands("A", _NEW), Operands(apart, _mapped("A", one))


def _mapped(gfn: str, leaf: Leaf) -> int:
    """The page that the entry of a leaf maps, or the table that it links."""
    if not leaf.level:
        return _GFNS[gfn]
    return _LARGE[0] if any(state.is_leaf for state in leaf.wants) else _TABLES[0]


Start = tuple[dict[str, SeptState], tuple[SeptState, SeptState]]


def _starts(leafs: tuple[tuple[Leaf, Operands], ...]) -> Iterator[Start]:
    """The S-EPT as one of the leafs or the other wants it: the 4K entries by gfn,
    and the 2M entries.
    """
    wanted: dict[str, dict[SeptState, None]] = {gfn: {} for gfn in _GFNS}
    above = [dict.fromkeys([S.NL_MAPPED]) for _ in _RANGES]
    for leaf, on in leafs:
        number = next(i for i, gfns in enumerate(_RANGES) if on.gfn in gfns)
        for state in leaf.wants:
            (above[number] if leaf.level else wanted[on.gfn])[state] = None
    below = [tuple(wanted[gfn] or [S.FREE]) for gfn in _GFNS]
    for *states, one, two in product(*below, *above):
        yield dict(zip(_GFNS, states, strict=True)), (one, two)


def _entry(state: SeptState, pfn: int) -> SeptEntry:
    return SeptEntry(state, 0 if state is S.FREE else pfn)


def _td(start: Start, *, finalized: bool) -> Td:
    sept, above = start
    ranges = []
    for number, gfns in enumerate(_RANGES):
        pfn = _LARGE[number] if above[number].is_leaf else _TABLES[number]
        below = {gfn: _entry(sept[gfn], _GFNS[gfn]) for gfn in gfns}
        ranges.append((_entry(above[number], pfn), below))
    return Td.of(tuple(ranges), _PAGES, (ONE, TWO), (ONE, TWO), finalized)


def meeting(
    module: type[TdxModule], one: Leaf, two: Leaf, relation: Relation, on: tuple[Operands, Operands]
) -> Meeting:
    """Run two leafs against each other, from every start, in every interleaving."""
    busy: tuple[dict[str, None], dict[str, None]] = ({}, {})
    halts = False
    runs = any(leaf.name.startswith(("TDG.", "TDH.VP.")) for leaf in (one, two))
    for start, finalized in product(
        _starts(((one, on[0]), (two, on[1]))), (True,) if runs else (True, False)
    ):
        this = module(_td(start, finalized=finalized))
        said = tuple(Cell(name, "", _Text()) for name in (ONE, TWO))
        calls = (one.call(this, ONE, on[0]), two.call(this, TWO, on[1]))
        tasks = (Task(cell.name, note(cell, call)) for cell, call in zip(said, calls, strict=True))
        explored = explore(Scenario("contention", tuple(tasks)), liveness=False, finals=True)
        halts |= any(found.finding.kind == "halt" for found in explored.found)
        for final in explored.final_states:
            for cell, found in zip(said, busy, strict=True):
                if "BUSY" in final[cell.name]:
                    found[final[cell.name]] = None
    answers = (tuple(sorted(busy[0])), tuple(sorted(busy[1])))
    return Meeting(one.name, two.name, relation, *answers, halts)


@cache
def meetings(module: type[TdxModule]) -> tuple[Meeting, ...]:
    """Every pair of leafs, with every relation of their operands: some seconds of exploring."""
    return tuple(
        meeting(module, one, two, relation, (mine, theirs))
        for one, two in combinations_with_replacement(LEAFS, 2)
        for relation, mine, theirs in relations(one, two)
    )
