"""What becomes of a finding: a file at once, a smaller one in a while."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from sim.campaign import jobs
from sim.campaign.errors import Lost
from sim.campaign.findings import Findings
from sim.campaign.progress import CampaignEvent, NoteEvent, WitnessEvent
from sim.campaign.records import FinishedBatch, Witness
from sim.campaign.seeds import Span
from sim.engine.run.schedule import parse
from tests.campaign import toy

RUNNER = toy.QUESTION.runner()


@attrs.define
class Clerk:
    """A worker here that makes witnesses as real ones do, and smaller ones as it is told to."""

    shrink: Callable[[jobs.Example], jobs.Example | None]
    slots: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(1))
    hangs: bool = False

    async def call(self, _patience: float, function: Any, /, *args: Any) -> Any:
        await trio.lowlevel.checkpoint()
        if function is jobs.example:
            return jobs.example(*args)
        if self.hangs:
            await trio.sleep_forever()
        return self.shrink(jobs.example(*args))


def shorter(example: jobs.Example) -> jobs.Example:
    return attrs.evolve(
        example, text=f"# as short as it gets\n{example.text}", steps=example.steps - 1
    )


def lost(_example: jobs.Example) -> jobs.Example:
    raise Lost("ValueError: too hard")


def looked_after(
    path: Path, clerk: Clerk, *spans: Span, drained: bool = False
) -> tuple[tuple[Witness, ...], list[CampaignEvent]]:
    """The witnesses after these batches have come, one after the other."""
    told: list[CampaignEvent] = []

    async def main() -> tuple[Witness, ...]:
        store = toy.begun(path, Span(0, 1000))
        folder = path.with_suffix(".findings")
        findings = Findings(
            store, clerk, toy.QUESTION, RUNNER.scenario, folder, lambda _seed: b"", told.append
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(findings.work)
            for span in spans:
                store.add([FinishedBatch(RUNNER.batch(span.first, span.stop), 1.0)])
                findings.look()
                if clerk.hangs:
                    while not findings.shrinking:
                        await trio.lowlevel.checkpoint()
                if drained:
                    findings.hurry()
                await findings.settled()
            nursery.cancel_scope.cancel()
        store.close()
        return store.contents.witnesses

    async def soon() -> tuple[Witness, ...]:
        with trio.fail_after(30):
            return await main()

    return trio.run(soon), told


def test_it_is_written_then_shrunk_and_each_is_replayed_from_its_file(tmp_path: Path) -> None:
    (witness,), told = looked_after(tmp_path / "a.db", Clerk(shorter), Span(0, 30))
    first, smaller = [news for news in told if isinstance(news, WitnessEvent)]
    assert (first.witness.shrunk, first.witness.confirmed, smaller.witness) == (
        False,
        True,
        witness,
    )
    assert (witness.shrunk, witness.confirmed, witness.steps) == (
        True,
        True,
        witness.found_with - 1,
    )
    assert (tmp_path / witness.file).read_text() == witness.text
    assert parse(witness.text.encode()).expect == (str(witness.finding),)


def test_the_smallest_seed_stands_for_all_whatever_comes_first(tmp_path: Path) -> None:
    late, _ = looked_after(tmp_path / "a.db", Clerk(shorter), Span(40, 80), Span(0, 40))
    early, _ = looked_after(tmp_path / "b.db", Clerk(shorter), Span(0, 40), Span(40, 80))
    assert [attrs.evolve(one, file="") for one in late] == [
        attrs.evolve(one, file="") for one in early
    ]
    assert late[0].seed == 0x15
    assert len(list((tmp_path / "a.findings").iterdir())) == 1


@pytest.mark.parametrize(
    ("shrink", "said"), [(lost, 1), (lambda _example: None, 0)], ids=["fails", "is not there"]
)
def test_what_cannot_be_made_smaller_stays_as_it_is(tmp_path: Path, shrink: Any, said: int) -> None:
    (witness,), told = looked_after(tmp_path / "a.db", Clerk(shrink), Span(0, 30))
    assert (witness.shrunk, witness.confirmed) == (False, True)
    complaints = [news.text for news in told if isinstance(news, NoteEvent)]
    assert (
        complaints
        == ["KVM_BUG_ON handle_changed_spte from seed 0x15 stays as it is: ValueError: too hard"][
            :said
        ]
    )


def test_who_drains_does_not_wait_for_a_smaller_one(tmp_path: Path) -> None:
    (witness,), _ = looked_after(
        tmp_path / "a.db", Clerk(shorter, hangs=True), Span(0, 30), drained=True
    )
    assert (witness.shrunk, witness.confirmed) == (False, True)
