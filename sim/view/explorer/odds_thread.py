"""The thread that counts while somebody looks.

Exploring and counting may take seconds, so they happen beside the screen; a number appears once it
is there. Whoever goes on before it is no longer wants to know, so of several moments that were
asked about only the last is looked at. The thread is a daemon and leaves nothing behind: who quits
does not wait for it.
"""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from threading import Event, Thread

import attrs

from sim.engine.model.errors import EngineError
from sim.engine.model.operations import Finding
from sim.engine.model.scenario import Scenario
from sim.search.errors import CountError
from sim.search.exploration import Counting
from sim.view.explorer.moves import MovePick
from sim.view.explorer.odds import Behind, Odds


@attrs.frozen
class OddsAt:
    """Asks for the odds at a node."""

    node: int


@attrs.frozen
class InevitableSince:
    """Asks from which of these steps on a finding was inevitable, which the last of them shows."""

    picks: tuple[MovePick, ...]
    finding: Finding


@attrs.frozen
class Inevitable:
    """It was after so many of all the steps."""

    finding: Finding
    at: int
    steps: int


@attrs.frozen
class NoOdds:
    """There are no numbers, and why."""

    why: str


OddsAnswer = Odds | Behind | Inevitable | NoOdds | Exception
"""What the thread says: that it has counted, then what it was asked;
an exception is a bug of ours."""


class OddsThread(Thread):
    """Explores and counts a scenario, tells so, and then answers what it is asked."""

    def __init__(
        self, scenario: Scenario, counting: Counting, tell: Callable[[OddsAnswer], object]
    ) -> None:
        super().__init__(name="odds", daemon=True)
        self._scenario, self._counting, self._tell = scenario, counting, tell
        self._questions: SimpleQueue[OddsAt | InevitableSince | None] = SimpleQueue()
        self._over = Event()

    def ask(self, question: OddsAt | InevitableSince) -> None:
        self._questions.put(question)

    def ask_no_more(self) -> None:
        """Let it end once all has been answered."""
        self._questions.put(None)

    def dismiss(self) -> None:
        """Nobody listens any more."""
        self._over.set()
        self.ask_no_more()

    def run(self) -> None:
        try:
            odds = Odds(self._scenario, self._counting, self._over.is_set)
            self._say(odds)
            while (question := self._newest()) is not None:
                self._say(_answer(odds, question))
        except (CountError, EngineError) as error:
            self._say(NoOdds(str(error)))
        except MemoryError:
            self._say(NoOdds("too many states for this machine's memory"))
        except Exception as error:  # noqa: BLE001 - raised again where it can be said in one line
            self._say(error)

    def _say(self, answer: OddsAnswer) -> None:
        if not self._over.is_set():
            self._tell(answer)

    def _newest(self) -> OddsAt | InevitableSince | None:
        question = self._questions.get()
        while isinstance(question, OddsAt) and not self._questions.empty():
            question = self._questions.get()
        return question


def _answer(odds: Odds, question: OddsAt | InevitableSince) -> OddsAnswer:
    match question:
        case OddsAt():
            return odds.behind(question.node)
        case InevitableSince():
            at = odds.inevitable_at(question.picks, question.finding)
            return Inevitable(question.finding, at, len(question.picks))
