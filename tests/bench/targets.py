"""What this project wants of its figures, and whether it gets it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import attrs

from tests.bench.rounds import OURS, Measured

MEGABYTE = 1 << 20
BEYOND_STATES = 200 * MEGABYTE
PACKED_TIMES = 3
MANY = 10_000_000


@attrs.frozen
class Target:
    """A wish, the figure measured, and whether that is enough."""

    wish: str
    figure: str
    met: bool


def targets(
    big: Sequence[Measured], small: Sequence[Measured], packed: int | None
) -> Iterator[Target]:
    """Every target for which there are figures."""
    yield from _times(big, "Spin", 2, "states/s", rate)
    yield from _times(big, "Spin", 3, "speed from source to verdict", speed)
    yield from _times(big, "TLC", 15, "states/s", rate)
    yield from _times(big, "minicheck", 10, "states/s", rate)
    yield from _times(small, "Spin", 3, "speed from cold command to verdict", speed)
    yield from _times(small, "TLC", 10, "speed from cold command to verdict", speed)
    ours = named(big, OURS)
    if ours is not None and packed is not None:
        bound = BEYOND_STATES + PACKED_TIMES * packed * ours.runs[0].states
        yield Target(
            "peak memory <= 200 MB + 3 x the packed states",
            f"{ours.peak.most / MEGABYTE:,.0f} of {bound / MEGABYTE:,.0f} MB",
            ours.peak.most <= bound,
        )


def rate(measured: Measured) -> float:
    return measured.rate.middle


def speed(measured: Measured) -> float:
    """Verdicts a second."""
    return 1 / measured.command.middle


def named(measured: Sequence[Measured], name: str) -> Measured | None:
    return next((one for one in measured if one.name == name), None)


def _times(
    measured: Sequence[Measured], peer: str, times: int, what: str, of: Callable[[Measured], float]
) -> Iterator[Target]:
    ours, theirs = named(measured, OURS), named(measured, peer)
    if ours is not None and theirs is not None:
        ratio = of(ours) / of(theirs)
        yield Target(
            f"{theirs.size} >= {times} x {peer}'s {what}", f"{ratio:.2f} x", ratio >= times
        )
