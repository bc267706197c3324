"""What may be named, and how it is spelled."""

from __future__ import annotations

from enum import Enum, IntEnum, StrEnum
from typing import Any, NamedTuple

import attrs
import pytest

from sim.engine.model.cells import BOOL, Cell, OneOf, Record, members, one_of, record
from sim.engine.model.errors import DomainError
from sim.engine.model.values import is_same, key_of, problem_of, spell


class Colour(Enum):
    RED = 1


@attrs.frozen
class Point:
    x: object


@attrs.frozen(eq=False)
class Pointer:
    to: object


class Pair(NamedTuple):
    a: int
    b: int


class Level(IntEnum):
    LOW = 0


class Name(StrEnum):
    LOW = "low"


@attrs.frozen
class Nicknamed:
    name: str
    nickname: str = attrs.field(eq=False)


@attrs.frozen
class Folded:
    name: str = attrs.field(eq=str.lower)


@attrs.frozen(eq=False)
class Own:
    x: int

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


@attrs.frozen(slots=False)
class Loose:
    x: int


def _local() -> object:
    def inner() -> None:
        pass

    return inner


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        3,
        "text",
        b"bytes",
        Colour.RED,
        (1, (2, Colour.RED)),
        Point(1),
        Pointer(1),
        len,
        int,
    ],
)
def test_these_are_values(value: object) -> None:
    assert problem_of(value) is None


@pytest.mark.parametrize(
    ("value", "start"),
    [
        ({1}, " (set), which can change"),
        (frozenset(), " (frozenset), which has no order"),
        (1.5, " (float), which may equal an int"),
        (Point((1, [])), ".x[1] (list), which can change"),
        (Pointer([]), ".to (list), which can change"),
        (Pair(1, 2), " (Pair), which is an object that equals a plain tuple"),
        ((0, Level.LOW), "[1] (Level), which is a member of an enum that equals a plain int"),
        (Name.LOW, " (Name), which is a member of an enum that equals a plain str"),
        (Nicknamed("a", "b"), " (Nicknamed), which leaves its field nickname out of comparison"),
        (
            Folded("a"),
            " (Folded), which leaves its field name out of comparison, or compares it in a way",
        ),
        (Own(1), " (Own), which has an __eq__ of its own"),
        (_local(), " (function), which is made anew at every run"),
        (lambda: None, ""),
        (
            [].append,
            " (builtin_function_or_method), which is a method of something that can change",
        ),
    ],
)
def test_these_are_refused_with_their_path_and_a_reason(value: object, start: str) -> None:
    problem = problem_of(value)
    assert str(problem if problem is not None else "").startswith(start)
    assert (problem is None) == (start == "")


def test_an_attribute_beside_the_fields_is_refused() -> None:
    value = Loose(1)
    assert problem_of(value) is None
    object.__setattr__(value, "more", 2)
    assert str(problem_of(value)) == " (Loose), which has the attribute more beside its fields"


LOOK_ALIKES = [
    (True, 1),
    (False, 0),
    ((True,), (1,)),
    (Point(True), Point(1)),
    (Point((0, (False,))), Point((0, (0,)))),
]


@pytest.mark.parametrize(("one", "other"), LOOK_ALIKES)
def test_true_is_not_one_however_deep_it_lies(one: object, other: object) -> None:
    assert one == other
    assert key_of(one) != key_of(other)
    assert not is_same(one, other)
    assert is_same(one, one)
    assert is_same(other, other)


@pytest.mark.parametrize(
    "value",
    [None, 3, "text", Colour.RED, (1, (2, Colour.RED)), Point((1, "a")), Pointer(True), len],
)
def test_most_values_are_their_own_key(value: object) -> None:
    assert key_of(value) is value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (True, "yes"),
        (False, "no"),
        (-3, "-3"),
        (Colour.RED, "RED"),
        ((1, True), "(1 yes)"),
        (int, "int"),
    ],
)
def test_a_value_has_one_spelling(value: object, text: str) -> None:
    assert spell(value) == text


@pytest.mark.parametrize(
    ("domain", "inside", "outside"),
    [
        (BOOL, False, 0),
        (one_of((1, 2)), 1, True),
        (members(Colour), Colour.RED, 1),
        (record(Point, x=range(2)), Point(1), Point(2)),
    ],
)
def test_domains_hold_what_they_say(domain: Any, inside: object, outside: object) -> None:
    assert inside in domain
    assert outside not in domain
    assert isinstance(domain, (OneOf, Record))
    with pytest.raises(DomainError, match=r"cell c: .* is outside"):
        Cell("c", outside, domain)
