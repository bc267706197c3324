"""What a strategy may know of a scenario before its first seed: the tables,
and what random walks are like there.

The profile comes from walks with seeds of its own, always the same ones, so it is a function of the
scenario. It speaks of tasks by their place and of cells by name; the numbers in the tables depend
on who has met what first.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property
from itertools import combinations

import attrs
import numpy as np

from sim.engine.arrays import Index
from sim.engine.herd.herd import Herd
from sim.engine.herd.tries import Tries
from sim.engine.model.commuting import COMMUTE
from sim.engine.model.operations import Access
from sim.engine.model.scenario import Scenario
from sim.engine.run.world import World
from sim.search.fuzzing.strategies.walk import WalkStrategy

SAMPLE = 256
_SEEDS = np.arange(SAMPLE, dtype=np.uint64) + np.uint64((1 << 64) - SAMPLE)
"""The last seeds there are."""


@attrs.frozen
class Contended:
    """A cell, how often each task touches it on average,
    and how many pairs of them depend on each other by it.
    """

    name: str
    touched: tuple[int, ...]
    pairs: int


@attrs.frozen
class Profile:
    """How long walks are on average,
    and how often each task touches each cell that tasks contend for.

    `cells` are those that tasks contend for, in order of name. `parent` is who has to do something
    before a task can begin, -1 for those that can from the start.
    """

    length: int
    cells: tuple[Contended, ...]
    parent: tuple[int, ...]


class _ProfileWatcher:
    """Counts what walks do."""

    def __init__(self, tasks: int, starts: int) -> None:
        self.rows: Index = np.zeros(1, np.int64)
        self.woken = np.zeros((tasks, tasks), np.int64)
        self._tasks, self._starts, self._ever = tasks, starts, np.zeros(SAMPLE, np.int64)

    def begun(self, herd: Herd, slots: Index) -> None:
        del herd
        self._ever[slots] = self._starts

    def stepped(self, herd: Herd, row: Index) -> None:
        counted = np.bincount(row, minlength=len(self.rows))
        counted[: len(self.rows)] += self.rows
        self.rows = counted
        slots = herd.slots
        fresh = herd.able.take(slots) & ~self._ever.take(slots)
        self._ever[slots] |= fresh
        for i in np.flatnonzero(fresh).tolist():
            by = herd.answers.rows[int(row[i])].task
            for task in range(self._tasks):
                self.woken[task, by] += int(fresh[i]) >> task & 1 and task != by

    def shown(self, herd: Herd, slots: Index, finding: Index) -> None:
        pass

    def ended(self, herd: Herd, slots: Index) -> None:
        pass


class Shared:
    """A scenario as strategies see it. Runs are cut after `most` steps."""

    def __init__(self, scenario: Scenario, most: int) -> None:
        self.scenario, self.most = scenario, most
        self.answers = Tries(scenario)

    @cached_property
    def profile(self) -> Profile:
        """What walks are like."""
        tasks = len(self.scenario.tasks)
        starts = self._starting
        counting = _ProfileWatcher(tasks, starts)
        Herd(self.answers, self.most, SAMPLE).runs(_SEEDS, WalkStrategy(), counting)
        touched: defaultdict[str, list[int]] = defaultdict(lambda: [0] * tasks)
        how: defaultdict[str, dict[tuple[int, Access], None]] = defaultdict(dict)
        for number in np.flatnonzero(counting.rows).tolist():
            row = self.answers.rows[number]
            for cell, access in zip(row.operation.cells, row.outcome.access, strict=False):
                touched[cell.name][row.task] += int(counting.rows[number])
                how[cell.name][row.task, access] = None
        cells = (
            Contended(name, tuple(map(_mean, touched[name])), _pairs(list(how[name])))
            for name in sorted(how)
        )
        return Profile(
            max(1, round(int(counting.rows.sum()) / SAMPLE)),
            tuple(cell for cell in cells if cell.pairs),
            tuple(
                -1 if starts >> task & 1 else _parent(counting.woken[task]) for task in range(tasks)
            ),
        )

    @property
    def _starting(self) -> int:
        """The set of tasks that can step at first."""
        standing = (self.answers.locals[local] for local in self.answers.start)
        able = (
            local.operation is not None
            and World().outcomes(self.scenario.tasks[task].name, local.operation)
            for task, local in standing
        )
        return sum(1 << task for task, can in enumerate(able) if can)


def _mean(times: int) -> int:
    """An average per walk, rounded up: what happens at all is expected once."""
    return -(-times // SAMPLE)


def _pairs(how: list[tuple[int, Access]]) -> int:
    """How many pairs of tasks touch a cell in ways that do not commute."""
    depending = (
        {one, other}
        for (one, a), (other, b) in combinations(how, 2)
        if one != other and (a, b) not in COMMUTE
    )
    return len({tuple(sorted(pair)) for pair in depending})


def _parent(woken: Index) -> int:
    return int(np.argmax(woken)) if woken.any() else -1
