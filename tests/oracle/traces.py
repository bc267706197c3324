"""Classes of interleavings by Foata's normal form: no two are compared,
each is told by what it looks like.

Two steps depend on each other if one task takes both, or if they touch a common variable, unless
both read it or both add to it; BUG() depends on everything. The normal form of a run is a list of
sets of steps: a step stands in the set after the last one with a step that it depends on. Runs that
differ only in the order of neighbours that do not depend on each other have one normal form, and no
others have the same.
"""

from __future__ import annotations

from typing import NamedTuple

from tests.oracle.graph import Graph
from tests.oracle.machine import Found, Step, Touch


class TooManyError(Exception):
    """More normal forms than somebody wants to see."""


class Event(NamedTuple):
    """A step as a normal form tells it."""

    task: int
    outcome: int
    touch: Touch


Form = tuple[frozenset[Event], ...]


def depend(one: Event, other: Event, halted: int) -> bool:
    """Whether the order of two steps matters."""
    if one.task == other.task or any(cell == halted for cell, _ in (*one.touch, *other.touch)):
        return True
    return any(
        cell == same and (how, too) not in {("r", "r"), ("+", "+")}
        for cell, how in one.touch
        for same, too in other.touch
    )


def longer(form: Form, step: Step, halted: int) -> Form:
    """The normal form of a run with one more step."""
    event = Event(step.task, step.outcome, step.touch)
    at = next(
        (
            i
            for i in range(len(form), 0, -1)
            if any(depend(event, one, halted) for one in form[i - 1])
        ),
        0,
    )
    if at == len(form):
        return (*form, frozenset([event]))
    return (*form[:at], form[at] | {event}, *form[at + 1 :])


def form_of(graph: Graph, picks: tuple[tuple[str, int], ...]) -> Form:
    """The normal form of a run."""
    form: Form = ()
    for step, _ in graph.follow(picks):
        form = longer(form, step, len(graph.machine.names) - 1)
    return form


class Classes:
    """All classes of a graph's maximal runs, found by lengthening normal forms step by step.

    A form says which state it leads to, and which findings of steps it has passed. Raises
    TooManyError.
    """

    def __init__(self, graph: Graph, most: int) -> None:
        self._graph = graph
        halted = len(graph.machine.names) - 1
        known: dict[Form, int] = {(): 0}
        passed: dict[Form, frozenset[Found]] = {(): frozenset()}
        todo: list[Form] = [()]
        self.ends: dict[Form, int] = {}
        while todo:
            form = todo.pop()
            at = known[form]
            if not graph.steps[at]:
                self.ends[form] = at
            for step, to in zip(graph.steps[at], graph.after[at], strict=True):
                there = longer(form, step, halted)
                if there not in known:
                    known[there] = to
                    todo.append(there)
                    passed[there] = passed[form] | ({step.finding} if step.finding else set())
                    if len(known) > most:
                        raise TooManyError
                assert known[there] == to, "steps that commute lead to different states"
        self._passed = passed

    @property
    def total(self) -> int:
        return len(self.ends)

    def passing(self, finding: Found) -> int | None:
        """How many classes pass a finding.

        None where a state in between shows it, and runs of a class may differ.
        """
        graph = self._graph
        if any(finding in graph.shown[at] for at in range(len(graph.states)) if graph.steps[at]):
            return None
        return sum(
            finding in self._passed[form] or finding in graph.shown[at]
            for form, at in self.ends.items()
        )
