"""The whole graph of a program's states, and what graph theory says of it: nothing clever,
one edge after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from tests.oracle.machine import Found, Machine, State, Step


class TooLargeError(Exception):
    """More states than somebody wants to see."""


class Graph:
    """Every reachable state of a machine, breadth first; a state is its place in `states`.

    `steps[i]` are the steps out of state i, `after[i]` is where each of them leads, and `depth[i]`
    the length of a shortest run to state i.
    """

    def __init__(self, machine: Machine, most: int) -> None:
        self.machine = machine
        self.states: list[State] = [machine.first]
        self.place: dict[State, int] = {machine.first: 0}
        self.steps: list[list[Step]] = []
        self.after: list[list[int]] = []
        self.depth = [0]
        while len(self.steps) < len(self.states):
            at = len(self.steps)
            steps = machine.steps(self.states[at])
            after = []
            for step in steps:
                there = self.place.get(step.after)
                if there is None:
                    there = self.place[step.after] = len(self.states)
                    self.states.append(step.after)
                    self.depth.append(self.depth[at] + 1)
                    if len(self.states) > most:
                        raise TooLargeError
                after.append(there)
            self.steps.append(steps)
            self.after.append(after)
        broken: dict[tuple[object, ...], list[Found]] = {}
        self.shown: list[list[Found]] = []
        for at, state in enumerate(self.states):
            if state[0] not in broken:
                broken[state[0]] = list(machine.broken(state[0]))
            shown = list(broken[state[0]])
            stuck = None if self.steps[at] else machine.deadlock(state)
            self.shown.append([*shown, stuck] if stuck else shown)

    @property
    def ends(self) -> list[int]:
        """The states in which nobody can step."""
        return [at for at, steps in enumerate(self.steps) if not steps]

    def findings(self) -> dict[Found, int]:
        """Everything that a state or a step shows, and the length of a shortest run to it."""
        found: dict[Found, int] = {}
        for at, depth in enumerate(self.depth):
            for one in self.shown[at]:
                found[one] = min(found.get(one, depth), depth)
            for step in self.steps[at]:
                if step.finding is not None:
                    found[step.finding] = min(found.get(step.finding, depth + 1), depth + 1)
        return found

    def follow(self, picks: Iterable[tuple[str, int]]) -> list[tuple[Step, int]]:
        """The steps that are chosen from the first state on, and where each leads.

        Raises KeyError where one cannot be.
        """
        at, way = 0, []
        for task, outcome in picks:
            named = {
                (self.machine.tasks[step.task], step.outcome): i
                for i, step in enumerate(self.steps[at])
            }
            i = named[task, outcome]
            way.append((self.steps[at][i], self.after[at][i]))
            at = self.after[at][i]
        return way

    def is_retrying(self) -> bool:
        """Whether any task can come back to where it stood."""
        for task in range(len(self.machine.tasks)):
            moves: dict[int, dict[int, None]] = {}
            for steps, state in zip(self.steps, self.states, strict=True):
                for step in steps:
                    if step.task == task:
                        moves.setdefault(state[1][task], {})[step.after[1][task]] = None
            place = {
                stand: i
                for i, stand in enumerate(
                    dict.fromkeys((*moves, *(to for of in moves.values() for to in of)))
                )
            }
            after = [[place[to] for to in moves.get(stand, ())] for stand in place]
            if any(True for _ in rounds(after)):
                return True
        return False


def components(after: Sequence[Sequence[int]]) -> list[list[int]]:
    """The strongly connected components, each after all that it leads to: Tarjan's,
    with a stack of its own.
    """
    order, low = [-1] * len(after), [0] * len(after)
    on_stack, stack, found, count = [False] * len(after), list[int](), list[list[int]](), 0
    for root in range(len(after)):
        if order[root] >= 0:
            continue
        work = [(root, 0)]
        while work:
            node, edge = work.pop()
            if edge == 0:
                order[node] = low[node] = count
                count += 1
                stack.append(node)
                on_stack[node] = True
            for at in range(edge, len(after[node])):
                to = after[node][at]
                if order[to] < 0:
                    work += [(node, at + 1), (to, 0)]
                    break
                if on_stack[to]:
                    low[node] = min(low[node], order[to])
            else:
                if low[node] == order[node]:
                    component = list[int]()
                    while not component or component[-1] != node:
                        component.append(stack.pop())
                        on_stack[component[-1]] = False
                    found.append(component)
                if work:
                    parent = work[-1][0]
                    low[parent] = min(low[parent], low[node])
    return found


def rounds(after: Sequence[Sequence[int]]) -> list[list[int]]:
    """The components that have an edge: one can go round in them."""
    return [part for part in components(after) if len(part) > 1 or part[0] in after[part[0]]]


def leading_to(after: Sequence[Sequence[int]], ends: Iterable[int]) -> list[bool]:
    """From which nodes some way leads to one of these."""
    before: list[list[int]] = [[] for _ in after]
    for node, following in enumerate(after):
        for to in following:
            before[to].append(node)
    leads, todo = [False] * len(after), list(ends)
    for node in todo:
        leads[node] = True
    while todo:
        for node in before[todo.pop()]:
            if not leads[node]:
                leads[node] = True
                todo.append(node)
    return leads


def in_order(after: Sequence[Sequence[int]]) -> list[int]:
    """The nodes of a graph without a way round, each after all that it leads to."""
    assert not rounds(after), "a way round"
    return [part[0] for part in components(after)]


def avoiding(
    graph: Graph, shows_state: Callable[[int], bool], shows_step: Callable[[Step], bool]
) -> list[bool]:
    """From which states some run, finite or endless, never passes what states or steps show.

    The largest set without a state that shows it, in which each state is an end or has such a step
    into the set.
    """
    inside = [not shows_state(at) for at in range(len(graph.states))]
    ways: list[list[int]] = []
    before: list[list[int]] = [[] for _ in inside]
    for at, (steps, after) in enumerate(zip(graph.steps, graph.after, strict=True)):
        ways.append([to for step, to in zip(steps, after, strict=True) if not shows_step(step)])
        for to in ways[at]:
            before[to].append(at)
    left = [sum(inside[to] for to in way) for way in ways]
    todo = [at for at in range(len(inside)) if inside[at] and graph.steps[at] and not left[at]]
    for at in todo:
        inside[at] = False
    while todo:
        for at in before[todo.pop()]:
            left[at] -= 1
            if inside[at] and not left[at]:
                inside[at] = False
                todo.append(at)
    return inside
