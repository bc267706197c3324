"""Cells: everything tasks share, each with a name, a first value and a finite domain."""

from __future__ import annotations

from collections.abc import Container, Iterable
from enum import Enum
from typing import Generic, TypeVar

import attrs

from sim.engine.model.errors import DomainError
from sim.engine.model.values import NO_VALUE, is_same, problem_of, short, spell

V = TypeVar("V")


@attrs.frozen
class OneOf:
    """The listed values and no others; True is not 1 here."""

    values: tuple[object, ...]

    def __contains__(self, value: object) -> bool:
        return any(is_same(value, known) for known in self.values)


@attrs.frozen
class Record:
    """Instances of one attrs class whose every field lies in the domain given for it."""

    cls: type
    fields: tuple[tuple[str, Container[object]], ...]

    def __contains__(self, value: object) -> bool:
        return type(value) is self.cls and all(
            getattr(value, name) in domain for name, domain in self.fields
        )


def one_of(values: Iterable[object]) -> OneOf:
    return OneOf(tuple(values))


def members(cls: type[Enum]) -> OneOf:
    return OneOf(tuple(cls))


def record(cls: type, **fields: Container[object]) -> Record:
    return Record(cls, tuple(fields.items()))


BOOL = OneOf((False, True))


@attrs.frozen(eq=False)
class Cell(Generic[V]):
    """One shared variable.

    Two cells are two variables even when they look alike; names are unique in a scenario.
    """

    name: str
    initial: V
    domain: Container[object] = attrs.field(repr=False, metadata=NO_VALUE)

    def __attrs_post_init__(self) -> None:
        problem = problem_of(self.initial)
        if problem is not None:
            raise DomainError(f"cell {self.name}: its first value{problem}")
        self.check(self.initial)

    def check(self, value: object) -> None:
        """Raise DomainError if `value` may not stand in this cell."""
        try:
            is_inside = value in self.domain
        except TypeError as error:
            raise DomainError(
                f"cell {self.name}: its domain cannot be asked for {short(value)}: {error}"
            ) from error
        if not is_inside:
            raise DomainError(
                f"cell {self.name}: {spell(value)} is outside its domain {short(self.domain)}"
            )

    def __str__(self) -> str:
        return self.name
