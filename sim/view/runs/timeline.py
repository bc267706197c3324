"""A run as text: time downwards, a lane a task, kernel and module functions where they are entered.

Where lanes do not fit side by side, a line says whose step it is. What comes three times or more in
one order is said once. A step that commutes with all that others do is dim, and says so; one that
hangs on another's says on which.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import attrs
from rich.text import Text

from sim.analysis.moments import Moment
from sim.analysis.repeats import Repeat, free, repeats
from sim.engine.run.schedule import Schedule
from sim.engine.run.world import Run
from sim.view.numbers import probability
from sim.view.results.report import going_round_lines
from sim.view.runs.formats import Drawing
from sim.view.runs.lanes import ASCII, FUNCTION, HEAD, LaneLine, Lanes, Marks, said, style_of
from sim.view.words import TURNED_AWAY, wrapped

__all__ = ["ASCII", "Cut", "Marks", "timeline"]


@attrs.frozen
class Cut:
    """Which part of a run to draw: steps from one to another, by number from 1 on, of which tasks,
    on which cells.
    """

    first: int = 1
    last: int | None = None
    tasks: tuple[str, ...] = ()
    cells: tuple[str, ...] = ()

    def has(self, number: int, moment: Moment) -> bool:
        inside = self.first <= number and (self.last is None or number <= self.last)
        touching = not self.cells or any(cell in self.cells for cell, _ in moment.touched)
        return inside and touching and (not self.tasks or moment.step.task in self.tasks)


WHOLE = Cut()
Shown = list[tuple[int, Moment]]


def draw(drawing: Drawing) -> list[Text]:
    """The view."""
    return timeline(
        drawing.schedule,
        drawing.run,
        drawing.seen,
        drawing.width,
        marks=drawing.marks,
        cut=drawing.cut or WHOLE,
        odds=drawing.odds,
        fold=drawing.fold,
    )


def timeline(
    schedule: Schedule,
    run: Run,
    seen: tuple[Moment, ...],
    width: int,
    *,
    marks: Marks | None = None,
    cut: Cut = WHOLE,
    odds: tuple[Fraction, ...] = (),
    fold: bool = True,
) -> list[Text]:
    """The lines, at most `width` columns where lanes fit side by side.

    With the `odds` before each step, if given.
    """
    shown = [(number, moment) for number, moment in enumerate(seen, 1) if cut.has(number, moment)]
    page = _TimelinePage(run, seen, shown, width, marks or Marks(), odds)
    lines = [*_styled(f"{schedule.scenario}  {schedule.model}", width, HEAD), Text(), *page.head()]
    folded = repeats([_same(moment) for _, moment in shown]) if fold else ()
    for number, moment, repeat in _unfolded(shown, folded):
        lines += (
            page.step(number, moment)
            if repeat is None
            else page.draw_repeat(repeat, number, moment)
        )
    lines += [Text(), *page.legend()]
    outcome = [f"==> {finding.kind} in {finding.where}" for finding in run.findings] or [
        "==> clean"
    ]
    for text in (*outcome, *going_round_lines(run)):
        lines += _styled(text, width, TURNED_AWAY if run.findings and text in outcome else "")
    return lines


def _styled(text: str, width: int, style: str = "") -> list[Text]:
    return [Text(line, style) for line in wrapped(text, width)]


def _same(moment: Moment) -> tuple[str, str, str, tuple[str, ...]]:
    """What two steps have in common that need not be said twice."""
    return (
        moment.step.task,
        moment.step.point,
        f"{moment.step.saw} {moment.step.finding}",
        moment.calls,
    )


def _unfolded(
    shown: Shown, folded: tuple[Repeat, ...]
) -> Iterator[tuple[int, Moment, Repeat | None]]:
    """The steps that are said, and after each part that repeats its last one once
    more, with that.
    """
    at = 0
    for repeat in folded:
        yield from ((*one, None) for one in shown[at : repeat.first + repeat.period])
        yield (*shown[repeat.stop - 1], repeat)
        at = repeat.stop
    yield from ((*one, None) for one in shown[at:])


def _entered(before: tuple[str, ...], now: tuple[str, ...]) -> tuple[str, ...]:
    """The functions that a task has entered since its last step."""
    same = 0
    while same < min(len(before), len(now)) and before[same] == now[same]:
        same += 1
    return now[same:]


class _TimelinePage:
    """Line by line what is drawn, in lanes or, where they do not fit, one below the other."""

    def __init__(
        self,
        run: Run,
        seen: tuple[Moment, ...],
        shown: Shown,
        width: int,
        marks: Marks,
        odds: tuple[Fraction, ...],
    ) -> None:
        self._width, self._marks, self._free = width, marks, free(seen)
        self._shown = shown
        names = [
            task.name
            for task in run.scenario.tasks
            if any(m.step.task == task.name for _, m in shown)
        ]
        digits = len(str(len(seen)))
        chances = [probability(chance) for chance in odds]
        longest = max(map(len, chances), default=0)
        self._chances = {i: f"{text:>{longest}}" for i, text in enumerate(chances, 1)}
        self._digits, self._number_digits = digits + 1 + (2 + longest + 1 if odds else 0), digits
        self._inevitable = next(
            (i for i in range(len(odds) + 1) if all(chance == 1 for chance in odds[i:])), None
        )
        if not odds:
            self._inevitable = None
        self._lanes = Lanes(names, seen, self._digits, width, marks)
        self._task = max(map(len, names), default=0)
        self._stacks: dict[str, tuple[str, ...]] = {}

    def head(self) -> Iterator[Text]:
        return self._lanes.head() if self._lanes.fits else iter(())

    def _before(self, number: int) -> str:
        """A step's number, whether it could stand elsewhere,
        and how likely the finding was before it.
        """
        mark = self._marks.free if self._free[number - 1] else " "
        chance = self._chances.get(number, "")
        return f"{number:>{self._number_digits}}{mark}" + (f"  {chance} " if self._chances else "")

    def step(self, number: int, moment: Moment) -> Iterator[Text]:
        if self._inevitable is not None and number > self._inevitable:
            self._inevitable = None
            yield self._rule("inevitable from here on")
        step = moment.step
        text = said(step, moment.caused_by, self._marks)
        style = style_of(step, is_free=self._free[number - 1])
        if not self._lanes.fits:
            yield from self._listed(number, moment, text, style)
            return
        for name in _entered(self._stacks.get(step.task, ()), moment.calls):
            yield from self._lanes.line(LaneLine(step.task, f"{name}()", FUNCTION, at=number - 1))
        self._stacks[step.task] = moment.calls
        yield from self._lanes.line(LaneLine(step.task, text, style, number), self._before(number))

    def _listed(self, number: int, moment: Moment, text: str, style: str) -> Iterator[Text]:
        where = f"{moment.calls[-1]}: " if moment.calls else ""
        head = f"{self._before(number):>{self._digits}} {moment.step.task:<{self._task}}  "
        for i, line in enumerate(wrapped(where + text, self._width - len(head))):
            yield Text(f"{' ' * len(head) if i else head}{line}", style)

    def draw_repeat(self, repeat: Repeat, last: int, moment: Moment) -> Iterator[Text]:
        """That what was said last goes on so many times, up to a step."""
        first = self._shown[repeat.first][0]
        upto = self._shown[repeat.first + repeat.period - 1][0]
        which = f"steps {first}-{upto}" if upto > first else f"step {first}"
        text = f"x{repeat.times}: {which}, again and again up to {last}"
        tasks = {shown.step.task for _, shown in self._shown[repeat.first : repeat.stop]}
        if len(tasks) == 1 and self._lanes.fits:
            yield from self._lanes.line(LaneLine(moment.step.task, text, HEAD, at=last))
        else:
            yield self._rule(text)

    def _rule(self, text: str) -> Text:
        side = self._marks.rule * 2
        return Text(f"{'':>{self._digits}} {side} {text} {side}", HEAD)

    def legend(self) -> Iterator[Text]:
        """What the marks mean that are there."""
        marks, parts = self._marks, list[str]()
        if any(self._free[number - 1] for number, _ in self._shown):
            parts.append(f"{marks.free} commutes with all that others do")
        if any(moment.caused_by for _, moment in self._shown):
            parts.append(f"{marks.hangs_on}N hangs on step N")
        if parts:
            yield from _styled("; ".join(parts), self._width, FUNCTION)
