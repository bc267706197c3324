"""All there is to count of a small program, by going through all of its runs one by one.

From the meaning of the language alone (`tests.engine.mini.Naive`): what a statement touches is
written down here again.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from heapq import heappop, heappush
from itertools import count, groupby
from typing import Any

import attrs

from sim.engine.run.dice import below
from tests.engine.mini import Block, Config, Label, Naive

Programs = tuple[Block, ...]
Touch = tuple[str, str] | None


@attrs.frozen
class Event:
    """A step, with the cell that it touches (if any) and how."""

    task: str
    label: Label
    touch: Touch

    def depends_on(self, other: Event) -> bool:
        if self.task == other.task:
            return True
        if self.touch is None or other.touch is None or self.touch[0] != other.touch[0]:
            return False
        return (self.touch[1], other.touch[1]) not in {("r", "r"), ("+", "+")}


def _touch(before: Config, label: Label, statement: tuple[object, ...]) -> Touch:
    task, point, saw = label
    cell, _, what = point.partition(".")
    match what:
        case "load" | "wait":
            return cell, "r"
        case "add":
            return cell, "+"
        case "cmpxchg":
            return cell, "w" if saw == str(statement[2]) else "r"
        case "try":
            return cell, "w" if saw == "1" else "r"
        case "unlock":
            return cell, "w" if before.locks[int(cell[1:])] == task else "r"
        case "choose" | "WARN":
            return None
        case _:
            return cell, "w"


@attrs.frozen
class Way:
    """A maximal run: its events, the probability that a random walk takes it,
    and the states it passes.
    """

    events: tuple[Event, ...]
    probability: Fraction
    configs: tuple[Config, ...]

    @property
    def trace(self) -> object:
        """What all runs of its class have in common: who does what,
        and which comes first of two that depend.
        """
        places = list[tuple[str, int]]()
        done = dict[str, int]()
        for event in self.events:
            done[event.task] = done.get(event.task, -1) + 1
            places.append((event.task, done[event.task]))
        every = range(len(self.events))
        return (
            frozenset(zip(places, (event.label for event in self.events), strict=True)),
            frozenset(
                (places[i], places[j])
                for j in every
                for i in range(j)
                if self.events[i].depends_on(self.events[j])
            ),
        )


def ways(programs: Programs, retries: int, most: int) -> list[Way] | None:
    """All maximal runs with that many retries; None if there are more than `most`."""
    naive, found = Naive(programs, retries), list[Way]()
    todo = [Way((), Fraction(1), (naive.first,))]
    while todo:
        way = todo.pop()
        steps = steps_of(naive, way.configs[-1])
        if not steps:
            found.append(way)
            if len(found) > most:
                return None
        for event, probability, after in steps:
            todo.append(
                Way((*way.events, event), way.probability * probability, (*way.configs, after))
            )
    return found


def steps_of(naive: Naive, config: Config) -> list[tuple[Event, Fraction, Config]]:
    """Every step out of a state, and how probable it is."""
    by_task = [
        list(steps) for _, steps in groupby(naive.steps(config), key=lambda step: step[0][0])
    ]
    found = []
    for steps in by_task:
        for label, after in steps:
            (_, block, at) = config.tasks[naive.names.index(label[0])][1][-1]
            event = Event(label[0], label, _touch(config, label, block[at]))
            found.append((event, Fraction(1, len(by_task) * len(steps)), after))
    return found


def warns(event: Event) -> bool:
    return event.label[1] == "here.WARN"


def stuck(naive: Naive, config: Config) -> str | None:
    """Where a deadlock is, as the finding says it.

    None where there is none, or where somebody gave up.
    """
    if any(True for _ in naive.steps(config)):
        return None
    if any(todo and todo[-1][0] == "gave up" for _, todo in config.tasks):
        return None
    waiting = [
        f"{name}@{_point(todo)}"
        for name, (_, todo) in zip(naive.names, config.tasks, strict=True)
        if todo
    ]
    return ",".join(waiting) or None


def _point(todo: tuple[tuple[str, Block, int], ...]) -> str:
    _, block, at = todo[-1]
    kind, what, *_ = block[at]
    return f"m{what}.lock" if kind == "lock" else f"c{what}.wait"


BOTH = "both"
"""A finding of no step, but of states: the first two cells hold 1 at once."""


def shows(naive: Naive, finding: str, event: Event | None, config: Config) -> bool:
    """Whether a step, or the state that it leads to, shows a finding.

    None is the step before the first one.
    """
    if finding == "here":
        return event is not None and warns(event)
    return config.cells[:2] == (1, 1) if finding == BOTH else stuck(naive, config) == finding


def passes(naive: Naive, finding: str, way: Way) -> bool:
    return any(
        shows(naive, finding, *step) for step in zip((None, *way.events), way.configs, strict=True)
    )


def fewest_preemptions(naive: Naive, finding: str) -> tuple[int, int] | None:
    """Of all runs that pass a finding, the fewest preemptions,
    and the fewest steps with those (Dijkstra).
    """
    seen = set[tuple[Config, str]]()
    order = count()
    todo = [(0, 0, next(order), naive.first, "", shows(naive, finding, None, naive.first))]
    while todo:
        cost, length, _, config, last, shown = heappop(todo)
        if shown:
            return cost, length
        if (config, last) in seen:
            continue
        seen.add((config, last))
        steps = steps_of(naive, config)
        able = {event.task for event, _, _ in steps}
        for event, _, after in steps:
            preempts = last in able and event.task != last
            shown = shows(naive, finding, event, after)
            heappush(todo, (cost + preempts, length + 1, next(order), after, event.task, shown))
    return None


def avoidable(naive: Naive, finding: str) -> set[Config]:
    """The states from which some run, finite or not, never passes a finding:
    the greatest set that can be stayed in.
    """
    after: dict[Config, list[tuple[bool, Config]]] = {}
    todo = [naive.first]
    while todo:
        config = todo.pop()
        if config not in after:
            after[config] = [
                (shows(naive, finding, event, to), to) for event, _, to in steps_of(naive, config)
            ]
            todo += [to for _, to in after[config]]
    good = {config for config in after if not shows(naive, finding, None, config)}
    while True:
        bad = {
            c
            for c in good
            if after[c] and not any(not shown and to in good for shown, to in after[c])
        }
        if not bad:
            return good
        good -= bad


def events_of(naive: Naive, picks: tuple[tuple[str, int], ...]) -> list[Event]:
    """The steps of a run."""
    events, config = list[Event](), naive.first
    for task, outcome in picks:
        event, _, config = [step for step in steps_of(naive, config) if step[0].task == task][
            outcome
        ]
        events.append(event)
    return events


def followed(naive: Naive, picks: tuple[tuple[str, int], ...]) -> Iterator[Config]:
    """The states of a run, from the first on."""
    config = naive.first
    yield config
    for task, outcome in picks:
        config = [after for event, _, after in steps_of(naive, config) if event.task == task][
            outcome
        ]
        yield config


_PLAIN = (
    *(("load", c) for c in range(2)),
    *(("store", c, v) for c in range(2) for v in (1, 2)),
    *(("cas", c, 0, 1) for c in range(2)),
    *((kind, m) for kind in ("lock", "try") for m in range(2)),
    *(("unlock", m) for m in range(2)),
    ("add", 0, 1),
    ("add", 1, 1),
    ("choose", 0, 1),
)
_LOOPS = (
    ("repeat", 1, (("try", 0),)),
    ("repeat", 1, (("load", 0),)),
    ("repeat", 2, (("load", 1),)),
    ("repeat", 1, (("choose", 0, 1),)),
)
_ENDS = (
    (("load", 0), ("report", 1)),
    (("load", 1), ("report", 2)),
    (("xchg", 0, 2), ("report", 1)),
    (("lock", 0), ("lock", 1)),
    (("lock", 1), ("lock", 0)),
    (("store", 0, 1), ("store", 0, 0)),
    (("store", 1, 1), ("store", 1, 0)),
)


def racing(number: int) -> Programs:
    """The `number`-th of endlessly many small programs whose tasks race for something
    worth finding.
    """
    draws = count()

    def one_of(items: tuple[Any, ...]) -> Any:
        return items[below(len(items), number, next(draws), 0)]

    blocks = []
    for _ in range(one_of((2, 2, 3))):
        loop = (one_of(_LOOPS),) if one_of((0, 0, 1)) else ()
        blocks.append((*(one_of(_PLAIN) for _ in range(one_of((0, 1, 2)))), *loop, *one_of(_ENDS)))
    return tuple(blocks)
