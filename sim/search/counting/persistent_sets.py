"""Classes of interleavings without their states:
counted where there are too many states to go through.

Tasks that touch different things multiply the states and add no class. A *persistent set*
(Godefroid, "Partial-Order Methods for the Verification of Concurrent Systems", 1996) is enough of
the tasks that can step: nothing that the others may ever do, until one of its steps is taken,
depends on these steps. Taking the steps of one persistent set at each state, and carrying a sleep
set along (`sim.search.counting.traces`), completes exactly one run of each class. States in between
are lost on the way, and so this counts, and decides nothing else.

What a task may ever do is read off its automaton, which is learned as it is run; a part that has
not been learned could touch anything. So this begins as if there were no such part, and whenever
something new was learned, it begins again. A pass that learns nothing has left nothing out. Else
take, of the states that it went through and from which some run asks what was not learned, one from
which runs are shortest, and of these runs a shortest one: u, and then t asks. What u does has been
learned. If nobody of the persistent set steps in u, then u changes nothing that a step p of the set
depends on, and p nothing that t looks at, since t's task stands at a place that has been learned.
So t can ask the same after p and u, from a state that was gone through as well and from which runs
are shorter: it was learned. And if somebody of the set steps in u, the first such step could have
been the first of all, and the same holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs

from sim.engine.model.cells import Cell
from sim.engine.model.operations import HALTED, Access
from sim.engine.model.scenario import Scenario
from sim.engine.run.automata import Automata
from sim.engine.states.adds import check_adds
from sim.engine.states.product import Product, Widen
from sim.search.counting.deadline import check_time

SleepNode = tuple[int, frozenset[tuple[int, int]]]
"""A state, and the steps that sleep: a task and the outcome."""


@attrs.frozen
class AccessBits:
    """Cells by bit: those that are looked at, those that are added to and no more,
    those that are written.
    """

    read: int = 0
    add: int = 0
    write: int = 0

    def __or__(self, other: AccessBits) -> AccessBits:
        return AccessBits(self.read | other.read, self.add | other.add, self.write | other.write)

    def depends_on(self, other: AccessBits) -> bool:
        mine, theirs = self.add | self.write, other.add | other.write
        return bool(
            mine & other.read or theirs & self.read or self.write & theirs or mine & other.write
        )


NOTHING = AccessBits()


@attrs.frozen
class ReducedStep:
    """A step out of a state: its task, the outcome, where it leads, and what it touches."""

    task: int
    outcome: int
    after: int
    touch: AccessBits


class TooLong(Exception):
    """More would have to be gone through than was allowed."""


class Reduction:
    """What each task may ever do, as far as it has been learned,
    and the steps of persistent sets.
    """

    def __init__(self, scenario: Scenario, retries: int) -> None:
        self.product = Product(scenario, Automata(retries=retries))
        self._tasks = [task.name for task in scenario.tasks]
        self._bits: dict[Cell[Any], int] = {}
        self._bit(HALTED)
        self._following: list[dict[int, dict[int, None]]] = [{} for _ in self._tasks]
        self._own: list[dict[int, AccessBits]] = [{} for _ in self._tasks]
        self._ever: list[dict[int, AccessBits]] = [{} for _ in self._tasks]
        self._known: dict[tuple[int, int, int], list[tuple[int, int, AccessBits]]] = {}
        self.learned = 0

    def _bit(self, cell: Cell[Any]) -> int:
        return self._bits.setdefault(cell, 1 << len(self._bits))

    def start(self) -> int:
        """The first state, after whatever has been learned was laid out anew."""
        self._known.clear()
        return self.product.layout()

    def _local(self, task: int, state: int) -> int:
        field = self.product.local_field(self._tasks[task])
        return state >> field.shift & field.mask

    def steps(self, task: int, state: int) -> list[ReducedStep]:
        """The steps of a task out of a state, learned where need be."""
        local = self._local(task, state)
        name = self._tasks[task]
        answer = self.product.answer(name, state)
        if local not in self._own[task]:
            self._own[task][local] = self._looks_at(task, local)
            self.learned += 1
        steps = []
        for outcome, ((delta, _), touch) in enumerate(
            zip(answer, self._touches(task, state), strict=True)
        ):
            steps.append(ReducedStep(task, outcome, state + delta, touch))
            own = self._own[task][local] | touch
            following = self._following[task].setdefault(local, {})
            there = self._local(task, state + delta)
            if there not in following or own != self._own[task][local]:
                following[there], self._own[task][local] = None, own
                self.learned += 1
        return steps

    def _looks_at(self, task: int, local: int) -> AccessBits:
        operation = self.product.local_field(self._tasks[task]).values[local].operation
        if operation is None:
            return NOTHING
        return AccessBits(read=sum(self._bit(cell) for cell in operation.cells) | self._bit(HALTED))

    def _touches(self, task: int, state: int) -> list[AccessBits]:
        product, name = self.product, self._tasks[task]
        operation = product.local(state, name).operation
        touches = []
        for outcome in product.outcomes(name, state):
            bits = dict.fromkeys(Access, 0)
            for cell, access in zip(
                operation.cells if operation else (), outcome.access, strict=False
            ):
                bits[access] |= self._bit(cell)
            bits[Access.READ] |= self._bit(HALTED)
            touches.append(AccessBits(bits[Access.READ], bits[Access.ADD], bits[Access.WRITE]))
        return touches

    def check_adds(self, state: int, one: tuple[int, int], other: tuple[int, int]) -> None:
        """Refuse two steps that add to a common cell and do not commute."""
        (task, outcome), (later, then) = one, other
        check_adds(self.product, state, (self._tasks[task], outcome), (self._tasks[later], then))

    def look_ahead(self) -> None:
        """Gather what each task may ever do from each of its local states on,
        as far as that has been learned.
        """
        for own, following, ever in zip(self._own, self._following, self._ever, strict=True):
            ever.clear()
            ever.update(own)
            changed = True
            while changed:
                check_time()
                changed = False
                for local in reversed(list(following)):
                    touch = ever[local]
                    for there in following[local]:
                        touch |= ever.get(there, NOTHING)
                    if touch != ever[local]:
                        ever[local], changed = touch, True

    def persistent(self, state: int) -> list[ReducedStep]:
        """The steps of a persistent set with few of them."""
        every = [self.steps(task, state) for task in range(len(self._tasks))]
        now = [self._now(task, state, steps) for task, steps in enumerate(every)]
        ever = [
            self._ever[task].get(self._local(task, state), now[task])
            for task in range(len(self._tasks))
        ]
        best: list[ReducedStep] | None = None
        for seed, steps in enumerate(every):
            if steps:
                chosen = [step for task in self._closure(seed, now, ever) for step in every[task]]
                if best is None or len(chosen) < len(best):
                    best = chosen
                if len(best) == 1:
                    break
        return best or []

    def _now(self, task: int, state: int, steps: list[ReducedStep]) -> AccessBits:
        """What the next step of a task depends on.

        One that must wait looks at what it waits for.
        """
        touch = NOTHING if steps else self._own[task][self._local(task, state)]
        for step in steps:
            touch |= step.touch
        return touch

    @staticmethod
    def _closure(seed: int, now: list[AccessBits], ever: list[AccessBits]) -> list[int]:
        """The tasks that must be taken along with one:
        whoever may ever do what a next step of these depends on.
        """
        inside, todo = {seed: None}, [seed]
        while todo:
            here = now[todo.pop()]
            for task, touch in enumerate(ever):
                if task not in inside and here.depends_on(touch):
                    inside[task] = None
                    todo.append(task)
        return sorted(inside)


def count_traces(scenario: Scenario, retries: int, most: int) -> int | None:
    """How many classes of interleavings there are.

    None if more than `most` nodes would have to be gone through.
    """
    reduction = Reduction(scenario, retries)
    while True:
        learned = reduction.learned
        reduction.look_ahead()
        try:
            _go_through(reduction, most)
            if reduction.learned == learned:
                return _counted(reduction, most)
        except Widen:
            continue
        except TooLong:
            return None


def _go_through(reduction: Reduction, most: int) -> None:
    first = reduction.start()
    seen, todo = {first}, [first]
    while todo:
        check_time()
        for step in reduction.persistent(todo.pop()):
            if step.after not in seen:
                seen.add(step.after)
                todo.append(step.after)
        if len(seen) > most:
            raise TooLong


def _check_adds(
    reduction: Reduction, state: int, before: dict[tuple[int, int], AccessBits], step: ReducedStep
) -> None:
    """Check that additions which count as independent do commute."""
    for (task, outcome), touch in before.items():
        if task != step.task and touch.add & step.touch.add and not touch.depends_on(step.touch):
            reduction.check_adds(state, (task, outcome), (step.task, step.outcome))


def _following(reduction: Reduction, node: SleepNode) -> Iterator[SleepNode]:
    """Where to go on from a node: at each state only with a persistent set,
    and of that with what does not sleep.
    """
    state, sleeping = node
    before = dict[tuple[int, int], AccessBits]()
    for task, outcome in sorted(sleeping):
        before[task, outcome] = next(
            s.touch for s in reduction.steps(task, state) if s.outcome == outcome
        )
    for step in reduction.persistent(state):
        if (step.task, step.outcome) in sleeping:
            continue
        _check_adds(reduction, state, before, step)
        asleep = (
            name
            for name, touch in before.items()
            if name[0] != step.task and not touch.depends_on(step.touch)
        )
        yield step.after, frozenset(asleep)
        before[step.task, step.outcome] = step.touch


def _counted(reduction: Reduction, most: int) -> int:
    """The number of ways from the first node to a state in which nobody can step."""
    first: SleepNode = (reduction.start(), frozenset())
    ways: dict[SleepNode, int] = {}
    after: dict[SleepNode, list[SleepNode]] = {}
    todo = [first]
    while todo:
        check_time()
        node = todo[-1]
        if node in ways:
            todo.pop()
        elif node not in after:
            after[node] = list(_following(reduction, node))
            if len(after) > most:
                raise TooLong
            todo += [there for there in after[node] if there not in ways]
        else:
            todo.pop()
            ways[node] = (
                sum(ways[there] for there in after[node])
                if after[node]
                else _is_end(reduction, node[0])
            )
    return ways[first]


def _is_end(reduction: Reduction, state: int) -> int:
    return int(not reduction.persistent(state))
