"""The smallest run with a finding, where the states that few tasks reach can be gone through.

Whatever fewer tasks can do, some set of one task fewer can; so two sizes of sets say it all: that
none of the smaller ones comes to the finding, and which of the others does in the fewest steps.
Breadth first over pairs of a state and the task that stepped last, which is what a preemption
depends on. A shortest run comes to none of its states later than any other run does, so a state is
not looked at again at a deeper level, and what leads to each pair of its own level with the fewest
preemptions is all there is to keep.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import combinations
from math import comb

import attrs

from sim.search.shrinking.follow import Follower, FoundRun, Pick, Size

_MOST_SETS = 1 << 12

_Pair = tuple[int, str]


@attrs.frozen
class Proof:
    """A run that is smaller, if one was met,
    and whether everything that could be has been gone through.
    """

    way: FoundRun | None
    whole: bool


def smaller(
    follower: Follower,
    names: tuple[str, ...],
    than: Size,
    most: int,
    over: Callable[[], bool] = lambda: False,
) -> Proof:
    """Look among `names` for a run of fewer tasks, else for that of fewest steps,
    and of those fewest preemptions.

    No more than `most` pairs of a state and a task are gone through, in fair shares, and none once
    it is `over`.
    """
    if comb(len(names), than.tasks) > _MOST_SETS:
        return Proof(None, whole=False)
    fewer = list(combinations(names, than.tasks - 1)) if than.tasks else []
    sets = [*fewer, *combinations(names, than.tasks)]
    size, best, whole = than, None, True
    for i, tasks in enumerate(sets):
        if i == len(fewer) and best is not None:
            break
        search = _ShortestSearch(
            follower, tasks, size.steps if len(tasks) == size.tasks else None, over
        )
        found = follower.settled(partial(search.find_shorter, most // (len(sets) - i)))
        most, whole = most - search.pairs, whole and search.whole
        if found is not None and found.size < size:
            size, best = found.size, found
    return Proof(best, whole)


class _ShortestSearch:
    """Everything that some tasks alone can do, level by level, in at most so many `steps`."""

    def __init__(
        self,
        follower: Follower,
        tasks: tuple[str, ...],
        steps: int | None,
        over: Callable[[], bool],
    ) -> None:
        self._follower, self._tasks, self._steps, self._over = follower, tasks, steps, over
        self.pairs, self.whole = 0, True

    def find_shorter(self, most: int) -> FoundRun | None:
        """A shortest run to the finding, of those one with the fewest preemptions."""
        if self._follower.shows(0):
            return FoundRun((), (), 0)
        self._came: dict[_Pair, tuple[_Pair, Pick]] = {}
        self._seen = {0}
        level, depth = {(0, ""): 0}, 0
        while level and depth != self._steps:
            depth += 1
            self.pairs = len(self._came)
            if self.pairs > most or self._over():
                self.whole = False
                return None
            level, shown = self._following(level)
            if shown is not None:
                return self._way(*shown)
            self._seen.update(state for state, _ in level)
        return None

    def _could_go_on(self, state: int, last: str) -> bool:
        """Whether the task whose step was the last one can take another one."""
        return bool(last) and bool(self._follower.product.answer(last, state))

    def _following(
        self, level: dict[_Pair, int]
    ) -> tuple[dict[_Pair, int], tuple[_Pair, Pick] | None]:
        """The pairs one step further, with their preemptions,
        and the best step that shows the finding.
        """
        answer_of, finding, shows = (
            self._follower.product.answer,
            self._follower.finding,
            self._follower.shows,
        )
        following, fewest, shown = dict[_Pair, int](), -1, None
        for (state, last), preemptions in level.items():
            could = self._could_go_on(state, last)
            for task in self._tasks:
                cost = preemptions + (could and task != last)
                for value, (delta, of_step) in enumerate(answer_of(task, state)):
                    after = state + delta
                    if of_step == finding or (after not in self._seen and shows(after)):
                        if shown is None or cost < fewest:
                            fewest, shown = cost, ((state, last), (task, value))
                    elif after not in self._seen and cost < following.get((after, task), cost + 1):
                        following[after, task] = cost
                        self._came[after, task] = (state, last), (task, value)
        return following, shown

    def _way(self, pair: _Pair, last: Pick) -> FoundRun | None:
        picks = [last]
        while pair != (0, ""):
            pair, pick = self._came[pair]
            picks.append(pick)
        return self._follower.exactly(picks[::-1])
