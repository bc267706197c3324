"""What is known of the odds at the moment that an explorer is at, and what has been asked."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from rich.text import Text

from sim.engine.model.operations import Finding
from sim.search.exploration import Counting
from sim.view.explorer import panels
from sim.view.explorer.line import Line
from sim.view.explorer.moves import MovePick
from sim.view.explorer.odds import Along, Behind, Odds
from sim.view.explorer.odds_thread import (
    Inevitable,
    InevitableSince,
    NoOdds,
    OddsAnswer,
    OddsAt,
    OddsThread,
)


class OddsPanel:
    """Asks a thread for what it shows, and takes what it is told.

    Without `counting` there is nothing to be told.
    """

    def __init__(
        self, explorer: Line, counting: Counting | None, tell: Callable[[OddsAnswer], object]
    ) -> None:
        self._explorer = explorer
        self._ahead = None if counting is None else OddsThread(explorer.scenario, counting, tell)
        self._odds: Odds | None = None
        self._along: Along | None = None
        self._behind: Behind | None = None
        self.nothing = "not asked for" if counting is None else ""
        """Why there are no numbers, if there will be none."""

    def start(self) -> None:
        if self._ahead is not None:
            self._ahead.start()

    def dismiss(self) -> None:
        if self._ahead is not None:
            self._ahead.dismiss()

    def look(self) -> None:
        """Ask for the odds at this moment."""
        self._behind, node = None, self._node
        if node is not None and self._ahead is not None:
            self._ahead.ask(OddsAt(node))

    def hear(self, answer: Odds | Behind | NoOdds | Inevitable) -> None:
        """Take what the thread has said.

        What it was asked while it was elsewhere is asked again.
        """
        match answer:
            case Odds():
                self._odds, self._along = answer, Along(answer)
            case NoOdds(why):
                self.nothing = why
            case Behind() if answer.node == self._node:
                self._behind = answer
                return
        self.look()

    def ask_since(self, at: int, finding: Finding) -> None:
        """Ask from where on the finding was inevitable that shows after so many steps."""
        if self._ahead is not None:
            self._ahead.ask(
                InevitableSince(tuple(move.pick for move in self._explorer.line[:at]), finding)
            )

    def odds_behind(self, pick: MovePick) -> tuple[Fraction, ...]:
        """The odds behind a choice; none where they are not known."""
        return () if self._behind is None else self._behind.choices.get(pick, ())

    def text(self) -> Text:
        """The odds here, or what is in the way of them."""
        if self.nothing:
            return Text(f"no odds: {self.nothing}", "dim")
        if self._odds is not None and self._node is None:
            return Text("no odds: this run retries more often than is counted", "dim")
        if self._odds is None or self._behind is None:
            return Text("odds: ...", "dim")
        return panels.ahead(self._odds.findings, self._behind.here, self._odds.retries)

    @property
    def _node(self) -> int | None:
        """Where this is in the graph that is counted, once that is there and if it is in it."""
        return (
            None
            if self._along is None
            else self._along.node(self._explorer.line, self._explorer.at)
        )
