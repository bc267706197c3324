"""What exploring is told, and what it says: apart from the exploring, since who only reads results needs no numpy."""

from __future__ import annotations

import resource
import sys
from enum import Enum

import attrs

from sim.engine.operations import Finding
from sim.engine.scenario import Scenario
from sim.engine.scheduler import Picks
from sim.engine.world import Run

Where = tuple[int, tuple[tuple[str, int], ...]]
"""A state, and the step from there that shows a finding; no step if the state itself does."""


@attrs.frozen
class Progress:
    """How far an exploration has come."""

    states: int
    transitions: int
    depth: int
    frontier: int
    seconds: float


@attrs.frozen
class Found:
    """A finding and a shortest run that shows it at its last step."""

    finding: Finding
    witness: Run
    picks: Picks


class CheckpointError(Exception):
    """A checkpoint that cannot be written, or cannot be gone on from; the message says why and what to do."""


@attrs.frozen
class Budget:
    """How much an exploration may use; None is no bound. Memory is that of the whole process, in bytes."""

    seconds: float | None = None
    memory: int | None = None

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


class Verdict(Enum):
    """What exploring came to."""

    CLEAN = "clean"
    FINDING = "finding"
    UNDECIDED = "undecided"


@attrs.frozen
class Exploration:
    """What exploring said: how much there was, and what was found, in the order it was met.

    `unexpanded` states were reached and checked, but a budget ended before their steps were taken. `starving` are ways
    round that another choice would have led out of, and `unknown` names what there was too much of to look for.
    `final_states` are those in which nobody can step, where they were asked for.
    """

    scenario: Scenario
    states: int
    transitions: int
    depth: int
    seconds: float
    found: tuple[Found, ...]
    unexpanded: int
    starving: tuple[Found, ...]
    unknown: tuple[str, ...]
    final_states: tuple[dict[str, str], ...]

    @property
    def verdict(self) -> Verdict:
        if self.found:
            return Verdict.FINDING
        return Verdict.UNDECIDED if self.unexpanded else Verdict.CLEAN

    @property
    def clean(self) -> bool:
        return self.verdict is Verdict.CLEAN
