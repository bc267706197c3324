"""Explore every interleaving: each reachable state once, breadth first, every property in every one of them.

Nothing is pruned. Partial-order reduction keeps final states and deadlocks but skips states in between, and that is
where a mirror SPTE and its S-EPT entry disagree. Breadth first makes the first way to a finding a shortest one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
import numpy as np

from sim.engine.automata import Automata
from sim.engine.cells import Cell
from sim.engine.errors import EngineError
from sim.engine.frontier import Frontier
from sim.engine.journal import deadlock
from sim.engine.operations import Finding
from sim.engine.product import WORD, Product
from sim.engine.scenario import Scenario
from sim.engine.scheduler import Picks
from sim.engine.stepper import run as run_over_automata
from sim.engine.values import spell
from sim.engine.visited import Batch, Visited
from sim.engine.world import ENDLESS, LIVELOCK, STARVATION, Lasso
from sim.search.result import UNBOUNDED, Budget, Exploration, Found, Progress

if TYPE_CHECKING:  # what a short exploration does without, it does not wait for
    from sim.search.checkpoint import Checkpoint
    from sim.search.liveness import Endless

V = TypeVar("V")


class _Watched:
    """Evaluates all properties once per distinct valuation of what they read.

    Which cells that is, is found by watching, and there are only ever more of them. A state that agrees with the one it
    was reached from in all of them needs no look: the verdict is that one's.
    """

    def __init__(self, frontier: Frontier) -> None:
        self._frontier, self._product = frontier, frontier.product
        self._cells: dict[Cell[Any], None] = {}
        self._masks: list[int] = []
        self._seen = Visited(1)

    def broken(self, state: int) -> tuple[Finding, ...]:
        """The properties that do not hold in a state."""

        def look(cell: Cell[V]) -> V:
            self._cells[cell] = None
            return self._product.cell(state, cell)

        with self._product.noting("look", "", state):
            return tuple(p.finding() for p in self._product.scenario.properties if not p.holds(look))

    @property
    def names(self) -> list[str]:
        """The cells that are read."""
        return [cell.name for cell in self._cells]

    def watch(self, names: Iterable[str]) -> None:
        """Take these cells for read."""
        cells = {cell.name: cell for cell in self._product.cells}
        self._cells = {cells[name]: None for name in names}

    def news(self, level: range) -> list[int]:
        """Of a level's states, by number, one for each valuation that was not there before."""
        visited = self._frontier.visited
        masks = self._masks_now()
        if masks != self._masks:
            self._masks, self._seen = masks, Visited(len(masks))
        before = visited.before[level.start : level.stop]
        changed = np.zeros(len(level), np.bool_)
        for word, mask in zip(visited.words, masks, strict=True):
            if mask:
                changed |= (word[level.start : level.stop] ^ word.take(before)) & np.uint64(mask) != 0
        numbers = np.flatnonzero(changed) + level.start
        known = self._seen.count
        read = [word.take(numbers) & np.uint64(mask) for word, mask in zip(visited.words, masks, strict=True)]
        self._seen.keep(Batch(read, numbers))
        return [int(number) for number in self._seen.before[known : self._seen.count]]

    def _masks_now(self) -> list[int]:
        """The bits of the cells that are read, per word of a state."""
        masks = [0] * self._product.words
        for cell in self._cells:
            field = self._product.field(cell)
            masks[field.shift // WORD] |= field.mask << field.shift % WORD
        return masks


class _Search:
    """The exploration of one scenario, and what it has found: per finding, a state, and the step that shows it."""

    def __init__(
        self,
        product: Product,
        budget: Budget,
        jobs: int,
        checkpoint: Checkpoint | None,
        liveness: bool,
        tick: Callable[[Progress], None] | None,
    ) -> None:
        self._started = self._begun = time.perf_counter()
        self._budget, self._checkpoint = budget, checkpoint
        self._tick, self._scenario = tick, product.scenario
        self.frontier = Frontier(product, self._pause, jobs, want_tops=liveness)
        self.findings: dict[Finding, tuple[int, tuple[tuple[str, int], ...]]] = {}
        self.depth = -1
        self._watched = _Watched(self.frontier)
        if checkpoint is not None and (contents := checkpoint.load()) is not None:
            self._go_on(checkpoint, contents)

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._started

    def _pause(self, more: int) -> bool:
        """Between two chunks: write down how far this is, if it is time to; say whether the budget is spent."""
        spent = self._budget.spent(time.perf_counter() - self._begun, more)
        if self._checkpoint is not None and (spent or self._checkpoint.is_due):
            findings = [[*attrs.astuple(f), number, then] for f, (number, then) in self.findings.items()]
            rest = {"depth": self.depth, "seconds": self.seconds, "watched": self._watched.names, "findings": findings}
            self._checkpoint.save(self.frontier, rest)
        return spent

    def _go_on(self, checkpoint: Checkpoint, contents: dict[str, Any]) -> None:
        """Take up an exploration where it was written down."""
        log = ((deed, task, int(of)) for deed, task, of in contents["log"])
        self.frontier.product.again(log, self._watched.broken)
        checkpoint.restore(self.frontier, contents)
        self._watched.watch(contents["watched"])
        self.depth = contents["depth"]
        self._started -= contents["seconds"]
        for kind, where, causes, number, then in contents["findings"]:
            picks = tuple((task, outcome) for task, outcome in then)
            self.findings[Finding(kind, where, tuple(causes))] = number, picks

    def go(self) -> None:
        frontier, seen = self.frontier, self.frontier.level.stop if self.frontier.at else 0
        for level in frontier.levels():
            self._collect(level)
            self.depth += 1
            seen = level.stop
            if self._tick is not None:
                self._tick(Progress(frontier.visited.count, frontier.transitions, self.depth, len(level), self.seconds))
        self._collect(range(seen, frontier.visited.count))

    def _collect(self, level: range) -> None:
        """What the last steps showed, who was stuck there, and what the new states violate."""
        frontier, product = self.frontier, self.frontier.product
        for flag in frontier.flags.values():
            self.findings.setdefault(flag.finding, (flag.state, ((flag.task, flag.outcome),)))
        for number in frontier.deadlocked_once():
            state = frontier.visited.state(number)
            standing = {task.name: product.local(state, task.name).operation for task in product.scenario.tasks}
            finding = deadlock(product.scenario, standing)
            if finding is not None:
                self.findings.setdefault(finding, (number, ()))
        if product.scenario.properties and level:
            for number in [0] if level.start == 0 else self._watched.news(level):
                for finding in self._watched.broken(frontier.visited.state(number)):
                    self.findings.setdefault(finding, (number, ()))

    def found(self, finding: Finding, automata: Automata) -> Found:
        """A finding with a shortest run that shows it."""
        number, then = self.findings[finding]
        picks = Picks((*self._way(number), *then))
        return Found(finding, run_over_automata(self._scenario, picks, automata=automata), picks)

    def going_round(self, kind: str, way: Endless, automata: Automata) -> Found:
        """A way round with a shortest run that leads to it, and once round."""
        stem, at, loop = self._way(way.start), way.start, []
        for task, to in way.steps:
            loop.append(self._pick(self.frontier.visited.state(at), self.frontier.visited.state(to), task))
            at = to
        picks, lasso = Picks((*stem, *loop)), Lasso(len(stem), kind)
        run = run_over_automata(self._scenario, picks, automata=automata, lasso=lasso)
        if run.lasso is None:
            raise EngineError(f"{kind} was found, but its loop does not close; this is a bug of tdpsim")
        return Found(run.findings[-1], run, picks)

    def _way(self, number: int) -> tuple[tuple[str, int], ...]:
        """The choices that lead to a state."""
        way = [self.frontier.visited.state(at) for at in self.frontier.way(number)]
        return tuple(self._pick(*pair) for pair in pairwise(way))

    def _pick(self, state: int, after: int, by: str | None = None) -> tuple[str, int]:
        product = self.frontier.product
        for task in product.scenario.tasks:
            if by not in {None, task.name}:
                continue
            for i, (delta, _) in enumerate(product.answer(task.name, state)):
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
    tick: Callable[[Progress], None] | None = None,
) -> Exploration:
    """Visit every reachable state of `scenario`, or as many as `budget` lets, by `jobs` processes.

    With a `checkpoint`, go on from there if there is one, write one down from time to time and when the budget ends,
    and remove it in the end. The numbers are those of all parts together, `seconds` too; a budget is for each of them.

    `merge=False` names local states by their whole history: the slow naming that tests compare with. `liveness=False`
    leaves out livelock and starvation, `starvation` makes a finding of the latter. `finals` asks for the final states
    as well. `tick` is told of each level. Raises EngineError where the model breaks a rule.
    """
    automata = Automata(merge=merge)
    product = Product(scenario, automata)
    search = _Search(product, budget, jobs, checkpoint, liveness, tick)
    search.go()
    frontier = search.frontier
    found = [search.found(finding, automata) for finding in search.findings]
    starving: tuple[Found, ...] = ()
    unknown = [] if liveness else list(ENDLESS)
    if not frontier.unexpanded and liveness:
        from sim.search import liveness as going_round  # noqa: PLC0415 - safety alone starts without it

        stuck_for_ever = going_round.livelocks(frontier)
        held_up = going_round.starvation(frontier, wanted=starvation)
        unknown += [kind for kind, ways in zip(ENDLESS, (stuck_for_ever, held_up), strict=True) if ways is None]
        found += [search.going_round(LIVELOCK, way, automata) for way in stuck_for_ever or ()]
        starving = tuple(search.going_round(STARVATION, way, automata) for way in held_up or ())
        if starvation:
            found += starving
    if checkpoint is not None and not frontier.unexpanded:
        checkpoint.clear()
    stuck = np.concatenate([*frontier.stuck, np.zeros(0, np.int64)]).tolist() if finals else []
    return Exploration(
        scenario,
        frontier.visited.count,
        frontier.transitions,
        search.depth,
        search.seconds,
        tuple(found),
        frontier.unexpanded,
        starving,
        tuple(unknown),
        tuple(_named(product, frontier.visited.state(number)) for number in stuck),
    )


def _named(product: Product, state: int) -> dict[str, str]:
    return {cell.name: spell(product.cell(state, cell)) for cell in product.cells}
