"""A line of steps and a place on it.

The line is what has been taken, and what is known to follow: the rest of a recorded run, or of a
branch. The place is after so many of its steps. Going along it costs the same per step wherever
that is, both ways: each step keeps what it overwrote. Taking another step than the line's next one
drops what came after; where the line was left that was recorded is remembered, so that it can be
gone back to.

A step is never changed once it was taken, and it belongs to the steps before it: two lines that
have it at the same place are the same up to there. Whoever keeps something per step
(`sim.view.explorer.odds`) sees by that what is new.
"""

from __future__ import annotations

from typing import Any

from sim.analysis.moments import moment
from sim.analysis.noticing import CellTouch, Noticing
from sim.engine.model.cells import Cell
from sim.engine.model.errors import EngineError
from sim.engine.model.operations import Finding, Operation, Outcome
from sim.engine.model.scenario import Scenario
from sim.engine.run import automata_executor
from sim.engine.run.automata import Automata
from sim.engine.run.journal import deadlock
from sim.engine.run.scheduler import Picks, RandomWalk
from sim.engine.run.world import Offer, Run, Step, World, violations
from sim.view.explorer.moves import Move, MovePick, same_calls

LONGEST_WALK = 10_000
"""Steps after which a walk is cut: it may go round for ever."""


class Line:
    """A scenario at one moment of a line of steps, at first that of `recorded`."""

    def __init__(self, scenario: Scenario, recorded: Run | None = None) -> None:
        self.scenario = scenario
        self.line: list[Move] = []
        self.at = 0
        self._automata = Automata()
        self._noticing = Noticing()
        self.standing = {
            task.name: self._automata.start(task.name, task.call) for task in scenario.tasks
        }
        self._last = dict.fromkeys(self.standing, -1)
        self._first_broken = violations(scenario.properties, self.world)
        self.lasso = recorded.lasso if recorded else None
        self.recorded: tuple[Move, ...] = ()
        self.shared = 0
        for step in recorded.steps if recorded else ():
            self.take(self._pick_of(step))
        self.recorded = tuple(self.line)
        self.shared = len(self.recorded)
        """So many steps of the line are those that were recorded."""
        self.goto(0)

    @property
    def world(self) -> World:
        return self._noticing.world

    @property
    def is_recorded(self) -> bool:
        """Whether the line is the one that was recorded."""
        return self.shared == len(self.recorded) == len(self.line)

    @property
    def last(self) -> Move | None:
        """The step that has just been taken."""
        return self.line[self.at - 1] if self.at else None

    @property
    def next(self) -> Move | None:
        """The step of the line that follows."""
        return self.line[self.at] if self.at < len(self.line) else None

    def back(self) -> bool:
        """Take the last step back; False at the start."""
        move = self.last
        if move is None:
            return False
        self.at -= 1
        self._noticing.back(move.task, move.touched)
        self.standing[move.task] = move.before
        self._last[move.task] = move.previous
        return True

    def forward(self) -> bool:
        """Take the line's next step; False at its end."""
        move = self.next
        if move is None:
            return False
        self._noticing.note_again(self.at, move.moment.step, move.touched)
        self._arrive(move)
        return True

    def goto(self, at: int) -> None:
        """Go to after so many steps of the line, or as far as it goes."""
        while self.at > at and self.back():
            pass
        while self.at < at and self.forward():
            pass

    def take(self, pick: MovePick) -> None:
        """Take a step.

        Another than the line's next one drops the rest; one that was recorded there brings it back.
        """
        following = self.next
        if following is not None and following.pick == pick:
            self.forward()
        elif self.at == self.shared < len(self.recorded) and self.recorded[self.at].pick == pick:
            self.restore()
            self.forward()
        else:
            operation, outcome = self._coming(pick)
            del self.line[self.at :]
            self.shared = min(self.shared, self.at)
            self._append(pick, operation, outcome)

    def restore(self) -> None:
        """Go back to the recorded line, to where it was left if that has been passed."""
        self.goto(min(self.at, self.shared))
        self.line[self.shared :] = self.recorded[self.shared :]
        self.shared = len(self.recorded)

    def walk_randomly(self, seed: int) -> int:
        """Go on by a random walk, for as long as anybody can step; how many steps that were."""
        begun, walk = self.at, RandomWalk(seed)
        while (offers := self.offers) and self.at - begun < LONGEST_WALK:
            task, outcome = walk.pick(self.at, offers)
            self.take((offers[task].task, outcome))
        return self.at - begun

    def run(self) -> Run:
        """What the whole line is as a run of its own."""
        picks = Picks(tuple(move.pick for move in self.line))
        lasso = self.lasso if self.is_recorded else None
        return automata_executor.run(
            self.scenario, picks, automata=self._automata, longest=len(self.line) + 1, lasso=lasso
        )

    @property
    def offers(self) -> tuple[Offer, ...]:
        """Who can step, and what may come of it."""
        return tuple(
            Offer(task, operation, outcomes)
            for task, local in self.standing.items()
            if (operation := local.operation) is not None
            and (outcomes := self.world.outcomes(task, operation))
        )

    def last_change(self, cell: Cell[Any]) -> CellTouch | None:
        """The step that last changed a cell."""
        return self._noticing.last_change(cell)

    @property
    def finished(self) -> tuple[str, ...]:
        """Who has nothing left to do."""
        return tuple(task for task, local in self.standing.items() if local.operation is None)

    @property
    def broken(self) -> tuple[Finding, ...]:
        """The properties that do not hold here."""
        return self.last.broken if self.last else self._first_broken

    def shows(self, at: int) -> tuple[Finding, ...]:
        """The findings that are new after so many steps."""
        return self.line[at - 1].shows if at else self._first_broken

    @property
    def found(self) -> tuple[tuple[int, Finding], ...]:
        """The findings so far, each with how many steps it took to show."""
        return self.last.found if self.last else tuple((0, one) for one in self._first_broken)

    def seek(self, step: int, *, conflict: bool = False) -> int | None:
        """After how many steps the next finding shows, or the next step noticed another task's.

        -1: the one before.
        """
        at = self.at + step
        while 0 <= at <= len(self.line):
            if (at and self.line[at - 1].moment.caused_by) if conflict else self.shows(at):
                return at
            at += step
        return None

    def _pick_of(self, step: Step) -> MovePick:
        offer = next(offer for offer in self.offers if offer.task == step.task)
        return step.task, next(
            i for i, one in enumerate(offer.outcomes) if one.result == step.result
        )

    def _coming(self, pick: MovePick) -> tuple[Operation[Any], Outcome]:
        task, number = pick
        offer = next((offer for offer in self.offers if offer.task == task), None)
        if offer is None or number >= len(offer.outcomes):
            raise EngineError(f"{task} cannot step here")
        return offer.operation, offer.outcomes[number]

    def _append(self, pick: MovePick, operation: Operation[Any], outcome: Outcome) -> None:
        task, _ = pick
        before, was_broken, found = self.standing[task], self.broken, self.found
        taken = self._noticing.note_step(self.at, task, operation, outcome)
        said, previous = moment(before, *taken), self._last[task]
        self.standing[task] = after = self._automata.step(task, before, outcome.result)
        broken = violations(self.scenario.properties, self.world)
        entered = same_calls(self.line[previous].moment.calls, said.calls) if previous >= 0 else 0
        tasks, row = (self.line[-1].tasks, self.line[-1].ends) if self.line else ((), 0)
        tasks = tasks if previous >= 0 else (*tasks, task)
        new = [
            said.step.finding,
            *(one for one in broken if one not in was_broken),
            self._deadlock(),
        ]
        shows = tuple(one for one in new if one is not None)
        known = [finding for _, finding in found]
        found += tuple((self.at + 1, one) for one in dict.fromkeys(shows) if one not in known)
        move = Move(
            pick, said, before, after, taken[2], broken, shows, found, previous, entered, tasks, row
        )
        self.line.append(move)
        self._arrive(move)

    def _arrive(self, move: Move) -> None:
        self.standing[move.task] = move.after
        self._last[move.task] = self.at
        self.at += 1

    def _deadlock(self) -> Finding | None:
        if self.offers or self.world.halted:
            return None
        return deadlock(
            self.scenario, {task: local.operation for task, local in self.standing.items()}
        )
