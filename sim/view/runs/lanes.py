"""Lanes side by side: what each task does, at its edge a bar for each lock that it holds,
beside them the cells.

A bar is thin where others may hold the lock too, and there is a shade while an SPTE of the task's
making is FROZEN.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

import attrs
from rich.text import Text

from sim.analysis.holds import Hold, frozen, holds, slots
from sim.analysis.moments import Moment
from sim.engine.run.world import Step
from sim.view.runs.strip import Column, strip
from sim.view.words import fitted, step_said, step_style, wrapped

NARROWEST = 30
FUNCTION, HEAD, FREE, CHANGED = "dim", "bold", "dim", "green"
_STRIP_FROM = 100


@attrs.frozen
class Marks:
    """What is drawn with which letter, and whether steps are marked that could stand elsewhere."""

    shared: str = "\N{BOX DRAWINGS LIGHT VERTICAL}"
    exclusive: str = "\N{BOX DRAWINGS HEAVY VERTICAL}"
    frozen: str = "\N{LIGHT SHADE}"
    free: str = "\N{MIDDLE DOT}"
    hangs_on: str = "\N{LEFTWARDS ARROW}"
    rule: str = "\N{BOX DRAWINGS LIGHT HORIZONTAL}"


ASCII = Marks("|", "#", ":", ".", "<-", "-")


@attrs.frozen
class LaneLine:
    """A line of a lane: a step by its number, with what is said of it,
    or something between two steps.
    """

    task: str
    text: str
    style: str = ""
    number: int | None = None
    at: int = 0


def said(step: Step, noticed: tuple[int, ...], marks: Marks) -> str:
    """What a step came to, and which steps of others that hangs on, by number from 1 on."""
    source = (
        f"  {marks.hangs_on}{','.join(str(number + 1) for number in noticed)}" if noticed else ""
    )
    return step_said(step, source)


def style_of(step: Step, *, is_free: bool) -> str:
    return step_style(step) or (FREE if is_free else "")


class _Bars:
    """What holds of one lane at each step: which locks are held how."""

    def __init__(self, name: str, seen: tuple[Moment, ...], room: int) -> None:
        placed = list(slots(hold for hold in holds(seen) if hold.task == name))
        self.count = min(room, 1 + max((slot for slot, _ in placed), default=-1))
        self._held = [
            [hold for where, hold in placed if where == slot] for slot in range(self.count)
        ]
        self._begins = [[hold.begin for hold in held] for held in self._held]
        self._frozen = [(begin + 1, end + 1) for task, begin, end in frozen(seen) if task == name]

    @property
    def width(self) -> int:
        return self.count + 2 if self.count else 0

    def edge(self, at: int, marks: Marks) -> Text:
        edge = Text()
        for slot in range(self.count):
            hold = self._at(slot, at)
            if hold is None:
                edge.append(" ")
            elif hold.is_shared:
                edge.append(marks.shared, "blue")
            else:
                edge.append(marks.exclusive, "yellow")
        if self.count:
            cold = any(begin <= at < end for begin, end in self._frozen)
            edge.append(marks.frozen if cold else " ", "cyan").append(" ")
        return edge

    def _at(self, slot: int, at: int) -> Hold | None:
        """The hold of a slot at a step, if any: it begins before it and ends with it or later."""
        last = bisect_right(self._begins[slot], at - 1) - 1
        hold = self._held[slot][last] if last >= 0 else None
        return hold if hold is not None and at <= hold.end else None


class Lanes:
    """A page of lanes. `digits` is what stands before them takes."""

    def __init__(
        self, names: list[str], seen: tuple[Moment, ...], digits: int, width: int, marks: Marks
    ) -> None:
        self._names, self._digits, self._marks = names, digits, marks
        lane = (width - digits - 1) // max(1, len(names))
        self.fits = lane >= NARROWEST
        room = max(0, lane - NARROWEST - 2)
        self._bars = {name: _Bars(name, seen, room) for name in names}
        self._widths = dict.fromkeys(names, lane)
        self._columns: list[Column] = []
        if width >= _STRIP_FROM:
            wanted = {name: self._wanted(name, seen) for name in names}
            spare = width - digits - 1 - sum(min(lane, wanted[name]) for name in names)
            self._columns = list(strip(seen, spare))
        if self._columns:
            self._widths = {name: min(lane, wanted[name]) for name in names}

    def _wanted(self, name: str, seen: tuple[Moment, ...]) -> int:
        """What a lane takes if nothing in it is to be wrapped."""
        texts = (
            max(
                len(said(moment.step, moment.caused_by, self._marks)) + 4,
                *(len(call) + 3 for call in moment.calls),
                0,
            )
            for moment in seen
            if moment.step.task == name
        )
        return self._bars[name].width + max(texts, default=NARROWEST) + 1

    @property
    def places(self) -> dict[str, tuple[int, int, int]]:
        """Where each lane begins, where in it the text does, and where it ends,
        in columns from 0 on.
        """
        places, begin = dict[str, tuple[int, int, int]](), self._digits + 1
        for name in self._names:
            end = begin + self._widths[name]
            places[name] = begin, begin + self._bars[name].width, end
            begin = end
        return places

    def head(self) -> Iterator[Text]:
        names = {name: (name, HEAD) for name in self._names}
        yield self._drawn("", names, 0, {column.cell: column.cell for column in self._columns})
        rules = {name: ("=" * len(name), "") for name in self._names}
        yield self._drawn(
            "", rules, 0, {column.cell: "=" * len(column.cell) for column in self._columns}
        )

    def line(self, line: LaneLine, before: str = "") -> Iterator[Text]:
        """A line, wrapped where it must be; `before` stands before its first part."""
        room = self._widths[line.task] - self._bars[line.task].width - 1
        if line.number is None:
            yield self._drawn(before, {line.task: (fitted(line.text, room), line.style)}, line.at)
            return
        parts = wrapped(line.text, room - 2)
        changed = {column.cell: column.said.get(line.number, "") for column in self._columns}
        for i, text in enumerate(parts):
            here = {line.task: (f"  {text}", line.style)}
            yield self._drawn("" if i else before, here, line.number, {} if i else changed)

    def _drawn(
        self,
        before: str,
        texts: dict[str, tuple[str, str]],
        at: int,
        cells: dict[str, str] | None = None,
    ) -> Text:
        """One line of all lanes; `at` is the step at which bars are drawn."""
        drawn = Text(f"{before:>{self._digits}} ")
        for name in self._names:
            text, style = texts.get(name, ("", ""))
            drawn.append_text(self._bars[name].edge(at, self._marks))
            drawn.append(f"{text:<{self._widths[name] - self._bars[name].width}}", style)
        for column in self._columns if cells else ():
            drawn.append(
                f"{(cells or {}).get(column.cell, ''):<{column.width}}", CHANGED if at else HEAD
            )
        drawn.rstrip()
        return drawn
