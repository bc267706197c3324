"""A campaign in which seeds cost nothing: what each shows is drawn from dice,
and workers are tasks of this process.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from zlib import crc32

import attrs
import numpy as np
import trio

from sim.campaign.campaign import Campaign, Terms
from sim.campaign.errors import Lost
from sim.campaign.fuzz import raise_first
from sim.campaign.progress import CampaignEvent
from sim.campaign.question import CampaignSpec
from sim.campaign.seeds import Shard, Span
from sim.campaign.store import Store
from sim.engine.model.operations import Finding
from sim.engine.run import fingerprint
from sim.engine.run.dice import below, bits
from sim.scenarios.library import recipe_named
from sim.search.fuzzing.batch import Batch, Runner, Sighting
from sim.search.fuzzing.sketch import Sketch

SCENARIO = recipe_named("np-to-leaf-exclusive").scenario({})
QUESTION = CampaignSpec.from_scenario(SCENARIO, "walk")
FINDINGS = tuple(Finding("WARN", f"here_{i % 2}", (f"cause-{i}",)) for i in range(4))


def seen_by(seed: int, guidance: bytes) -> list[int]:
    """The states that a seed passes: common ones, and now and then one of its own."""
    return [bits(below(9 + len(guidance), seed, step, 0) or seed, step, 1) for step in range(6)]


def found_by(seed: int, guidance: bytes) -> dict[Finding, int]:
    return {
        one: 1 + i for i, one in enumerate(FINDINGS) if not below(40 + len(guidance), seed, i, 2)
    }


def work(_question: CampaignSpec, first: int, stop: int, guidance: bytes) -> Batch:
    """A batch as a real runner's would be: a sum and a union over its seeds."""
    known: dict[Finding, Sighting] = {}
    for seed in range(first, stop):
        for finding, steps in found_by(seed, guidance).items():
            one = known.get(finding, Sighting(finding, seed, steps, 0))
            known[finding] = attrs.evolve(one, seeds=one.seeds + 1)
    states = [
        state for seed in range(first, stop) for state in dict.fromkeys(seen_by(seed, guidance))
    ]
    lessons = bytes(seed & 0xFF for seed in range(first, stop) if found_by(seed, guidance))
    digest = sum(bits(seed, crc32(guidance), 3) for seed in range(first, stop)) & fingerprint.MASK
    sightings = tuple(sorted(known.values(), key=lambda one: (one.seed, one.steps)))
    return Batch(
        first,
        stop,
        6 * (stop - first),
        0,
        digest,
        sightings,
        Sketch.from_fingerprints(np.array(states, np.uint64)),
        lessons,
    )


class Adaptive(Runner):
    """Goes by how much was found in all epochs so far."""

    def __init__(self, epoch: int) -> None:
        super().__init__(SCENARIO, "walk")
        self._epoch = epoch

    @property
    def epoch(self) -> int | None:
        return self._epoch

    def batch(self, first: int, stop: int, guidance: bytes = b"") -> Batch:
        return work(QUESTION, first, stop, guidance)

    def learned(self, guidance: bytes, lessons: tuple[bytes, ...]) -> bytes:
        return guidance + b"".join(lessons)[:5]


@attrs.define(eq=False)
class Here:
    """Workers that are tasks of this process, and take as long as dice say.

    `fails` says which calls are lost.
    """

    slots: trio.CapacityLimiter
    chance: int = 0
    fails: Callable[[Span], str] = lambda _span: ""
    calls: int = 0
    asked: list[Span] = attrs.field(factory=list)

    async def call(self, patience: float, function: Any, /, *args: Any) -> Any:
        if function is not work:
            raise Lost("there are no witnesses in a toy")
        self.calls += 1
        self.asked.append(Span(args[1], args[2]))
        for _ in range(below(5, self.chance, self.calls, 0)):
            await trio.lowlevel.checkpoint()
        said = self.fails(Span(args[1], args[2]))
        if said:
            raise Lost(said)
        return function(*args)


def run(
    store: Store,
    *,
    jobs: int = 1,
    batch: int | None = 7,
    chance: int = 0,
    epoch: int | None = None,
    fails: Callable[[Span], str] = lambda _span: "",
    until: int | None = None,
    tell: Callable[[CampaignEvent], None] = lambda _news: None,
) -> Here:
    """Go on with a store to its end, or until it has so many batches."""
    here = Here(trio.CapacityLimiter(jobs), chance, fails)
    runner = None if epoch is None else Adaptive(epoch)

    async def main() -> None:
        campaign = Campaign(
            QUESTION,
            store,
            here,
            Terms(store.path.with_suffix(".findings"), batch=batch),
            tell,
            work=work,
            runner=runner,
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(campaign.run)
            while until is not None and not campaign.ending and len(store.contents.done) >= 0:
                if store.contents.totals.batches >= until:
                    campaign.drain("interrupted")
                await trio.lowlevel.checkpoint()
                if next(store.contents.left(), None) is None:
                    break

    try:
        trio.run(main)
    except BaseExceptionGroup as group:
        raise_first(group)
    return here


def begun(path: Path, wanted: Span, shard: Shard | None = None) -> Store:
    return Store.begin(path, QUESTION.identity(wanted), wanted, shard)


def gone_on(path: Path, wanted: Span) -> Store:
    return Store.resume(path, QUESTION.identity(wanted))


def comes_to(store: Store) -> tuple[object, ...]:
    """All that must not depend on how it was come by."""
    contents = store.contents
    totals = contents.totals
    return (
        totals.seeds,
        totals.steps,
        totals.digest,
        contents.sightings,
        contents.sketch,
        contents.done,
    )
