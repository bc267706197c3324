"""What a run writes down, whichever executor it runs under."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sim.engine.operations import Finding, Operation
from sim.engine.scenario import Scenario
from sim.engine.world import Run, Step, World, violations

LONGEST_RUN = 100_000
"""Steps after which a run is cut; a walk through a fair retry loop ends long before."""

Standing = Mapping[str, Operation[Any] | None]
"""What each task is about to do; None for one that has finished."""


def deadlock(scenario: Scenario, standing: Standing) -> Finding | None:
    """The finding for a state in which nobody can step, if somebody should (and BUG() has not stopped them)."""
    daemons = {task.name: task.daemon for task in scenario.tasks}
    stuck = [f"{task}@{op.point}" for task, op in standing.items() if op is not None and not daemons[task]]
    return Finding("deadlock", ",".join(stuck)) if stuck else None


class Journal:
    """What a run has seen so far: steps, and findings in the order they first showed."""

    def __init__(self, scenario: Scenario, world: World) -> None:
        self._scenario, self._world = scenario, world
        self.steps: list[Step] = []
        self._findings: dict[Finding, None] = {}
        self.look()

    def look(self) -> None:
        """Check every property here."""
        for finding in violations(self._scenario.properties, self._world):
            self._findings[finding] = None

    def add(self, step: Step) -> None:
        self.steps.append(step)
        if step.finding is not None:
            self._findings[step.finding] = None
        self.look()

    def close(self, standing: Standing, *, ended: bool) -> Run:
        """The run; `ended` says that nobody could take another step."""
        stuck = deadlock(self._scenario, standing) if ended and not self._world.halted else None
        if stuck is not None:
            self._findings[stuck] = None
        unfinished = tuple(task for task, op in standing.items() if op is not None)
        return Run(self._scenario, tuple(self.steps), tuple(self._findings), self._world.named(), unfinished)
