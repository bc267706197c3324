"""Worker processes: what kills one of them costs its batch a retry, and at worst a seed."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from sim.campaign import process as worker_process
from sim.campaign.campaign import Terms
from sim.campaign.errors import Lost, NoWorkersError
from sim.campaign.fuzz import Audience, fuzz
from sim.campaign.local_workers import pool
from sim.campaign.question import CampaignSpec
from sim.campaign.records import TroubleEvent
from sim.campaign.seeds import Span
from tests.campaign import faulty, toy

QUIET = Audience(lambda _news: None, lambda _now: None, 60.0)


@pytest.mark.parametrize(
    ("work", "batch", "patience", "troubles"),
    [
        (
            faulty.crashes,
            8,
            60.0,
            [
                (faulty.CRASHES, "its worker died of signal 9"),
                (faulty.RAISES, "MemoryError: no more"),
            ],
        ),
        (faulty.hangs, 1, 2.0, [(faulty.HANGS, "it took longer than 2 s")]),
    ],
    ids=["crashes", "hangs"],
)
def test_it_is_found_and_the_campaign_goes_on(
    work: Any, batch: int, patience: float, troubles: list[tuple[int, str]], tmp_path: Path
) -> None:
    wanted = Span(10, 30)
    store = toy.begun(tmp_path / "a.db", wanted)
    terms = Terms(tmp_path / "findings", batch=batch, patience=patience)
    fuzz(toy.QUESTION, store, terms, QUIET, jobs=2, work=work)
    assert sorted(store.contents.troubles, key=lambda one: one.seed) == [
        TroubleEvent(*one) for one in troubles
    ]
    assert store.contents.totals.seeds == wanted.size - len(troubles)
    assert store.contents.done == (wanted,)
    store.close()


def test_a_worker_that_has_imported_another_tdpsim_ends_the_campaign(tmp_path: Path) -> None:
    """Nothing that it says is stored:
    a worker that replaces another one imports what is there by then.
    """
    question = faulty.Drifted(
        *(getattr(toy.QUESTION, field.name) for field in attrs.fields(CampaignSpec))
    )
    store = toy.begun(tmp_path / "a.db", Span(0, 4))
    with pytest.raises(
        NoWorkersError,
        match=r"tdpsim has changed since this began: its program is new, and here it is old",
    ):
        fuzz(question, store, Terms(tmp_path / "findings"), QUIET, jobs=1, work=toy.work)
    assert store.contents.totals.seeds == 0
    assert store.contents.troubles == ()
    store.close()


def test_a_worker_that_has_served_long_enough_is_replaced() -> None:
    """And nobody notices: each call is answered, by another process from then on."""

    async def main() -> list[int]:
        async with pool(1) as workers:
            return [await workers.call(60.0, short_lived) for _ in range(5)]

    first, *rest = trio.run(main)
    assert len({first, *rest}) > 1
    assert os.getpid() not in rest


def short_lived() -> int:
    worker_process.LONGEST_SERVICE = 2
    return os.getpid()


def test_a_worker_that_is_killed_while_idle_is_replaced() -> None:
    async def main() -> tuple[int, int]:
        async with pool(1) as workers:
            first = await workers.call(60.0, os.getpid)
            os.kill(first, signal.SIGKILL)
            with suppress(Lost):
                await workers.call(60.0, os.getpid)
            return first, await workers.call(60.0, os.getpid)

    first, second = trio.run(main)
    assert first != second


def test_a_worker_does_not_listen_to_what_its_parent_is_told() -> None:
    async def main() -> bool:
        async with pool(1) as workers:
            first = await workers.call(60.0, os.getpid)
            for deaf in (signal.SIGINT, signal.SIGTERM):
                os.kill(first, deaf)
            return first == await workers.call(60.0, os.getpid)

    assert trio.run(main)


def test_what_a_call_raises_is_told_and_no_traceback_is() -> None:
    async def main() -> None:
        async with pool(1) as workers:
            await workers.call(60.0, int, "x")

    with pytest.raises(Lost, match=r"^ValueError: invalid literal for int\(\) with base 10: 'x'$"):
        trio.run(main)
