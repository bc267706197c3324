"""What may be named, and how it is spelled."""

from __future__ import annotations

from enum import Enum
from typing import Any

import attrs
import pytest

from sim.engine.cells import BOOL, Cell, OneOf, Record, members, one_of, record
from sim.engine.errors import DomainError
from sim.engine.values import mutable_part, spell


class Colour(Enum):
    RED = 1


@attrs.frozen
class Point:
    x: object


@attrs.frozen(eq=False)
class Pointer:
    to: object


@pytest.mark.parametrize(
    "value", [None, True, 3, "text", Colour.RED, (1, (2, Colour.RED)), Point(1), Pointer([]), len, int]
)
def test_these_never_change(value: object) -> None:
    assert mutable_part(value) is None


@pytest.mark.parametrize(
    ("value", "path"),
    [({1}, " (set)"), (frozenset(), " (frozenset)"), (1.5, " (float)"), (Point((1, [])), ".x[1] (list)")],
)
def test_these_are_refused_with_their_path(value: object, path: str) -> None:
    assert mutable_part(value) == path


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (True, "yes"), (False, "no"), (-3, "-3"), (Colour.RED, "RED"), ((1, True), "(1 yes)"), (int, "int")],
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
