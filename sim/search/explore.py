"""Explore every interleaving: each reachable state once, breadth first,
every property in every one of them.

Nothing is pruned. Partial-order reduction keeps final states and deadlocks but skips states in
between, and that is where a mirror SPTE and its S-EPT entry disagree. Breadth first makes the first
way to a finding a shortest one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

import attrs

from sim.engine.model.errors import EngineError
from sim.engine.model.operations import Finding
from sim.engine.model.scenario import Scenario
from sim.engine.model.values import spell
from sim.engine.run.automata import Automata
from sim.engine.run.automata_executor import run as run_over_automata
from sim.engine.run.scheduler import Picks
from sim.engine.run.world import ENDLESS, LIVELOCK, STARVATION, Lasso
from sim.engine.states.product import Product
from sim.search.budget import UNBOUNDED, Budget
from sim.search.exploration import Counting, Exploration, Found, Progress, RunCounts, Where
from sim.search.exploring import in_a_dict

if TYPE_CHECKING:  # what a short exploration does without, it does not wait for
    from sim.search.exploring.checkpoint import Checkpoint
    from sim.search.exploring.in_arrays import ArraySearch
    from sim.search.exploring.liveness import Endless


class Searched(Protocol):
    """An exploration that is over, however it was done.

    `findings` has a state and the step that shows it.
    """

    findings: dict[Finding, Where]
    depth: int

    @property
    def states(self) -> int: ...

    @property
    def transitions(self) -> int: ...

    @property
    def unexpanded(self) -> int: ...

    @property
    def seconds(self) -> float: ...

    def final(self) -> Iterable[int]: ...

    def way(self, state: int, /) -> list[int]: ...


class _Witnesses:
    """Runs that show what was found."""

    def __init__(self, product: Product, automata: Automata) -> None:
        self._product, self._automata = product, automata

    def found_in(self, searched: Searched) -> list[Found]:
        """Per finding, a shortest run that shows it at its last step."""
        found = []
        for finding, (state, then) in searched.findings.items():
            picks = Picks((*self._picks(searched.way(state)), *then))
            run = run_over_automata(self._product.scenario, picks, automata=self._automata)
            found.append(Found(finding, run, picks))
        return found

    def going_round(self, kind: str, ways: list[Endless] | None, many: ArraySearch) -> list[Found]:
        """Per way round, a shortest run that leads to it, and once round."""
        found = []
        for way in ways or ():
            stem = self._picks(many.way(way.start))
            at, loop = way.start, []
            for task, to in way.steps:
                loop.append(self._pick(many.state(at), many.state(to), task))
                at = to
            picks, lasso = Picks((*stem, *loop)), Lasso(len(stem), kind, way.tasks)
            run = run_over_automata(
                self._product.scenario, picks, automata=self._automata, lasso=lasso
            )
            if run.lasso is None:
                raise EngineError(
                    f"{kind} was found, but its loop does not close; this is a bug of tdpsim"
                )
            found.append(Found(run.findings[-1], run, picks))
        return found

    def _picks(self, way: list[int]) -> tuple[tuple[str, int], ...]:
        """The choices that lead along a way."""
        return tuple(self._pick(*pair) for pair in pairwise(way))

    def _pick(self, state: int, after: int, by: str | None = None) -> tuple[str, int]:
        for task in self._product.scenario.tasks:
            if by not in {None, task.name}:
                continue
            for i, (delta, _) in enumerate(self._product.answer(task.name, state)):
                if state + delta == after:
                    return task.name, i
        raise AssertionError("a state that no step leads to")


def explore(
    scenario: Scenario,
    *,
    budget: Budget = UNBOUNDED,
    checkpoint: Checkpoint | None = None,
    jobs: int = 1,
    merge: bool = True,
    liveness: bool = True,
    starvation: bool = False,
    finals: bool = False,
    counting: Counting | None = None,
    tick: Callable[[Progress], None] | None = None,
) -> Exploration:
    """Visit every reachable state of `scenario`, or as many as `budget` lets, by `jobs` processes.

    With a `checkpoint`, go on from there if there is one, write one down from time to time and when
    the budget ends, and remove it in the end. The numbers are those of all parts together,
    `seconds` too; a budget is for each of them.

    `merge=False` names local states by their whole history: the slow naming that tests compare
    with. `liveness=False` leaves out livelock and starvation, `starvation` makes a finding of the
    latter. `finals` asks for the final states as well, `counting` for exact numbers of what has
    been explored to its end; Ctrl-C ends that, and keeps the verdict. `tick` is told of each level.
    Raises EngineError where the model breaks a rule.
    """
    automata = Automata(merge=merge)
    product = Product(scenario, automata)
    witnesses = _Witnesses(product, automata)
    endless = _FoundCycles() if liveness else NOT_LOOKED_FOR
    if budget == UNBOUNDED and checkpoint is None and counting is None:
        quick = in_a_dict.dict_search(product, acyclic=liveness, tick=tick)
        if quick is not None:
            return _exploration(
                product, quick, tuple(witnesses.found_in(quick)), endless, finals=finals
            )

    from sim.search.exploring.in_arrays import ArraySearch  # noqa: PLC0415 - a few states are over before numpy is there

    many = ArraySearch(product, budget, jobs, checkpoint, liveness, tick)
    many.explore()
    found, seconds, counted = witnesses.found_in(many), many.seconds, _Counted()
    if not many.unexpanded:
        if liveness:
            endless = _going_round(many, witnesses, starvation=starvation)
            seconds = many.seconds
        if counting is not None and counting.applies((*found, *endless.found)):
            counted = _counted(many, automata, found, counting, budget.after(seconds), tick)
        if checkpoint is not None:
            checkpoint.clear()
    said = _exploration(product, many, counted.found or tuple(found), endless, finals=finals)
    return attrs.evolve(
        said, seconds=seconds, counts=counted.counts, interrupted=counted.is_interrupted
    )


@attrs.frozen
class _FoundCycles:
    """Ways round for ever: those that are findings, those of starvation,
    and the kinds that were not looked for.
    """

    found: tuple[Found, ...] = ()
    starving: tuple[Found, ...] = ()
    unknown: tuple[str, ...] = ()


NOT_LOOKED_FOR = _FoundCycles(unknown=ENDLESS)


def _going_round(many: ArraySearch, witnesses: _Witnesses, *, starvation: bool) -> _FoundCycles:
    """Livelock and starvation; with `starvation`, the latter is a finding."""
    from sim.search.exploring import liveness  # noqa: PLC0415 - safety alone starts without it

    trapped = liveness.livelocks(many.frontier)
    held_up = liveness.starvation(many.frontier, wanted=starvation)
    unknown = tuple(
        kind for kind, ways in zip(ENDLESS, (trapped, held_up), strict=True) if ways is None
    )
    livelocks = witnesses.going_round(LIVELOCK, trapped, many)
    starving = witnesses.going_round(STARVATION, held_up, many)
    return _FoundCycles((*livelocks, *(starving if starvation else ())), tuple(starving), unknown)


@attrs.frozen
class _Counted:
    """The findings with what was counted of each, and the counts.

    Nothing where that was interrupted at once.
    """

    found: tuple[Found, ...] = ()
    counts: RunCounts | None = None
    is_interrupted: bool = False


def _counted(
    many: ArraySearch,
    automata: Automata,
    found: list[Found],
    counting: Counting,
    budget: Budget,
    tick: Callable[[Progress], None] | None,
) -> _Counted:
    """How many runs there are, and of findings that are a moment how many reach them.

    Ctrl-C ends it.
    """
    from sim.search.counting.count import Count  # noqa: PLC0415 - whoever counts nothing starts without it

    try:
        count = Count(many.frontier, counting, budget, tick)
        if counting.reach:
            found = count.with_reach([(one, many.numbers(one.finding)) for one in found], automata)
        return _Counted(tuple(found), count.counts)
    except KeyboardInterrupt:
        return _Counted(is_interrupted=True)


def _exploration(
    product: Product,
    searched: Searched,
    found: tuple[Found, ...],
    endless: _FoundCycles,
    *,
    finals: bool,
) -> Exploration:
    return Exploration(
        product.scenario,
        searched.states,
        searched.transitions,
        searched.depth,
        searched.seconds,
        (*found, *endless.found),
        searched.unexpanded,
        endless.starving,
        endless.unknown,
        tuple(_named(product, state) for state in searched.final()) if finals else (),
    )


def _named(product: Product, state: int) -> dict[str, str]:
    return {cell.name: spell(product.cell(state, cell)) for cell in product.cells}
