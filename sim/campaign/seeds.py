"""Ranges of seeds: cut up, taken away from each other, and dealt out to shards."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import attrs

from sim.base.errors import UsageError

END = 1 << 64
"""Seeds are 64 bits wide, so this is where they stop."""

_LARGEST_BLOCK = 1 << 16
_ROUNDS = 8
"""How many blocks a shard of a short range gets at least,
so that the shards of it are about as long."""
_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}


@attrs.frozen(order=True)
class Span:
    """The seeds from `first` up to `stop`."""

    first: int
    stop: int

    def __str__(self) -> str:
        return f"{self.first}:{self.stop}"

    @property
    def size(self) -> int:
        return self.stop - self.first

    def meets(self, other: Span) -> bool:
        """Whether a seed is in both."""
        return self.first < other.stop and other.first < self.stop

    def halves(self) -> tuple[Span, Span]:
        middle = (self.first + self.stop) // 2
        return Span(self.first, middle), Span(middle, self.stop)


@attrs.frozen
class Shard:
    """Every `of`-th block of the seeds, from the `number`-th on, counted from 1.

    A block has so many seeds.
    """

    number: int = 1
    of: int = 1
    block: int = _LARGEST_BLOCK

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def part(self, whole: Span) -> Iterator[Span]:
        """What is this shard's of a range; the shards of it partition it."""
        if self.of == 1:
            yield whole
            return
        for first in range(
            whole.first + (self.number - 1) * self.block, whole.stop, self.of * self.block
        ):
            yield Span(first, min(first + self.block, whole.stop))


def shard_of(number: int, of: int, whole: Span) -> Shard:
    """One of so many shards of a range, in blocks that depend on nothing but these."""
    return Shard(number, of, max(1, min(_LARGEST_BLOCK, whole.size // (_ROUNDS * of))))


def parse_span(text: str) -> Span:
    """A:B as one writes it, such as 0:1M or 1000:; raises UsageError."""
    match = re.fullmatch(r"(\d*)([kMG]?):(\d*)([kMG]?)", text)
    if match is None:
        raise UsageError(f"--seeds takes A:B, such as 0:1M, got {text!r}")
    first = int(match[1] or 0) * _UNITS[match[2]]
    stop = int(match[3]) * _UNITS[match[4]] if match[3] else END
    if not first < stop <= END:
        raise UsageError(f"--seeds takes A:B with A below B, and B at most 2**64, got {text!r}")
    return Span(first, stop)


def holes(wanted: Iterable[Span], done: Iterable[Span]) -> Iterator[Span]:
    """What is wanted and not done.

    Both are in the order of their seeds, and their spans do not meet.
    """
    rest = iter(done)
    other = next(rest, None)
    for span in wanted:
        at = span.first
        while other is not None and other.first < span.stop:
            if other.first > at:
                yield Span(at, other.first)
            at = max(at, other.stop)
            if other.stop > span.stop:
                break
            other = next(rest, None)
        if at < span.stop:
            yield Span(at, span.stop)


def joined(spans: Iterable[Span]) -> Iterator[Span]:
    """The same seeds in as few spans as can be; they are in the order of their seeds."""
    last: Span | None = None
    for span in spans:
        if last is not None and last.stop == span.first:
            last = Span(last.first, span.stop)
        else:
            if last is not None:
                yield last
            last = span
    if last is not None:
        yield last
