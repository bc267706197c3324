"""Stores of one campaign become one: what a single run of all their seeds would have left."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import attrs

from sim.campaign.errors import StoreError
from sim.campaign.records import StoreContents, Totals, Witness, group_of
from sim.campaign.schema import summed
from sim.campaign.seeds import Shard, Span, joined
from sim.campaign.store import Store, batches, check_identity, read
from sim.engine.run.fingerprint import MASK

Named = tuple[Path, StoreContents]


def merge(out: Path, paths: Sequence[Path]) -> StoreContents:
    """Write the union of stores to a new one.

    Raises StoreError, by name, for stores that do not go together.
    """
    if out.exists():
        raise StoreError(f"{out} is there already")
    stores = [(path, read(path)) for path in paths]
    whole = united(stores)
    partial = out.with_name(f"{out.name}.partial")
    partial.unlink(missing_ok=True)
    store = Store.begin(partial, whole.identity, whole.wanted)
    try:
        for path, contents in stores:
            store.add(batches(path), contents.troubles, contents.sketch)
        for witness in whole.witnesses:
            file = os.path.relpath(witness.file, out.parent) if witness.file else ""
            store.keep(attrs.evolve(witness, file=file))
    finally:
        store.close()
    partial.rename(out)
    return whole


def united(stores: Sequence[Named]) -> StoreContents:
    """What they say together, with files named from here.

    Raises StoreError for different campaigns, or a shared seed.

    What they say of single minutes is left out, for they had different ones.
    """
    path, first = stores[0]
    for other, contents in stores[1:]:
        check_identity(other, contents.identity, first.identity, f"{path} of")
    _refuse_shared_seeds(stores)
    whole = _placed(stores[0])
    for store in stores[1:]:
        whole = _with(whole, _placed(store))
    return whole if len(stores) == 1 else attrs.evolve(whole, shard=Shard(), minutes=())


def _placed(store: Named) -> StoreContents:
    path, contents = store
    files = [
        str(path.parent / witness.file) if witness.file else "" for witness in contents.witnesses
    ]
    witnesses = (
        attrs.evolve(one, file=file) for one, file in zip(contents.witnesses, files, strict=True)
    )
    return attrs.evolve(contents, witnesses=tuple(witnesses))


def _refuse_shared_seeds(stores: Sequence[Named]) -> None:
    spans = sorted((span, str(path)) for path, contents in stores for span in contents.done)
    for (span, path), (after, other) in pairwise(spans):
        if span.meets(after):
            shared = Span(after.first, min(span.stop, after.stop))
            raise StoreError(
                f"{path} and {other} both have the seeds {shared}: they would count twice"
            )


def _with(one: StoreContents, other: StoreContents) -> StoreContents:
    ours, theirs = one.totals, other.totals
    return attrs.evolve(
        one,
        created=min(one.created, other.created),
        wanted=Span(
            min(one.wanted.first, other.wanted.first), max(one.wanted.stop, other.wanted.stop)
        ),
        totals=Totals(
            ours.seeds + theirs.seeds,
            ours.steps + theirs.steps,
            ours.cut + theirs.cut,
            (ours.digest + theirs.digest) & MASK,
            ours.seconds + theirs.seconds,
            ours.batches + theirs.batches,
        ),
        done=tuple(joined(sorted([*one.done, *other.done]))),
        sightings=summed([*one.sightings, *other.sightings]),
        witnesses=_first((*one.witnesses, *other.witnesses)),
        troubles=tuple(sorted([*one.troubles, *other.troubles], key=lambda trouble: trouble.seed)),
        sketch=one.sketch.united(other.sketch),
    )


def _first(witnesses: tuple[Witness, ...]) -> tuple[Witness, ...]:
    """Of each group the one of the smallest seed."""
    by_seed = sorted(witnesses, key=lambda one: (one.seed, group_of(one.finding)), reverse=True)
    kept = {group_of(one.finding): one for one in by_seed}
    return tuple(sorted(kept.values(), key=lambda one: (one.seed, group_of(one.finding))))


def files(contents: StoreContents) -> Iterator[tuple[str, str]]:
    """The witnesses as schedule files: what each is called, and what is in it."""
    for number, witness in enumerate(contents.witnesses, 1):
        name = (
            Path(witness.file).name
            if witness.file
            else f"{contents.identity['scenario']}.finding-{number}.toml"
        )
        yield name, witness.text
