"""A batch that does not come back: it is tried again,
and what fails every time is narrowed down to the seed.

A worker can die of what has nothing to do with its batch, so a batch has three attempts. One that
fails them all has a seed in it that brings its worker down, or keeps it going for ever. It is
halved until that seed stands alone; with all the others the campaign goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

import attrs

from sim.campaign.errors import Lost
from sim.campaign.local_workers import Workers
from sim.campaign.progress import CampaignEvent, NoteEvent
from sim.campaign.question import CampaignSpec
from sim.campaign.records import FinishedBatch, TroubleEvent
from sim.campaign.seeds import Span
from sim.search.fuzzing.batch import Batch

ATTEMPTS = 3

RunBatch = Callable[[CampaignSpec, int, int, bytes], Batch]
"""The question, the first seed, the one at which to stop, and what an adaptive strategy goes by."""


@attrs.frozen
class BatchResults:
    """What came of a span: its batches, and the seeds that could not be run."""

    done: tuple[FinishedBatch, ...] = ()
    troubles: tuple[TroubleEvent, ...] = ()

    def with_(self, other: BatchResults) -> BatchResults:
        return BatchResults((*self.done, *other.done), (*self.troubles, *other.troubles))


@attrs.frozen(eq=False)
class BatchRunner:
    """Who runs the batches, how, and how long one may take before it counts as hanging."""

    workers: Workers
    work: RunBatch
    question: CampaignSpec
    patience: Callable[[Span], float]
    tell: Callable[[CampaignEvent], None]

    async def settle(
        self, span: Span, guidance: bytes, attempts: int | None = None
    ) -> BatchResults:
        what = ""
        for attempt in range(1, (attempts or ATTEMPTS) + 1):
            begun = monotonic()
            try:
                batch = await self.workers.call(
                    self.patience(span), self.work, self.question, span.first, span.stop, guidance
                )
            except Lost as lost:
                what = str(lost)
                self.tell(NoteEvent(f"seeds {span} were lost, and are tried again: {what}"))
            else:
                return BatchResults((FinishedBatch(batch, monotonic() - begun, attempt),))
        if span.size == 1:
            return BatchResults(troubles=(TroubleEvent(span.first, what),))
        settled = BatchResults()
        for half in span.halves():
            settled = settled.with_(
                await self.settle(half, guidance, None if half.size == 1 else 1)
            )
        return settled
