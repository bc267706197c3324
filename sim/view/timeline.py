"""A run as text: time downwards, a lane a task, kernel and module functions where they are entered.

At a lane's edge a bar for each lock that its task holds, thin where others may hold it too, and a shade while an SPTE
is FROZEN. Where lanes do not fit side by side, a line says whose step it is.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from fractions import Fraction

import attrs
from rich.text import Text

from sim.engine.schedule import Schedule
from sim.engine.world import Run
from sim.view.locks import Hold, frozen, holds, slots
from sim.view.numbers import probability
from sim.view.report import going_round_lines
from sim.view.slice import Moment
from sim.view.words import TURNED_AWAY, fitted, step_said, step_style

_NARROWEST_LANE = 30
_FUNCTION, _HEAD = "dim", "bold"


@attrs.frozen
class Marks:
    """What a lock held with others, one held alone, and a frozen SPTE are drawn with."""

    shared: str = "\N{BOX DRAWINGS LIGHT VERTICAL}"
    exclusive: str = "\N{BOX DRAWINGS HEAVY VERTICAL}"
    frozen: str = "\N{LIGHT SHADE}"


ASCII = Marks("|", "#", ":")


@attrs.frozen
class Cut:
    """Which part of a run to draw: steps from one to another, by number from 1 on, and of which tasks."""

    first: int = 1
    last: int | None = None
    tasks: tuple[str, ...] = ()

    def has(self, number: int, task: str) -> bool:
        inside = self.first <= number and (self.last is None or number <= self.last)
        return inside and (not self.tasks or task in self.tasks)


WHOLE = Cut()


def timeline(
    schedule: Schedule,
    run: Run,
    seen: tuple[Moment, ...],
    width: int,
    *,
    marks: Marks | None = None,
    cut: Cut = WHOLE,
    odds: tuple[Fraction, ...] = (),
) -> list[Text]:
    """The lines, at most `width` columns where lanes fit side by side; with the `odds` before each step, if given."""
    shown = [(number, moment) for number, moment in enumerate(seen, 1) if cut.has(number, moment.step.task)]
    names = [task.name for task in run.scenario.tasks if any(m.step.task == task.name for _, m in shown)]
    beside, digits = [probability(chance) for chance in odds], len(str(len(seen)))
    longest = max(map(len, beside), default=0)
    count = {i: f"{i:>{digits}}  {text:>{longest}}" for i, text in enumerate(beside, 1)}
    digits += 2 + longest if beside else 0
    lane = (width - digits - 2) // max(1, len(names))
    lines = [Text(f"{schedule.scenario}  {schedule.model}", _HEAD), Text()]
    if lane >= _NARROWEST_LANE:
        lines += _Lanes(names, seen, digits, lane, marks or Marks(), count).lines(shown)
    else:
        lines += _list(names, shown, digits, width, count)
    lines.append(Text())
    outcome = [f"==> {finding.kind} in {finding.where}" for finding in run.findings] or ["==> clean"]
    for text in (*outcome, *going_round_lines(run)):
        wrapped = textwrap.wrap(text, width, subsequent_indent="    ")
        lines += [Text(line, TURNED_AWAY if run.findings and text in outcome else "") for line in wrapped]
    for line in lines:
        line.rstrip()
    return lines


def _entered(before: tuple[str, ...], now: tuple[str, ...]) -> tuple[str, ...]:
    """The functions that a task has entered since its last step."""
    same = 0
    while same < min(len(before), len(now)) and before[same] == now[same]:
        same += 1
    return now[same:]


class _Lanes:
    """Lanes side by side, each with the locks of its task at its edge."""

    def __init__(
        self,
        names: list[str],
        seen: tuple[Moment, ...],
        digits: int,
        lane: int,
        marks: Marks,
        count: dict[int, str],
    ) -> None:
        self._names, self._digits, self._lane, self._marks, self._count = names, digits, lane, marks, count
        self._locks = {name: list(slots(hold for hold in holds(seen) if hold.task == name)) for name in names}
        self._frozen = [(task, begin + 1, end + 1) for task, begin, end in frozen(seen)]
        room = max(0, lane - _NARROWEST_LANE - 2)
        self._bars = {name: min(room, 1 + max((slot for slot, _ in self._locks[name]), default=-1)) for name in names}

    def lines(self, shown: list[tuple[int, Moment]]) -> Iterator[Text]:
        yield self._line(None, {name: (name, _HEAD) for name in self._names}, 0)
        yield self._line(None, {name: ("=" * len(name), "") for name in self._names}, 0)
        stacks: dict[str, tuple[str, ...]] = {}
        for number, moment in shown:
            task = moment.step.task
            for name in _entered(stacks.get(task, ()), moment.calls):
                said_of = fitted(f"{name}()", self._lane - self._gutter(task) - 1)
                yield self._line(None, {task: (said_of, _FUNCTION)}, number - 1)
            stacks[task] = moment.calls
            room = self._lane - self._gutter(task) - 3
            said = textwrap.wrap(step_said(moment.step), room, subsequent_indent="  ", break_on_hyphens=False)
            for i, text in enumerate(said):
                yield self._line(None if i else number, {task: (f"  {text}", step_style(moment.step))}, number)

    def _gutter(self, task: str) -> int:
        return self._bars[task] + 2 if self._bars[task] else 0

    def _line(self, number: int | None, said: dict[str, tuple[str, str]], at: int) -> Text:
        """One line; `at` is the step at which bars are drawn."""
        said_before = "" if number is None else self._count.get(number, str(number))
        line = Text(f"{said_before:>{self._digits}}  ")
        for name in self._names:
            text, style = said.get(name, ("", ""))
            line.append_text(self._edge(name, at))
            line.append(f"{text:<{self._lane - self._gutter(name)}}", style)
        return line

    def _edge(self, name: str, at: int) -> Text:
        edge = Text()
        for slot in range(self._bars[name]):
            edge.append(*self._bar([hold for where, hold in self._locks[name] if where == slot], at))
        if self._bars[name]:
            cold = any(task == name and begin <= at < end for task, begin, end in self._frozen)
            edge.append(self._marks.frozen if cold else " ", "cyan").append(" ")
        return edge

    def _bar(self, held: list[Hold], at: int) -> tuple[str, str]:
        for hold in held:
            if hold.begin < at <= hold.end:
                return (self._marks.shared, "blue") if hold.is_shared else (self._marks.exclusive, "yellow")
        return " ", ""


def _list(
    names: list[str], shown: list[tuple[int, Moment]], digits: int, width: int, count: dict[int, str]
) -> Iterator[Text]:
    task = max(map(len, names), default=0)
    indent = " " * (digits + task + 4)
    for number, moment in shown:
        where = f"{moment.calls[-1]}: " if moment.calls else ""
        text = (
            f"{count.get(number, str(number)):>{digits}}  {moment.step.task:<{task}}  {where}{step_said(moment.step)}"
        )
        for line in textwrap.wrap(text, width, subsequent_indent=indent, break_on_hyphens=False):
            yield Text(line, step_style(moment.step))
