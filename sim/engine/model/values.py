"""The values that cells hold and tasks pass around.

A local state is named by the values a task has seen, and a state by the values of its cells. So
whatever is put into a cell, an argument, a result or an exception has to come back the same: of the
same type, equal, with the same attributes. Two values that are equal and yet can be told apart
would be one state that acts in two ways. Hence:

* a value is None, a bool, an int, a str, bytes, an enum's member, a function, a class, a tuple of
  values, or an object of a frozen attrs class whose fields are values (`problem_of`);
* a type whose objects equal those of another type is refused: floats, named tuples, IntEnum,
  subclasses of int and str;
* a frozen attrs class compares all of its fields, or none of them and is compared by identity, as a
  pointer is. Its fields are values all the same, but for those that are marked `NO_VALUE`;
* True and 1 are equal in Python and both are allowed. They are two values here, however deep they
  lie (`key_of`).

`spell` is a value in a schedule: the same text on every Python version and under every hash seed,
which is why no set may occur in it.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from enum import Enum
from functools import cache, cached_property, partial
from inspect import unwrap
from operator import attrgetter
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType, NoneType
from typing import Any

import attrs

_FINE = {NoneType, bool, int, str, bytes}
"""Classes whose objects are values, whatever they are; enums are added as they are met."""

_NUMBERS_OF_OTHER_TYPES = "may equal an int and is not one: use ints or an enum"

_REASONS: dict[type, str] = {
    float: _NUMBERS_OF_OTHER_TYPES,
    complex: _NUMBERS_OF_OTHER_TYPES,
    frozenset: "has no order of its own: use a sorted tuple",
    list: "can change: use a tuple",
    dict: "can change: use a tuple of pairs, or a frozen attrs class",
    set: "can change: use a sorted tuple",
    bytearray: "can change: use bytes",
}


_UNCHECKED = "is no value"
NO_VALUE = {_UNCHECKED: True}
"""Metadata of a field that says nothing of what its object does, or is checked elsewhere."""

_KEYED = "is compared by a key"
BY_KEY = {_KEYED: True}
"""Metadata of a field that is not compared itself: another field has its `key_of`,
found once and compared often."""

_SOUND: dict[int, weakref.ref[object]] = {}
"""Objects, by id, that are compared by identity and whose fields are known to be values;
each goes when it is freed."""


@attrs.frozen
class Problem:
    """Why something is no value: the part of it that is at fault, as a path such as `[0].spte`,
    and what is wrong.
    """

    path: str
    type: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path} ({self.type}), which {self.reason}"


@attrs.frozen
class _Class:
    """What is known of a class: why its objects are no values,
    or else the fields that they are compared by.
    """

    reason: str | None = None
    fields: tuple[str, ...] = ()
    is_compared: bool = False


@cache
def _class(cls: type[object]) -> _Class:
    for base in (int, str, bytes, tuple):
        if issubclass(cls, base):
            what = "a member of an enum" if issubclass(cls, Enum) else "an object"
            return _Class(
                f"is {what} that equals a plain {base.__name__}: use a plain Enum, or a frozen "
                "attrs class"
            )
    if issubclass(cls, Enum):
        if cls.__eq__ is not object.__eq__:
            return _Class("is a member of an enum with an __eq__ of its own: use a plain Enum")
        _FINE.add(cls)
        return _Class()
    if not attrs.has(cls):
        return _Class(_REASONS.get(cls, "can change: use a tuple, an enum or a frozen attrs class"))
    decorated = next(base for base in cls.__mro__ if "__attrs_attrs__" in vars(base))
    if not attrs.inspect(decorated).is_frozen:
        return _Class("can change: its class is not frozen")
    names = {field.name for field in attrs.fields(cls)} | {
        "__weakref__",
        "__dict__",
        "_attrs_cached_hash",
    }
    for slot in (slot for above in cls.__mro__ for slot in _slots(above)):
        if slot not in names:
            return _Class(f"has a slot {slot} beside its fields")
    if cls.__eq__ is object.__eq__ and cls.__hash__ is object.__hash__:
        return _Class(
            None,
            tuple(field.name for field in attrs.fields(cls) if not field.metadata.get(_UNCHECKED)),
        )
    return _compared(cls)


def _slots(cls: type[object]) -> tuple[str, ...]:
    slots = vars(cls).get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)


def _compared(cls: type[object]) -> _Class:
    """Of a frozen attrs class that is compared by value."""
    fields = attrs.fields(cls)  # type: ignore[arg-type] # an attrs class
    for field in fields:
        if field.metadata.get(_KEYED):
            continue
        if not field.eq or field.eq_key not in {None, key_of}:
            return _Class(
                f"leaves its field {field.name} out of comparison, or compares it in a way of "
                "its own"
            )
    for name in ("__eq__", "__hash__"):
        code = getattr(getattr(cls, name), "__code__", None)
        if code is None or not code.co_filename.startswith("<attrs generated"):
            return _Class(f"has an {name} of its own: let attrs compare all fields")
    return _Class(None, tuple(field.name for field in fields), is_compared=True)


def problem_of(value: object) -> Problem | None:  # noqa: C901 - a case for each kind of value
    """Say why `value` cannot be carried from one task to another; None if it can."""
    cls = value.__class__
    if cls in _FINE:
        return None
    if isinstance(value, tuple) and cls is tuple:
        return _problem_in(value)
    if isinstance(value, MethodType):
        problem = problem_of(value.__self__)
        return (
            attrs.evolve(problem, path=f".__self__{problem.path}") if problem is not None else None
        )
    if isinstance(value, (FunctionType, BuiltinFunctionType)):
        reason = _reason_against(value)
        return Problem("", cls.__name__, reason) if reason else None
    if isinstance(value, type):
        reason = _reason_against_class(value)
        return Problem("", cls.__name__, reason) if reason else None
    known = _class(cls)  # type: ignore[arg-type] # a class is hashable
    if known.reason is not None:
        return Problem("", cls.__name__, known.reason)
    if cls.__dictoffset__:  # slots have no room for anything else
        beside = _beside(value)
        if beside:
            return Problem("", cls.__name__, f"has the attribute {beside} beside its fields")
    if not known.is_compared:
        return _problem_behind(value, known.fields)
    for name in known.fields:
        part = getattr(value, name)
        if part.__class__ not in _FINE:
            problem = problem_of(part)
            if problem is not None:
                return attrs.evolve(problem, path=f".{name}{problem.path}")
    return None


def _problem_in(items: tuple[object, ...]) -> Problem | None:
    for i, item in enumerate(items):
        if item.__class__ not in _FINE:
            problem = problem_of(item)
            if problem is not None:
                return attrs.evolve(problem, path=f"[{i}]{problem.path}")
    return None


def _problem_behind(value: object, fields: tuple[str, ...]) -> Problem | None:
    """The first problem in an object that is compared by identity; each is looked through once."""
    key = id(value)
    if key in _SOUND:
        return None
    if hasattr(value, "__weakref__"):  # noted beforehand, since its fields may lead back to it
        # no Python code: Ctrl-C would be lost in it
        _SOUND[key] = weakref.ref(value, partial(_SOUND.pop, key))
    for name in fields:
        problem = problem_of(getattr(value, name))
        if problem is not None:
            _SOUND.pop(key, None)
            return attrs.evolve(problem, path=f".{name}{problem.path}")
    return None


def _reason_against(function: FunctionType | BuiltinFunctionType) -> str | None:
    """Why a function is no value: it depends on more than its arguments,
    or is another one at every run.
    """
    if isinstance(function, BuiltinFunctionType):
        owner = function.__self__
        if owner is None or isinstance(owner, (ModuleType, type)):
            return None
        problem = problem_of(owner)
        return f"is a method of something that {problem.reason}" if problem else None
    inner = unwrap(function)  # a routine is a wrapper made by its decorator
    if getattr(inner, "__closure__", None) or "<locals>" in function.__qualname__:
        return (
            f"is made anew at every run ({function.__qualname__}): use a function at module level"
        )
    return None


def _reason_against_class(cls: type[object]) -> str | None:
    """Why a class is no value."""
    if "<locals>" in cls.__qualname__:
        return f"is made anew at every run ({cls.__qualname__}): use a class at module level"
    by_identity = getattr(type(cls), "__eq__", None) is getattr(type, "__eq__", None)
    return None if by_identity else "is compared by a metaclass of its own"


def _beside(value: object) -> str | None:
    """An attribute that an object has beside the fields of its class."""
    own = getattr(value, "__dict__", None)
    if not own:
        return None
    cls = type(value)
    fields = {field.name for field in attrs.fields(cls)} if attrs.has(cls) else own
    computed = {
        name
        for base in cls.__mro__
        for name, of in vars(base).items()
        if isinstance(of, cached_property)
    }
    known = {*fields, *computed, "_attrs_cached_hash"}
    return next((name for name in own if name not in known), None)


class _Truth(Enum):
    """The key of a bool: a key of its own, since True and 1 are equal."""

    FALSE = False
    TRUE = True


@attrs.frozen
class _Key:
    """The key of an object in which a bool lies somewhere."""

    cls: type[object]
    parts: tuple[object, ...]


_PLAIN: dict[type[object], bool] = {
    **dict.fromkeys((int, str, bytes, NoneType), True),
    **dict.fromkeys((bool, tuple, MethodType), False),
}
"""Whether objects of a class are their own keys. This and `_PARTS` are caches:
keys are asked for at every step."""

_PARTS: dict[type[object], Callable[[Any], tuple[object, ...]]] = {tuple: lambda items: items}
"""Of the other classes, how to get at the parts of an object."""


def key_of(value: object) -> object:
    """What to look `value` up by: two values have equal keys if they are one value,
    and not if only Python says so.
    """
    cls = value.__class__
    if _PLAIN[cls] if cls in _PLAIN else _is_plain(cls):
        return value
    if cls is bool:
        return _Truth.TRUE if value else _Truth.FALSE
    if isinstance(value, MethodType):
        return _Key(cls, (value.__func__, key_of(value.__self__)))
    parts = _PARTS[cls](value)
    for part in parts:
        if not _PLAIN.get(part.__class__) and key_of(part) is not part:
            keys = tuple(map(key_of, parts))
            return keys if cls is tuple else _Key(cls, keys)
    return value


def _is_plain(cls: type[object]) -> bool:
    by_identity = issubclass(cls, (type, Enum, FunctionType, BuiltinFunctionType))
    known = _Class() if by_identity else _class(cls)  # type: ignore[arg-type] # a class is hashable
    _PLAIN[cls] = not (known.is_compared and known.fields)
    if not _PLAIN[cls]:
        get = attrgetter(*known.fields)
        _PARTS[cls] = get if len(known.fields) > 1 else lambda value: (get(value),)
    return _PLAIN[cls]


def is_same(one: object, other: object) -> bool:
    """Whether two values are one: equal, and of the same types all through."""
    return one is other or key_of(one) == key_of(other)


def part_of_class(value: object, classes: tuple[type, ...]) -> object | None:
    """The first object of some classes in a value, the value itself included.

    None if there is none.
    """
    cls = value.__class__
    if cls in classes:
        return value
    if _PLAIN[cls] if cls in _PLAIN else _is_plain(cls):
        return None
    for part in _PARTS[cls](value) if cls in _PARTS else ():
        found = part_of_class(part, classes)
        if found is not None:
            return found
    return None


_LONGEST_TEXT = 120


def short(value: object) -> str:
    """What a message shows of a value: not more than a line."""
    text = repr(value)
    return text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + "..."


def spell(value: object) -> str:
    """The text of a value in a schedule: on one line, without leading or trailing space."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Enum):
        return value.name or repr(value)  # a flag with nothing set has no name
    if isinstance(value, tuple):
        return "(" + " ".join(spell(item) for item in value) + ")"
    if isinstance(value, (FunctionType, MethodType, type)):
        return value.__qualname__
    return str(value)
