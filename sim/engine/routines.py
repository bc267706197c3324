"""Routines: stack frames that forget what they saw when they return.

A task's local state could soundly be named by everything the task has seen since it began; that name never repeats, and
the state space is as large as the tree of histories. A routine cuts the name short. It is named by its function, its
arguments and what it has seen *since it was entered*; when it returns, only its return value stays in its caller. Two
histories that return the same value to the same caller are one state from there on.

That is sound exactly if a routine is a function of those things, so each of the following is checked, and refused with
the line at fault:

* a routine is a module-level function, or a method of a frozen object: no closure, no mutable global;
* what goes in and what comes out is immutable and hashable (`sim.engine.values`);
* a loop that can repeat is `await repeat(body, *state)`; only `state` survives a turn;
* an exception that leaves a routine is an outcome, its type and arguments, like a return value;
* a discarded task performs no operation on its way out.

That a routine is deterministic is checked where it is run again (`sim.engine.automata`).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from functools import wraps
from inspect import CO_VARKEYWORDS
from typing import Any, Generic, NoReturn, ParamSpec, TypeVar, cast

import attrs

from sim.engine.errors import EngineError, RuleError, place_of_code
from sim.engine.operations import performer
from sim.engine.values import mutable_part

P = ParamSpec("P")
R = TypeVar("R")

LONGEST_FRAME = 256
"""What one frame may see before a bare loop is suspected; the longest honest frame of the model sees about forty."""

LONGEST_SETTLING = 4096
"""Routines that a task may enter and leave between two operations before it is said to go round."""


@attrs.frozen(cache_hash=True)
class Call(Generic[R]):
    """A routine about to be entered: the name of its frame before it has seen anything."""

    body: Callable[..., Coroutine[Any, Any, R]]
    args: tuple[object, ...]

    def __await__(self) -> Generator[Any, Any, R]:
        return cast("R", (yield from performer().call(self)))

    def __str__(self) -> str:
        return self.body.__name__

    def refuse(self, message: str) -> NoReturn:
        """Raise RuleError at the routine's first line."""
        raise RuleError(place_of_code(self.body.__code__), message)

    def check_outcome(self, value: object) -> None:
        """Refuse a result that could change after it was returned."""
        part = mutable_part(value)
        if part is not None:
            self.refuse(f"{self} returns something that can change: result{part}")

    def check_raised(self, error: Exception) -> None:
        """Refuse an exception whose arguments could change after it left."""
        part = mutable_part(error.args)
        if part is not None:
            self.refuse(f"{self} raises something that can change: {type(error).__name__} argument {part}")


@attrs.frozen(init=False)
class Again:
    """What a loop's body returns to go round once more, with this state and nothing else."""

    state: tuple[object, ...]

    def __init__(self, *state: object) -> None:
        object.__setattr__(self, "state", state)


@attrs.frozen
class Done(Generic[R]):
    """What a loop's body returns to leave, with the loop's value."""

    value: R


@attrs.frozen
class Loop(Generic[R]):
    """A loop about to be entered."""

    call: Call[Again | Done[R]]

    def __await__(self) -> Generator[Any, Any, R]:
        return cast("R", (yield from performer().loop(self.call)))


def next_turn(call: Call[Any], result: object) -> Call[Any] | Done[Any]:
    """The call of the next turn, or the Done that ends the loop; refuses a body that returns anything else."""
    if isinstance(result, Again):
        return enter(call.body, call.args[: len(call.args) - len(_state_of(call))] + result.state)
    if isinstance(result, Done):
        return result
    return call.refuse(f"the body of a loop returns Again(...) or Done(...), {call} returned {result!r}")


def _state_of(call: Call[Any]) -> tuple[object, ...]:
    """The arguments that a turn replaces: all but `self`."""
    return call.args[1:] if "." in call.body.__qualname__ else call.args


def enter(body: Callable[..., Coroutine[Any, Any, R]], args: tuple[object, ...]) -> Call[R]:
    """Name the frame of `body(*args)`; refuses arguments that could change under it."""
    for i, arg in enumerate(args):
        part = mutable_part(arg)
        if part is not None:
            place = place_of_code(body.__code__)
            raise RuleError(place, f"{body.__name__} is given something that can change: argument {i}{part}")
    return Call(body, args)


def _refuse_hidden_state(body: Callable[..., Any]) -> None:
    code, name = body.__code__, body.__name__
    place = place_of_code(code)
    if body.__closure__:
        closed = ", ".join(v for v in code.co_freevars if v != "__class__")
        if closed:
            raise RuleError(place, f"{name} closes over {closed}: a routine's arguments are all it may depend on")
    if "<locals>" in body.__qualname__:
        raise RuleError(place, f"{name} is defined inside a function: a routine stands at module level or in a class")
    if body.__kwdefaults__ or code.co_kwonlyargcount or code.co_flags & CO_VARKEYWORDS:
        raise RuleError(place, f"{name}: a routine takes its arguments by position")


def _refuse_changing_globals(body: Callable[..., Any]) -> None:
    for used in body.__code__.co_names:
        if isinstance(body.__globals__.get(used), (list, dict, set, bytearray)):
            place = place_of_code(body.__code__)
            raise RuleError(place, f"{body.__name__} uses the global {used}, which can change")


def routine(body: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, Call[R]]:
    """Make an `async def` a stack frame of its own. Raises RuleError where it breaks a rule."""
    _refuse_hidden_state(body)
    checked = False

    @wraps(body)
    def call(*args: P.args, **kwargs: P.kwargs) -> Call[R]:
        nonlocal checked
        if not checked:  # at the first call: module globals are all there by then
            _refuse_changing_globals(body)
            checked = True
        if kwargs:
            place = place_of_code(body.__code__)
            raise RuleError(place, f"{body.__name__}: a routine takes its arguments by position")
        missing = max(0, body.__code__.co_argcount - len(args))
        defaults = (body.__defaults__ or ())[-missing:] if missing else ()
        return enter(body, (*args, *defaults))

    return call


def repeat(body: Callable[..., Call[Again | Done[R]]], *state: object) -> Loop[R]:
    """Run a routine turn after turn until it returns Done; `Again(*state)` gives the next turn its arguments."""
    call = body(*state)
    if not isinstance(call, Call):
        raise EngineError(f"repeat() takes a routine, got {body!r}")
    return Loop(call)
