"""Following choices in the product: a run as who steps and which values are chosen,
and what has changed of either.

Nothing of a run is kept but that, so what is left of one after a change can always be followed:
whoever cannot step is passed over, and a value that is not there gives way to the first one. It
ends where the finding first shows, or shows nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import attrs

from sim.engine.model.operations import Finding
from sim.engine.model.scenario import Scenario
from sim.engine.run.journal import deadlock
from sim.engine.run.scheduler import Picks
from sim.engine.run.world import Run
from sim.engine.states.product import Product, Widen
from sim.search.exploring.properties import Watched

R = TypeVar("R")

Pick = tuple[str, int]
Values = Mapping[str, Sequence[int]]
"""Per task, which values it takes where it has a choice, in order."""


@attrs.frozen(order=True)
class Size:
    """How much there is to read in a run, what counts most first.

    Tasks that step, steps, preemptions, and how far down their lists the values of its choices
    stand.
    """

    tasks: int
    steps: int
    preemptions: int
    values: int


@attrs.frozen
class FoundRun:
    """A run that shows the finding at its last step and not before,
    and how many values each step could have taken.
    """

    picks: tuple[Pick, ...]
    options: tuple[int, ...]
    preemptions: int

    @property
    def order(self) -> tuple[str, ...]:
        return tuple(task for task, _ in self.picks)

    @property
    def tasks(self) -> tuple[str, ...]:
        """Who steps, in order of the first step."""
        return tuple(dict.fromkeys(self.order))

    @property
    def values(self) -> dict[str, list[int]]:
        """Per task, what it chose where there was more than one value."""
        chosen: dict[str, list[int]] = {}
        for (task, value), options in zip(self.picks, self.options, strict=True):
            if options > 1:
                chosen.setdefault(task, []).append(value)
        return chosen

    @property
    def size(self) -> Size:
        return Size(
            len(self.tasks),
            len(self.picks),
            self.preemptions,
            sum(value for _, value in self.picks),
        )


def picks_of(product: Product, run: Run) -> Picks:
    """The choices of a run: of several values that look alike, the first one."""
    while True:
        try:
            return Picks(tuple(_picks(product, run)))
        except Widen:
            product.layout()


def _picks(product: Product, run: Run) -> Iterator[Pick]:
    state = 0
    for step in run.steps:
        outcome = [outcome.result for outcome in product.outcomes(step.task, state)].index(
            step.result
        )
        yield step.task, outcome
        state += product.answer(step.task, state)[outcome][0]


class Follower:
    """Follows choices until one finding shows. `taken` counts what that has cost, in steps."""

    def __init__(self, scenario: Scenario, finding: Finding) -> None:
        concerned = tuple(prop for prop in scenario.properties if prop.finding() == finding)
        self.product = Product(attrs.evolve(scenario, properties=concerned))
        self.finding, self.taken = finding, 0
        self.names = tuple(task.name for task in scenario.tasks)
        self._watched = Watched(self.product)
        self._looked_at: dict[int, bool] = {}

    def settled(self, work: Callable[[], R]) -> R:
        """What `work` gives once all fields are wide enough.

        Where one was not, it begins anew, from state 0.
        """
        while True:
            try:
                return work()
            except Widen:
                self.product.layout()
                self._looked_at = {}

    def shows(self, state: int) -> bool:
        """Whether a state shows the finding, whatever led there."""
        if self.finding.kind == "deadlock":
            return self._stuck(state) == self.finding
        if not self.product.scenario.properties:
            return False
        mask = self._watched.mask
        if state & mask not in self._looked_at:
            broken = bool(self._watched.broken(state))
            if mask != self._watched.mask:
                mask, self._looked_at = self._watched.mask, {}
            self._looked_at[state & mask] = broken
        return self._looked_at[state & mask]

    def _stuck(self, state: int) -> Finding | None:
        product = self.product
        if product.halted(state) or any(product.answer(task, state) for task in self.names):
            return None
        return deadlock(
            product.scenario, {task: product.local(state, task).operation for task in self.names}
        )

    def leniently(self, order: Iterable[str], values: Values) -> FoundRun | None:
        """The run that lets tasks step in this order, up to the finding.

        None if that does not show.
        """
        tasks = tuple(order)
        return self.settled(lambda: self._leniently(tasks, values))

    def exactly(self, picks: Iterable[Pick]) -> FoundRun | None:
        """The run that takes these choices and no others, up to the finding.

        None if that does not show.
        """
        these = tuple(picks)
        return self.settled(
            lambda: self._leniently([task for task, _ in these], self._values(these))
        )

    def size(self, picks: tuple[Pick, ...]) -> Size:
        """How much all of these choices are, on past the finding too."""
        return self.settled(lambda: self._size(picks))

    def _size(self, picks: tuple[Pick, ...]) -> Size:
        state, last, preemptions = 0, "", 0
        for task, value in picks:
            preemptions += bool(last) and task != last and bool(self.product.answer(last, state))
            state, last = state + self.product.answer(task, state)[value][0], task
        return FoundRun(picks, (), preemptions).size

    def _values(self, picks: tuple[Pick, ...]) -> Values:
        state, chosen = 0, dict[str, list[int]]()
        for task, value in picks:
            answer = self.product.answer(task, state)
            if len(answer) > 1:
                chosen.setdefault(task, []).append(value)
            state += answer[value][0]
        return chosen

    def _leniently(self, order: Sequence[str], values: Values) -> FoundRun | None:
        answer_of, state, last, preemptions = self.product.answer, 0, "", 0
        picks, options = list[Pick](), list[int]()
        wanted = {task: iter(chosen) for task, chosen in values.items()}
        if self.shows(state):
            return FoundRun((), (), 0)
        for task in order:
            self.taken += 1
            answer = answer_of(task, state)
            if not answer:
                continue
            value = _wanted(wanted, task, len(answer))
            preemptions += bool(last) and task != last and bool(answer_of(last, state))
            delta, finding = answer[value]
            state, last = state + delta, task
            picks.append((task, value))
            options.append(len(answer))
            if (finding is not None and finding == self.finding) or self.shows(state):
                return FoundRun(tuple(picks), tuple(options), preemptions)
        return None

    def standing(self, way: FoundRun) -> list[int]:
        """The number of the local state from which each step of a run was taken."""
        return self.settled(lambda: list(self._standing(way)))

    def _standing(self, way: FoundRun) -> Iterator[int]:
        state = 0
        for task, value in way.picks:
            self.taken += 1
            field = self.product.local_field(task)
            yield (state >> field.shift) & field.mask
            state += self.product.answer(task, state)[value][0]


def _wanted(values: dict[str, Iterator[int]], task: str, options: int) -> int:
    """The next value that a task is to choose.

    The first one where it has no other, or none that is there.
    """
    value = next(values[task], 0) if options > 1 and task in values else 0
    return value if value < options else 0
