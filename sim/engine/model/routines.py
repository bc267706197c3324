"""Routines: stack frames that forget what they saw when they return.

A task's local state could soundly be named by everything the task has seen since it began; that
name never repeats, and the state space is as large as the tree of histories. A routine cuts the
name short. It is named by its function, its arguments and what it has seen *since it was entered*;
when it returns, only its return value stays in its caller. Two histories that return the same value
to the same caller are one state from there on.

That is sound exactly if a routine is a function of those things, so each of the following is
checked, and refused with the line at fault:

* a routine is a module-level function, or a method of a frozen object: no closure, no state outside
  of cells (`sim.engine.model.purity`);
* what goes in and what comes out is a value (`sim.engine.model.values`);
* a loop that can repeat is `await repeat(body, *state)`; only `state` survives a turn;
* an exception that leaves a routine is an outcome like a return value. Its caller gets one with the
  same type, arguments, attributes and cause (`Raised`);
* a discarded task performs no operation on its way out.

That a routine is deterministic is checked where it is run again (`sim.engine.run.automata`).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from functools import cache, wraps
from inspect import CO_VARARGS, CO_VARKEYWORDS, iscoroutinefunction
from types import GetSetDescriptorType, MemberDescriptorType
from typing import Any, Generic, NoReturn, ParamSpec, TypeVar, cast

import attrs

from sim.engine.model.errors import RuleError, place_of_caller, place_of_code
from sim.engine.model.operations import Operation
from sim.engine.model.performing import is_running, note_made, performer
from sim.engine.model.purity import refuse_hidden_state
from sim.engine.model.values import BY_KEY, key_of, part_of_class, problem_of, short

P = ParamSpec("P")
R = TypeVar("R")

_ROUTINE = "__is_routine__"
"""An attribute of what the decorator makes."""

LONGEST_FRAME = 256
"""What one frame may see before a bare loop is suspected;
the longest honest frame of the model sees about forty."""

DEEPEST_STACK = 64
"""Routines that may be entered in one another;
the deepest honest stack of the model has about a dozen."""

LONGEST_SETTLING = 4096
"""Routines that a task may enter and leave between two operations before it is said to go round."""


@attrs.frozen
class Raised:
    """An exception that left a routine: all that its caller can tell it from another one by.

    `attributes` are those that it has beside its arguments, in its dictionary or in slots, in order
    of name. Not kept are its traceback and what was being handled when it was raised
    (`__context__`).
    """

    type: type[BaseException]
    args: tuple[object, ...] = attrs.field(eq=key_of)
    attributes: tuple[tuple[str, object], ...] = attrs.field(default=(), eq=key_of)
    cause: Raised | None = None
    hides_context: bool = False
    """Whether it was raised `from` something, None included."""

    @classmethod
    def by(cls, error: BaseException, above: tuple[BaseException, ...] = ()) -> Raised:
        """What is kept of an exception.

        One that is its own cause, by way of those `above`, is cut off there.
        """
        cause = error.__cause__
        is_first = not any(cause is one for one in (error, *above))
        kept = cls.by(cause, (error, *above)) if cause is not None and is_first else None
        attributes = tuple(sorted(_attributes(error).items()))
        return cls(type(error), error.args, attributes, kept, error.__suppress_context__)

    def exception(self) -> BaseException:
        """A new exception that looks the same, made without its class's own `__init__`."""
        error = self.type.__new__(self.type, *self.args)
        error.args = self.args
        has = _attributes(error)
        for name, value in self.attributes:
            if name not in has or has[name] is not value:
                setattr(error, name, value)
        if self.cause is not None:
            error.__cause__ = self.cause.exception()
        error.__suppress_context__ = self.hides_context
        return error

    def problem(self) -> str | None:
        """Why it does not come back the same as it left; None if it does."""
        problem = problem_of(self.args)
        if problem is not None:
            return f"argument {problem}"
        for name, value in self.attributes:
            problem = problem_of(value)
            if problem is not None:
                return f"attribute {name}{problem}"
        inner = part_of_class((self.args, self.attributes), _AWAITABLE)
        if inner is not None:
            return f"{inner} itself, not its result"
        try:
            again = Raised.by(self.exception())
        except Exception:  # noqa: BLE001 - whatever keeps it from being made again
            again = None
        if again != self:
            return "something that is neither an argument nor an attribute"
        return self.cause.problem() if self.cause is not None else None

    def __str__(self) -> str:
        return f"{self.type.__name__}({', '.join(map(short, self.args))})"


def _attributes(error: BaseException) -> dict[str, object]:
    """An exception's dictionary, and what its classes keep in slots."""
    own = dict(vars(error))
    for base in type(error).__mro__:
        if base is BaseException:
            break
        for name, slot in vars(base).items():
            is_slot = isinstance(slot, (MemberDescriptorType, GetSetDescriptorType))
            if is_slot and name not in {"__dict__", "__weakref__"} and hasattr(error, name):
                own[name] = getattr(error, name)
    if isinstance(error, AttributeError):
        own.pop("obj", None)  # the interpreter puts there whatever had no such attribute
    return own


@attrs.frozen(cache_hash=True)
class Call(Generic[R]):
    """A routine about to be entered: the name of its frame before it has seen anything."""

    body: Callable[..., Coroutine[Any, Any, R]]
    args: tuple[object, ...] = attrs.field(eq=False, metadata=BY_KEY)
    _key: object = attrs.field(init=False, repr=False)

    @_key.default
    def _key_of_args(self) -> object:
        return key_of(self.args)

    def __await__(self) -> Generator[Any, Any, R]:
        ledger = performer()
        ledger.note_awaited(self)
        return cast("R", (yield from ledger.call(self)))

    def __str__(self) -> str:
        return self.body.__name__

    def refuse(self, message: str) -> NoReturn:
        """Raise RuleError at the routine's first line."""
        raise RuleError(place_of_code(self.body.__code__), message)

    def check_outcome(self, value: object) -> None:
        """Refuse a result that is no value."""
        problem = problem_of(value)
        if problem is not None:
            self.refuse(f"{self} returns result{problem}")
        inner = part_of_class(value, (Operation,) if isinstance(value, Again) else _AWAITABLE)
        if inner is not None:
            self.refuse(f"{self} returns {inner} itself, not its result: write `await` before it")

    def check_raised(self, error: BaseException) -> Raised:
        """Refuse an exception that would not reach the caller as it left.

        Give what is kept of it.
        """
        if not isinstance(error, Exception):
            self.refuse(
                f"{self} raises {type(error).__name__}, which ends whatever runs it: raise an "
                "Exception"
            )
        raised = Raised.by(error)
        problem = raised.problem()
        if problem is not None:
            self.refuse(f"{self} raises {raised}, which carries {problem}")
        return raised


@attrs.frozen(init=False)
class Again:
    """What a loop's body returns to go round once more, with this state and nothing else."""

    state: tuple[object, ...] = attrs.field(eq=key_of)

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

    def __str__(self) -> str:
        return f"repeat({self.call})"

    def __await__(self) -> Generator[Any, Any, R]:
        ledger = performer()
        ledger.note_awaited(self)
        return cast("R", (yield from ledger.loop(self.call)))


_AWAITABLE = (Operation, Call, Loop)
"""Classes of what is to be awaited, and is no result."""


def next_turn(call: Call[Any], result: object) -> Call[Any] | Done[Any]:
    """The call of the next turn, or the Done that ends the loop.

    Refuses a body that returns anything else.
    """
    if isinstance(result, Again):
        return enter(call.body, _bound(call) + result.state)
    if isinstance(result, Done):
        return result
    return call.refuse(
        f"the body of a loop returns Again(...) or Done(...), {call} returned {short(result)}"
    )


def _bound(call: Call[Any]) -> tuple[object, ...]:
    """The arguments that a turn does not replace: the object whose method a loop's body is,
    if it is one.
    """
    cls: Any = type(call.args[0]) if call.args else None
    return call.args[:1] if cls is not None and _is_method(call.body, cls) else ()


@cache
def _is_method(body: Callable[..., Any], cls: Any) -> bool:
    """Whether a routine is a method of a class,
    and no function that is given one of its objects.
    """
    return any(
        getattr(vars(base).get(body.__name__), "__wrapped__", None) is body for base in cls.__mro__
    )


def goes_round(task: str) -> str:
    """What is said of a task that enters routine after routine and performs nothing."""
    return (
        f"task {task} goes round without an operation: it has entered {LONGEST_SETTLING} "
        "routines since the last one"
    )


def too_deep(task: str) -> str:
    """What is said of a task that enters ever more routines and leaves none."""
    return (
        f"task {task} has entered {DEEPEST_STACK} routines in one another: is one its own caller?"
    )


def enter(body: Callable[..., Coroutine[Any, Any, R]], args: tuple[object, ...]) -> Call[R]:
    """Name the frame of `body(*args)`.

    Refuses arguments that are no values, or are not as many as it takes.
    """
    args = _with_defaults(body, args)
    for i, arg in enumerate(args):
        problem = problem_of(arg)
        if problem is not None:
            raise RuleError(
                place_of_code(body.__code__), f"{body.__name__} is given argument {i}{problem}"
            )
    return Call(body, args)


def _with_defaults(body: Callable[..., Any], args: tuple[object, ...]) -> tuple[object, ...]:
    """The arguments, and the defaults of those that are missing."""
    code, defaults = body.__code__, body.__defaults__ or ()
    missing = code.co_argcount - len(args)
    if missing > len(defaults) or (missing < 0 and not code.co_flags & CO_VARARGS):
        least, most = code.co_argcount - len(defaults), code.co_argcount
        takes = f"{least}" if least == most else f"{least} to {most}"
        message = (
            f"{body.__name__}() is given {len(args)} arguments, self included, and takes {takes}"
        )
        raise RuleError(place_of_code(code), message)
    return args + defaults[len(defaults) - missing :] if missing > 0 else args


def _refuse_what_closes_over(body: Callable[..., Any]) -> None:
    code, name = body.__code__, body.__name__
    place = place_of_code(code)
    if body.__closure__:
        closed = ", ".join(v for v in code.co_freevars if v != "__class__")
        if closed:
            raise RuleError(
                place,
                f"{name} closes over {closed}: a routine's arguments are all it may depend on",
            )
    if "<locals>" in body.__qualname__:
        raise RuleError(
            place,
            f"{name} is defined inside a function: a routine stands at module level or in a class",
        )
    if body.__kwdefaults__ or code.co_kwonlyargcount or code.co_flags & CO_VARKEYWORDS:
        raise RuleError(place, f"{name}: a routine takes its arguments by position")


def _hand_over(body: Callable[..., Any], args: tuple[object, ...]) -> None:
    """Let a call be handed to a routine that awaits it, and refuse an operation:
    its result was meant.
    """
    for arg in args:
        performer().note_awaited(part_of_class(arg, (Call, Loop)))
        inner = part_of_class(arg, (Operation,))
        if inner is not None and performer().is_pending(inner):
            message = (
                f"{body.__name__}() is given {inner} itself, not its result: write `await` "
                "before it"
            )
            raise RuleError(place_of_caller(), message)


def routine(body: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, Call[R]]:
    """Make an `async def` a stack frame of its own. Raises RuleError where it breaks a rule."""
    if not iscoroutinefunction(body):
        raise RuleError(
            place_of_code(body.__code__), f"{body.__name__} is no `async def`, so it is no routine"
        )
    _refuse_what_closes_over(body)
    is_method = "." in body.__qualname__
    checked: set[type | None] = set()

    @wraps(body)
    def call(*args: P.args, **kwargs: P.kwargs) -> Call[R]:
        owner = type(args[0]) if is_method and args else None
        if owner not in checked:  # not before the first call: module globals are all there by then
            refuse_hidden_state(body, owner)
            checked.add(owner)
        if kwargs:
            place = place_of_code(body.__code__)
            raise RuleError(place, f"{body.__name__}: a routine takes its arguments by position")
        made = enter(body, args)
        if is_running():
            _hand_over(body, args)
        note_made(made, f"{body.__name__}()")
        return made

    setattr(call, _ROUTINE, True)
    return call


def repeat(body: Callable[..., Call[Again | Done[R]]], *state: object) -> Loop[R]:
    """Run a routine turn after turn until it returns Done.

    `Again(*state)` gives the next turn its arguments.
    """
    if not hasattr(body, _ROUTINE):
        raise RuleError(
            place_of_caller(),
            f"repeat() takes a routine, not called, and its first state; got {body!r}",
        )
    call = body(*state)
    loop = Loop(call)
    if is_running():
        performer().note_awaited(call)  # the loop is to be awaited in its place
        note_made(loop, str(loop))
    return loop
