"""Schedulers: who goes next, and which value a choice takes."""

from __future__ import annotations

from typing import Protocol

import attrs

from sim.engine.run.dice import below
from sim.engine.run.draws import Stream
from sim.engine.run.world import Offer


class Scheduler(Protocol):
    """Picks one of the offers, and one of its outcomes, by index; None ends the run here."""

    def pick(self, step: int, offers: tuple[Offer, ...]) -> tuple[int, int] | None: ...


@attrs.frozen
class RandomWalk:
    """A random walk: uniform among the tasks that can step, then among the values of a choice."""

    seed: int

    def pick(self, step: int, offers: tuple[Offer, ...]) -> tuple[int, int]:
        task = below(len(offers), self.seed, step, Stream.TASK)
        return task, below(len(offers[task].outcomes), self.seed, step, Stream.VALUE)


@attrs.frozen
class Picks:
    """Take these tasks, each with the index of its outcome, in this order, and end there."""

    picks: tuple[tuple[str, int], ...]

    def pick(self, step: int, offers: tuple[Offer, ...]) -> tuple[int, int] | None:
        if step >= len(self.picks):
            return None
        task, outcome = self.picks[step]
        return next(i for i, offer in enumerate(offers) if offer.task == task), outcome
