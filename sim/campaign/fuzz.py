"""A campaign from its first seed to its last, on this machine or a cluster, under trio and back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import NoReturn

import attrs
import trio

from sim.campaign.campaign import Campaign, Terms
from sim.campaign.jobs import run_batch
from sim.campaign.local_workers import Workers, pool
from sim.campaign.progress import CampaignEvent, CampaignProgress
from sim.campaign.question import CampaignSpec
from sim.campaign.retrying import RunBatch
from sim.campaign.signals import heard
from sim.campaign.store import Store


@attrs.frozen(eq=False)
class Audience:
    """Who is told what happens, and shown how far it is, every so many seconds."""

    tell: Callable[[CampaignEvent], None]
    show: Callable[[CampaignProgress], None]
    pause: float


def fuzz(
    question: CampaignSpec,
    store: Store,
    terms: Terms,
    audience: Audience,
    *,
    jobs: int,
    cluster: str | None = None,
    work: RunBatch = run_batch,
) -> CampaignProgress:
    """Run what a store wants, and say how far that came.

    Raises StoreError and NoWorkersError where it cannot go on; what was acknowledged by then is in
    the store.
    """
    if cluster is None:
        opened: Callable[[], AbstractAsyncContextManager[Workers]] = partial(pool, jobs)
    else:
        from sim.campaign.dask_workers import connected  # noqa: PLC0415 - an extra

        opened = partial(connected, cluster)
    try:
        return trio.run(_run, question, store, terms, audience, opened, work)
    except BaseExceptionGroup as group:
        raise_first(group)


async def _run(
    question: CampaignSpec,
    store: Store,
    terms: Terms,
    audience: Audience,
    opened: Callable[[], AbstractAsyncContextManager[Workers]],
    work: RunBatch,
) -> CampaignProgress:
    async with heard() as signals, opened() as workers:
        campaign = Campaign(question, store, workers, terms, audience.tell, work=work)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(campaign.listen, signals)
            nursery.start_soon(_show, campaign, audience)
            await campaign.run()
            nursery.cancel_scope.cancel()
        return campaign.progress()


async def _show(campaign: Campaign, audience: Audience) -> None:
    while True:
        await trio.sleep(audience.pause)
        audience.show(campaign.progress())


def raise_first(group: BaseExceptionGroup[BaseException]) -> NoReturn:
    """What went wrong first; of what went wrong because of it nobody wants to hear."""
    first: BaseException = group
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    raise first from None
