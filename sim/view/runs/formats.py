"""The views of a run: a file and an entry in FORMATS each.

`tdpsim show --format` and `tdpsim explain` read them.

Importing this file loads no view.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from importlib import import_module
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from rich.text import Text

    from sim.analysis.moments import Moment
    from sim.engine.run.schedule import Schedule
    from sim.engine.run.world import Run
    from sim.view.runs.lanes import Marks
    from sim.view.runs.timeline import Cut


@attrs.frozen
class Drawing:
    """What every view is given: a schedule that was replayed, and how to draw it."""

    file: str
    """The schedule's file, as it was typed."""

    schedule: Schedule
    run: Run
    seen: tuple[Moment, ...]
    """A moment a step."""

    width: int = 80
    """Columns there are; not all views keep to them."""

    marks: Marks | None = None
    cut: Cut | None = None
    """The steps to draw, if not all of them."""

    odds: tuple[Fraction, ...] = ()
    """The odds that a random walk reaches the finding, before each step;
    empty where nobody asked."""

    fold: bool = True
    """Whether to say once what comes several times."""


View = Callable[[Drawing], "str | list[Text]"]
"""Gives text to print as it is, or lines that may go through a pager."""


@attrs.frozen
class Format:
    """A view as everybody but itself knows it."""

    name: str
    doc: str
    """One sentence."""

    place: str
    """`module:function` beside this file; the function is a View."""

    suffix: str = ""
    """What a file of it ends with, if it is a kind of file that others know."""

    def view(self) -> View:
        """Load it."""
        module, _, name = self.place.partition(":")
        view: View = getattr(import_module(f"{__package__}.{module}"), name)
        return view


FORMATS = {
    entry.name: entry
    for entry in (
        Format("timeline", "Every step, time downwards, a lane a task.", "timeline:draw"),
        Format(
            "commit",
            "A diagram for a mail or a commit message, of the steps that cause the finding.",
            "commit:draw",
        ),
        Format("svg", "A picture of every step.", "svg:draw_svg", ".svg"),
        Format("html", "The picture in a page of its own.", "svg:draw_html", ".html"),
        Format(
            "perfetto",
            "JSON for ui.perfetto.dev: a track a task, and a track a lock.",
            "perfetto:draw",
            ".json",
        ),
    )
}
