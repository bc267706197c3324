"""Shrinking: the smallest run with the same finding, which is the one to read, to mail and to keep.

**Smaller** is: fewer tasks that step; then fewer steps; then fewer preemptions; then values that
stand further up in the lists of what could have been chosen. In this order, so a task less may cost
steps. **The same finding** has the same kind, place and causes: a hit that zero-step brought about
is not traded for one that a TDCALL did, since who sent the schedule may have meant just that. The
result ends at the step that shows it, and shows it nowhere before.

**What it rests on.** A run is who steps and what is chosen, nothing else; whatever is left of these
after a change can be followed again (`sim.search.shrinking.follow`), and either shows the finding
or does not. So no pass needs to be right: it proposes, and a proposal is taken if it is smaller.
What is asked of a pass is that what it proposes depends on the run at hand alone. Then

* the result is never larger than what it was made from, and the same on every machine;
* it ends, since sizes are well-founded, and within `most` steps of proposals and the one under way:
  each is counted;
* it is a fixpoint: no pass has anything smaller to propose for the result, so shrinking it again
  changes nothing.

**The passes**, each one sentence of what it hopes for:

* `turns`: between two visits of a task to the same local state it went round, and need not have.
* `pieces`: a stretch of one task's steps, or of the run, does not matter. All of them first, since
  the finding may not need the task at all; then halves, then halves of halves: ddmin (Zeller and
  Hildebrandt, 2002) as far as it takes pieces out; one piece alone is seldom a run.
* `values`: another value of a choice is a shorter way, or a plainer one.
* `switches`: a task could have taken its next steps earlier, or its last ones later, without being
  interrupted. Steps that do not depend on each other may change places (Mazurkiewicz), and this
  tries whether these do.

That is Hypothesis's shrinker on schedules; its choice sequence is ours, and so is its rule that a
pass's law is prose before it is code. dejafu reorders steps by a dependency relation that it has;
we try and look, which costs the time of a run and needs no relation to be right. Neither knows
whether its result is the smallest. Here that is often within reach, since tasks that never step
cost nothing: where what few tasks can do is little, `sim.search.shrinking.shortest` goes through
all of it, and the answer says that it is the shortest there is. Where it is not, it is a local
minimum.

A livelock or starvation is a way round and no moment, so there is no step to end at: who has one is
told so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from itertools import pairwise

import attrs

from sim.engine.model.errors import EngineError
from sim.engine.model.operations import Finding
from sim.engine.model.scenario import Scenario
from sim.engine.run.automata_executor import run
from sim.engine.run.replay import replay
from sim.engine.run.schedule import FoundBy, Schedule, record
from sim.engine.run.scheduler import Picks
from sim.engine.run.world import ENDLESS
from sim.search.budget import UNBOUNDED, Budget
from sim.search.shrinking.follow import Follower, FoundRun, Size, Values
from sim.search.shrinking.shortest import Proof, smaller

MOST = 1 << 24
"""Steps that all proposals may take together."""

ROOM = 1 << 18
"""Pairs of a state and a task that may be gone through to prove a result."""


class ShrinkError(Exception):
    """A run that cannot be shrunk; the message says why."""


class Certainty(Enum):
    """What is known of a result."""

    SHORTEST = "shortest"
    """No run has fewer tasks, none of as many has fewer steps,
    and none of as many steps fewer preemptions."""
    LOCAL = "local"
    """No pass makes it smaller."""
    CUT = "cut"
    """A bound ended it, and more may be possible."""


@attrs.frozen
class Shrunk:
    """A run with the same finding at its last step, how large it was and is,
    and how many steps proposals took.
    """

    picks: Picks
    before: Size
    after: Size
    certainty: Certainty
    cost: int


class _Enough(Exception):
    """A bound is reached."""


def shrink(
    scenario: Scenario,
    picks: Picks,
    finding: Finding,
    *,
    most: int = MOST,
    room: int = ROOM,
    budget: Budget = UNBOUNDED,
    tick: Callable[[Size], None] | None = None,
) -> Shrunk:
    """Make a run that shows a finding as small as it goes.

    `tick` is told the size of the best one so far.

    Raises ShrinkError for a finding that is no moment, and for one that the run does not show.
    """
    if finding.kind in ENDLESS:
        raise ShrinkError(
            f"a {finding.kind} is a stem and a loop, which is not shrunk: there is no step to "
            "end at"
        )
    follower = Follower(scenario, finding)
    first = follower.exactly(picks.picks)
    if first is None:
        raise ShrinkError(f"the run does not show {finding}")
    shrinker = _Shrinker(follower, first, most, budget, tick)
    try:
        certainty = shrinker.make_smaller(room)
    except _Enough:
        certainty = Certainty.CUT
    before = follower.size(picks.picks)
    return Shrunk(Picks(shrinker.best.picks), before, shrinker.best.size, certainty, follower.taken)


def schedule_of(
    scenario: Scenario, shrunk: Shrunk, finding: Finding, found_by: FoundBy
) -> Schedule:
    """The schedule of what has come of shrinking, which both executors agree on.

    Raises EngineError if it does not show the finding any more, which no pass may bring about.
    """
    smaller = record(run(scenario, shrunk.picks), scenario.full_model, found_by)
    if finding not in replay(smaller, scenario).findings:
        raise EngineError(f"the smaller schedule does not show {finding}; this is a bug of tdpsim")
    return smaller


class _Shrinker:
    """The best run so far, and the passes that propose smaller ones."""

    def __init__(
        self,
        follower: Follower,
        first: FoundRun,
        most: int,
        budget: Budget,
        tick: Callable[[Size], None] | None,
    ) -> None:
        self.best = first
        self._follower, self._most, self._budget, self._tick = follower, most, budget, tick
        self._started = time.perf_counter()

    def make_smaller(self, room: int) -> Certainty:
        """Pass after pass until none has anything smaller, then whatever its tasks can do,
        then all tasks.
        """
        while True:
            self._passes()
            proof = self._smaller(self.best.tasks, room)
            if proof.way is None:
                proof = self._smaller(self._follower.names, room)
            if proof.way is None:
                return Certainty.SHORTEST if proof.whole else Certainty.LOCAL

    def _smaller(self, names: tuple[str, ...], room: int) -> Proof:
        """Take what going through all that some tasks can do comes to, if that is smaller."""
        proof = smaller(self._follower, names, self.best.size, room, self._over)
        if proof.way is not None:
            self._take(proof.way)
        if self._over():
            raise _Enough
        return proof

    def _passes(self) -> None:
        before = None
        while before != self.best:
            before = self.best
            self._turns()
            self._pieces()
            self._values()
            self._switches()

    def _over(self) -> bool:
        return self._budget.spent(time.perf_counter() - self._started, 0)

    def _check(self) -> None:
        """Raise _Enough if there was enough."""
        if self._follower.taken > self._most or self._over():
            raise _Enough

    def _take(self, way: FoundRun) -> None:
        self.best = way
        if self._tick is not None:
            self._tick(way.size)

    def _propose(self, order: tuple[str, ...], values: Values | None = None) -> bool:
        """Take what comes of these choices, if that is smaller."""
        self._check()
        way = self._follower.leniently(order, self.best.values if values is None else values)
        if way is None or way.size >= self.best.size:
            return False
        self._take(way)
        return True

    def _without(self, numbers: Sequence[int]) -> bool:
        gone = dict.fromkeys(numbers)
        return self._propose(tuple(task for i, task in enumerate(self.best.order) if i not in gone))

    def _steps(self, task: str | None = None) -> list[int]:
        """The numbers of a task's steps, or of all."""
        return [i for i, by in enumerate(self.best.order) if task in {None, by}]

    def _turns(self) -> None:
        for task in self.best.tasks:
            begin = 0
            while begin < len(mine := self._steps(task)):
                self._check()
                stood = self._follower.standing(self.best)
                again = [
                    end
                    for end in range(begin + 1, len(mine))
                    if stood[mine[end]] == stood[mine[begin]]
                ]
                if not any(self._without(mine[begin:end]) for end in again[::-1]):
                    begin += 1

    def _pieces(self) -> None:
        for task in (*self.best.tasks, None):
            self._stretches(task)

    def _stretches(self, task: str | None) -> None:
        length = len(self._steps(task))
        while length:
            end = len(self._steps(task))
            while end > 0:
                self._without(self._steps(task)[max(0, end - length) : end])
                end = min(end - length, len(self._steps(task)))
            length //= 2

    def _values(self) -> None:
        for task in self.best.tasks:
            number = 0
            while number < len(mine := [i for i in self._steps(task) if self.best.options[i] > 1]):
                for value in range(self.best.options[mine[number]]):
                    chosen = self.best.values
                    chosen[task][number] = value
                    if self._propose(self.best.order, chosen):
                        break
                number += 1

    def _switches(self) -> None:
        """For two neighbouring blocks of one task's steps: the later one earlier,
        the earlier one later, or parts.
        """
        while any(self._propose(order) for order in self._joined()):
            pass

    def _joined(self) -> Iterator[tuple[str, ...]]:
        order = self.best.order
        starts = [
            0,
            *(i for i, (one, two) in enumerate(pairwise(order), 1) if one != two),
            len(order),
        ]
        blocks = list(pairwise(starts))
        for later, (low, high) in enumerate(blocks):
            before = [block for block in blocks[:later] if order[block[0]] == order[low]]
            if before:
                begin, end = before[-1]
                for count in range(high - low, 0, -1):
                    yield (
                        *order[:end],
                        *order[low : low + count],
                        *order[end:low],
                        *order[low + count :],
                    )
                for count in range(end - begin, 0, -1):
                    yield (
                        *order[: end - count],
                        *order[end:low],
                        *order[end - count : end],
                        *order[low:],
                    )
