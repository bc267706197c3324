"""A run as a picture: SVG, or a page around it, that asks no host for anything.

Time runs downwards, a lane a task. Bars at a lane's edge are the locks that its task holds (orange:
nobody else does), the windows in which an SPTE is FROZEN are shaded, whoever was turned away is
red, and the finding is in a box below. An arrow leads from a step to one of another task that hangs
on it; what commutes with all that others do is grey.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

import attrs

from sim.analysis.holds import frozen, holds, slots
from sim.analysis.moments import Moment
from sim.analysis.repeats import free
from sim.engine.run.schedule import Schedule
from sim.engine.run.world import Run
from sim.view.runs.commit import consequence
from sim.view.runs.formats import Drawing

_ROW, _CHAR, _NUMBER, _BAR, _GAP, _TOP = 18, 7.3, 34, 5, 2, 58
_STYLE = (
    "text{font:12px "
    "ui-monospace,Menlo,Consolas,monospace;fill:#1a1a1a}.i{fill:#666;font-style:italic}."
    "f{fill:#888}"
    ".e{stroke:#c0143c;fill:none;stroke-dasharray:3 3}.n{fill:#999}.b{fill:#c0143c}"
    ".h{font-weight:700}.bg{fill:#fff}.fr{fill:#d7ecff}.x{fill:#d9822b}.s{fill:#2f7ed8}."
    "box{fill:#fff2f2;stroke:#c0143c}"
    "@media(prefers-color-scheme:dark){text{fill:#e6e6e6}.bg{fill:#161616}.i{fill:#aaa}."
    "f{fill:#888}.fr{fill:#12324d}"
    ".box{fill:#331416}.b{fill:#ff6b81}.e{stroke:#ff6b81}}"
)


@attrs.frozen
class _SvgRow:
    """A line of a lane: a function that is entered, or a step."""

    task: str
    text: str
    kind: str
    number: int


def _rows(seen: tuple[Moment, ...]) -> Iterator[_SvgRow]:
    moved = free(seen)
    within: dict[str, tuple[str, ...]] = {}
    for number, moment in enumerate(seen):
        task = moment.step.task
        before = within.get(task, ())
        same = 0
        while same < min(len(before), len(moment.calls)) and before[same] == moment.calls[same]:
            same += 1
        within[task] = moment.calls
        if same < len(moment.calls):
            yield _SvgRow(task, f"{moment.calls[-1]}()", "i", number)
        saw = "" if moment.step.result is None else f" -> {moment.step.saw}"
        turned_away = moment.step.finding is not None or moment.step.saw.startswith("busy")
        yield _SvgRow(
            task,
            f"  {moment.step.point}{saw}",
            "b" if turned_away else "f" if moved[number] else "",
            number,
        )


class _Layout:
    """Where everything is: lanes from left to right, rows from top to bottom."""

    def __init__(self, run: Run, seen: tuple[Moment, ...]) -> None:
        self.rows = list(_rows(seen))
        self.tasks = [
            task.name
            for task in run.scenario.tasks
            if any(row.task == task.name for row in self.rows)
        ]
        self.locks = {
            task: list(slots(hold for hold in holds(seen) if hold.task == task))
            for task in self.tasks
        }
        self.frozen = list(frozen(seen))
        self._first = {row.number: i for i, row in reversed(list(enumerate(self.rows)))}
        self._last = {row.number: i for i, row in enumerate(self.rows)}
        self._last[len(seen)] = len(self.rows) - 1
        self.left: dict[str, float] = {}
        self.width = float(_NUMBER)
        for task in self.tasks:
            self.left[task] = self.width
            longest = max(len(row.text) for row in self.rows if row.task == task)
            self.width += self.bars(task) + _CHAR * longest + 30
        self.bottom = _TOP + len(self.rows) * _ROW

    def bars(self, task: str) -> int:
        """What the bars of a lane take."""
        return (_BAR + _GAP) * (1 + max((slot for slot, _ in self.locks[task]), default=-1))

    def side(self, number: int, to: str) -> tuple[float, int]:
        """Where a step's text ends that is looked at from another lane."""
        row = self.rows[self._last[number]]
        left = self.left[row.task] + self.bars(row.task) + 6
        is_right = self.left[to] > self.left[row.task]
        x = left + _CHAR * len(row.text) + 4 if is_right else left + _CHAR * 2 - 4
        return x, _TOP + self._last[number] * _ROW + 9

    def span(self, begin: int, end: int) -> str:
        """The vertical place of some steps."""
        height = (self._last[end] - self._first[begin] + 1) * _ROW - 2
        return f'y="{_TOP + self._first[begin] * _ROW}" height="{height}"'


def svg(schedule: Schedule, run: Run, seen: tuple[Moment, ...]) -> str:
    """The picture, with a line a step."""
    layout, said = _Layout(run, seen), consequence(run, seen)
    width, height = max(layout.width, _CHAR * len(said) + 60), layout.bottom + 56
    return "\n".join(
        (
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" '
                f'width="{width:.0f}">'
            ),
            f"<title>{escape(schedule.scenario)}: {escape(said)}</title><style>{_STYLE}</style>",
            f'<rect class="bg" width="{width:.0f}" height="{height}"/>',
            _text(8, 20, f"{schedule.scenario}  {schedule.model}", "h"),
            *_shades(layout),
            *_bars(layout),
            *_texts(layout),
            *_edges(layout, seen),
            (
                f'<rect class="box" x="8" y="{layout.bottom + 12}" width="{width - 16:.0f}" '
                'height="30" rx="4"/>'
            ),
            _text(18, layout.bottom + 32, said, "b h" if run.findings else "h"),
            "</svg>\n",
        )
    )


def _shades(layout: _Layout) -> Iterator[str]:
    """The windows in which an SPTE is FROZEN."""
    for task, begin, end in layout.frozen:
        width = (
            layout.bars(task)
            + _CHAR * max(len(row.text) for row in layout.rows if row.task == task)
            + 12
        )
        yield (
            f'<rect class="fr" x="{layout.left[task]:.0f}" {layout.span(begin, end)} '
            f'width="{width:.0f}"/>'
        )


def _bars(layout: _Layout) -> Iterator[str]:
    """The locks."""
    for task in layout.tasks:
        for slot, hold in layout.locks[task]:
            x, kind = layout.left[task] + slot * (_BAR + _GAP), "s" if hold.is_shared else "x"
            title = f"<title>{escape(f'{hold.lock}: {hold.how}')}</title>"
            place = f'x="{x:.0f}" {layout.span(hold.begin, hold.end)} width="{_BAR}"'
            yield f'<rect class="{kind}" {place}>{title}</rect>'


def _texts(layout: _Layout) -> Iterator[str]:
    """Who it is, and what they do."""
    for task in layout.tasks:
        yield _text(layout.left[task] + layout.bars(task) + 6, _TOP - 12, task, "h")
    for i, row in enumerate(layout.rows):
        y = _TOP + i * _ROW + 13
        if row.kind != "i":
            yield _text(4, y, str(row.number + 1), "n")
        yield _text(layout.left[row.task] + layout.bars(row.task) + 6, y, row.text, row.kind)


def _edges(layout: _Layout, seen: tuple[Moment, ...]) -> Iterator[str]:
    """From a step to each that hangs on it."""
    for number, moment in enumerate(seen):
        for source in moment.caused_by:
            (x1, y1), (x2, y2) = (
                layout.side(source, moment.step.task),
                layout.side(number, seen[source].step.task),
            )
            yield f'<path class="e" d="M{x1:.0f} {y1}L{x2:.0f} {y2}"/>'


def _text(x: float, y: float, text: str, kind: str) -> str:
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" class="{kind}" xml:space="preserve">{escape(text)}</text>'
    )


def html(schedule: Schedule, run: Run, seen: tuple[Moment, ...]) -> str:
    """The picture in a page of its own."""
    title = escape(f"{schedule.scenario}: {', '.join(run.outcomes)}")
    head = (
        "<!doctype html><meta "
        f'charset="utf-8"><title>{title}</title><style>body{{margin:1em}}</style>'
    )
    return f"{head}\n{svg(schedule, run, seen)}"


def draw_svg(drawing: Drawing) -> str:
    """The view of the picture alone."""
    return svg(drawing.schedule, drawing.run, drawing.seen)


def draw_html(drawing: Drawing) -> str:
    """The view of the page."""
    return html(drawing.schedule, drawing.run, drawing.seen)
