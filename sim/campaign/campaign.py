"""A campaign: seeds go out to workers in batches, and what comes back goes into one store.

One task hands batches out, as many at a time as there are workers; one writes what is there into
the store, all of it in one transaction; one looks after the findings. What a campaign says is a
function of its seeds, so none of this order can be seen in it.

An adaptive strategy uses the results of all earlier epochs. An epoch is a fixed number of seeds; at
its end the campaign waits for all batches that are out, and stores what was learned, from which the
next one starts. An interrupted epoch resumes with the guidance that it started with.

The first signal, or the end of the time, ends the handing out: what is out is finished and stored.
The second one ends everything at once, and nothing but what is out is lost.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path

import attrs
import trio

from sim.campaign.errors import NoWorkersError
from sim.campaign.findings import Findings
from sim.campaign.jobs import run_batch
from sim.campaign.local_workers import Workers
from sim.campaign.progress import CampaignEvent, CampaignProgress, NoteEvent, ProgressMeter
from sim.campaign.question import CampaignSpec
from sim.campaign.records import MinuteSample
from sim.campaign.retrying import BatchResults, BatchRunner, RunBatch
from sim.campaign.seeds import END, Span, holes
from sim.campaign.sizes import PATIENCE, Sizes, Source
from sim.campaign.store import Store
from sim.search.fuzzing.batch import Runner

INTERRUPTED, STOPPED, TIME = "interrupted", "stopped", "time"
"""Why a campaign ends before its seeds do."""
MOST_TROUBLES = 100
"""Seeds that cannot be run, after which it is no accident."""
_MINUTE = 60.0
_AFTERWARDS = 60.0
"""Seconds for findings to be made smaller after the time is over."""


@attrs.frozen
class Terms:
    """How long it may take, how many seeds to a batch (None: as many as fit), when a batch hangs,
    where files go.
    """

    folder: Path
    seconds: float | None = None
    batch: int | None = None
    patience: float = PATIENCE


class Campaign:
    """Runs the seeds that a store wants, until they are done, the time is over,
    or somebody says so.
    """

    def __init__(
        self,
        question: CampaignSpec,
        store: Store,
        workers: Workers,
        terms: Terms,
        tell: Callable[[CampaignEvent], None],
        *,
        work: RunBatch = run_batch,
        runner: Runner | None = None,
    ) -> None:
        self.question, self.store, self.workers, self.terms = question, store, workers, terms
        self.ending = ""
        self._tell = tell
        self._runner = runner or question.runner()
        self._sizes = Sizes(terms.batch, terms.patience)
        self._settler = BatchRunner(workers, work, question, self._sizes.patience, tell)
        self._meter = ProgressMeter(store.contents)
        self._ends_at: float | None = None
        self._over = trio.CancelScope()
        self._findings = Findings(
            store, workers, question, self._runner.scenario, terms.folder, self._guidance_of, tell
        )

    def progress(self) -> CampaignProgress:
        contents = self.store.contents
        whole = contents.wanted.stop == END
        left = None if whole else sum(span.size for span in contents.left())
        ends_in = None if self._ends_at is None else max(0.0, self._ends_at - trio.current_time())
        return self._meter.look(contents, left, ends_in, self._findings.shrinking, self.ending)

    def drain(self, why: str) -> None:
        """Hand out no more."""
        self.ending = why
        if why == INTERRUPTED:
            self._findings.hurry()

    async def listen(self, signals: AsyncIterator[int]) -> None:
        """The first signal drains, the second one ends everything at once."""
        async for _ in signals:
            if self.ending == INTERRUPTED:
                self.ending = STOPPED
                self._over.cancel()
                return
            self.drain(INTERRUPTED)
            out = f"{self._meter.running} batch{'' if self._meter.running == 1 else 'es'}"
            self._tell(NoteEvent(f"interrupted: finishing {out}; once more to stop at once"))

    async def run(self) -> None:
        with self._over:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._findings.work)
                nursery.start_soon(self._minutes)
                if self.terms.seconds is not None:
                    self._ends_at = trio.current_time() + self.terms.seconds
                    nursery.start_soon(self._end_in_time, self.terms.seconds)
                await self._findings.yesterdays()
                self._findings.look()
                await self._all()
                with trio.move_on_after(_AFTERWARDS if self.ending == TIME else float("inf")):
                    await self._findings.settled()
                nursery.cancel_scope.cancel()
        self._note()

    async def _end_in_time(self, seconds: float) -> None:
        await trio.sleep(seconds)
        if not self.ending:
            self.drain(TIME)

    async def _minutes(self) -> None:
        while True:
            await trio.sleep(_MINUTE)
            self._note()

    def _note(self) -> None:
        contents = self.store.contents
        self.store.note(MinuteSample(time.time(), contents.totals.seeds, contents.sketch.states))

    async def _all(self) -> None:
        """Every seed that is left; of a strategy that adapts, epoch by epoch."""
        contents, seeds = self.store.contents, self._runner.epoch
        if seeds is None:
            await self._stretch(contents.left(), b"")
            return
        for number, epoch in enumerate(_epochs(contents.wanted, seeds)):
            guidance = self.store.guidance(number) or b""
            await self._stretch(holes([epoch], contents.done), guidance)
            if next(holes([epoch], self.store.contents.done), None) is not None:
                return
            if epoch.size == seeds and self.store.guidance(number + 1) is None:
                learned = await trio.to_thread.run_sync(
                    self._runner.learned, guidance, self.store.lessons(epoch)
                )
                self.store.guide(number + 1, learned)

    def _guidance_of(self, seed: int) -> bytes:
        if self._runner.epoch is None:
            return b""
        return (
            self.store.guidance((seed - self.store.contents.wanted.first) // self._runner.epoch)
            or b""
        )

    async def _stretch(self, spans: Iterator[Span], guidance: bytes) -> None:
        """Seeds that can be run in any order, with what an adaptive strategy goes by."""
        source = Source(spans, self._sizes)
        send, receive = trio.open_memory_channel[BatchResults](16)
        async with trio.open_nursery() as writing:
            writing.start_soon(self._write, receive)
            async with send, trio.open_nursery() as running:
                while not self.ending:
                    slot = object()
                    await self.workers.slots.acquire_on_behalf_of(slot)
                    span = None if self.ending else source.next_span()
                    if span is None:
                        self.workers.slots.release_on_behalf_of(slot)
                        break
                    running.start_soon(partial(self._run, span, guidance, slot, send.clone()))

    async def _run(
        self, span: Span, guidance: bytes, slot: object, send: trio.MemorySendChannel[BatchResults]
    ) -> None:
        self._meter.running += 1
        try:
            async with send:
                await send.send(await self._settler.settle(span, guidance))
        finally:
            self._meter.running -= 1
            self.workers.slots.release_on_behalf_of(slot)

    async def _write(self, receive: trio.MemoryReceiveChannel[BatchResults]) -> None:
        async for settled in receive:
            more = settled
            while True:
                try:
                    more = more.with_(receive.receive_nowait())
                except (trio.WouldBlock, trio.EndOfChannel):
                    break
            self.store.add(more.done, more.troubles)
            for done in more.done:
                self._sizes.learn(done)
            for trouble in more.troubles:
                self._tell(trouble)
            if more.troubles and len(self.store.contents.troubles) > MOST_TROUBLES:
                raise NoWorkersError(
                    f"{self.store.path}: more than {MOST_TROUBLES} seeds crash or hang, the "
                    "last one so: "
                    f"{self.store.contents.troubles[-1].what}"
                )
            self._findings.look()


def _epochs(wanted: Span, seeds: int) -> Iterator[Span]:
    for first in range(wanted.first, wanted.stop, seeds):
        yield Span(first, min(first + seeds, wanted.stop))
