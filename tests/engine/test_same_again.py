"""What crosses a frame or sits in a cell comes back the same, or is refused with its line:
by every executor alike.

Each program here once had one answer from the search and another from trio, or none.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import pickle
import random
from collections.abc import Callable
from enum import Enum
from functools import wraps
from typing import Any

import attrs
import pytest

from sim.engine.model.cells import Cell
from sim.engine.model.errors import EngineError, Place, RuleError
from sim.engine.model.operations import (
    Access,
    Operation,
    Outcome,
    add,
    choose,
    cmpxchg,
    load,
    read,
    report,
    store,
    wait,
    write,
)
from sim.engine.model.routines import DEEPEST_STACK, Again, Call, Done, Raised, repeat, routine
from sim.engine.model.scenario import MOST_TASKS, Look, Property, Scenario, Task
from sim.engine.run import automata_executor, trio_executor
from sim.engine.run.automata_executor import run
from sim.engine.run.scheduler import RandomWalk
from sim.search.exploration import Counting, Verdict
from sim.search.explore import explore
from sim.search.fuzzing.batch import Runner

SEEDS = 60


class Anything:
    """A domain of whatever there is."""

    def __contains__(self, value: object) -> bool:
        return True


X: Cell[Any] = Cell("x", 0, Anything())
Y: Cell[Any] = Cell("y", 0, Anything())


def scenario(*calls: Call[Any], properties: tuple[Property, ...] = ()) -> Scenario:
    return Scenario("same", tuple(Task(f"t{i}", call) for i, call in enumerate(calls)), properties)


def by_search(asked: Scenario) -> set[str]:
    return {str(found.finding) for found in explore(asked).found}


def by_arrays(asked: Scenario) -> set[str]:
    return {str(found.finding) for found in explore(asked, counting=Counting()).found}


def by_trio(asked: Scenario) -> set[str]:
    return {
        str(finding)
        for seed in range(SEEDS)
        for finding in trio_executor.run(asked, RandomWalk(seed)).findings
    }


def by_stepper(asked: Scenario) -> set[str]:
    return {
        str(finding)
        for seed in range(SEEDS)
        for finding in automata_executor.run(asked, RandomWalk(seed)).findings
    }


def by_fuzzing(asked: Scenario) -> set[str]:
    return {str(sighting.finding) for sighting in Runner(asked, "walk").batch(0, SEEDS).sightings}


Way = Callable[[Scenario], set[str]]
ways = pytest.mark.parametrize("way", [by_search, by_arrays, by_trio, by_stepper, by_fuzzing])


@routine
async def writes(one: object, other: object) -> None:
    await store(X, one)
    await store(X, other)


@routine
async def reads_true() -> None:
    if await load(X) is True:
        await report("WARN", "true")


@routine
async def reads_a_pair_with_true() -> None:
    value = await load(X)
    if isinstance(value, tuple) and value[0] is True:
        await report("WARN", "true")


@routine
async def chooses_true() -> None:
    if await choose("value", (0, False, 1, True)) is True:
        await report("WARN", "true")


@routine
async def is_given(value: object) -> None:
    await load(Y)
    if value is True:
        await report("WARN", "true")


@routine
async def calls_with_both() -> None:
    await is_given(1)
    await is_given(True)


@routine
async def gives_back(value: object) -> object:
    await load(Y)
    return value


@routine
async def takes_back() -> None:
    value = await gives_back(await choose("value", (1, True)))
    await load(Y)
    if value is True:
        await report("WARN", "true")


@routine
async def turns(value: object) -> Again | Done[object]:
    await load(Y)
    return (
        Done(value) if value is True or value == 2 else Again(await choose("value", (1, True, 2)))
    )


@routine
async def repeats() -> None:
    if await repeat(turns, 1) is True:
        await report("WARN", "true")


@ways
@pytest.mark.parametrize(
    "calls",
    [
        (writes(1, True), reads_true()),
        (writes((1,), (True,)), reads_a_pair_with_true()),
        (chooses_true(),),
        (calls_with_both(),),
        (is_given(1), is_given(True)),
        (takes_back(),),
        (repeats(),),
    ],
)
def test_true_is_not_one_wherever_it_is(way: Way, calls: tuple[Call[Any], ...]) -> None:
    assert way(scenario(*calls)) == {"WARN true"}


class Refused(Exception):
    """A message among its arguments, and the code beside it: the usual idiom."""

    def __init__(self, code: int) -> None:
        super().__init__(f"refused with {code}")
        self.code = code


class Slotted(Exception):
    """Keeps its code in a slot."""

    __slots__ = ("code",)

    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code = code


class Two(Exception):
    """Cannot be made again of its arguments."""

    def __init__(self, one: int, other: int) -> None:
        super().__init__(f"{one} and {other}")
        self.code = one


@routine
async def fails(which: type[Exception]) -> None:
    await load(X)
    if which is Refused:
        raise Refused(3)
    if which is Slotted:
        raise Slotted(3, "slot")
    if which is Two:
        raise Two(3, 4)
    if which is KeyError:
        error = KeyError("late")
        error.code = 3  # type: ignore[attr-defined] # an attribute of its own
        raise error
    raise asyncio.IncompleteReadError(b"", 3)


@routine
async def catches(which: type[Exception]) -> None:
    try:
        await fails(which)
    except which as error:
        if getattr(error, "code", getattr(error, "expected", 0)) == 3:
            await report("WARN", which.__name__)


@ways
@pytest.mark.parametrize("which", [Refused, Slotted, Two, KeyError, asyncio.IncompleteReadError])
def test_an_exception_keeps_its_attributes(way: Way, which: type[Exception]) -> None:
    assert way(scenario(catches(which))) == {f"WARN {which.__name__}"}


@routine
async def fails_because_of_another() -> None:
    await load(X)
    raise Refused(3) from KeyError("first")


@routine
async def asks_for_the_cause() -> None:
    try:
        await fails_because_of_another()
    except Refused as error:
        if isinstance(error.__cause__, KeyError):
            await report("WARN", "cause")


@ways
def test_an_exception_keeps_its_cause(way: Way) -> None:
    assert way(scenario(asks_for_the_cause())) == {"WARN cause"}


def test_two_exceptions_that_differ_in_an_attribute_are_two() -> None:
    one, other = Refused(3), Refused(3)
    other.code = 4
    assert Raised.by(one) == Raised.by(Refused(3))
    assert Raised.by(one) != Raised.by(other)
    again = Raised.by(other).exception()
    assert isinstance(again, Refused)
    assert (again.args, again.code) == (other.args, 4)


class Opaque(Exception):
    """Has something that is neither an argument nor an attribute that can be set."""

    def __init__(self) -> None:
        super().__init__()
        self.of = [1]


@routine
async def raises(error: type[BaseException]) -> None:
    await load(X)
    if error is ExceptionGroup:
        raise ExceptionGroup("group", [KeyError(1)])
    raise error


@routine
async def survives(error: type[BaseException]) -> None:
    try:
        await raises(error)
    except Exception:  # noqa: BLE001 - what is tested
        await report("WARN", "survived")


@routine
async def given(value: object) -> None:
    await store(X, value)


@routine
async def swallows() -> None:
    with contextlib.suppress(Exception):
        await given([1])
    await report("WARN", "went on")


@routine
async def swallows_a_domain() -> None:
    with contextlib.suppress(Exception):
        await store(SMALL, 9)
    await report("WARN", "went on")


@routine
async def swallows_a_choice() -> None:
    with contextlib.suppress(Exception):
        await choose("nothing", ())
    await report("WARN", "went on")


SMALL: Cell[int] = Cell("small", 0, range(4))


@routine
async def forgets_a_store() -> None:
    store(X, 1)
    await load(X)


@routine
async def forgets_a_routine() -> None:
    given(1)
    await load(X)


@routine
async def forgets_a_loop() -> None:
    repeat(turns, 1)
    await load(X)


@routine
async def forgets_at_the_end() -> None:
    await load(X)
    kept = store(X, 1)
    del kept


@routine
async def stores_an_operation() -> None:
    await store(X, load(Y))


@routine
async def passes_an_operation() -> None:
    await given(load(Y))


@routine
async def returns_an_operation() -> object:
    await load(X)
    return load(Y)


@routine
async def takes_an_operation() -> None:
    await returns_an_operation()


@routine
async def rolls() -> None:
    await load(X)
    if random.random() < 0.5:  # noqa: S311 - what is tested
        await report("WARN", "coin")


COUNT = 0


@routine
async def counts() -> None:
    global COUNT  # noqa: PLW0603 - what is tested
    COUNT += 1
    await load(X)


class Box:
    """Something that can change."""

    value = 0


@routine
async def boxes() -> None:
    Box.value += 1
    await load(X)


KEPT: list[int] = []


def helper() -> int:
    KEPT.append(1)
    return len(KEPT)


@routine
async def helped() -> None:
    helper()
    await load(X)


@attrs.frozen(eq=False)
class Machine:
    """A machine with a method that is no routine."""

    def count(self) -> int:
        return helper()

    @routine
    async def work(self) -> None:
        self.count()
        await load(X)


@routine
async def waits_for_a_lambda() -> None:
    bound = 1
    await wait("w", lambda value: value == bound, X)


def _truthy(value: int) -> Any:
    return value


@routine
async def waits_for_something_like_true() -> None:
    await wait("w", _truthy, X)


class Mixed(str, Enum):  # noqa: UP042 - what is tested
    """Equals its text."""

    A = "a"


@routine
async def nests(depth: int) -> None:
    if depth:
        await nests(depth - 1)
    await load(X)


@routine
async def for_ever() -> None:
    await for_ever()


def _lies(_task: str, values: tuple[int]) -> tuple[Outcome, ...]:
    return (Outcome(None, (values[0] + 1,), (Access.READ,)),)


def _gives_two(_task: str, values: tuple[int]) -> tuple[Outcome, ...]:
    return (*read(0, values), *read(1, values))


def _gives_too_many(_task: str, _values: tuple[int]) -> tuple[Outcome, ...]:
    return write(None, 1, 2)


def _gives_no_access(_task: str, _values: tuple[int]) -> tuple[Outcome, ...]:
    return (Outcome(None, (1,), ()),)


def _gives_a_list(_task: str, _values: tuple[int]) -> Any:
    return [Outcome(None, (1,), (Access.WRITE,))]


def _gives_none(_task: str, _values: tuple[int]) -> Any:
    return None


def _fails(_task: str, values: tuple[int]) -> tuple[Outcome, ...]:
    return read(1 // values[0], values)


def _results_in_a_list(_task: str, values: tuple[int]) -> tuple[Outcome, ...]:
    return read([1], values)


def _leaves_a_list(_task: str, _values: tuple[int]) -> tuple[Outcome, ...]:
    return write(None, [1])


@routine
async def does(effect: Callable[..., Any]) -> None:
    await Operation("op", (X,), effect)


def _truth_of(value: object) -> Callable[[Look], Any]:
    return {
        "int": _says_an_int,
        "nothing": _says_nothing,
        "tuple": _says_a_tuple,
        "error": _says_an_error,
    }[str(value)]


def _says_an_int(look: Look) -> Any:
    return look(X) + 1


def _says_nothing(look: Look) -> Any:
    look(X)


def _says_a_tuple(look: Look) -> Any:
    return (look(X),)


def _says_an_error(look: Look) -> Any:
    return {}[look(X)]


def hands_on_a_list(look: Look, _: object) -> object:
    return [look(X)]


def says_it_holds(_look: Look, _: object) -> object:
    return True


def falsy(name: str) -> tuple[Property, ...]:
    return (Property.whole("some", "divergence", _truth_of(name)),)


REFUSED: dict[str, tuple[Callable[[], Scenario], str]] = {
    "a list in an exception": (
        lambda: scenario(survives(Opaque)),
        "raises Opaque.*attribute of.*can change",
    ),
    "a group": (lambda: scenario(survives(ExceptionGroup)), r"carries argument .*\(list\)"),
    "exit": (
        lambda: scenario(survives(SystemExit)),
        "raises SystemExit, which ends whatever runs it",
    ),
    "a refusal that is swallowed": (
        lambda: scenario(swallows()),
        r"given is given argument 0 \(list\)",
    ),
    "a domain that is swallowed": (
        lambda: scenario(swallows_a_domain()),
        "small: 9 is outside its domain",
    ),
    "a choice that is swallowed": (lambda: scenario(swallows_a_choice()), "a choice needs values"),
    "store without await": (lambda: scenario(forgets_a_store()), "x.store is not awaited"),
    "routine without await": (lambda: scenario(forgets_a_routine()), r"given\(\) is not awaited"),
    "loop without await": (lambda: scenario(forgets_a_loop()), r"repeat\(turns\) is not awaited"),
    "without await at the end": (lambda: scenario(forgets_at_the_end()), "x.store is not awaited"),
    "an operation stored": (
        lambda: scenario(stores_an_operation()),
        "given y.load itself, not its result",
    ),
    "an operation passed": (
        lambda: scenario(passes_an_operation()),
        "given y.load itself, not its result",
    ),
    "an operation returned": (
        lambda: scenario(takes_an_operation()),
        "returns y.load itself, not its result",
    ),
    "random": (lambda: scenario(rolls()), "rolls uses the global random"),
    "global": (lambda: scenario(counts()), "counts assigns to the global COUNT"),
    "class attribute": (lambda: scenario(boxes()), "boxes sets something in Box"),
    "a helper's list": (
        lambda: scenario(helped()),
        r"helped by way of helper\(\) uses the global KEPT, a list",
    ),
    "a method's list": (
        lambda: scenario(Machine().work()),
        r"work by way of helper\(\) uses the global KEPT",
    ),
    "a lambda": (lambda: scenario(waits_for_a_lambda()), "made anew at every run"),
    "a condition like true": (
        lambda: scenario(waits_for_something_like_true()),
        "a wait gives True or False",
    ),
    "an enum that is a str": (lambda: scenario(given(Mixed.A)), "equals a plain str"),
    "a float": (lambda: scenario(given(1.0)), "may equal an int"),
    "too deep": (lambda: scenario(for_ever()), "is one its own caller"),
    "a read that writes": (lambda: scenario(does(_lies)), "says that it reads x, and changes it"),
    "two outcomes": (
        lambda: scenario(does(_gives_two)),
        "gave 2 outcomes: only an operation with choice=True",
    ),
    "too many values": (lambda: scenario(does(_gives_too_many)), "for a footprint of 1 cells"),
    "no access": (
        lambda: scenario(does(_gives_no_access)),
        "0 kinds of access for a footprint of 1 cells",
    ),
    "a list of outcomes": (
        lambda: scenario(does(_gives_a_list)),
        "an effect gives a tuple of outcomes",
    ),
    "no outcomes": (lambda: scenario(does(_gives_none)), "an effect gives a tuple of outcomes"),
    "an effect that fails": (lambda: scenario(does(_fails)), "raised ZeroDivisionError"),
    "a list as a result": (lambda: scenario(does(_results_in_a_list)), r"gives a result \(list\)"),
    "a list in a cell": (lambda: scenario(does(_leaves_a_list)), r"puts something into x \(list\)"),
    "a property's int": (
        lambda: scenario(given(1), properties=falsy("int")),
        "a property gives True or False",
    ),
    "a property's None": (
        lambda: scenario(given(1), properties=falsy("nothing")),
        "a property gives True or False",
    ),
    "a property's tuple": (
        lambda: scenario(given(1), properties=falsy("tuple")),
        "a property gives True or False",
    ),
    "a property that fails": (
        lambda: scenario(given(1), properties=falsy("error")),
        "raised KeyError",
    ),
    "a part that hands on a list": (
        lambda: scenario(
            given(1), properties=(Property("p", "k", (hands_on_a_list, says_it_holds)),)
        ),
        r"hands something on \(list\)",
    ),
    "no task": (scenario, "has 0 tasks"),
    "too many tasks": (lambda: scenario(*[given(1)] * (MOST_TASKS + 1)), "a scenario has 1 to"),
    "a coroutine": (
        lambda: Scenario("s", (Task("t", plain()),)),  # type: ignore[arg-type]
        "is given plain: a task is a call",
    ),
    "a routine uncalled": (
        lambda: Scenario("s", (Task("t", rolls),)),  # type: ignore[arg-type]
        "is given rolls: a task is a call",
    ),
    "a field left out": (
        lambda: scenario(given(Dirty(1))),
        "leaves its field dirty out of comparison",
    ),
    "a first value": (lambda: scenario(starts_with_a_list()), r"its first value \(list\)"),
}


async def plain() -> None:
    await load(X)


@attrs.frozen
class Dirty:
    """Two of these may be equal and act differently."""

    key: int
    dirty: bool = attrs.field(default=False, eq=False)


def starts_with_a_list() -> Call[None]:
    Cell("list", [], Anything())
    return given(1)


@ways
@pytest.mark.parametrize("name", REFUSED)
def test_each_is_refused_by_every_executor_with_its_own_line(way: Way, name: str) -> None:
    make, said = REFUSED[name]
    with pytest.raises(EngineError, match=said):
        way(make())


@ways
def test_a_stack_of_routines_may_be_deep(way: Way) -> None:
    assert way(scenario(nests(DEEPEST_STACK - 2))) == set()


def test_a_refusal_reaches_another_process_whole() -> None:
    error = RuleError(Place("tests/x.py", 3, "f"), "why")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (str(again), again.place) == (str(error), error.place)


def test_what_is_made_before_a_run_may_be_handed_to_a_task() -> None:
    assert explore(scenario(performs(load(X)))).verdict is Verdict.CLEAN
    assert run(scenario(performs(store(X, 3))), RandomWalk(0)).cells["x"] == "3"


@routine
async def performs(operation: Operation[Any]) -> None:
    await operation


def _doubles(_task: str, values: tuple[int], more: int) -> tuple[Outcome, ...]:
    return add(None, (values[0] * 2 + more) % 50)


def _adds(_task: str, values: tuple[int], more: int) -> tuple[Outcome, ...]:
    return add(None, values[0] + more)


def _adds_and_tells(_task: str, values: tuple[int], more: int) -> tuple[Outcome, ...]:
    return add(values[0], values[0] + more)


@routine
async def adds(effect: Callable[..., Any], more: int) -> None:
    await Operation("op", (X,), effect, (more,))


@pytest.mark.parametrize("effect", [_doubles, _adds_and_tells])
def test_additions_that_do_not_commute_are_refused_where_they_meet(
    effect: Callable[..., Any],
) -> None:
    asked = scenario(adds(effect, 1), adds(effect, 2))
    with pytest.raises(
        RuleError, match="say that they add to a common cell, and it matters which is first"
    ):
        explore(asked, counting=Counting())


def test_additions_that_commute_are_one_class() -> None:
    counts = explore(scenario(adds(_adds, 1), adds(_adds, 2)), counting=Counting()).counts
    assert counts is not None
    assert (counts.interleavings, counts.classes) == (2, 1)


@routine
async def stubborn() -> None:
    while True:
        try:
            await load(X)
        except:  # noqa: E722, S110 - what is tested
            pass
        else:
            return


class Swallower:
    """Lets no exception through."""

    async def __aenter__(self) -> None: ...

    async def __aexit__(self, *_: object) -> bool:
        return True


@routine
async def swallows_by_a_context() -> None:
    for _ in range(1000):
        async with Swallower():
            await load(X)
            return


@pytest.mark.parametrize("make", [stubborn, swallows_by_a_context])
def test_a_routine_that_would_not_be_given_up_is_refused(make: Callable[[], Call[Any]]) -> None:
    with pytest.raises(RuleError, match="catches every exception, the engine's own too"):
        explore(scenario(make()))


@routine
async def tidy() -> None:
    try:
        try:
            try:
                await wait("never", bool, Y)
            finally:
                await store(X, 1)
        finally:
            await store(X, 2)
    finally:
        await store(X, 3)


@ways
def test_a_routine_may_await_as_often_as_it_likes_on_its_way_out(way: Way) -> None:
    assert way(scenario(tidy())) == {"deadlock t0@never"}


@pytest.mark.parametrize("name", ["forgets_a_store", "forgets_a_routine"])
def test_what_is_not_awaited_is_named_with_its_own_line(name: str) -> None:
    body = globals()[name].__wrapped__
    with pytest.raises(RuleError) as error:
        explore(scenario(globals()[name]()))
    assert error.value.place == Place(
        "tests/engine/test_same_again.py", body.__code__.co_firstlineno + 2, name
    )


@routine
async def two_arguments(a: int, b: int = 7) -> None:
    await store(X, a)
    await store(Y, b)


@routine
async def too_few() -> None:
    await two_arguments()  # type: ignore[call-arg] # the mistake that is tested


@routine
async def too_many() -> None:
    await two_arguments(1, 2, 3)  # type: ignore[call-arg] # the mistake that is tested


@routine
async def turns_with_too_few() -> Again | Done[None]:
    await load(X)
    return Again(1, 2)


@routine
async def repeats_with_too_many() -> None:
    await repeat(turns_with_too_few)


class Empty(Exception):
    """Has an attribute that says nothing, over one of its class that says something."""

    code: int | None = 5

    def __init__(self) -> None:
        super().__init__()
        self.code = None


@routine
async def raises_empty() -> None:
    await load(X)
    raise Empty


@routine
async def asks_what_is_missing() -> None:
    try:
        await raises_empty()
    except Empty as error:
        if error.code is None:
            await report("WARN", "none")


@routine
async def raises_from_none() -> None:
    await load(X)
    raise Refused(3) from None


@routine
async def asks_for_the_context() -> None:
    try:
        await raises_from_none()
    except Refused as error:
        if error.__suppress_context__:
            await report("WARN", "hidden")


@routine
async def is_its_own_cause() -> None:
    await load(X)
    error = Refused(3)
    raise error from error


@routine
async def catches_its_own_cause() -> None:
    try:
        await is_its_own_cause()
    except Refused:
        await report("WARN", "caught")


@ways
@pytest.mark.parametrize(
    ("call", "said"),
    [
        (asks_what_is_missing(), "WARN none"),
        (asks_for_the_context(), "WARN hidden"),
        (catches_its_own_cause(), "WARN caught"),
    ],
)
def test_an_exception_keeps_what_is_none(way: Way, call: Call[Any], said: str) -> None:
    assert way(scenario(call)) == {said}


class Space:
    """A class that only holds functions."""

    @staticmethod
    @routine
    async def body(low: int, high: int) -> Again | Done[int]:
        await load(X)
        return Done(low) if low == high else Again(low + 1, high)


@routine
async def repeats_a_static_one() -> None:
    if await repeat(Space.body, 0, 3) == 3:
        await report("WARN", "three")


@attrs.frozen
class Base:
    """A frozen class, with a subclass that is not decorated."""

    x: int

    @routine
    async def work(self) -> None:
        await store(X, self.x)


class Derived(Base):
    """Only overrides."""

    @routine
    async def work(self) -> None:
        await report("WARN", "derived")


@routine
async def performs_a_method_of_a_value() -> None:
    await calls(Base(3).work)
    await report("WARN", "method")


@routine
async def calls(work: Callable[[], Call[None]]) -> None:
    await work()


CONSTANTS = (0.5, range(4), frozenset({1}))


@routine
async def uses_constants() -> None:
    await load(X)
    if 0.5 in CONSTANTS:
        await report("WARN", "constants")


@routine
async def looks_at_what_it_catches() -> None:
    try:
        await raises_empty()
    except BaseException as error:
        if isinstance(error, Empty):
            await report("WARN", "looked")
        else:
            raise


@ways
@pytest.mark.parametrize(
    ("call", "said"),
    [
        (repeats_a_static_one(), "WARN three"),
        (Derived(1).work(), "WARN derived"),
        (performs_a_method_of_a_value(), "WARN method"),
        (uses_constants(), "WARN constants"),
        (looks_at_what_it_catches(), "WARN looked"),
    ],
)
def test_what_is_ordinary_is_let_through(way: Way, call: Call[Any], said: str) -> None:
    assert way(scenario(call)) == {said}


@routine
async def returns_an_operation_inside() -> object:
    await load(X)
    return (store(X, 1),)


@routine
async def drops_what_is_inside() -> None:
    await returns_an_operation_inside()


@routine
async def passes_operations_in_a_tuple() -> None:
    await given((store(X, 1), store(Y, 2)))


@routine
async def keeps_a_circle() -> None:
    kept: list[object] = [store(X, 1)]
    kept.append(kept)
    del kept
    await load(X)


@routine
async def has_an_effect_of_its_own() -> None:
    await Operation("op", (X,), lambda _task, values: read(None, values))


@routine
async def imports_chance() -> None:
    from time import perf_counter  # noqa: PLC0415 - what is tested

    await load(X)
    perf_counter()


def remembering(function: Callable[[], int]) -> Callable[[], int]:
    @wraps(function)
    def wrapper() -> int:
        return function()

    return wrapper


@remembering
def wrapped_helper() -> int:
    KEPT.append(1)
    return len(KEPT)


@routine
async def is_helped_by_a_wrapper() -> None:
    wrapped_helper()
    await load(X)


@attrs.frozen(eq=False)
class Owner:
    """Has a property and a class method that are impure."""

    @property
    def count(self) -> int:
        return helper()

    @classmethod
    def more(cls) -> int:
        return helper()

    @routine
    async def by_property(self) -> None:
        await store(X, self.count)

    @routine
    async def by_class(self) -> None:
        await store(X, self.more())


@routine
async def chooses_nothing_to_write() -> None:
    await choose("value", ("a", ""))


@routine
async def asks_256_times() -> None:
    for _ in range(256):
        await load(X)
    await wait("never", bool, Y)


TWIN: Cell[Any] = Cell("x", 0, Anything())


@routine
async def twins() -> None:
    await load(X)
    await load(TWIN)


@ways
@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda: scenario(too_few()),
            r"two_arguments\(\) is given 0 arguments, self included, and takes 1 to 2",
        ),
        (lambda: scenario(too_many()), r"two_arguments\(\) is given 3 arguments"),
        (lambda: scenario(repeats_with_too_many()), r"turns_with_too_few\(\) is given 2 arguments"),
        (lambda: scenario(drops_what_is_inside()), "returns x.store itself, not its result"),
        (
            lambda: scenario(passes_operations_in_a_tuple()),
            "is given x.store itself, not its result",
        ),
        (lambda: scenario(keeps_a_circle()), "x.store is not awaited"),
        (
            lambda: scenario(has_an_effect_of_its_own()),
            "op has an effect .* made anew at every run",
        ),
        (lambda: scenario(imports_chance()), "imports time, a source of chance"),
        (
            lambda: scenario(is_helped_by_a_wrapper()),
            r"by way of wrapped_helper\(\) uses the global KEPT",
        ),
        (lambda: scenario(Owner().by_property()), r"by way of helper\(\) uses the global KEPT"),
        (lambda: scenario(Owner().by_class()), r"by way of helper\(\) uses the global KEPT"),
        (lambda: scenario(chooses_nothing_to_write()), "no choice that a schedule can write"),
        (lambda: scenario(asks_256_times()), "seen 256 results"),
        (lambda: scenario(twins()), "two cells are named x"),
    ],
)
def test_what_a_stranger_found_is_refused_alike(
    way: Way, make: Callable[[], Scenario], said: str
) -> None:
    with pytest.raises(EngineError, match=said):
        way(make())


def test_what_one_model_left_behind_is_not_held_against_the_next() -> None:
    """An operation in a circle is freed when the collector runs, while another model does."""
    with pytest.raises(EngineError, match="not awaited"):
        trio_executor.run(scenario(keeps_a_circle()), RandomWalk(0))
    with pytest.raises(EngineError, match="arguments"):
        explore(scenario(too_few()))
    gc.collect()
    assert explore(scenario(uses_constants())).verdict is Verdict.FINDING


def test_a_compare_and_exchange_tells_true_from_one() -> None:
    assert run(scenario(exchanges()), RandomWalk(0)).cells["x"] == "yes"


@routine
async def exchanges() -> None:
    await store(X, True)
    await cmpxchg(X, 1, 5)
