"""What becomes of a finding: a schedule file at once, a smaller one in a while,
and each replayed from its file.

The witness of a group is the run of the smallest seed that shows one of it, whatever order batches
come in; so a file may be replaced as long as earlier seeds are still out. Making it smaller takes a
worker from the batches, so that is done for one finding at a time, and not any more once the
campaign is told to end.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import trio

from sim.base.errors import UsageError
from sim.base.files import put
from sim.campaign import jobs
from sim.campaign.errors import Lost
from sim.campaign.local_workers import Workers
from sim.campaign.progress import CampaignEvent, NoteEvent, ReplayedEvent, WitnessEvent
from sim.campaign.question import CampaignSpec
from sim.campaign.records import FindingGroup, Witness, group_of
from sim.campaign.retrying import ATTEMPTS
from sim.campaign.store import Store
from sim.catalog.schedules import finding_file
from sim.engine.model.errors import EngineError
from sim.engine.model.scenario import Scenario
from sim.engine.run.replay import Drift, replay
from sim.engine.run.schedule import ScheduleError, parse
from sim.scenarios.library import recipe_named
from sim.search.fuzzing.batch import Sighting

_SHRINKING = 3600.0
"""Seconds after which a witness stays as it is."""


@attrs.define(eq=False)
class Findings:
    """Looks after the findings of one store."""

    store: Store
    workers: Workers
    question: CampaignSpec
    scenario: Scenario
    folder: Path
    guidance: Callable[[int], bytes]
    tell: Callable[[CampaignEvent], None]
    shrinking: int = 0
    _hurry: trio.Event = attrs.field(factory=trio.Event, init=False)
    _more: trio.Event = attrs.field(factory=trio.Event, init=False)
    _idle: trio.Event = attrs.field(factory=trio.Event, init=False)
    _given_up: dict[tuple[FindingGroup, int], None] = attrs.field(factory=dict, init=False)
    """What cannot be made, or not be made smaller, of which seed."""

    def look(self) -> None:
        """The store has more than before."""
        self._idle = trio.Event()
        self._more.set()

    def hurry(self) -> None:
        """Shrink no more."""
        self._hurry.set()

    async def settled(self) -> None:
        """Wait until all there is to do is done."""
        await self._idle.wait()

    async def work(self) -> None:
        """For ever."""
        while True:
            self._more = trio.Event()
            first = next(self._first(), None)
            smaller = None if self._hurry.is_set() else next(self._large(), None)
            if first is not None:
                await self._write_first(first)
            elif smaller is not None:
                await self._write_smaller(smaller)
            else:
                self._idle.set()
                await self._more.wait()

    def _first(self) -> Iterator[Sighting]:
        """The first seed of each group that has none for a witness, or a later one."""
        for group, sightings, witness in self.store.contents.groups():
            seed = sightings[0].seed
            if (witness is None or witness.seed > seed) and (group, seed) not in self._given_up:
                yield sightings[0]

    def _large(self) -> Iterator[Witness]:
        for witness in self.store.contents.witnesses:
            if (
                not witness.shrunk
                and (group_of(witness.finding), witness.seed) not in self._given_up
            ):
                yield witness

    async def _write_first(self, one: Sighting) -> None:
        for _ in range(ATTEMPTS):
            try:
                async with self.workers.slots:
                    example = await self.workers.call(
                        _SHRINKING,
                        jobs.example,
                        self.question,
                        one.seed,
                        self.guidance(one.seed),
                        one.finding,
                    )
            except Lost as lost:
                said = f"no witness of {one.finding} from seed {one.seed:#x}: {lost}"
            else:
                await self._keep(
                    Witness(
                        one.finding, one.seed, example.text, example.steps, found_with=example.steps
                    )
                )
                return
        self._given_up[group_of(one.finding), one.seed] = None
        self.tell(NoteEvent(said))

    async def _write_smaller(self, witness: Witness) -> None:
        args = self.question, witness.seed, self.guidance(witness.seed), witness.finding
        example = None
        self.shrinking += 1
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._cancelled_by_hurry, nursery.cancel_scope)
                async with self.workers.slots:
                    try:
                        example = await self.workers.call(_SHRINKING, jobs.smaller, *args)
                    except Lost as lost:
                        self.tell(
                            NoteEvent(
                                f"{witness.finding} from seed {witness.seed:#x} stays as it "
                                f"is: {lost}"
                            )
                        )
                nursery.cancel_scope.cancel()
        finally:
            self.shrinking -= 1
        if example is not None:
            smaller = attrs.evolve(witness, text=example.text, steps=example.steps, shrunk=True)
            if any(
                now.seed == witness.seed
                for now in self.store.contents.witnesses
                if _stand_for_one(now, witness)
            ):
                await self._keep(smaller)
        elif not self._hurry.is_set():
            self._given_up[group_of(witness.finding), witness.seed] = None

    async def _cancelled_by_hurry(self, scope: trio.CancelScope) -> None:
        await self._hurry.wait()
        scope.cancel()

    async def _keep(self, witness: Witness) -> None:
        """In the store, in its file, and replayed from there."""
        before = [
            known.text for known in self.store.contents.witnesses if _stand_for_one(known, witness)
        ]
        self.store.keep(attrs.evolve(witness, confirmed=False))
        try:
            path = self._put(witness, before)
        except OSError as error:
            self.tell(
                WitnessEvent(
                    witness,
                    None,
                    f"cannot write into {self.folder}: {error.strerror}; the store has it",
                )
            )
            return
        said = await trio.to_thread.run_sync(replayed, path)
        witness = attrs.evolve(
            witness, confirmed=said == STILL_THERE, file=_from(self.store.path, path)
        )
        self.store.keep(witness)
        self.tell(
            WitnessEvent(
                witness, path, "" if witness.confirmed else f"replaying {path} says: {said}"
            )
        )

    def _put(self, witness: Witness, before: list[str]) -> Path:
        """Its file; one of that name that is not this store's is left alone."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / finding_file(self.scenario, witness.finding)
        if path.exists() and not _is_ours(path, witness, before):
            path = path.with_name(f"{path.stem}.seed-{witness.seed:#x}.toml")
        put(path, witness.text)
        return path

    async def yesterdays(self) -> None:
        """Replay what is known already, before anything new is looked for."""
        for witness in self.store.contents.witnesses:
            with contextlib.suppress(OSError):  # it is told when there is something new to write
                self._put(witness, [witness.text])
        for path in sorted(self.folder.glob("*.toml")):
            self.tell(ReplayedEvent(path, await trio.to_thread.run_sync(replayed, path)))


def _stand_for_one(one: Witness, other: Witness) -> bool:
    return group_of(one.finding) == group_of(other.finding)


def _from(store: Path, path: Path) -> str:
    return os.path.relpath(path, store.parent)


def _is_ours(path: Path, witness: Witness, before: list[str]) -> bool:
    """Whether a file is one that was written for this witness, or for the one before it."""
    try:
        data = path.read_bytes()
        return (
            data.decode() in before or parse(data).found_by == parse(witness.text.encode()).found_by
        )
    except (ScheduleError, UnicodeDecodeError):
        return False


STILL_THERE = "still there"


def replayed(path: Path) -> str:
    """What becomes of a schedule file under both executors, in words."""
    try:
        schedule = parse(path.read_bytes())
        scenario = recipe_named(schedule.scenario).scenario(schedule.params, schedule.without)
        run = replay(schedule, scenario)
    except OSError as error:
        return f"unreadable: {error.strerror}"
    except (ScheduleError, UsageError, Drift) as error:
        return f"drifted: {error}"
    except EngineError as error:
        return f"broken: {error}"
    return (
        STILL_THERE if run.outcomes == schedule.expect else f"gone: now {', '.join(run.outcomes)}"
    )
