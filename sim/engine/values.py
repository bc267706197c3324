"""The values that cells hold and tasks pass around: immutable, hashable, and with one spelling.

A local state is named by the values a task has seen, so a value that could change, or that hashed differently from run
to run, would change a name behind the engine's back. `spell` is that value in a schedule: the same text on every Python
version and under every hash seed, which is why no set may occur in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from functools import cache
from types import BuiltinFunctionType, FunctionType, MethodType, NoneType

import attrs

_ATOMS = (NoneType, bool, int, str, FunctionType, BuiltinFunctionType, type)


@cache
def _frozen_fields(cls: type[object]) -> tuple[str, ...] | None:
    """The fields of a frozen attrs class; none of a class that is compared by identity, as a pointer is."""
    if not attrs.has(cls) or not attrs.inspect(cls).is_frozen:
        return None
    return () if cls.__hash__ is object.__hash__ else tuple(a.name for a in attrs.fields(cls) if a.eq)


def mutable_part(value: object) -> str | None:
    """Name the part of `value` that could change, as a path such as `[0].spte`; None if there is none."""
    if isinstance(value, (Enum, *_ATOMS)):
        return None
    parts: Iterable[tuple[str, object]]
    if isinstance(value, tuple):
        parts = ((f"[{i}]", item) for i, item in enumerate(value))
    elif isinstance(value, MethodType):
        parts = [(".__self__", value.__self__)]
    else:
        fields = _frozen_fields(type(value))  # type: ignore[arg-type] # a class is hashable
        if fields is None:
            return f" ({type(value).__name__})"
        parts = ((f".{name}", getattr(value, name)) for name in fields)
    for path, item in parts:
        inner = mutable_part(item)
        if inner is not None:
            return path + inner
    return None


def spell(value: object) -> str:
    """The text of a value in a schedule: on one line, without leading or trailing space."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, tuple):
        return "(" + " ".join(spell(item) for item in value) + ")"
    if isinstance(value, (FunctionType, MethodType, type)):
        return value.__qualname__
    return str(value)
