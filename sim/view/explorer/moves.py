"""A step of a line: what is known of it, and what takes it back."""

from __future__ import annotations

import attrs

from sim.analysis.moments import Moment
from sim.analysis.noticing import Touched
from sim.engine.model.operations import Finding
from sim.engine.run.automata import LocalState

MovePick = tuple[str, int]
"""A choice: the task, and which of its outcomes."""


@attrs.frozen(eq=False)
class Move:
    """A step of the line, what is to be said of it, and how it is taken back.

    Its task was at `before` and came to `after`; `broken` are the properties that do not hold then,
    `shows` the findings that are new with it, and `found` all so far, each with how many steps it
    took to show. `previous` is the number of the task's last step before it, -1 if there is none.
    """

    pick: MovePick
    moment: Moment
    before: LocalState
    after: LocalState
    touched: tuple[Touched, ...]
    broken: tuple[Finding, ...]
    shows: tuple[Finding, ...]
    found: tuple[tuple[int, Finding], ...]
    previous: int
    entered: int
    """Of the moment's calls, those from this one on were entered since that step."""
    tasks: tuple[str, ...]
    """Who has taken a step so far, in the order of their first ones."""
    row: int
    """Where it begins, if each step and each function that is entered takes a row."""

    @property
    def task(self) -> str:
        return self.pick[0]

    @property
    def ends(self) -> int:
        """The row after it."""
        return self.row + len(self.moment.calls) - self.entered + 1


def same_calls(before: tuple[str, ...], now: tuple[str, ...]) -> int:
    """How many functions, from the outermost on, a task is still in."""
    return next(
        (i for i, (was, call) in enumerate(zip(before, now, strict=False)) if was != call),
        min(len(before), len(now)),
    )
