"""What a worker process does: it runs batches, and makes a witness of a seed.

A runner learns, so a thread keeps the one that it used last. Nothing else outlives a call.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable
from typing import Any, TypeVar

import attrs

from sim.campaign.question import CampaignSpec
from sim.engine.model.errors import EngineError
from sim.engine.model.operations import Finding
from sim.engine.run import automata_executor
from sim.engine.run.automata import Automata
from sim.engine.run.schedule import FoundBy, record, write
from sim.engine.run.scheduler import Picks
from sim.search.fuzzing.batch import Batch, Runner
from sim.search.shrinking.shrink import shrink

T = TypeVar("T")
_kept = threading.local()


def ready() -> None:
    """What it takes to get here is done: this module is loaded."""


class Foreign(Exception):
    """A worker that asks the question of another model or with another program."""


def checked(
    model: dict[str, Any], function: Callable[..., T], question: CampaignSpec, *args: object
) -> T:
    """In the worker: the call, if it means here what it means to whoever calls.

    A worker that is started later than the campaign imports whatever the program is by then.
    """
    mine = question.model()
    for key, value in model.items():
        if mine.get(key) != value:
            raise Foreign(f"its {key} is {mine.get(key)}, and here it is {value}")
    return function(question, *args)


def run_batch(question: CampaignSpec, first: int, stop: int, guidance: bytes) -> Batch:
    """The batch of these seeds."""
    return runner_of(question).batch(first, stop, guidance)


def runner_of(question: CampaignSpec) -> Runner:
    """The runner of this thread. A worker that is asked something else forgets the old one."""
    known: tuple[CampaignSpec, Runner] | None = getattr(_kept, "runner", None)
    if known is None or known[0] != question:
        known = _kept.runner = question, question.runner()
    return known[1]


@attrs.frozen
class Example:
    """A run that shows a finding at its last step, as a schedule file,
    and how many steps it has.
    """

    text: str
    steps: int


def example(question: CampaignSpec, seed: int, guidance: bytes, finding: Finding) -> Example:
    """What a seed does until it shows the finding."""
    runner = runner_of(question)
    return _written(runner, _until(runner, seed, guidance, finding), seed, finding)


def smaller(question: CampaignSpec, seed: int, guidance: bytes, finding: Finding) -> Example:
    """The same, made as small as it gets."""
    runner = runner_of(question)
    shrunk = shrink(runner.scenario, _until(runner, seed, guidance, finding), finding)
    return _written(runner, shrunk.picks, seed, finding)


def _until(runner: Runner, seed: int, guidance: bytes, finding: Finding) -> Picks:
    """As many of a seed's choices as it takes: a run that goes on shows no less."""
    picks, automata = runner.picks(seed, guidance).picks, Automata()

    def shows(length: int) -> bool:
        run = automata_executor.run(
            runner.scenario, Picks(picks[:length]), automata=automata, longest=runner.most
        )
        return finding in run.findings

    return Picks(picks[: bisect_left(range(len(picks)), True, key=shows)])


def _written(runner: Runner, picks: Picks, seed: int, finding: Finding) -> Example:
    run = automata_executor.run(runner.scenario, picks, longest=runner.most)
    if finding not in run.findings:
        raise EngineError(f"seed {seed:#x} showed {finding}, and does not when it is run again")
    found_by = FoundBy(runner.strategy, seed, finding.causes)
    return Example(write(record(run, runner.scenario.full_model, found_by)), len(run.steps))
