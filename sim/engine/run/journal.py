"""What a run writes down, whichever executor it runs under."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sim.engine.model.operations import Finding, Operation
from sim.engine.model.scenario import Scenario
from sim.engine.model.values import is_same, key_of
from sim.engine.run.world import Lasso, Offer, Run, Step, World, violations

LONGEST_RUN = 100_000
"""Steps after which a run is cut; a walk through a fair retry loop ends long before."""

Standing = Mapping[str, Operation[Any] | None]
"""What each task is about to do; None for one that has finished."""


def deadlock(scenario: Scenario, standing: Standing) -> Finding | None:
    """The finding for a state in which nobody can step,
    if somebody should (and BUG() has not stopped them).
    """
    daemons = {task.name: task.daemon for task in scenario.tasks}
    stuck = [
        f"{task}@{op.point}"
        for task, op in standing.items()
        if op is not None and not daemons[task]
    ]
    return Finding("deadlock", ",".join(stuck)) if stuck else None


def endless(kind: str, tasks: tuple[str, ...]) -> Finding:
    """The finding for tasks that go round for ever."""
    return Finding(kind, ",".join(tasks))


class Journal:
    """What a run has seen so far: steps, and findings in the order they first showed.

    With a `lasso`, the run is watched for coming back to where it was, fairly: each task has
    stepped since, or could not at some point. That shows that it can go on for ever, and not
    whether anything would lead out.
    """

    def __init__(self, scenario: Scenario, world: World, lasso: Lasso | None = None) -> None:
        self._scenario, self._world, self._lasso = scenario, world, lasso
        self.steps: list[Step] = []
        self._findings: dict[Finding, None] = {}
        self._began: object = None
        self._passed_over: dict[str, None] = {}
        self._getting_on: dict[str, None] = {}
        self._offers: dict[str, Offer] = {}
        self.look()

    def stand(self, standing: Mapping[str, object], offers: tuple[Offer, ...]) -> None:
        """Where tasks stand before the next step, and who could take it."""
        if self._lasso is None or len(self.steps) < self._lasso.stem:
            return
        self._offers = {offer.task: offer for offer in offers}
        if len(self.steps) == self._lasso.stem:
            self._began, self._passed_over = self._here(standing), dict.fromkeys(self._offers)
        self._passed_over = {task: None for task in self._passed_over if task in self._offers}

    def _here(self, standing: Mapping[str, object]) -> object:
        values = self._world.values
        held = {
            cell: key_of(value)
            for cell, value in values.items()
            if not is_same(value, cell.initial)
        }
        return dict(standing), held

    def look(self) -> None:
        """Check every property here."""
        for finding in violations(self._scenario.properties, self._world):
            self._findings[finding] = None

    def add(self, step: Step) -> None:
        self.steps.append(step)
        self._passed_over.pop(step.task, None)
        if step.task in self._offers and self._offers[step.task].operation.progress:
            self._getting_on[step.task] = None
        if step.finding is not None:
            self._findings[step.finding] = None
        self.look()

    def _waiting(self, standing: Standing) -> tuple[str, ...]:
        """Who should finish, has not, and has not got on in the loop either."""
        tasks = self._scenario.tasks
        return tuple(
            t.name
            for t in tasks
            if not t.daemon and standing[t.name] and t.name not in self._getting_on
        )

    def close(
        self, standing: Standing, *, ended: bool, locals_: Mapping[str, object] | None = None
    ) -> Run:
        """The run.

        `ended` says that nobody could take another step, `locals_` more of where tasks stand than
        that.
        """
        stuck = deadlock(self._scenario, standing) if ended and not self._world.halted else None
        if stuck is not None:
            self._findings[stuck] = None
        unfinished = tuple(task for task, op in standing.items() if op is not None)
        lasso = self._lasso
        if lasso is not None:
            if self._began == self._here(locals_ or standing) and not self._passed_over:
                going_round = self._waiting(standing)
                named = (
                    lasso.tasks
                    if lasso.tasks and set(lasso.tasks) <= set(going_round)
                    else going_round
                )
                self._findings[endless(lasso.kind, named)] = None
            else:
                lasso = None
        waiting = standing.items() if stuck is not None else ()
        blocked = tuple(self._world.blocked(task, op) for task, op in waiting if op is not None)
        return Run(
            self._scenario,
            tuple(self.steps),
            tuple(self._findings),
            self._world.named(),
            unfinished,
            blocked,
            lasso,
        )
