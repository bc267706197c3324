"""Opening a store: one that is begun, or one that is there and is gone on with."""

from __future__ import annotations

from pathlib import Path

from sim.base.errors import UsageError
from sim.campaign.errors import StoreError
from sim.campaign.question import CampaignSpec
from sim.campaign.seeds import END, Span, shard_of
from sim.campaign.store import Store, read

SEEDS = Span(0, 1_000_000)
"""The seeds of a store that is begun, where nobody says which."""

ShardNumber = tuple[int, int]
"""The n-th of so many equal parts of the seeds, from 1."""


def open_store(
    path: Path,
    question: CampaignSpec,
    wanted: Span | None,
    part: ShardNumber | None,
    *,
    resume: bool,
) -> Store:
    """The store of a campaign, to be closed.

    Without `resume`, or where nothing has been begun, a new one.

    Raises StoreError for a store of another campaign or part, UsageError for a strategy that cannot
    be dealt out.
    """
    store = _gone_on(path, question, wanted, part) if resume else None
    return store or _begun(path, question, wanted or SEEDS, part)


def _begun(path: Path, question: CampaignSpec, wanted: Span, part: ShardNumber | None) -> Store:
    if part is None:
        return Store.begin(path, question.identity(wanted), wanted)
    if question.runner().epoch is not None:
        raise UsageError(
            f"strategy {question.strategy} goes by all that earlier seeds showed, so they "
            "cannot be dealt out to shards"
        )
    return Store.begin(path, question.identity(wanted), wanted, shard_of(*part, wanted))


def _gone_on(
    path: Path, question: CampaignSpec, wanted: Span | None, part: ShardNumber | None
) -> Store | None:
    """None where nothing has been begun."""
    if not path.exists() or not path.stat().st_size:
        return None
    try:
        known = read(path)
    except StoreError:
        # One that was killed while it was made is taken back by reading it.
        if path.is_file() and not path.stat().st_size:
            return None
        raise
    if part is not None and part != (known.shard.number, known.shard.of):
        number, of = part
        raise StoreError(f"{path} is of shard {known.shard}, this is of {number}/{of}")
    # Seeds without an end are those of --for: the store's own are gone on with.
    whole = known.wanted if wanted is None or wanted.stop == END else wanted
    store = Store.resume(path, question.identity(whole))
    store.want(whole)
    return store
