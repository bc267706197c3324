"""The explorer on a terminal.

What it knows is in `stepping`, `coming` and `odds`; this shows it and hands keys on.
"""

from __future__ import annotations

import asyncio
import io
import signal

import attrs
from rich.console import Console
from rich.text import Text
from textual.app import App, ComposeResult
from textual.containers import Container, Vertical, VerticalScroll
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Footer, OptionList, Static

from sim.search.exploration import Counting
from sim.view.explorer import panels
from sim.view.explorer.choices import choices
from sim.view.explorer.choices_panel import ChoicesPanel
from sim.view.explorer.dialogs import Help, Save, Saving
from sim.view.explorer.keys import BINDINGS, BREAKPOINTS, CSS
from sim.view.explorer.lanes_panel import LanesPanel
from sim.view.explorer.line import LONGEST_WALK, Line
from sim.view.explorer.moves import Move
from sim.view.explorer.odds_panel import OddsPanel
from sim.view.explorer.odds_thread import Inevitable, OddsAnswer
from sim.view.results.report import finding_line, inevitable


@attrs.frozen
class Setting:
    """What the explorer is called, the name that a branch is saved under at first, and how.

    Odds or none; a seed.
    """

    name: str
    file: str
    save: Save
    counting: Counting | None = None
    seed: int = 0


class OddsTold(Message):
    """What the thread that counts has said."""

    def __init__(self, answer: OddsAnswer) -> None:
        super().__init__()
        self.answer = answer


class ExplorerApp(App[None]):
    """Keys in, panels out. `signal` is what ended it, if one did, and `error` what broke it."""

    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = BREAKPOINTS
    CSS = CSS
    BINDINGS = BINDINGS

    def __init__(self, explorer: Line, setting: Setting) -> None:
        super().__init__(ansi_color=True)
        self.theme = "ansi-dark"
        # a traceback is not for the screen: see `error`
        self.error_console = Console(file=io.StringIO())
        self.explorer, self._setting, self._seed = explorer, setting, setting.seed
        self.signal: signal.Signals | None = None
        self.saved: list[str] = []
        self._sought: Move | None = None
        self._prospects = OddsPanel(explorer, setting.counting, self._tell)

    @property
    def error(self) -> Exception | None:
        return self._exception

    def compose(self) -> ComposeResult:
        head = Static(id="head", markup=False)
        yield Static(id="title", markup=False)
        with Container(id="main"):
            with Vertical(id="left"):
                yield head
                yield LanesPanel(self.explorer, head)
            with Vertical(id="right"):
                yield Static(id="here", markup=False)
                with Container(id="below"):
                    yield ChoicesPanel(self.explorer, self._prospects)
                    with VerticalScroll(id="state", can_focus=False):
                        yield Static(id="what", markup=False)
        yield Static(id="said", markup=False)
        yield Footer(show_command_palette=False, compact=True)

    def on_load(self) -> None:
        """Before anything is done to the terminal."""
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._end, number)

    def on_mount(self) -> None:
        self.app_resume_signal.subscribe(self, lambda _: self.refresh(layout=True))
        self.query_one("#state").border_title = "state"
        self._prospects.start()
        self.show()

    def on_unmount(self) -> None:
        self._prospects.dismiss()

    def _end(self, number: signal.Signals) -> None:
        self.signal = number
        self.exit()

    def _tell(self, answer: OddsAnswer) -> None:
        self.post_message(OddsTold(answer))

    @property
    def _main(self) -> Screen[object]:
        """The screen with the lanes, whatever has come up over it."""
        return self.screen_stack[0]

    def say(self, text: str) -> None:
        said = self._main.query_one("#said", Static)
        said.update(text)
        said.display = bool(text)

    def show(self) -> None:
        """Show the moment that the explorer is at."""
        self.say("")
        self._main.query_one("#title", Static).update(
            panels.headline(self.explorer, self._setting.name)
        )
        self._main.query_one("#here", Static).update(panels.here(self.explorer))
        self._main.query_one(LanesPanel).show()
        self._prospects.look()
        self._main.query_one(ChoicesPanel).show()
        self._show_state()

    def _show_state(self) -> None:
        parts = (
            panels.properties(self.explorer),
            self._prospects.text(),
            panels.cells(self.explorer),
        )
        self._main.query_one("#what", Static).update(
            Text("\n").join(part for part in parts if part)
        )

    def on_odds_told(self, told: OddsTold) -> None:
        answer = told.answer
        if isinstance(answer, Exception):
            raise answer
        self._prospects.hear(answer)
        if isinstance(answer, Inevitable):
            self._return_to(answer)
            return
        self._main.query_one(ChoicesPanel).show_odds()
        self._show_state()

    def on_lanes_panel_chosen(self, chosen: LanesPanel.Chosen) -> None:
        self.explorer.goto(chosen.at)
        self.show()

    def on_option_list_option_selected(self, selected: OptionList.OptionSelected) -> None:
        self.action_take(selected.option_index + 1)

    def action_step(self, steps: int) -> None:
        self.explorer.goto(self.explorer.at + steps)
        is_end = steps > 0 and self.explorer.next is None
        self.show()
        if is_end and choices(self.explorer):
            self.say("the line ends here; enter takes the choice that is marked, w walks on")

    def action_start(self) -> None:
        self.explorer.goto(0)
        self.show()

    def action_end(self) -> None:
        self.explorer.goto(len(self.explorer.line))
        self.show()

    def action_seek(self, step: int, conflict: bool) -> None:
        at = self.explorer.seek(step, conflict=conflict)
        if at is None:
            what = "step that noticed another task's" if conflict else "finding"
            self.say(f"no {what} {'after' if step > 0 else 'before'} this on the line")
            return
        self.explorer.goto(at)
        self.show()

    def action_highlight(self, step: int) -> None:
        self._main.query_one(ChoicesPanel).move(step)

    def action_take_highlighted(self) -> None:
        highlighted = self._main.query_one(ChoicesPanel).highlighted
        if highlighted is not None:
            self.action_take(highlighted + 1)

    def action_take(self, number: int) -> None:
        found = choices(self.explorer)
        if number > len(found):
            self.say(f"there is no choice {number} here" if found else "nobody can step here")
            return
        self.explorer.take(found[number - 1].pick)
        self.show()

    def action_restore(self) -> None:
        if not self.explorer.recorded:
            self.say("nothing was recorded: this is a scenario")
            return
        self.explorer.restore()
        self.show()

    def action_walk(self) -> None:
        steps = self.explorer.walk_randomly(self._seed)
        self.show()
        more = "; it may go on for ever" if steps == LONGEST_WALK else ""
        self.say(f"a random walk of {steps} steps, seed {self._seed}{more}")
        self._seed += 1

    def action_no_return(self) -> None:
        explorer = self.explorer
        onwards = (*range(explorer.at, len(explorer.line) + 1), *range(explorer.at - 1, -1, -1))
        at = next((at for at in onwards if explorer.shows(at)), None)
        if at is None:
            self.say("nothing is found on the line")
        elif self._prospects.nothing:
            self.say(f"no point of no return: {self._prospects.nothing}")
        else:
            self.say("looking for the point of no return ...")
            self._sought = explorer.line[at - 1] if at else None
            self._prospects.ask_since(at, explorer.shows(at)[-1])

    def action_save(self) -> None:
        def written(command: str | None) -> None:
            if command is not None:
                self.saved.append(command)
                self.say(f"saved; {command}")

        self.push_screen(
            Saving(self.explorer.run(), self._setting.file, self._setting.save), written
        )

    def action_help(self) -> None:
        self.push_screen(Help())

    def action_interrupt(self) -> None:
        self._end(signal.SIGINT)

    def _return_to(self, found: Inevitable) -> None:
        if (
            self._sought is not None
            and self._sought not in self.explorer.line[found.steps - 1 : found.steps]
        ):
            return
        self.explorer.goto(found.at)
        self.show()
        self.say(f"{finding_line(found.finding)}: {inevitable(found.at, found.steps)}")
