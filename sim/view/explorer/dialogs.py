"""What comes up over the lanes: help, and the question for a file's name."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from sim.engine.run.world import Run

HELP = """\
down j right, up k left   the next step of the line, the step before
PgDn, PgUp                ten steps
Home g, End G             the start, the end of the line
n, N                      the next finding, the one before
c, C                      the next step that noticed another, the one before
i                         the point of no return: from there on, whatever
                          follows comes by the finding next on the line
tab, enter; 1 to 9        another choice, take it; what followed is gone
r                         to what was recorded, where the line left it
w                         a random walk from here; each has another seed
s                         save the line as a schedule
?, q                      this, and quit

Click a step to go there, a choice to take it; the wheel scrolls.

beside a step  >  you are here         <  this step noticed that one
               ~  it noticed another   +  it is not what was recorded
beside a cell  *  this step changed it
dim: it follows on the line            red: turned away, or a finding
"""


class NotSaved(Exception):
    """A file that was not written; the message says why."""


Save = Callable[[str, Run], str]
"""Writes a run's schedule to a file of that name and gives the command that replays it.
Raises NotSaved."""


class Help(ModalScreen[None]):
    """The keys, until one is pressed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,enter,space", "dismiss", "back")
    ]

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            yield Static(HELP, markup=False)

    def on_click(self) -> None:
        self.dismiss()


class Saving(ModalScreen[str | None]):
    """Asks for a name until the file is written; the command that replays it, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss", "no file")]

    def __init__(self, run: Run, name: str, save: Save) -> None:
        super().__init__()
        self._run, self._proposed, self._save = run, name, save

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(
                f"save {len(self._run.steps)} steps ({', '.join(self._run.outcomes)}) as",
                markup=False,
            )
            yield Input(self._proposed, select_on_focus=False)
            yield Static("enter writes it, escape does not", id="answer", markup=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        try:
            command = self._save(event.value.strip(), self._run)
        except NotSaved as error:
            self.query_one("#answer", Static).update(str(error))
        else:
            self.dismiss(command)
