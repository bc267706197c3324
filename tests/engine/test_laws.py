"""The laws on which everything else stands, over random small programs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings

from sim.engine.model.operations import Finding
from sim.engine.model.scenario import Scenario
from sim.engine.run import automata_executor, trio_executor
from sim.engine.run.automata import Automata
from sim.engine.run.scheduler import Picks, RandomWalk
from sim.engine.run.world import Run, World
from sim.engine.states.frontier import Frontier
from sim.engine.states.product import Product, Widen
from sim.search.explore import explore
from tests.engine.mini import CELLS, LOCKS, Block, Config, Label, Memory, Naive, programs, scenario
from tests.engine.plain import by_arrays, plainly

LENGTH = 9
"""Runs are compared up to this length: loops make some of them endless."""
MOST = 3000

laws = settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)

Programs = tuple[Block, ...]
SPIN: Programs = ((("repeat", 1, (("load", 0),)),), (("store", 0, 1),))
PULSE: Programs = ((("store", 0, 1), ("store", 0, 0)), (("store", 1, 1), ("store", 1, 0)))
ABBA: Programs = ((("lock", 0), ("lock", 1)), (("lock", 1), ("lock", 0)))


def product_of(
    scenario: Scenario, *, merge: bool
) -> tuple[Product, list[int], set[Finding], list[int]]:
    """Every state of the product executor, what its transitions show,
    and the states where nobody can step.
    """
    product = Product(scenario, Automata(merge=merge))
    frontier = Frontier(product)
    for _ in frontier.levels():
        pass
    states = [frontier.visited.state(i) for i in range(frontier.visited.count)]
    return (
        product,
        states,
        set(frontier.flags),
        [states[i] for part in frontier.stuck for i in part],
    )


def view(product: Product, state: int) -> tuple[object, ...]:
    """What `Naive.view` gives."""
    by_name = {cell.name: product.cell(state, cell) for cell in product.cells}
    return (
        tuple(by_name.get(f"c{i}", 0) for i in range(CELLS)),
        tuple(by_name.get(f"m{i}", "") for i in range(LOCKS)),
        tuple(product.local(state, task.name).operation is None for task in product.scenario.tasks),
    )


def naive_states(naive: Naive) -> tuple[set[Config], set[Config], bool]:
    """Every configuration, those in which nobody can step, and whether a finding shows."""
    seen, todo, stuck, warned = {naive.first}, [naive.first], set(), False
    while todo:
        config = todo.pop()
        steps = list(naive.steps(config))
        if not steps:
            stuck.add(config)
        for (_, point, _), after in steps:
            warned |= point == "here.WARN"
            if after not in seen:
                seen.add(after)
                todo.append(after)
    return seen, stuck, warned


def runs(first: Any, steps: Callable[[Any], Iterator[tuple[Label, Any]]]) -> set[tuple[Label, ...]]:
    """Every run, cut at LENGTH steps; no more than MOST of them are asked for."""
    found: set[tuple[Label, ...]] = set()
    todo: list[tuple[tuple[Label, ...], Any]] = [((), first)]
    while todo and len(found) < MOST:
        run, state = todo.pop()
        nexts = list(steps(state)) if len(run) < LENGTH else []
        if not nexts:
            found.add(run)
        todo += [((*run, label), after) for label, after in nexts]
    return found


def product_steps(product: Product) -> Callable[[int], Iterator[tuple[Label, int]]]:
    def steps(state: int) -> Iterator[tuple[Label, int]]:
        for task in product.scenario.tasks:
            operation = product.local(state, task.name).operation
            for outcome, (delta, _) in zip(
                product.outcomes(task.name, state), product.answer(task.name, state), strict=True
            ):
                assert operation is not None
                saw = "-" if outcome.result is None else str(outcome.result)
                yield (task.name, operation.point, saw), state + delta

    return steps


@laws
@given(programs)
@example(SPIN)
@example(PULSE)
@example(ABBA)
def test_the_product_reaches_exactly_the_states_of_the_naive_enumerator(program: Programs) -> None:
    naive = Naive(program)
    configs, stuck, warned = naive_states(naive)
    for merge in (True, False):
        if not merge and any("repeat" in str(block) for block in program):
            # a whole history never repeats: there is no end to the unmerged names of a loop
            continue
        product, states, flags, ends = product_of(scenario(program), merge=merge)
        assert {view(product, state) for state in states} == {
            naive.view(config) for config in configs
        }
        assert {view(product, state) for state in ends} == {naive.view(config) for config in stuck}
        assert bool(flags) == warned


@laws
@given(programs)
@example(SPIN)
@example(ABBA)
def test_arrays_reach_exactly_the_states_of_a_plain_set(program: Programs) -> None:
    this = scenario(program)
    automata = Automata()
    assert by_arrays(Product(this, automata)) == plainly(Product(this, automata))


@laws
@given(programs)
@example(ABBA)
def test_deadlocks_are_those_of_the_naive_enumerator(program: Programs) -> None:
    naive = Naive(program)
    _, stuck, _ = naive_states(naive)
    deadlocked = any(todo for config in stuck for _, todo in config.tasks)
    found = [found.finding for found in explore(scenario(program)).found]
    assert any(finding.kind == "deadlock" for finding in found) == deadlocked


@laws
@given(programs)
@example(SPIN)
def test_merged_full_and_naive_runs_are_the_same_runs(program: Programs) -> None:
    expected = runs(Naive(program).first, Naive(program).steps)
    for merge in (True, False):
        product = Product(scenario(program), Automata(merge=merge))
        while True:
            try:
                actual = runs(product.layout(), product_steps(product))
                break
            except Widen:
                continue
        if len(expected) < MOST:
            assert actual == expected


@settings(laws, max_examples=60)
@given(programs)
@example(SPIN)
@example(ABBA)
def test_trio_and_automata_agree_on_every_seed(program: Programs) -> None:
    this = scenario(program)
    for seed in range(8):
        assert trio_executor.run(this, RandomWalk(seed), longest=60) == automata_executor.run(
            this, RandomWalk(seed), longest=60
        )


@settings(laws, max_examples=40)
@given(programs)
@example(ABBA)
def test_trio_takes_every_run_of_the_naive_enumerator(program: Programs) -> None:
    """Each run, replayed by its choices alone, is that run, ends in that state,
    and is stuck where that is.
    """
    this, naive = scenario(program), Naive(program)
    for run in sorted(runs(naive.first, naive.steps))[:40]:
        lived = trio_executor.run(this, Follow(run))
        assert tuple((step.task, step.point, step.saw) for step in lived.steps) == run
        config = naive.first
        for label in run:
            config = next(after for step, after in naive.steps(config) if step == label)
        cells, locks, finished = naive.view(config)
        assert {f"c{i}": str(value) for i, value in enumerate(cells)}.items() >= cells_of(
            lived, "c"
        ).items()
        assert {f"m{i}": holder for i, holder in enumerate(locks)}.items() >= cells_of(
            lived, "m"
        ).items()
        assert lived.unfinished == tuple(
            name for name, done in zip(naive.names, finished, strict=True) if not done
        )
        stuck = not any(True for _ in naive.steps(config)) and not all(finished)
        assert any(finding.kind == "deadlock" for finding in lived.findings) == stuck


def cells_of(run: Run, kind: str) -> dict[str, str]:
    """The cells of one kind that a run touched."""
    return {name: value for name, value in run.cells.items() if name.startswith(kind)}


class Follow:
    """Takes the task and the value that a label names."""

    def __init__(self, run: tuple[Label, ...]) -> None:
        self._run = run

    def pick(self, step: int, offers: tuple[Any, ...]) -> tuple[int, int] | None:
        if step >= len(self._run):
            return None
        task, _, saw = self._run[step]
        i = next(i for i, offer in enumerate(offers) if offer.task == task)
        seen = [str(outcome.result) for outcome in offers[i].outcomes]
        return i, seen.index(saw) if offers[i].operation.choice else 0


@settings(laws, max_examples=60)
@given(programs)
def test_a_witness_shows_its_finding_under_trio(program: Programs) -> None:
    for found in explore(scenario(program)).found:
        lived = trio_executor.run(found.witness.scenario, found.picks, lasso=found.witness.lasso)
        assert found.finding in lived.findings
        assert lived == found.witness


def test_sabotaging_one_executors_locks_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The agreement test is worth something: let trio's lock be taken twice,
    and the executors part.
    """
    honest = World.outcomes

    def sabotaged(self: World, task: str, operation: Any) -> Any:
        if operation.point.endswith(".lock"):
            self = World()
        return honest(self, task, operation)

    this = scenario(ABBA)
    monkeypatch.setattr(
        trio_executor, "World", type("Sabotaged", (World,), {"outcomes": sabotaged})
    )
    assert any(
        trio_executor.run(this, RandomWalk(seed)) != automata_executor.run(this, RandomWalk(seed))
        for seed in range(20)
    )


def test_the_naive_enumerator_knows_a_deadlock_when_it_sees_one() -> None:
    _, stuck, _ = naive_states(Naive(ABBA))
    assert any(config.tasks[0][1] for config in stuck)
    assert Finding("deadlock", "p@m1.lock,q@m0.lock") in [
        found.finding for found in explore(scenario(ABBA)).found
    ]


def test_picks_end_where_they_end() -> None:
    run = automata_executor.run(scenario(PULSE), Picks((("q", 0),)))
    assert [step.task for step in run.steps] == ["q"]
    assert run.unfinished == ("p", "q")


def test_memories_do_not_share_cells() -> None:
    assert Memory.build().cells[0] is not Memory.build().cells[0]
