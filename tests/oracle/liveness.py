"""Who goes round for ever, from the definitions: every component of the whole graph is looked at.

**Livelock.** A part of the graph (a component in which one can go round) that no step leaves, and
in it tasks that should finish (no daemons) and have not, none of which makes progress in it. Every
run that gets there stays there.

**Starvation** of a task that should finish and has not. Leave out its steps of progress. What is
left has a part that a fair scheduler may go round in for ever: every task steps in it, or cannot
step somewhere in it. And there is a way out of trouble: from the part some run, fair or not, leads
to where this task makes progress or has finished. Where there is none, the task is lost before the
loop begins: the loop is the way into a livelock or a deadlock (or into an endless wait behind
others), which is found as such, and it is no starvation as well.

That says which tasks starve. It depends on what tasks can still come to, and not on what else they
remember, so it is one answer for two spellings of a program.
"""

from __future__ import annotations

from typing import NamedTuple

from tests.oracle.graph import Graph, leading_to, rounds


class Part(NamedTuple):
    """A part of a graph that tasks are lost in, or starve in,
    and how many steps it takes to get there at least.
    """

    tasks: tuple[str, ...]
    depth: int
    states: frozenset[int]


def _waiting(graph: Graph, at: int) -> list[int]:
    """The tasks that should finish and have not."""
    machine, state = graph.machine, graph.states[at]
    return [
        task
        for task in range(len(machine.tasks))
        if not machine.daemon[task] and not machine.is_finished(state, task)
    ]


def livelocks(graph: Graph) -> list[Part]:
    """Every part that cannot be left, with the tasks that get nowhere in it, if there are any."""
    found = []
    for part in rounds(graph.after):
        inside = frozenset(part)
        if any(to not in inside for at in part for to in graph.after[at]):
            continue
        moving = {step.task for at in part for step in graph.steps[at] if step.progress}
        tasks = [task for task in _waiting(graph, part[0]) if task not in moving]
        if tasks:
            names = tuple(graph.machine.tasks[task] for task in tasks)
            found.append(Part(names, min(graph.depth[at] for at in part), inside))
    return found


def has_progress(graph: Graph) -> bool:
    return any(step.progress for steps in graph.steps for step in steps)


def starvation(graph: Graph) -> list[Part]:
    """Every fair part that a task may starve in, task by task."""
    machine, found = graph.machine, []
    for task, name in enumerate(machine.tasks):
        if machine.daemon[task]:
            continue
        kept = [
            [not (step.task == task and step.progress) for step in steps] for steps in graph.steps
        ]
        after = [
            [to for to, keep in zip(there, keeps, strict=True) if keep]
            for there, keeps in zip(graph.after, kept, strict=True)
        ]
        ways_out = [
            at
            for at, state in enumerate(graph.states)
            if machine.is_finished(state, task) or not all(kept[at])
        ]
        gets_on = leading_to(graph.after, ways_out)
        for part in rounds(after):
            inside = frozenset(part)
            if (
                task in _waiting(graph, part[0])
                and gets_on[part[0]]
                and _is_fair(graph, inside, kept)
            ):
                found.append(Part((name,), min(graph.depth[at] for at in part), inside))
    return found


def together(parts: list[Part]) -> list[Part]:
    """The same, with all tasks that go round in one part named together."""
    named: dict[frozenset[int], Part] = {}
    for part in parts:
        known = named.get(part.states, part._replace(tasks=()))
        named[part.states] = known._replace(tasks=(*known.tasks, *part.tasks))
    return list(named.values())


def _is_fair(graph: Graph, inside: frozenset[int], kept: list[list[bool]]) -> bool:
    """Whether each task steps in a part, or cannot step somewhere in it."""
    stepping: set[int] = set()
    always = set(range(len(graph.machine.tasks)))
    for at in inside:
        able = set()
        for step, to, keep in zip(graph.steps[at], graph.after[at], kept[at], strict=True):
            able.add(step.task)
            if keep and to in inside:
                stepping.add(step.task)
        always &= able
    return always <= stepping
