"""A line of steps as rows of text, each made when it is looked at.

A step takes a row, and so does each function that its task enters for it. Which row belongs to
which step is in the step, so drawing one costs no more in a long line than in a short one. Lanes
stand side by side where they fit; else a column says whose step it is.
"""

from __future__ import annotations

from bisect import bisect_right

from rich.text import Text

from sim.view.explorer.line import Line
from sim.view.explorer.moves import Move
from sim.view.words import fitted, step_said, step_style

_NARROWEST_LANE = 24
_ROOM = 30
"""What a nested step keeps of its lane at least: deeper ones are not moved further to the right."""


class Rows:
    """The rows of an explorer's line, `width` columns wide."""

    def __init__(self, explorer: Line, width: int) -> None:
        stepping = explorer.line[-1].tasks if explorer.line else ()
        self._explorer = explorer
        self._tasks = [task.name for task in explorer.scenario.tasks if task.name in stepping]
        self._number = max(3, len(str(len(explorer.line))))
        left = width - self._number - 2
        self._lane = left // max(1, len(self._tasks))
        self._are_lanes = self._lane >= _NARROWEST_LANE
        if not self._are_lanes:
            self._task = max(map(len, self._tasks), default=0) + 1
            self._lane = max(1, left - self._task)

    @property
    def count(self) -> int:
        line = self._explorer.line
        return line[-1].ends if line else 0

    def step(self, row: int) -> int:
        """The number of the step that a row belongs to, from 0 on."""
        return bisect_right(self._explorer.line, row, key=lambda move: move.row) - 1

    def span(self, number: int) -> tuple[int, int]:
        """The first row of a step, and that behind its last."""
        move = self._explorer.line[number]
        return move.row, move.ends

    def head(self) -> Text:
        """Who is in which lane."""
        head = Text(" " * (self._number + 2))
        if self._are_lanes:
            for task in self._tasks:
                head.append(f"{task:<{self._lane}}", "bold")
        return head

    def draw(self, row: int) -> Text:
        """One row."""
        number = self.step(row)
        move = self._explorer.line[number]
        if row < move.ends - 1:
            depth = move.entered + row - move.row
            return self._placed(number, move, "", f"{move.moment.calls[depth]}()", depth, "dim")
        told, depth = step_said(move.moment.step), len(move.moment.calls)
        return self._placed(
            number, move, str(number + 1), told, depth, step_style(move.moment.step)
        )

    def _placed(self, number: int, move: Move, count: str, text: str, depth: int, how: str) -> Text:
        at, is_step = self._explorer.at, bool(count)
        room = self._lane - 1
        indent = max(0, min(depth, self._lane - _ROOM, room - len(text)))
        told = fitted(" " * indent + text, room)
        row = Text(f"{count:>{self._number}}{self._mark(number) if is_step else ' '} ")
        if self._are_lanes:
            row.append(" " * self._lane * self._tasks.index(move.task))
        else:
            row.append(f"{move.task if is_step else '':<{self._task}}")
        row.append(f"{told:<{room}}", how)
        if number == at - 1 and is_step:
            row.stylize("bold reverse")
        elif number >= at:
            row.stylize("dim")
        return row

    def _mark(self, number: int) -> str:
        """What stands beside a step's number: here, noticed by the step here, noticed another's,
        or not recorded.
        """
        explorer = self._explorer
        here = explorer.last
        if number == explorer.at - 1:
            return ">"
        if here is not None and number in here.moment.caused_by:
            return "<"
        if explorer.line[number].moment.caused_by:
            return "~"
        return "+" if explorer.recorded and number >= explorer.shared else " "
