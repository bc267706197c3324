"""SURW: uniform over the orders in which tasks get at one thing, and careless about all else.

Zhao, Wolff, Mathur, Roychoudhury, "Selectively uniform concurrency testing" (ASPLOS 2025). For
every run a cell is drawn from those that tasks contend for; a step that touches it is
*interesting*. A walk that goes by who has how many of those left, in place of who can step, takes
every order of the interesting steps with the same probability. So a task is drawn by its weight,
the interesting steps that it is expected to have left, and is to take the next of them: the others
walk at random up to theirs, and wait there until that has happened. If nobody is left who may go
on, because the one that was drawn waits for another, or if it retries and gets nowhere, the draw is
made anew.

Which cell it is, the paper leaves to the user, or to chance. Here it is drawn in proportion to how
many pairs of tasks depend on each other by it: what two tasks hand to each other has few orders,
and needs few runs.

The weights are from the profile. What a task will do that has not begun is credited to the one that
has to begin it, or the first tasks to begin would seem to be alone. When it begins, a draw that its
parent has won is made again between the two of them. A retry makes the counts wrong; they do not
fall below one while a task can step.
"""

from __future__ import annotations

from itertools import count

import numpy as np

from sim.engine.arrays import Index, Mask
from sim.engine.herd.herd import Herd
from sim.engine.run.draws import Stream
from sim.search.fuzzing.strategies.shared import Shared
from sim.search.fuzzing.strategies.walk import WalkStrategy

_NOBODY = -1


class Surw(WalkStrategy):
    """Where tasks contend for nothing it is a walk."""

    def __init__(self, ground: Shared) -> None:
        self._ground, self._tasks = ground, len(ground.scenario.tasks)
        profile = ground.profile
        self._names = [cell.name for cell in profile.cells]
        self._expected = np.array([cell.touched for cell in profile.cells], np.int64).reshape(
            -1, self._tasks
        )
        self._upto = np.cumsum([cell.pairs for cell in profile.cells])
        self._parent = np.array(
            [task if parent < 0 else parent for task, parent in enumerate(profile.parent)]
        )
        self._late = [task for task, parent in enumerate(profile.parent) if parent >= 0]
        self._width = self._known = 0

    def begin(self, herd: Herd, slots: Index) -> None:
        if self._width < herd.width:
            self._width = herd.width
            self._left = np.zeros((self._tasks, self._width), np.int64)
            self._cell, self._intended = (
                np.zeros(self._width, np.int64),
                np.full(self._width, _NOBODY),
            )
            self._waiting, self._begun = (
                np.zeros(self._width, np.int64),
                np.zeros(self._width, np.int64),
            )
        if not self._names:
            return
        drawn = herd.below(np.full(len(slots), self._upto[-1]), slots, Stream.SURW_CELL)
        self._cell[slots] = np.searchsorted(self._upto, drawn, side="right")
        self._left[:, slots] = self._expected[self._cell[slots]].T
        self._intended[slots], self._waiting[slots], self._begun[slots] = (
            _NOBODY,
            0,
            herd.able.take(slots),
        )

    def choose(self, herd: Herd, slots: Index) -> Index:
        if not self._names:
            return super().choose(herd, slots)
        self._begin_tasks(herd, slots)
        chosen, open_ = np.zeros(len(slots), np.int64), np.arange(len(slots))
        for turn in count():
            if not len(open_):
                break
            at = slots.take(open_)
            self._intend(
                herd, at[self._intended.take(at) == _NOBODY], Stream.SURW_INTENDED.nth(turn)
            )
            free = herd.able.take(at) & ~self._waiting.take(at)
            stuck = free == 0
            self._waiting[at[stuck]], self._intended[at[stuck]] = 0, _NOBODY
            going, free = np.flatnonzero(~stuck), free[~stuck]
            task = herd.member(
                free,
                herd.below(herd.size_of(free), at.take(going), Stream.SURW_CANDIDATE.nth(turn)),
            )
            held = self._is_interesting(herd, task, at.take(going)) & (
                task != self._intended.take(at.take(going))
            )
            self._waiting[at.take(going[held])] |= 1 << task[held]
            chosen[open_.take(going[~held])] = task[~held]
            still = stuck.copy()
            still[going[held]] = True
            open_ = open_[still]
        self._taken(herd, slots, chosen)
        return chosen

    def _taken(self, herd: Herd, slots: Index, task: Index) -> None:
        """Count down what has been waited for, and let the next be drawn."""
        which = np.flatnonzero(self._is_interesting(herd, task, slots))
        of, at = task.take(which), slots.take(which)
        self._left[of, at] = np.maximum(1, self._left[of, at] - 1)
        self._waiting[at], self._intended[at] = 0, _NOBODY

    def _begin_tasks(self, herd: Herd, slots: Index) -> None:
        """Where tasks have begun, share what their parents have won."""
        able, before = herd.able.take(slots), self._begun.take(slots)
        fresh = able & ~before
        self._begun[slots] = before | able
        which = np.flatnonzero((fresh > 0) & (self._intended.take(slots) != _NOBODY))
        if not len(which):
            return
        at, fresh, begun = slots.take(which), fresh.take(which), before.take(which)
        intended, weights = self._intended.take(at), self._weights(at, self._begun.take(at))
        for task, weight in enumerate(weights):
            is_child = ((fresh >> task) & 1 == 1) & (self._owner(task, begun) == intended)
            weight[~is_child & (intended != task)] = 0
        shared = np.sum(weights, axis=0) > 0
        self._draw(herd, at[shared], [weight[shared] for weight in weights], Stream.SURW_SHARED)

    def _intend(self, herd: Herd, slots: Index, draw: int) -> None:
        """Draw who is to take the next interesting step, by what each is expected to have left."""
        if not len(slots):
            return
        able = herd.able.take(slots)
        weights = self._weights(slots, self._begun.take(slots))
        weights = [
            np.where((able >> task) & 1 == 1, weight, 0) for task, weight in enumerate(weights)
        ]
        self._at_least_one(herd, slots, weights)
        self._draw(herd, slots, weights, draw)

    def _weights(self, slots: Index, begun: Index) -> list[Index]:
        """What each task that has begun is expected to have left,
        with those that it has to begin yet.
        """
        left = [self._left[task].take(slots) for task in range(self._tasks)]
        weights = [weight.copy() for weight in left]
        for task in self._late:
            owner = self._owner(task, begun)
            for other in range(self._tasks):
                if other != task:
                    weights[other] += np.where(owner == other, left[task], 0)
        return weights

    def _owner(self, task: int, begun: Index) -> Index:
        """Who has the say over a task: itself,
        or the one that has begun of those that have to begin it.
        """
        owner = np.full(len(begun), task)
        for _ in self._late:
            owner = np.where((begun >> owner) & 1 == 1, owner, self._parent.take(owner))
        return owner

    def _draw(self, herd: Herd, slots: Index, weights: list[Index], draw: int) -> None:
        """Draw who is intended, in proportion to weights."""
        total = np.sum(weights, axis=0)
        drawn = herd.below(np.maximum(total, 1), slots, draw)
        intended, upto = np.full(len(slots), self._tasks), np.zeros(len(slots), np.int64)
        for task, weight in enumerate(weights):
            upto = upto + weight
            intended = np.where((intended == self._tasks) & (drawn < upto), task, intended)
        self._intended[slots] = intended

    def _at_least_one(self, herd: Herd, slots: Index, weights: list[Index]) -> None:
        """Where nobody is expected to have anything left,
        whoever stands before an interesting step has that.
        """
        which = np.flatnonzero(np.sum(weights, axis=0) == 0)
        able = herd.able.take(slots.take(which))
        for task in range(self._tasks if len(which) else 0):
            of = np.full(len(which), task)
            weights[task][which] = self._is_interesting(herd, of, slots.take(which)) & (
                (able >> task) & 1 == 1
            )

    def moved(self, herd: Herd, slots: Index, task: Index, row: Index, retry: Mask) -> None:
        del herd, task, row
        if self._names:
            self._waiting[slots[retry]], self._intended[slots[retry]] = 0, _NOBODY

    def _is_interesting(self, herd: Herd, task: Index, slots: Index) -> Mask:
        """Whether tasks stand before a step that touches the cell of their run."""
        answers = herd.answers
        if self._known < len(answers.cells):
            numbers = {cell.name: number for number, cell in enumerate(answers.cells)}
            self._numbers = np.array([numbers.get(name, -1) for name in self._names])
            self._known = len(answers.cells)
        cell = self._numbers.take(self._cell.take(slots))
        op = herd.op.take(task * herd.width + slots)
        size = answers.size.of.take(op)
        found: Mask = answers.foot[0].of.take(op) == cell
        for level, foot in enumerate(answers.foot[1:], 1):
            deep = np.flatnonzero(size > level)
            if not len(deep):
                break
            found[deep] |= foot.of.take(op.take(deep)) == cell.take(deep)
        return found
