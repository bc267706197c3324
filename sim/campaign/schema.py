"""What the tables of a store are, and how their rows become what they mean.

Seeds have 64 bits and the database's integers 63, so they are texts of twenty digits, which sort as
the numbers do.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import attrs

from sim.campaign.errors import StoreError
from sim.campaign.records import (
    FinishedBatch,
    MinuteSample,
    StoreContents,
    Totals,
    TroubleEvent,
    Witness,
)
from sim.campaign.seeds import Shard, Span, joined
from sim.engine.model.operations import Finding
from sim.engine.run.fingerprint import MASK
from sim.search.fuzzing.batch import Batch, Sighting
from sim.search.fuzzing.sketch import Sketch

_APPLICATION = 0x7464_7073  # "tdps"; `file` shows it
FORMAT = 1
_TABLES = """
CREATE TABLE campaign (identity TEXT NOT NULL, created REAL NOT NULL, shard TEXT NOT NULL, wanted TEXT NOT NULL);
CREATE TABLE batches (first TEXT PRIMARY KEY, stop TEXT NOT NULL, steps INTEGER NOT NULL, cut INTEGER NOT NULL,
    digest TEXT NOT NULL, lesson BLOB NOT NULL, seconds REAL NOT NULL, attempts INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE sightings (batch TEXT NOT NULL, kind TEXT NOT NULL, place TEXT NOT NULL, causes TEXT NOT NULL,
    seed TEXT NOT NULL, steps INTEGER NOT NULL, seeds INTEGER NOT NULL,
    PRIMARY KEY (batch, kind, place, causes)) WITHOUT ROWID;
CREATE TABLE troubles (seed TEXT PRIMARY KEY, what TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE witnesses (kind TEXT NOT NULL, place TEXT NOT NULL, causes TEXT NOT NULL, seed TEXT NOT NULL,
    text TEXT NOT NULL, steps INTEGER NOT NULL, shrunk INTEGER NOT NULL, confirmed INTEGER NOT NULL,
    found_with INTEGER NOT NULL, file TEXT NOT NULL, PRIMARY KEY (kind, place)) WITHOUT ROWID;
CREATE TABLE coverage (sketch BLOB NOT NULL);
CREATE TABLE epochs (number INTEGER PRIMARY KEY, guidance BLOB NOT NULL);
CREATE TABLE minutes (at REAL NOT NULL, seeds INTEGER NOT NULL, states INTEGER NOT NULL);
"""


def of_seed(seed: int) -> str:
    return f"{seed:020}"


def lay_out(
    path: Path, connection: sqlite3.Connection, identity: dict[str, Any], wanted: Span, shard: Shard
) -> None:
    if connection.execute("SELECT * FROM sqlite_master").fetchone() is not None:
        raise StoreError(
            f"{path} is there already: --resume goes on with it, --store FILE begins another"
        )
    for statement in filter(str.strip, _TABLES.split(";")):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {_APPLICATION}")
    connection.execute(f"PRAGMA user_version = {FORMAT}")
    row = (json.dumps(identity), time.time(), json.dumps(attrs.astuple(shard)), str(wanted))
    connection.execute("INSERT INTO campaign VALUES (?, ?, ?, ?)", row)
    connection.execute("INSERT INTO coverage VALUES (?)", [Sketch().to_bytes()])


def check_format(path: Path, connection: sqlite3.Connection) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != _APPLICATION:
        raise StoreError(f"{path}: it is no store of tdpsim")
    if version != FORMAT:
        raise StoreError(f"{path}: a store of format {version}, this tdpsim reads format {FORMAT}")


def of_finding(finding: Finding) -> tuple[str, str, str]:
    return finding.kind, finding.where, json.dumps(finding.causes)


def contents(connection: sqlite3.Connection) -> StoreContents:
    identity, created, shard, wanted = connection.execute("SELECT * FROM campaign").fetchone()
    troubles = tuple(
        TroubleEvent(int(seed), what) for seed, what in connection.execute("SELECT * FROM troubles")
    )
    totals, spans = _totals(connection)
    spans += [Span(trouble.seed, trouble.seed + 1) for trouble in troubles]
    return StoreContents(
        json.loads(identity),
        created,
        Shard(*json.loads(shard)),
        Span(*map(int, wanted.split(":"))),
        totals,
        tuple(joined(sorted(spans))),
        summed(_sightings(connection)),
        tuple(witnesses(connection)),
        troubles,
        coverage(connection),
        tuple(
            MinuteSample(*row) for row in connection.execute("SELECT * FROM minutes ORDER BY at")
        ),
    )


def coverage(connection: sqlite3.Connection) -> Sketch:
    (sketch,) = connection.execute("SELECT sketch FROM coverage").fetchone()
    return Sketch.from_bytes(sketch)


def _totals(connection: sqlite3.Connection) -> tuple[Totals, list[Span]]:
    totals, digest, spans = Totals(), 0, []
    for first, stop, steps, cut, number, seconds in connection.execute(
        "SELECT first, stop, steps, cut, digest, seconds FROM batches ORDER BY first"
    ):
        spans.append(Span(int(first), int(stop)))
        digest += int(number, 16)
        totals = Totals(
            totals.seeds + spans[-1].size,
            totals.steps + steps,
            totals.cut + cut,
            digest & MASK,
            totals.seconds + seconds,
            totals.batches + 1,
        )
    return totals, spans


def _sightings(connection: sqlite3.Connection, first: int | None = None) -> Iterator[Sighting]:
    """All of them, or a batch's."""
    which, args = ("", []) if first is None else (" WHERE batch = ?", [of_seed(first)])
    rows = connection.execute(
        f"SELECT kind, place, causes, seed, steps, seeds FROM sightings{which}",  # noqa: S608 - our own text
        args,
    )
    for kind, place, causes, seed, steps, seeds in rows:
        yield Sighting(_found(kind, place, causes), int(seed), steps, seeds)


def _found(kind: str, place: str, causes: str) -> Finding:
    return Finding(kind, place, tuple(json.loads(causes)))


def summed(sightings: Iterable[Sighting]) -> tuple[Sighting, ...]:
    """One for each finding: the smallest seed stands for all, and they are counted together."""
    known: dict[Finding, Sighting] = {}
    for one in sightings:
        first = min(known.get(one.finding, one), one, key=lambda each: each.seed)
        seeds = one.seeds + (known[one.finding].seeds if one.finding in known else 0)
        known[one.finding] = attrs.evolve(first, seeds=seeds)
    return tuple(
        sorted(known.values(), key=lambda one: (one.seed, one.steps, *of_finding(one.finding)))
    )


def witnesses(connection: sqlite3.Connection) -> Iterator[Witness]:
    for (
        kind,
        place,
        causes,
        seed,
        text,
        steps,
        shrunk,
        confirmed,
        found_with,
        file,
    ) in connection.execute("SELECT * FROM witnesses ORDER BY seed, kind, place"):
        finding = _found(kind, place, causes)
        yield Witness(
            finding, int(seed), text, steps, bool(shrunk), bool(confirmed), found_with, file
        )


def guidance(connection: sqlite3.Connection, epoch: int) -> bytes | None:
    row = connection.execute("SELECT guidance FROM epochs WHERE number = ?", [epoch]).fetchone()
    return None if row is None else bytes(row[0])


def batches(connection: sqlite3.Connection) -> Iterator[FinishedBatch]:
    """Every batch, with what it showed and without what it covered:
    that is kept for all of them together.
    """
    rows = connection.execute("SELECT * FROM batches ORDER BY first").fetchall()
    for first, stop, steps, cut, digest, lesson, seconds, attempts in rows:
        seen = summed(_sightings(connection, int(first)))
        batch = Batch(int(first), int(stop), steps, cut, int(digest, 16), seen, Sketch(), lesson)
        yield FinishedBatch(batch, seconds, attempts)
