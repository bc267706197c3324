"""Seeds are dealt out so that each of them is run once."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.base.errors import UsageError
from sim.campaign.seeds import END, Span, holes, joined, parse_span, shard_of

CUTS = st.lists(st.integers(0, 60), unique=True, min_size=2, max_size=12).map(sorted)


def spans(cuts: list[int]) -> list[Span]:
    return [Span(*cut) for cut in zip(cuts[::2], cuts[1::2], strict=False)]


def seeds(of: list[Span]) -> list[int]:
    return [seed for span in of for seed in range(span.first, span.stop)]


@given(CUTS, CUTS)
def test_holes_are_what_is_wanted_and_not_done(wanted: list[int], done: list[int]) -> None:
    left = list(holes(spans(wanted), spans(done)))
    assert seeds(left) == [seed for seed in seeds(spans(wanted)) if seed not in seeds(spans(done))]
    assert all(span.size > 0 for span in left)


@given(CUTS)
def test_joining_changes_no_seed(cuts: list[int]) -> None:
    one = [Span(*cut) for cut in pairwise(cuts)]
    assert list(joined(one)) == [Span(cuts[0], cuts[-1])]
    assert seeds(list(joined(spans(cuts)))) == seeds(spans(cuts))


@given(st.integers(0, 1000), st.integers(1, 5000), st.integers(1, 7))
def test_shards_partition_the_seeds(first: int, length: int, of: int) -> None:
    whole = Span(first, first + length)
    dealt = [seeds(list(shard_of(number, of, whole).part(whole))) for number in range(1, of + 1)]
    assert sorted(seed for part in dealt for seed in part) == seeds([whole])
    assert max(map(len, dealt)) - min(map(len, dealt)) <= max(2, length // 2)


def test_there_are_2_to_the_64_seeds() -> None:
    assert parse_span("5:") == Span(5, END)
    assert parse_span(f"{END - 2}:{END}").halves() == (Span(END - 2, END - 1), Span(END - 1, END))
    assert parse_span("1k:2M") == Span(1000, 2_000_000)


@pytest.mark.parametrize("text", ["", "5", "7:7", "8:7", "a:b", f"0:{END + 1}", "0:1T", "-1:5"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--seeds takes A:B"):
        parse_span(text)
