"""Replay: take a recorded schedule step by step, and say where it no longer fits.

The schedule is first walked over learned automata, which know the line of the model at which each
task stands, and then run by trio. The two must come to the same run; that they do is a law of the
engine, so anything else is its failure and not the schedule's.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

from sim.engine.model.errors import EngineError
from sim.engine.model.scenario import Scenario
from sim.engine.model.values import spell
from sim.engine.run import automata_executor, trio_executor
from sim.engine.run.automata import Automata, LocalState
from sim.engine.run.schedule import Recorded, Schedule
from sim.engine.run.world import Offer, Run, Step


class Drift(Exception):
    """A schedule that does not fit the model: at which step, what was recorded,
    and where the task stands.
    """

    def __init__(self, step: int, recorded: Recorded, message: str) -> None:
        super().__init__(f"step {step + 1}: {message}")
        self.step, self.recorded, self.message = step, recorded, message


@attrs.define
class _Script:
    """A scheduler that follows recorded steps.

    `loose` does not check what a task saw, but for the value of a choice.
    """

    steps: tuple[Recorded, ...]
    loose: bool = False

    def pick(self, step: int, offers: tuple[Offer, ...]) -> tuple[int, int] | None:
        if step >= len(self.steps):
            return None
        recorded = self.steps[step]
        for i, offer in enumerate(offers):
            if offer.task == recorded.task:
                return i, self._outcome(step, recorded, offer)
        free = ", ".join(f"{offer.task} at {offer.operation.point}" for offer in offers) or "nobody"
        was = f"{recorded.task} was recorded at {recorded.point}, but it cannot step"
        raise Drift(step, recorded, f"{was}; who can: {free}")

    def finish(self, run: Run) -> None:
        """Raise Drift if the run ended before the schedule did."""
        if len(run.steps) < len(self.steps):
            left = self.steps[len(run.steps)]
            raise Drift(
                len(run.steps),
                left,
                f"{left.task} was recorded at {left.point}, but nobody can step",
            )

    def _outcome(self, step: int, recorded: Recorded, offer: Offer) -> int:
        point = offer.operation.point
        if point != recorded.point:
            raise Drift(
                step,
                recorded,
                f"{recorded.task} was recorded at {recorded.point}, but stands at {point}",
            )
        seen = [spell(outcome.result) for outcome in offer.outcomes]
        if recorded.saw in seen:
            return seen.index(recorded.saw)
        if self.loose and not offer.operation.choice:
            return 0
        sees = " or ".join(seen)
        raise Drift(
            step,
            recorded,
            f"{recorded.task} at {point} was recorded to see {recorded.saw!r}, but sees {sees!r}",
        )


StepWatch = Callable[[Step, LocalState], None]


def follow_schedule(
    schedule: Schedule, scenario: Scenario, *, loose: bool = False, watch: StepWatch | None = None
) -> Run:
    """Follow `schedule` over learned automata.

    `watch` sees each step and the local state it was taken from.

    Raises Drift where it does not fit `scenario`.
    """
    automata = Automata()
    at = {task.name: automata.start(task.name, task.call) for task in scenario.tasks}

    def note(step: Step, local: LocalState) -> None:
        at[step.task] = automata.step(step.task, local, step.result)
        if watch is not None:
            watch(step, local)

    try:
        script = _Script(schedule.steps, loose)
        run = automata_executor.run(
            scenario, script, automata=automata, lasso=schedule.lasso, watch=note
        )
        script.finish(run)
    except Drift as drift:
        task = drift.recorded.task
        if task not in at:
            tasks = ", ".join(at)
            raise Drift(
                drift.step, drift.recorded, f"no task is named {task}; there are {tasks}"
            ) from None
        place = at[task].place
        where = f"at {place}" if place else "finished"
        raise Drift(drift.step, drift.recorded, f"{drift.message}; {task} is {where}") from None
    else:
        return run


def replay(schedule: Schedule, scenario: Scenario, *, loose: bool = False) -> Run:
    """Run `schedule` under both executors and give the run.

    Raises Drift where it does not fit `scenario`, EngineError if the executors disagree.
    """
    walked = follow_schedule(schedule, scenario, loose=loose)
    lived = trio_executor.run(scenario, _Script(schedule.steps, loose), lasso=schedule.lasso)
    if lived != walked:
        raise EngineError("the executors disagree about this schedule; this is a bug of tdpsim")
    return lived
