"""What a campaign has come to: plain data, as a store keeps it and a report shows it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import attrs

from sim.campaign.seeds import Shard, Span, holes
from sim.engine.model.operations import Finding
from sim.engine.run.fingerprint import MASK
from sim.search.fuzzing.batch import Batch, Sighting
from sim.search.fuzzing.sketch import Sketch

FindingGroup = tuple[str, str]
"""What broke, and where: findings that differ in their causes alone are one."""


def group_of(finding: Finding) -> FindingGroup:
    return finding.kind, finding.where


@attrs.frozen
class Witness:
    """The run that stands for a group of findings: that of the smallest seed that shows one,
    first as it was found.

    `confirmed` says that it was replayed from its file, under both executors, with the outcome that
    the file expects.
    """

    finding: Finding
    seed: int
    text: str
    steps: int
    shrunk: bool = False
    confirmed: bool = False
    found_with: int = 0
    """How many steps it had before it was shrunk."""
    file: str = ""
    """Where it is, from the store's directory."""


@attrs.frozen
class FinishedBatch:
    """A batch, how many seconds it took some worker, and at which attempt."""

    batch: Batch
    seconds: float
    attempts: int = 1

    @property
    def span(self) -> Span:
        return Span(self.batch.first, self.batch.stop)


@attrs.frozen
class TroubleEvent:
    """A seed that could not be run: it crashed or hung its worker every time,
    and what was seen of it.
    """

    seed: int
    what: str


@attrs.frozen
class Totals:
    """What batches add up to, in whatever order."""

    seeds: int = 0
    steps: int = 0
    cut: int = 0
    digest: int = 0
    seconds: float = 0.0
    """Of workers: the sum over batches."""
    batches: int = 0

    def with_(self, done: FinishedBatch) -> Totals:
        batch = done.batch
        return Totals(
            self.seeds + done.span.size,
            self.steps + batch.steps,
            self.cut + batch.cut,
            (self.digest + batch.digest) & MASK,
            self.seconds + done.seconds,
            self.batches + 1,
        )


@attrs.frozen
class MinuteSample:
    """How far a campaign was at a time (seconds since 1970),
    and how many states it had seen by then.
    """

    at: float
    seeds: int
    states: int


@attrs.frozen
class StoreContents:
    """All that a store says, but for its single batches."""

    identity: dict[str, Any]
    created: float
    shard: Shard
    wanted: Span
    """What was asked for last, of all shards."""
    totals: Totals
    done: tuple[Span, ...]
    """What has been run, or is known not to run."""
    sightings: tuple[Sighting, ...]
    witnesses: tuple[Witness, ...]
    troubles: tuple[TroubleEvent, ...]
    sketch: Sketch
    minutes: tuple[MinuteSample, ...]

    def left(self) -> Iterator[Span]:
        """What of it is this shard's and not done, in the order of the seeds."""
        return holes(self.shard.part(self.wanted), self.done)

    def groups(self) -> Iterator[tuple[FindingGroup, tuple[Sighting, ...], Witness | None]]:
        """Each group of findings in the order of the seeds that first showed one,
        with the run that stands for it.
        """
        known = {group_of(witness.finding): witness for witness in self.witnesses}
        for group, sightings in grouped(self.sightings).items():
            yield group, sightings, known.get(group)


def grouped(sightings: Iterable[Sighting]) -> dict[FindingGroup, tuple[Sighting, ...]]:
    """By what broke and where, each in the order of (seed, steps)."""
    groups: dict[FindingGroup, tuple[Sighting, ...]] = {}
    for one in sorted(
        sightings, key=lambda one: (one.seed, one.steps, one.finding.kind, one.finding.where)
    ):
        groups[group_of(one.finding)] = (*groups.get(group_of(one.finding), ()), one)
    return groups
