"""Going round for ever: livelock, which cannot be left, and starvation, which could be.

**Livelock** is a part of the graph that no step leaves, in which some task that should finish never
does. Looking for it takes every state into account and yet touches few. A state that steps to a
higher number can be climbed from, and whoever climbs ends in a state where nobody steps, or on a
*top*, from which every step leads down. Exploring notes the tops as it goes; they are few. If there
is none, all runs can end and nothing is left to do. Else each top is shown to lead on by climbing
from where it steps to, and what cannot be shown that way is written out
(`sim.search.exploring.cycles`) together with all that it reaches, and searched.

**Starvation** is a cycle that weak fairness allows: each task steps in it, or cannot step somewhere
in it; somebody who should finish does not, nobody makes progress, and yet another choice would have
led one of those on, to its end or to a step that is progress. Where all that leads out of a cycle
leads to no such thing, it is no starvation: that is a livelock, or a deadlock, and reported as one.
A task that goes round comes back to the same local state, so a state can be on such a cycle only if
every task has finished, or stands where its automaton leads back to, or where it can be made to
wait. That is read off the learned automata, and rules out nearly every state; the rest is written
out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import numpy as np

from sim.engine.arrays import Index, Mask
from sim.engine.model.operations import Operation
from sim.engine.model.scenario import Task
from sim.engine.states.frontier import Frontier
from sim.engine.states.tables import numbers_of
from sim.search.exploring.cycles import Components, CycleWalk, Graph, cycles_of

_CHUNK = 1 << 16
_MOST = 1 << 22
"""States that are written out at most."""

_QUICK, _SHARE = 1 << 16, 1 << 6
"""States, or share of all of them,
that starvation is looked for among where nobody has asked for it."""


@attrs.frozen
class Endless:
    """A way round: the number of its first state, its steps (task, number of the next state),
    and who gets nowhere.
    """

    start: int
    steps: tuple[tuple[str, int], ...]
    tasks: tuple[str, ...]


def _where(
    frontier: Frontier, numbers: Index, task: Task, stands: Callable[[Operation[Any] | None], bool]
) -> Mask:
    """Where a task stands before such an operation."""
    field = frontier.product.local_field(task.name)
    local = numbers_of(field, frontier.visited.take(numbers)).astype(np.int64)
    return np.array([stands(local.operation) for local in field.values]).take(local)


def _is_done(frontier: Frontier, numbers: Index) -> Mask:
    """Where every task that should finish has."""
    done = np.ones(len(numbers), np.bool_)
    for task in frontier.product.scenario.tasks:
        if not task.daemon:
            done &= _where(frontier, numbers, task, lambda operation: operation is None)
    return done


def _is_progress(frontier: Frontier, graph: Graph) -> Mask:
    """Which edges of a graph are progress."""
    progress = np.zeros(len(graph.source), np.bool_)
    for i, task in enumerate(frontier.product.scenario.tasks):
        mine = np.flatnonzero(graph.task == i)
        numbers = graph.numbers.take(graph.source.take(mine))
        progress[mine] = _where(
            frontier, numbers, task, lambda operation: operation is not None and operation.progress
        )
    return progress


def livelocks(frontier: Frontier) -> list[Endless] | None:
    """For each set of tasks that can get where they never get on, the loop that is reached first.

    None if there is too much to look at.
    """
    trapped = _trapped(frontier)
    if trapped is None:
        return None
    return _first(
        frontier, Graph(frontier, trapped).trimmed(), lambda parts: parts.is_closed, _anywhere
    )


def starvation(frontier: Frontier, *, wanted: bool = False) -> list[Endless] | None:
    """For each set of tasks that can starve, the fair loop that is reached first.

    One of them could yet get on.

    None if that would take long beside the exploration, and is not expressly `wanted`, or if there
    is too much to look at.
    """
    numbers = _may_go_round(frontier)
    if len(numbers) > (_MOST if wanted else max(_QUICK, frontier.visited.count // _SHARE)):
        return None
    graph = Graph(frontier, numbers).trimmed()
    ways_on = _WaysOn(frontier)
    return _first(frontier, graph, lambda parts: parts.is_fair & ~parts.is_closed, ways_on.is_open)


def _anywhere(_start: int, _task: int) -> bool:
    return True


class _WaysOn:
    """Whether a task can get on from a state by any choice: finish,
    or take a step that is progress.
    """

    def __init__(self, frontier: Frontier) -> None:
        self._frontier = frontier
        self._nowhere: dict[int, Mask] = {}
        """Per task, the states from which it is known that it cannot."""

    def is_open(self, start: int, task: int) -> bool:
        """Look for a way on, deep states first: those are nearest to an end."""
        frontier = self._frontier
        nowhere = self._nowhere.setdefault(task, np.zeros(frontier.visited.count, np.bool_))
        met = nowhere.copy()
        met[start] = True
        left = np.array([start])
        while len(left):
            here, left = left[-_CHUNK:], left[:-_CHUNK]
            if self._gets_on(here, task):
                return True
            after = np.unique(frontier.edges(here).after)
            fresh = after[~met[after]]
            met[fresh] = True
            left = np.sort(np.concatenate([left, fresh]))
        self._nowhere[task] = met
        return False

    def _gets_on(self, numbers: Index, task: int) -> bool:
        """Whether a task has finished in one of these states,
        or may take a step there that is progress.
        """
        it = self._frontier.product.scenario.tasks[task]
        finished = _where(self._frontier, numbers, it, lambda operation: operation is None)
        progress = _where(
            self._frontier,
            numbers,
            it,
            lambda operation: operation is not None and operation.progress,
        )
        if finished.any():
            return True
        progressing = numbers[progress]
        return bool(len(progressing) and (self._frontier.edges(progressing).task == task).any())


def _first(
    frontier: Frontier,
    graph: Graph,
    wanted: Callable[[Components], Mask],
    is_open: Callable[[int, int], bool],
) -> list[Endless]:
    """One way round for each set of tasks that get nowhere on it,
    of those for whom `is_open` where it begins.
    """
    found: dict[tuple[str, ...], Endless] = {}
    tried: dict[tuple[int, ...], None] = {}
    progress = _is_progress(frontier, graph)
    every = range(len(graph.tasks))
    for who in ([task] for task in every) if progress.any() else [every]:
        part = (
            graph.without(progress & (graph.task == who[0])).trimmed() if progress.any() else graph
        )
        parts = Components(part)
        for i in np.flatnonzero(wanted(parts)).tolist():
            component = parts.components[i]
            start = int(graph.numbers[component[0]])
            waiting = tuple(
                task for task in who if _is_waiting(frontier, start, task) and is_open(start, task)
            )
            if waiting and waiting not in tried:
                tried[waiting] = None
                loop = [
                    (by, int(graph.numbers[to])) for by, to in CycleWalk(part, component).loop()
                ]
                endless = _endless(frontier, graph, start, loop, is_open)
                found.setdefault(endless.tasks, endless)
    return sorted(found.values(), key=lambda endless: endless.start)


def _endless(
    frontier: Frontier,
    graph: Graph,
    start: int,
    loop: list[tuple[int, int]],
    is_open: Callable[[int, int], bool],
) -> Endless:
    """A way round, and all tasks that get nowhere on it."""
    moving = _getting_on(frontier, start, loop)
    left = (
        task
        for task in range(len(graph.tasks))
        if task not in moving and _is_waiting(frontier, start, task)
    )
    tasks = tuple(graph.tasks[task] for task in left if is_open(start, task))
    return Endless(start, tuple((graph.tasks[by], to) for by, to in loop), tasks)


def _getting_on(frontier: Frontier, start: int, loop: list[tuple[int, int]]) -> dict[int, None]:
    """The tasks that take a step of progress in a loop."""
    product, moving, at = frontier.product, dict[int, None](), start
    for by, to in loop:
        operation = product.local(
            frontier.visited.state(at), product.scenario.tasks[by].name
        ).operation
        if operation is not None and operation.progress:
            moving[by] = None
        at = to
    return moving


def _is_waiting(frontier: Frontier, number: int, task: int) -> bool:
    """Whether a task should finish and has not."""
    product, it = frontier.product, frontier.product.scenario.tasks[task]
    return (
        not it.daemon
        and product.local(frontier.visited.state(number), it.name).operation is not None
    )


def _trapped(frontier: Frontier) -> Index | None:
    """The states from which no run ends, as far as tops lead to them.

    None if that is too much to look at.
    """
    tops = np.concatenate([*frontier.tops, np.empty(0, np.int64)])
    left = _left_over(frontier, tops[~_is_done(frontier, tops)])
    reached = np.zeros(frontier.visited.count if len(left) else 0, np.bool_)
    while len(left):
        reached[left] = True
        if np.count_nonzero(reached) > _MOST:
            return None
        after = np.unique(frontier.edges(left).after)
        left = after[~reached[after]]
    numbers = np.flatnonzero(reached)
    graph = Graph(frontier, numbers)
    ends = ~graph.able.any(axis=0) | _is_done(frontier, numbers)
    return numbers[~_leading_to(ends, graph.source, graph.target)]


def _leading_to(good: Mask, source: Index, target: Index) -> Mask:
    """`good`, and whatever leads there."""
    while True:
        more = source[good[target] & ~good[source]]
        if not len(more):
            return good
        good[more] = True


def _left_over(frontier: Frontier, tops: Index) -> Index:
    """The tops from which climbing does not show that a run can end."""
    parts = [(tops[:0], tops[:0])]
    for low in range(0, len(tops), _CHUNK):
        edges = frontier.edges(tops[low : low + _CHUNK])
        below, which = np.unique(edges.after, return_inverse=True)
        parts.append((edges.before + low, _climb(frontier, below).take(which)))
    source, ends = (np.concatenate(column) for column in zip(*parts, strict=True))
    target = np.searchsorted(tops, ends)
    target[target == len(tops)] = 0
    is_top = tops.take(target) == ends if len(tops) else np.zeros(0, np.bool_)
    good = np.zeros(len(tops), np.bool_)
    good[source[~is_top]] = True
    return tops[~_leading_to(good, source[is_top], target[is_top])]


def _climb(frontier: Frontier, numbers: Index) -> Index:
    """Where one gets from each of these states by always stepping to the highest number,
    as long as that is higher.
    """
    ends = np.empty(len(numbers), np.int64)
    climbers, at, here = np.arange(len(numbers)), np.arange(len(numbers)), numbers
    while len(climbers):
        edges = frontier.edges(here)
        highest = np.full(len(here), -1)
        np.maximum.at(highest, edges.before, edges.after)
        up = np.flatnonzero(highest > here)
        there, which = np.unique(highest.take(up), return_inverse=True)
        onto = np.full(len(here), -1)
        onto[up] = which
        following = onto.take(at)
        ended = following < 0
        ends[climbers[ended]] = here.take(at[ended])
        climbers, at, here = climbers[~ended], following[~ended], there
    return ends


def _may_go_round(frontier: Frontier) -> Index:
    """The states in which nobody stands where it must go on and cannot come back."""
    tasks = frontier.product.scenario.tasks
    returns = []
    for task in tasks:
        here = np.array(
            [local.operation is None for local in frontier.product.local_field(task.name).values]
        )
        here[list(frontier.waits[task.name])] = True
        for component in cycles_of(frontier.moves[task.name]):
            here[component] = True
        returns.append(here)
    found = [np.empty(0, np.int64)]
    for low in range(0, frontier.visited.count, _CHUNK):
        states = frontier.visited.rows(range(low, min(low + _CHUNK, frontier.visited.count)))
        may = np.ones(len(states), np.bool_)
        for task, here in zip(tasks, returns, strict=True):
            may &= here.take(
                numbers_of(frontier.product.local_field(task.name), states).astype(np.int64)
            )
        found.append(np.flatnonzero(may) + low)
    return np.concatenate(found)
