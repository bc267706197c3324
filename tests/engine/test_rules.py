"""Each rule that keeps merged local states sound, broken once: refused, with the line at fault."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import attrs
import pytest

from sim.engine.model.cells import Cell
from sim.engine.model.errors import DomainError, EngineError, RuleError, TaskDied
from sim.engine.model.operations import Operation, choose, load, step, store, wait
from sim.engine.model.routines import Again, Call, Done, repeat, routine
from sim.engine.model.scenario import Scenario, Task
from sim.engine.run import automata_executor, trio_executor
from sim.engine.run.scheduler import RandomWalk
from sim.engine.run.world import Run
from sim.engine.states.product import Product

X: Cell[int] = Cell("x", 0, range(4))
Y: Cell[int] = Cell("y", 0, range(4))

Executor = Callable[[Scenario, RandomWalk], Run]
both = pytest.mark.parametrize(
    "execute", [trio_executor.run, automata_executor.run], ids=["trio", "automata"]
)

REMEMBERED: list[int] = []


class Hidden:
    """State where nobody looks for it."""

    counter = itertools.count()


def line_of(text: str) -> int:
    """The line of this file that ends with the comment `text`."""
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.endswith(f"# {text}"))


def run(execute: Executor, *calls: Call[Any]) -> Run:
    tasks = tuple(Task(f"t{i}", call) for i, call in enumerate(calls))
    return execute(Scenario("rules", tasks), RandomWalk(0))


def refused(error: pytest.ExceptionInfo[RuleError], text: str) -> None:
    place = error.value.place
    assert place is not None
    assert (place.file, place.line) == ("tests/engine/test_rules.py", line_of(text))


def test_a_routine_may_not_close_over_anything() -> None:
    seen = 0

    with pytest.raises(RuleError, match="closes over seen") as error:

        @routine  # line closure
        async def closing() -> int:
            return seen

    refused(error, "line closure")


def test_a_routine_may_not_be_local() -> None:
    with pytest.raises(RuleError, match="inside a function") as error:

        @routine  # line local
        async def local() -> None:
            await load(X)

    refused(error, "line local")


@routine  # line global
async def uses_a_global() -> None:
    await store(X, len(REMEMBERED))


def test_a_routine_may_not_use_a_global_that_can_change() -> None:
    with pytest.raises(RuleError, match="global REMEMBERED") as error:
        uses_a_global()
    refused(error, "line global")


@routine  # line argument
async def takes(what: object) -> None:
    await load(X)


@attrs.define
class Mutable:
    x: int


@attrs.frozen
class Holding:
    inner: object


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ([1], r" \(list\)"),
        ((0, {}), r"\[1\] \(dict\)"),
        (Mutable(1), r" \(Mutable\)"),
        (Holding([]), r"\.inner \(list\)"),
    ],
)
def test_arguments_may_not_change(value: object, path: str) -> None:
    with pytest.raises(RuleError, match=f"argument 0{path}") as error:
        takes(value)
    refused(error, "line argument")


def test_routines_take_their_arguments_by_position() -> None:
    with pytest.raises(RuleError, match="by position"):
        takes(what=1)


@routine  # line result
async def returns_a_list() -> list[int]:
    await load(X)
    return [1]


@routine
async def calls_it() -> None:
    await returns_a_list()


@both
def test_results_may_not_change(execute: Executor) -> None:
    with pytest.raises(RuleError, match=r"result \(list\)") as error:
        run(execute, calls_it())
    refused(error, "line result")


class Failure(Exception):
    """What the routines below raise."""


@routine
async def raises_a_list() -> None:
    await load(X)
    raise Failure([1])


@routine
async def catches() -> None:
    try:
        await raises_a_list()
    except Failure:
        await store(X, 1)


@both
def test_exceptions_may_not_carry_what_can_change(execute: Executor) -> None:
    with pytest.raises(
        RuleError, match=r"raises Failure\(\[1\]\), which carries argument \[0\] \(list\)"
    ):
        run(execute, catches())


@routine
async def raises(value: int) -> None:
    await load(X)
    raise Failure(value, "why")


@routine
async def handles() -> None:
    try:
        await raises(3)
    except Failure as error:
        await store(X, error.args[0])
    finally:
        await store(Y, 1)


@both
def test_an_exception_is_an_outcome(execute: Executor) -> None:
    assert run(execute, handles()).cells == {"x": "3", "y": "1"}


@both
def test_an_exception_that_leaves_a_task_is_the_models_death(execute: Executor) -> None:
    with pytest.raises(
        TaskDied,
        match=r"task t0 died in tests/engine/test_rules.py:\d+ in raises: Failure\(2, 'why'\)",
    ):
        run(execute, raises(2))


@routine
async def spins() -> None:
    while await load(X) == 0:  # line spin
        pass


@both
def test_a_bare_loop_is_refused_past_a_bound(execute: Executor) -> None:
    with pytest.raises(RuleError, match=r"repeat\(body") as error:
        run(execute, spins())
    refused(error, "line spin")


@routine
async def spin_once() -> Again | Done[None]:
    return Done(None) if await load(X) else Again()


@routine
async def spins_well() -> None:
    await repeat(spin_once)


def test_a_loop_is_a_finite_graph_with_a_cycle() -> None:
    product = Product(Scenario("spin", (Task("t", spins_well()),)))
    ((delta, _),) = product.answer("t", 0)
    assert delta == 0


@routine
async def idle() -> Again | Done[None]:
    return Again()


@routine
async def idles() -> None:
    await repeat(idle)


@both
def test_a_loop_without_an_operation_is_refused(execute: Executor) -> None:
    with pytest.raises(RuleError, match="without an operation"):
        run(execute, idles())


@routine  # line junk
async def junk() -> Again | Done[None]:
    await load(X)
    return 3  # type: ignore[return-value] # the mistake that is tested


@routine
async def loops_over_junk() -> None:
    await repeat(junk)


@both
def test_a_loops_body_says_again_or_done(execute: Executor) -> None:
    with pytest.raises(RuleError, match=r"returns Again\(...\) or Done") as error:
        run(execute, loops_over_junk())
    refused(error, "line junk")


def test_repeat_takes_a_routine() -> None:
    with pytest.raises(EngineError, match="takes a routine"):
        repeat(dict)  # type: ignore[arg-type] # the mistake that is tested


@routine
async def fickle() -> None:
    await load(X)
    await store(X, next(Hidden.counter) % 4)  # line fickle
    await load(X)


def test_a_routine_that_changes_its_mind_is_refused() -> None:
    with pytest.raises(RuleError, match="not deterministic") as error:
        run(automata_executor.run, fickle())
    refused(error, "line fickle")


@routine
async def foreign() -> None:
    await Trap()  # line foreign


class Trap:
    def __await__(self) -> Any:
        yield "something"


def test_a_model_awaits_operations_and_routines_only() -> None:
    with pytest.raises(RuleError, match="nothing else") as error:
        run(automata_executor.run, foreign())
    refused(error, "line foreign")


@routine
async def puts_a_list() -> None:
    await Operation("odd", (), _nothing, ([1],))


def _nothing(_task: str, _values: tuple[()], _arg: object) -> Any:
    raise AssertionError("never asked")


@both
def test_operations_may_not_be_given_what_can_change(execute: Executor) -> None:
    with pytest.raises((RuleError, TypeError), match=r"can change|unhashable"):
        run(execute, puts_a_list())


@routine
async def tidies_up() -> None:
    try:
        await wait("never", bool, X)
    finally:
        await store(Y, 3)


@routine
async def one_step() -> None:
    await step("one")


@both
def test_a_discarded_task_performs_nothing_on_its_way_out(execute: Executor) -> None:
    result = run(execute, tidies_up(), one_step())
    assert result.unfinished == ("t0",)
    assert "y" not in result.cells


@routine
async def oversteps() -> None:
    await store(X, 9)


@both
def test_a_value_outside_its_domain_names_the_cell(execute: Executor) -> None:
    with pytest.raises(DomainError, match="cell x: 9 is outside its domain"):
        run(execute, oversteps())


TWIN: Cell[int] = Cell("x", 0, range(4))


@routine
async def twins() -> None:
    await load(X)
    await load(TWIN)


@both
def test_two_cells_may_not_have_one_name(execute: Executor) -> None:
    with pytest.raises(EngineError, match="two cells are named x"):
        run(execute, twins())


def test_a_footprint_names_each_cell_once() -> None:
    with pytest.raises(RuleError, match="names each cell once"):
        wait("both", max, X, Y, X)


def test_a_choice_needs_values_that_a_schedule_can_tell_apart() -> None:
    with pytest.raises(RuleError, match="different spellings"):
        choose("any", ())
    with pytest.raises(RuleError, match="different spellings"):
        choose("any", (1, "1"))


def test_a_model_runs_in_an_executor_only() -> None:
    coroutine: Coroutine[Any, Any, None] = one_step().body()
    with pytest.raises(RuntimeError, match="inside an executor"):
        coroutine.send(None)


def test_tasks_have_different_names() -> None:
    with pytest.raises(EngineError, match="two tasks have one name"):
        Scenario("twins", (Task("t", one_step()), Task("t", one_step())))
