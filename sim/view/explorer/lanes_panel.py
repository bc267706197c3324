"""The lanes on the screen: of thousands of steps, those lines are made that can be seen."""

from __future__ import annotations

from textual.events import Click, Resize
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widgets import Static

from sim.view.explorer.line import Line
from sim.view.explorer.rows import Rows

_MARGIN = 2
"""Rows that are kept in sight beyond the step."""


class LanesPanel(ScrollView, can_focus=False):
    """A line of steps, with the last one taken in sight."""

    class Chosen(Message):
        """Somebody wants to be after so many steps."""

        def __init__(self, at: int) -> None:
            super().__init__()
            self.at = at

    def __init__(self, explorer: Line, head: Static) -> None:
        super().__init__()
        self._explorer, self._head = explorer, head
        self._rows = Rows(explorer, 80)

    def show(self) -> None:
        """Draw anew what can be seen, and move what can be seen to the step."""
        width = max(1, self.scrollable_content_region.width)
        self._rows = Rows(self._explorer, width)
        self._head.update(self._rows.head())
        self.virtual_size = Size(width, self._rows.count)
        first, last = self._rows.span(self._explorer.at - 1) if self._explorer.at else (0, 0)
        top, height = self.scroll_offset.y, self.scrollable_content_region.height
        margin = min(_MARGIN, (height - 1) // 2)
        wanted = max(0, min(top, first - margin), last + margin - height)
        if wanted != top:
            self.scroll_to(y=wanted, animate=False, immediate=True)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        row, width = y + self.scroll_offset.y, self.size.width
        if row >= self._rows.count:
            return Strip.blank(width, self.rich_style)
        segments = self._rows.draw(row).render(self.app.console)
        strip = Strip([segment for segment in segments if segment.text != "\n"])
        return strip.apply_style(self.rich_style).adjust_cell_length(width, self.rich_style)

    def on_resize(self, _event: Resize) -> None:
        self.show()

    def on_click(self, event: Click) -> None:
        row = event.y + self.scroll_offset.y
        if row < self._rows.count:
            self.post_message(self.Chosen(self._rows.step(row) + 1))
