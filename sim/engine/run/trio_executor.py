"""The trio executor: every simulated thread is a trio task, and trio itself awaits the model.

It is the reference. There is one baton. A task that reaches an operation says what it is about to
do and parks; once every task has parked or finished, the scheduler hands the baton to one of them,
which performs its operation in its own trio task and runs on to its next one. Nothing here steps a
coroutine by hand, so whatever trio does with a model (exceptions, cancellation, context) is what
the model does.

When the run ends, tasks that have not finished are cancelled. A cancelled task unwinds as any trio
task does; an operation that it comes to on its way out is never let through: giving up a task has
no effect on the world.

What a task is refused it may catch, as any exception. So the turnstile notes refusals, and ends the
run at once.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import attrs
import trio

from sim.engine.model.errors import (
    REFUSALS,
    EngineError,
    RuleError,
    TaskDied,
    place_of_caller,
    place_of_code,
)
from sim.engine.model.operations import Operation, Outcome
from sim.engine.model.performing import PERFORMER, Ledger
from sim.engine.model.routines import (
    DEEPEST_STACK,
    LONGEST_FRAME,
    LONGEST_SETTLING,
    Call,
    Done,
    Raised,
    goes_round,
    next_turn,
    too_deep,
)
from sim.engine.model.scenario import Scenario, Task
from sim.engine.run.journal import LONGEST_RUN, Journal
from sim.engine.run.scheduler import Scheduler
from sim.engine.run.world import Lasso, Offer, Run, Step, World


@attrs.define(eq=False)
class _Parked:
    """A task before its operation, and the trio task to wake."""

    operation: Operation[Any]
    trio_task: trio.lowlevel.Task
    outcome: Outcome | None = None


class _Turnstile:
    """Lets one task through at a time, and only to perform the operation it was let through for."""

    def __init__(self, world: World, watch: Callable[[Step], None] | None) -> None:
        self.world = world
        self.parked: dict[str, _Parked] = {}
        self.last: Step | None = None
        self.threadings: list[_Threading] = []
        self.refusals: list[EngineError] = []
        self._watch = watch
        self._scheduler: trio.lowlevel.Task | None = None

    async def pass_through(self, task: str, operation: Operation[Any]) -> object:
        """Park before `operation`; once let through, perform it and give its result."""
        problem = operation.argument_problem()
        if problem is not None:
            raise RuleError(place_of_caller(), problem)
        me = self.parked[task] = _Parked(operation, trio.lowlevel.current_task())
        self.hand_back()
        await trio.lowlevel.wait_task_rescheduled(
            lambda _raise_cancel: trio.lowlevel.Abort.SUCCEEDED
        )
        if me.outcome is None:
            raise EngineError(f"task {task} was woken without the baton")
        self.last = self.world.apply(task, operation, me.outcome)
        if self._watch is not None:
            self._watch(self.last)
        return me.outcome.result

    def standing(self, scenario: Scenario) -> dict[str, Operation[Any] | None]:
        """What each task is about to do."""
        parked = {task.name: self.parked.get(task.name) for task in scenario.tasks}
        return {task: at.operation if at else None for task, at in parked.items()}

    async def let_through(self, task: str, outcome: Outcome) -> Step:
        """Give the baton to a parked task and take it back when that task has parked
        again, or finished.
        """
        parked = self.parked.pop(task)
        parked.outcome = outcome
        trio.lowlevel.reschedule(parked.trio_task)
        await self.take_back()
        if self.last is None:
            raise EngineError(f"task {task} took no step")
        return self.last

    def _notice(self, threading: _Threading) -> None:
        """Have a task refused what it has dropped, among the refusals of this run."""
        others = REFUSALS.set(self.refusals)
        threading.notice()
        REFUSALS.reset(others)

    def end(self) -> None:
        """Whatever tasks do from now on is on their way out."""
        for threading in self.threadings:
            threading.is_over = True

    async def take_back(self) -> None:
        """Wait until the running task hands the baton back."""
        self._scheduler = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(
            lambda _raise_cancel: trio.lowlevel.Abort.SUCCEEDED
        )
        for threading in self.threadings:
            self._notice(threading)
        if self.refusals:
            self.end()
            raise self.refusals[0]

    def hand_back(self) -> None:
        scheduler, self._scheduler = self._scheduler, None
        if scheduler is not None:
            trio.lowlevel.reschedule(scheduler)


class _Threading(Ledger):
    """What `await` means to one task: operations go through the turnstile,
    routines are awaited as they are.
    """

    def __init__(self, task: str, turnstile: _Turnstile) -> None:
        super().__init__()
        self._task, self._turnstile = task, turnstile
        self._seen = [0]
        self._turns = 0

    def _count(self) -> None:
        """Count what the frame on top is about to see."""
        self._seen[-1] += 1
        if self._seen[-1] > LONGEST_FRAME:
            raise RuleError(
                place_of_caller(),
                f"task {self._task} has seen {LONGEST_FRAME} results in one routine: "
                "a loop that can repeat is `await repeat(body, *state)`",
            )

    def operation(self, operation: Operation[Any]) -> Generator[Any, Any, object]:
        self._count()
        self._turns = 0
        return (yield from self._turnstile.pass_through(self._task, operation).__await__())

    def call(self, call: Call[Any]) -> Generator[Any, Any, object]:
        self._count()
        return self._frame(call)

    def loop(self, call: Call[Any]) -> Generator[Any, Any, object]:
        self._count()
        while True:
            turn = next_turn(call, (yield from self._frame(call)))
            if isinstance(turn, Done):
                return turn.value
            call = turn

    def _frame(self, call: Call[Any]) -> Generator[Any, Any, object]:
        if len(self._seen) > DEEPEST_STACK:
            raise RuleError(place_of_caller(), too_deep(self._task))
        self._turns += 1
        if self._turns > LONGEST_SETTLING:
            raise RuleError(place_of_code(call.body.__code__), goes_round(self._task))
        before = self.pending
        self._seen.append(0)
        try:
            result = yield from call.body(*call.args).__await__()
        except (EngineError, trio.Cancelled, KeyboardInterrupt):
            raise
        except BaseException as error:
            if not self.is_over:
                self.leave(before, refusing=False)
                call.check_raised(error)
            raise
        else:
            call.check_outcome(result)
            self.leave(before, refusing=True)
            return result
        finally:
            self._seen.pop()


async def _be(task: Task, turnstile: _Turnstile, deaths: list[TaskDied]) -> None:
    threading = _Threading(task.name, turnstile)
    PERFORMER.set(threading)
    REFUSALS.set(turnstile.refusals)
    turnstile.threadings.append(threading)
    try:
        await task.call
    except EngineError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever leaves a task is the engine's to report
        place = place_of_code(task.call.body.__code__)
        deaths.append(TaskDied(f"task {task.name} died in {place}: {Raised.by(error)}"))
    turnstile.hand_back()


async def _schedule(
    scenario: Scenario,
    scheduler: Scheduler,
    longest: int,
    lasso: Lasso | None,
    watch: Callable[[Step], None] | None,
) -> Run:
    world = World()
    turnstile = _Turnstile(world, watch)
    deaths: list[TaskDied] = []
    async with trio.open_nursery() as nursery:
        for task in scenario.tasks:
            nursery.start_soon(_be, task, turnstile, deaths, name=task.name)
            await turnstile.take_back()
        journal = Journal(scenario, world, lasso)
        ended = False
        while len(journal.steps) < longest and not deaths:
            offers = tuple(
                Offer(task.name, parked.operation, outcomes)
                for task in scenario.tasks
                if (parked := turnstile.parked.get(task.name)) is not None
                and (outcomes := world.outcomes(task.name, parked.operation))
            )
            ended = not offers
            journal.stand(turnstile.standing(scenario), offers)
            picked = scheduler.pick(len(journal.steps), offers) if offers else None
            if picked is None:
                break
            offer = offers[picked[0]]
            journal.add(await turnstile.let_through(offer.task, offer.outcomes[picked[1]]))
        run = journal.close(turnstile.standing(scenario), ended=ended)
        turnstile.end()
        nursery.cancel_scope.cancel()
    if deaths:
        raise deaths[0]
    return run


def run(
    scenario: Scenario,
    scheduler: Scheduler,
    *,
    longest: int = LONGEST_RUN,
    lasso: Lasso | None = None,
    watch: Callable[[Step], None] | None = None,
) -> Run:
    """Run one schedule with real trio tasks, which may be expected to come back to where they were.

    `watch` is called in the task that performed the step.
    """
    try:
        return trio.run(_schedule, scenario, scheduler, longest, lasso, watch)
    except BaseExceptionGroup as group:
        interrupt, _ = group.split(KeyboardInterrupt)
        raise _innermost(interrupt or group) from None


def _innermost(error: BaseException) -> BaseException:
    """A nursery wraps what left it; with one baton, only one thing went wrong."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
