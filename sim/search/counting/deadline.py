"""When counting has to be over.

Whoever counts says so once (`sim.search.counting.count`). Every loop that is as long as a scenario
makes it asks, once a chunk, a rank or a node, so that between two of its looks at the clock there
is a moment and not a minute.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf

_ENDS: ContextVar[float] = ContextVar("ends", default=inf)


class TimeIsOver(Exception):
    """What is being counted takes longer than it may."""


@contextmanager
def ending_at(seconds: float) -> Iterator[None]:
    """Whatever is counted inside is over by then, as time.perf_counter() has it,
    or raises TimeIsOver.
    """
    token = _ENDS.set(seconds)
    try:
        yield
    finally:
        _ENDS.reset(token)


def check_time() -> None:
    """Raises TimeIsOver."""
    if time.perf_counter() > _ENDS.get():
        raise TimeIsOver
