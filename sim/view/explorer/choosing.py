"""What can happen next, on the screen: what can be taken, and beneath it who cannot step, and why."""

from __future__ import annotations

from rich.text import Text
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from sim.view.explorer import panels
from sim.view.explorer.coming import choices, waiting
from sim.view.explorer.prospects import Prospects
from sim.view.explorer.stepping import Explorer


class Choices(OptionList, can_focus=False):
    """The choices at the moment that an explorer is at, with their odds as far as those are known."""

    def __init__(self, explorer: Explorer, prospects: Prospects) -> None:
        super().__init__(markup=False)
        self._explorer, self._prospects = explorer, prospects

    def on_mount(self) -> None:
        self.border_title = "next"

    def show(self) -> None:
        """Show them, with the line's next step marked; else the first one is."""
        self.show_odds()
        self.highlighted = self._following() if choices(self._explorer) else None

    def show_odds(self) -> None:
        """Show them, and leave the mark where it is."""
        explorer, found, marked = self._explorer, choices(self._explorer), self.highlighted
        follows = self._following() if explorer.next is not None else None
        options: list[Option | Text] = [
            panels.choice(i + 1, one, i == follows, self._prospects.of(one.pick)) for i, one in enumerate(found)
        ]
        options += [Option(panels.waits(one), disabled=True) for one in waiting(explorer)]
        options += [Option(Text(f"   {task} has finished", "dim"), disabled=True) for task in explorer.finished]
        if explorer.world.halted:
            options.append(Option("   BUG() has stopped everybody", disabled=True))
        self.set_options(options)
        self.highlighted = marked if marked is not None and marked < len(found) else None

    def move(self, step: int) -> None:
        """Mark another choice."""
        many = len(choices(self._explorer))
        if many:
            self.highlighted = ((self.highlighted or 0) + step) % many

    def _following(self) -> int:
        """Which choice is the line's next step."""
        move = self._explorer.next
        return 0 if move is None else [one.pick for one in choices(self._explorer)].index(move.pick)
