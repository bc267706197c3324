"""The cells that matter, beside the lanes: a column each,
that says something only where the cell changes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import attrs

from sim.analysis.moments import Moment
from sim.engine.model.values import spell
from sim.kvm.mmu_lock import RwState
from sim.kvm.spte import Spte
from sim.tdx.locks import Sharex
from sim.tdx.sept import SeptEntry
from sim.view.words import fitted

_RANKS = (Spte, SeptEntry, RwState, Sharex)
_MAPS = ("spte[", "sept[")
_WIDEST, _BETWEEN = 24, 2


@attrs.frozen
class Column:
    """A cell, how wide its column is, and what it comes to hold at which step,
    by number from 1 on.
    """

    cell: str
    width: int
    said: dict[int, str]


def strip(seen: tuple[Moment, ...], room: int) -> Iterator[Column]:
    """The columns that fit into so much room: first what is mapped,
    then locks that several tasks touch.
    """
    for column in _columns(seen):
        room -= column.width
        if room < 0:
            return
        yield column


def _columns(seen: tuple[Moment, ...]) -> list[Column]:
    who: defaultdict[str, dict[str, None]] = defaultdict(dict)
    said: defaultdict[str, dict[int, str]] = defaultdict(dict)
    rank: dict[str, int] = {}
    for number, moment in enumerate(seen, 1):
        for cell, _ in moment.touched:
            who[cell][moment.step.task] = None
        for cell, value in moment.changed:
            rank.setdefault(
                cell,
                next((i for i, kind in enumerate(_RANKS) if isinstance(value, kind)), len(_RANKS)),
            )
            said[cell][number] = fitted(_short(value), _WIDEST)
    wanted = [
        cell
        for cell in said
        if cell.startswith(_MAPS) or (len(who[cell]) > 1 and rank[cell] < len(_RANKS))
    ]
    return [
        Column(cell, max(len(cell), *map(len, said[cell].values())) + _BETWEEN, said[cell])
        for cell in sorted(wanted, key=lambda cell: rank[cell])
    ]


def _short(value: object) -> str:
    """A lock without the leafs that hold it: the lanes say which those are."""
    if not isinstance(value, Sharex):
        return spell(value)
    holders = " ".join(
        holder.task
        for holder in ((value.exclusive,) if value.exclusive else value.shared)
        if holder
    )
    return f"{'X' if value.exclusive else 'S'} {holders}" if holders else "free"
