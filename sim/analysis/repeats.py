"""Which steps of a run could stand elsewhere in it,
and which steps only repeat the ones before them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from itertools import islice

import attrs

from sim.analysis.moments import Moment
from sim.engine.model.commuting import COMMUTE, Touch
from sim.engine.model.operations import HALTED, Access

_TRIES, _FEWEST = 4, 3


def free(seen: tuple[Moment, ...]) -> tuple[bool, ...]:
    """Whether each step commutes with all steps of the other tasks:
    when it is taken decides nothing.
    """
    known: defaultdict[str, dict[tuple[str, Access], None]] = defaultdict(dict)
    for moment in seen:
        for cell, access in _touched(moment):
            known[cell][moment.step.task, access] = None
    return tuple(
        all(
            task == moment.step.task or (access, theirs) in COMMUTE
            for cell, access in _touched(moment)
            for task, theirs in known[cell]
        )
        for moment in seen
    )


def _touched(moment: Moment) -> Touch:
    """With the cell that BUG() writes: whoever steps finds it unwritten."""
    return (*moment.touched, (HALTED.name, Access.READ))


@attrs.frozen
class Repeat:
    """So many times the same, `period` items each time, from index `first` on."""

    first: int
    period: int
    times: int

    @property
    def stop(self) -> int:
        return self.first + self.period * self.times


def repeats(items: Sequence[Hashable]) -> tuple[Repeat, ...]:
    """Where items come three times or more in one order, the next time at once.

    From the left, the most that there is.

    One that has to be looked for further than its fourth coming from there is not found.
    """
    places: defaultdict[Hashable, list[int]] = defaultdict(list)
    for i in range(len(items) - 1, -1, -1):
        places[items[i]].append(i)
    found, at = list[Repeat](), 0
    while at < len(items):
        places[items[at]].pop()
        periods = [place - at for place in islice(reversed(places[items[at]]), _TRIES)]
        best = max(
            (_repeat(items, at, period) for period in periods),
            key=lambda one: one.stop,
            default=None,
        )
        if best is None or best.times < _FEWEST:
            at += 1
            continue
        for place in range(at + 1, best.stop):
            places[items[place]].pop()
        found.append(best)
        at = best.stop
    return tuple(found)


def _repeat(items: Sequence[Hashable], first: int, period: int) -> Repeat:
    end = first + period
    while end < len(items) and items[end] == items[end - period]:
        end += 1
    return Repeat(first, period, (end - first) // period)
