"""A part of the state graph, written out: its edges, its components, and walks in it.

Exploring keeps states and no edges. Where a question is about going round
(`sim.search.exploring.liveness`), the few states that can matter are picked first, and only their
steps are taken again and kept here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from copy import copy

import numpy as np

from sim.engine.arrays import Index, Mask
from sim.engine.states.frontier import Frontier

_CHUNK = 1 << 16

Taken = tuple[int, int]
"""A step: the number of its task, and the state it leads to."""


class Graph:
    """Edges between some states.

    A state is its position in `numbers`, an edge its position in `source` and so on.

    `able[task]` says where a task can step at all, and `leaves` from where some step leads out of
    this part.
    """

    def __init__(self, frontier: Frontier, numbers: Index) -> None:
        self.numbers = numbers
        self.tasks = [task.name for task in frontier.product.scenario.tasks]
        self.able: Mask = np.zeros((len(self.tasks), len(numbers)), np.bool_)
        self.leaves: Mask = np.zeros(len(numbers), np.bool_)
        parts = [(numbers[:0], numbers[:0], numbers[:0])]
        for low in range(0, len(numbers), _CHUNK):
            edges = frontier.edges(numbers[low : low + _CHUNK])
            source, there = edges.before + low, np.searchsorted(numbers, edges.after)
            there[there == len(numbers)] = 0
            inside = np.flatnonzero(numbers.take(there) == edges.after)
            self.able[edges.task, source] = True
            self.leaves[np.delete(source, inside)] = True
            parts.append((source.take(inside), there.take(inside), edges.task.take(inside)))
        self.source, self.target, self.task = (
            np.concatenate(column) for column in zip(*parts, strict=True)
        )

    def without(self, edges: Mask) -> Graph:
        """The graph with these edges leading out of it."""
        part = copy(self)
        part.leaves = self.leaves.copy()
        part.leaves[self.source[edges]] = True
        part.source, part.target, part.task = (
            self.source[~edges],
            self.target[~edges],
            self.task[~edges],
        )
        return part

    def trimmed(self) -> Graph:
        """Without edges that are on no way round: out of states that nothing leads to,
        into those that lead nowhere.
        """
        part = self
        while len(part.source):
            entered = np.zeros(len(part.numbers), np.bool_)
            left = np.zeros(len(part.numbers), np.bool_)
            entered[part.target] = True
            left[part.source] = True
            going = entered[part.source] & left[part.target]
            if going.all():
                break
            part = part.without(~going)
        return part

    def components(self) -> list[list[int]]:
        """The strongly connected components that have an edge."""
        after: dict[int, list[int]] = {}
        for source, target in zip(self.source.tolist(), self.target.tolist(), strict=True):
            after.setdefault(source, []).append(target)
        return components(after)


def cycles_of(moves: Iterable[Taken]) -> list[list[int]]:
    """The ways round of a task's automaton,
    given the pairs of local states that it has been seen to step between.
    """
    after: dict[int, list[int]] = {}
    for source, target in moves:
        after.setdefault(source, []).append(target)
    return components(after)


def _has_edge(component: list[int], after: dict[int, list[int]]) -> bool:
    """Whether a component is more than a node that no edge leads back to."""
    return len(component) > 1 or component[0] in after.get(component[0], ())


def _popped(stack: dict[int, None], node: int) -> list[int]:
    """What lies above a node on the stack, and the node, taken from it."""
    popped = [stack.popitem()[0]]
    while popped[-1] != node:
        popped.append(stack.popitem()[0])
    return popped


def components(after: dict[int, list[int]]) -> list[list[int]]:
    """The strongly connected components that have an edge, by their first node.

    Tarjan's, without recursion.
    """
    order, low = dict[int, int](), dict[int, int]()
    on_stack, found = dict[int, None](), list[list[int]]()
    work: list[tuple[int, Iterator[int]]] = []

    def enter(node: int) -> None:
        order[node] = low[node] = len(order)
        on_stack[node] = None
        work.append((node, iter(after.get(node, ()))))

    for root in after:
        if root not in order:
            enter(root)
        while work:
            node, rest = work[-1]
            following = next((to for to in rest if to not in order or to in on_stack), None)
            if following is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == order[node]:
                    component = _popped(on_stack, node)
                    if _has_edge(component, after):
                        found.append(sorted(component))
            elif following in order:
                low[node] = min(low[node], order[following])
            else:
                enter(following)
    return sorted(found)


class Components:
    """A graph's strongly connected components that have an edge,
    and what going round in each of them is like.

    `is_closed`: no step leads out of it. `is_fair`: each task steps in it, or cannot step somewhere
    in it.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph, self.components = graph, graph.components()
        size = len(self.components)
        part = np.full(len(graph.numbers), size)
        for i, component in enumerate(self.components):
            part[component] = i
        source, target = part[graph.source], part[graph.target]
        leaving = np.zeros(size + 1, np.bool_)
        leaving[source[source != target]] = True
        leaving[part[graph.leaves]] = True
        self.is_closed: Mask = ~leaving[:size]
        self.is_fair: Mask = np.ones(size, np.bool_)
        inside = source == target
        for task, able in enumerate(graph.able):
            served = np.zeros(size + 1, np.bool_)
            served[source[inside & (graph.task == task)]] = True
            served[part[~able]] = True
            self.is_fair &= served[:size]


class CycleWalk:
    """Walks within one component of a graph."""

    def __init__(self, graph: Graph, component: list[int]) -> None:
        self._graph, self.states = graph, component
        member = np.zeros(len(graph.numbers), np.bool_)
        member[component] = True
        inside = np.flatnonzero(member[graph.source] & member[graph.target])
        self._after: dict[int, list[Taken]] = {}
        for edge in inside.tolist():
            step = int(graph.task[edge]), int(graph.target[edge])
            self._after.setdefault(int(graph.source[edge]), []).append(step)
        self._moving = set(graph.task[inside].tolist())

    def loop(self) -> list[Taken]:
        """A short fair way round from the first state, as steps."""
        start, steps = self.states[0], list[Taken]()
        for task in range(len(self._graph.tasks)):
            able = self._graph.able[task]
            at = steps[-1][1] if steps else start
            if all(by != task and able[to] for by, to in steps) and able[start]:
                steps += self._walk(at, self._satisfies(task))
        at = steps[-1][1] if steps else start
        return (
            steps if steps and at == start else steps + self._walk(at, lambda _by, to: to == start)
        )

    def _satisfies(self, task: int) -> Callable[[int, int], bool]:
        """Whether a step is fair to a task: its own, where it moves at all,
        else one to where it cannot step.
        """
        if task in self._moving:
            return lambda by, _to: by == task
        return lambda _by, to: not self._graph.able[task, to]

    def _walk(self, start: int, arrives: Callable[[int, int], bool]) -> list[Taken]:
        """A shortest walk from `start` whose last step is as wanted."""
        before: dict[int, tuple[int, Taken]] = {}
        level = [start]
        while level:
            following = []
            for state in level:
                for task, to in self._after[state]:
                    if arrives(task, to):
                        way, at = [(task, to)], state
                        while at != start:
                            at, step = before[at]
                            way.append(step)
                        return way[::-1]
                    if to not in before and to != start:
                        before[to] = state, (task, to)
                        following.append(to)
            level = following
        raise AssertionError("a component in which nothing leads there")
