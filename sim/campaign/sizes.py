"""Which seeds are the next batch, and how many of them.

A batch is to take a worker about eight seconds: short enough that little is lost with one and
Ctrl-C is soon obeyed, long enough that handing it out costs nothing. How many seeds that are is
learned from the batches before; nothing that is said of the seeds depends on it.
"""

from __future__ import annotations

from collections.abc import Iterator

from sim.campaign.records import FinishedBatch
from sim.campaign.seeds import Span

AIM = 8.0
PATIENCE = 120.0
_FIRST, _MOST, _STEEPEST = 64, 1 << 20, 4
_SLOWEST = 30
"""A batch that takes so many times longer than it should hangs."""


class Sizes:
    """How many seeds to a batch, and how long to wait for one."""

    def __init__(self, fixed: int | None = None, patience: float = PATIENCE) -> None:
        self._fixed, self._least = fixed, patience
        self.size = fixed or _FIRST
        self._seconds_a_seed = 0.0

    def learn(self, done: FinishedBatch) -> None:
        self._seconds_a_seed = done.seconds / done.span.size
        if self._fixed is None:
            aim = int(AIM / max(self._seconds_a_seed, 1e-9))
            self.size = max(1, min(aim, _MOST, self.size * _STEEPEST))

    def patience(self, span: Span) -> float:
        """Seconds after which its worker is killed."""
        return max(self._least, _SLOWEST * self._seconds_a_seed * span.size)


class Source:
    """Batches out of spans, in their order, each as long as batches are by then."""

    def __init__(self, spans: Iterator[Span], sizes: Sizes) -> None:
        self._spans, self._sizes = spans, sizes
        self._rest: Span | None = None

    def next_span(self) -> Span | None:
        """The next one; None at the end."""
        rest = self._rest or next(self._spans, None)
        if rest is None:
            return None
        batch = Span(rest.first, min(rest.stop, rest.first + self._sizes.size))
        self._rest = Span(batch.stop, rest.stop) if batch.stop < rest.stop else None
        return batch
