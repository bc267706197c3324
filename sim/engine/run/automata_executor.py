"""One run over learned automata: the product executor, a single schedule at a time."""

from __future__ import annotations

from collections.abc import Callable

from sim.engine.model.scenario import Scenario
from sim.engine.run.automata import Automata, LocalState
from sim.engine.run.journal import LONGEST_RUN, Journal
from sim.engine.run.scheduler import Scheduler
from sim.engine.run.world import Lasso, Offer, Run, Step, World


def run(
    scenario: Scenario,
    scheduler: Scheduler,
    *,
    automata: Automata | None = None,
    longest: int = LONGEST_RUN,
    lasso: Lasso | None = None,
    watch: Callable[[Step, LocalState], None] | None = None,
) -> Run:
    """Run one schedule over learned automata, which may be expected to come back to where it was.

    `watch` sees each step and the local state it was taken from.
    """
    automata = automata or Automata()
    world = World()
    locals_ = {task.name: automata.start(task.name, task.call) for task in scenario.tasks}
    journal = Journal(scenario, world, lasso)
    ended = False
    while len(journal.steps) < longest:
        offers = tuple(
            Offer(name, op, outcomes)
            for name, local in locals_.items()
            if (op := local.operation) is not None and (outcomes := world.outcomes(name, op))
        )
        ended = not offers
        journal.stand(locals_, offers)
        picked = scheduler.pick(len(journal.steps), offers) if offers else None
        if picked is None:
            break
        offer, outcome = offers[picked[0]], offers[picked[0]].outcomes[picked[1]]
        step = world.apply(offer.task, offer.operation, outcome)
        if watch is not None:
            watch(step, locals_[offer.task])
        locals_[offer.task] = automata.step(offer.task, locals_[offer.task], outcome.result)
        journal.add(step)
    return journal.close(
        {name: local.operation for name, local in locals_.items()}, ended=ended, locals_=locals_
    )
