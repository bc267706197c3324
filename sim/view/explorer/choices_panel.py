"""What can happen next, on the screen: what can be taken,
and beneath it who cannot step, and why.
"""

from __future__ import annotations

from rich.text import Text
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from sim.view.explorer import panels
from sim.view.explorer.choices import Choice, choices, waiting
from sim.view.explorer.line import Line
from sim.view.explorer.odds_panel import OddsPanel


class ChoicesPanel(OptionList, can_focus=False):
    """The choices at the moment that an explorer is at,
    with their odds as far as those are known.
    """

    def __init__(self, explorer: Line, prospects: OddsPanel) -> None:
        super().__init__(markup=False)
        self._explorer, self._prospects = explorer, prospects
        self._found: tuple[Choice, ...] = ()

    def on_mount(self) -> None:
        self.border_title = "next"

    def show(self) -> None:
        """Show them, with the line's next step marked; else the first one is."""
        self.show_odds()
        self.highlighted = self._following() or 0 if self._found else None

    def show_odds(self) -> None:
        """Show them, and leave the mark where it is."""
        explorer, marked = self._explorer, self.highlighted
        self._found = choices(explorer)
        options = [Option(self._prompt(number)) for number in range(len(self._found))]
        options += [Option(panels.waits(one), disabled=True) for one in waiting(explorer)]
        options += [
            Option(Text(f"   {task} has finished", "dim"), disabled=True)
            for task in explorer.finished
        ]
        if explorer.world.halted:
            options.append(Option("   BUG() has stopped everybody", disabled=True))
        self.set_options(options)
        self.highlighted = marked if marked is not None and marked < len(self._found) else None

    def watch_highlighted(self, highlighted: int | None) -> None:
        """Mark it in its text: whoever sees no colours sees that,
        and an underline would hide underscores.
        """
        super().watch_highlighted(highlighted)
        for number in range(min(len(self._found), self.option_count)):
            self.replace_option_prompt_at_index(number, self._prompt(number))

    def move(self, step: int) -> None:
        """Mark another choice."""
        if self._found:
            self.highlighted = ((self.highlighted or 0) + step) % len(self._found)

    def _prompt(self, number: int) -> Text:
        one, marked = self._found[number], number == self.highlighted
        follows = number == self._following()
        return panels.choice(
            number + 1, one, self._prospects.odds_behind(one.pick), follows=follows, marked=marked
        )

    def _following(self) -> int | None:
        """Which choice is the line's next step."""
        move = self._explorer.next
        return None if move is None else [one.pick for one in self._found].index(move.pick)
