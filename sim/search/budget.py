"""How much time and memory an exploration may use."""

from __future__ import annotations

import resource
import sys

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
    """The most memory that this process has had, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
