"""What exploring is told, and what it says: apart from the exploring,
since who only reads results needs no numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum
from fractions import Fraction

import attrs

from sim.engine.model.operations import Finding
from sim.engine.model.scenario import Scenario
from sim.engine.run.scheduler import Picks
from sim.engine.run.world import Run

Where = tuple[int, tuple[tuple[str, int], ...]]
"""A state, and the step from there that shows a finding; no step if the state itself does."""


@attrs.frozen
class Progress:
    """How far an exploration has come, or a `stage` after it, which may have no depth.

    Over if nothing is to go.
    """

    states: int
    transitions: int
    depth: int | None
    frontier: int
    seconds: float
    stage: str = ""


@attrs.frozen
class Found:
    """A finding and a run that shows it at its last step: a shortest one, unless it says otherwise.

    `reach` is there if it was asked for, and the finding is one of a moment: what goes round is not
    passed by a run.
    """

    finding: Finding
    witness: Run
    picks: Picks
    reach: Reach | None = None


@attrs.frozen
class Reach:
    """What there is to say of a finding beyond that it is there.

    The witness is `preempted` so often, and every way to go on passes the finding after
    `inevitable_at` of its steps. No run passes it with fewer `preemptions`, and `fewest` is a
    shortest that takes no more.

    Within the bound on retries, so many `interleavings` pass it, and `classes` of them (None where
    a state in between shows it: not all runs of a class pass that). `odds` is the probability that
    a random walk does, and `along` the same before each step of the witness, if that keeps the
    bound. What has not been counted is None.
    """

    preempted: int
    inevitable_at: int
    preemptions: int
    fewest: Found
    interleavings: int | None = None
    classes: int | None = None
    odds: Fraction | None = None
    along: tuple[Fraction, ...] = ()


@attrs.frozen
class Estimate:
    """A number that is right on average over so many walks, its error,
    and the quarters of what the walks said.
    """

    mean: int
    error: int
    quarters: tuple[int, int]
    walks: int


@attrs.frozen
class Counting:
    """What to count: runs in which each loop is retried so often at most,
    or less where that takes more states.

    Without `reach`, all of them, and not those that reach each finding; and nothing where something
    `idle` is found.
    """

    retries: int = 2
    states: int = 3 << 19
    reach: bool = True
    idle: Callable[[Finding], bool] | None = None

    def applies(self, found: Iterable[Found]) -> bool:
        """Whether to count beside these findings."""
        return self.idle is None or not any(self.idle(one.finding) for one in found)


@attrs.frozen
class RunCounts:
    """How much "every interleaving" is: maximal runs,
    and classes of them that differ in more than order.

    `retries` is the bound that they are counted with, None if no task ever retries. The bounded
    graph has so many `states`. Where it was too large even without retries, there is an `estimate`;
    classes may be known all the same. `is_cut` says that the time was over before all of it was
    counted: what is None then may be countable.
    """

    retries: int | None
    states: int | None
    interleavings: int | None
    classes: int | None
    estimate: Estimate | None
    seconds: float
    is_cut: bool = False


class Verdict(Enum):
    """What exploring came to."""

    CLEAN = "clean"
    FINDING = "finding"
    UNDECIDED = "undecided"


@attrs.frozen
class Exploration:
    """What exploring said: how much there was, and what was found, in the order it was met.

    `unexpanded` states were reached and checked, but a budget ended before their steps were taken.
    `starving` are ways round that another choice would have led out of, and `unknown` names what
    there was too much of to look for. `final_states` are those in which nobody can step, and
    `counts` is how much it was, where they were asked for and nobody `interrupted` it.
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
    counts: RunCounts | None = None
    interrupted: bool = False

    @property
    def verdict(self) -> Verdict:
        if self.found:
            return Verdict.FINDING
        return Verdict.UNDECIDED if self.unexpanded else Verdict.CLEAN

    @property
    def clean(self) -> bool:
        return self.verdict is Verdict.CLEAN
