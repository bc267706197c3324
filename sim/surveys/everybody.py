"""Rows of the table with all their contenders at once.

The table has them contend two at a time, since three are hundreds of millions of states in some
rows. What two bring about does not need a third; whether a third brings about more, this says.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import attrs

from sim.engine.model.operations import Finding
from sim.search.budget import Budget
from sim.search.exploration import Progress
from sim.search.explore import explore
from sim.surveys.table import TableCell, TableQuery

ALL = "all"


@attrs.frozen
class EverybodyAtOnce:
    """What a cell comes to with everybody.

    `more` is what pairs do not show; `less` what only pairs do: as far as this is explored, or with
    a second zapper.
    """

    question: TableQuery
    cell: TableCell
    states: int
    unexpanded: int
    seconds: float
    more: tuple[Finding, ...]
    less: tuple[Finding, ...]

    @property
    def is_decided(self) -> bool:
        return not self.unexpanded


def has_pairs(question: TableQuery) -> bool:
    """Whether the table has contenders of a cell two at a time."""
    return ALL not in question.row.crowds


def everybody(
    asked: Sequence[TableQuery],
    cells: Mapping[str, TableCell],
    budget: Callable[[], Budget],
    jobs: int,
    tick: Callable[[TableQuery, Progress], None],
) -> Iterator[EverybodyAtOnce]:
    """Explore cells with all contenders, by `jobs` threads: those with fewer states first.

    `budget` is what is left of it when a cell begins.
    """
    wanted = [question for question in asked if has_pairs(question)]
    for question in sorted(wanted, key=lambda one: cells[one.key].states):
        cell = cells[question.key]
        # an exploration is a circle of references: the last one's states go first
        gc.collect()
        exploration = explore(
            question.scenario(contenders=ALL),
            budget=budget(),
            jobs=jobs,
            tick=partial(tick, question),
        )
        found = [one.finding for one in exploration.found]
        yield EverybodyAtOnce(
            question,
            cell,
            exploration.states,
            exploration.unexpanded,
            exploration.seconds,
            tuple(one for one in found if one not in cell.findings),
            tuple(one for one in cell.findings if one not in found),
        )
