"""How much time and memory an exploration may use."""

from __future__ import annotations

import resource
import sys
from contextlib import suppress
from pathlib import Path

import attrs


@attrs.frozen
class Budget:
    """How much an exploration may use.

    None is no bound. Memory is that of the whole process, in bytes.
    """

    seconds: float | None = None
    memory: int | None = None

    def after(self, seconds: float) -> Budget:
        """What is left of it by then."""
        return attrs.evolve(self, seconds=None if self.seconds is None else self.seconds - seconds)

    def spent(self, seconds: float, more: int) -> bool:
        """Whether it has run that long, or `more` bytes would be too much."""
        if self.seconds is not None and seconds >= self.seconds:
            return True
        return self.memory is not None and _resident() + more > self.memory


UNBOUNDED = Budget()


def _resident() -> int:
    """The memory of this process, in bytes; where the system does not say, the most it has had."""
    with suppress(OSError, ValueError):
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * resource.getpagesize()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
