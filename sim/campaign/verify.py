"""Batches of a store are run again, here, and compared: two machines agree,
or one of them is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import attrs

from sim.campaign.question import CampaignSpec
from sim.campaign.records import FinishedBatch
from sim.campaign.seeds import Span
from sim.campaign.store import batches, check_identity, guidance, read
from sim.engine.run.dice import below
from sim.engine.run.draws import Stream
from sim.search.fuzzing.batch import Batch


@attrs.frozen
class Checked:
    """A batch that was run again, and in what it differs from what the store has."""

    span: Span
    differs: tuple[str, ...]


def verify(path: Path, question: CampaignSpec, sample: int, seed: int) -> Iterator[Checked]:
    """Run `sample` of the batches again.

    `seed` chooses which. Raises StoreError where it is another's store.
    """
    contents = read(path)
    check_identity(path, contents.identity, question.identity(contents.wanted))
    runner = question.runner()
    for done in _chosen(list(batches(path)), sample, seed):
        first = done.batch.first
        epoch = 0 if runner.epoch is None else (first - contents.wanted.first) // runner.epoch
        again = runner.batch(first, done.batch.stop, guidance(path, epoch))
        yield Checked(done.span, tuple(_differences(done.batch, again)))


def _chosen(known: list[FinishedBatch], sample: int, seed: int) -> Iterator[FinishedBatch]:
    """Each as likely as any other, without one coming twice."""
    for draw in range(min(sample, len(known))):
        yield known.pop(below(len(known), seed, draw, Stream.VERIFY))


def _differences(kept: Batch, again: Batch) -> Iterator[str]:
    for name in ("steps", "cut", "digest"):
        was, now = getattr(kept, name), getattr(again, name)
        if was != now:
            yield (
                f"{name} was {was:x} and is {now:x}"
                if name == "digest"
                else f"{name}: {was}, now {now}"
            )
    if _by_finding(kept) != _by_finding(again):
        yield f"findings: {_by_finding(kept)}, now {_by_finding(again)}"


def _by_finding(batch: Batch) -> list[str]:
    return sorted(
        f"{one.finding} {','.join(one.finding.causes)} seed {one.seed} x{one.seeds}"
        for one in batch.sightings
    )
