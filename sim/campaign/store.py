"""The store of a campaign: what has been run, and what came of it.

A batch is acknowledged when the transaction that brings it is committed: its row, what it showed,
and the coverage that it adds to go together. Its seeds cannot be counted twice, since no two rows
may share one. Whatever is said of the whole (digest, findings, coverage) is a sum, a minimum or a
union over the rows, so it depends on which seeds there are, and neither on the order in which they
came nor on how they were cut into batches.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

import attrs

from sim.campaign import schema
from sim.campaign.errors import StoreError
from sim.campaign.records import FinishedBatch, MinuteSample, StoreContents, TroubleEvent, Witness
from sim.campaign.schema import of_finding, of_seed, summed
from sim.campaign.seeds import Shard, Span, joined
from sim.campaign.sqlite import Writer, in_words, reading, transaction, writing
from sim.search.fuzzing.sketch import Sketch


class Store:
    """A store that is written to. It is one process's; others may read it meanwhile."""

    def __init__(self, path: Path, connection: sqlite3.Connection, writer: Writer) -> None:
        self.path, self._connection, self._writer = path, connection, writer
        with in_words(path):
            self.contents = schema.contents(connection)

    @classmethod
    def begin(
        cls, path: Path, identity: dict[str, Any], wanted: Span, shard: Shard | None = None
    ) -> Self:
        """A new one.

        Raises StoreError where there is something already, or another process is at it.
        """
        writer = Writer(path)
        try:
            with in_words(path):
                connection = writing(path)
                try:
                    with transaction(connection):
                        schema.lay_out(path, connection, identity, wanted, shard or Shard())
                except BaseException:
                    connection.close()
                    raise
                return cls(path, connection, writer)
        except BaseException:
            writer.close()
            raise

    @classmethod
    def resume(cls, path: Path, identity: dict[str, Any]) -> Self:
        """One that is there.

        Raises StoreError where it is of another campaign, or another process writes to it.
        """
        with in_words(path):
            with reading(path) as connection:
                schema.check_format(path, connection)
                check_identity(path, schema.contents(connection).identity, identity)
            writer = Writer(path)
            try:
                return cls(path, writing(path), writer)
            except BaseException:
                writer.close()
                raise

    def want(self, wanted: Span) -> None:
        """What is asked for from now on."""
        with in_words(self.path), transaction(self._connection):
            self._connection.execute("UPDATE campaign SET wanted = ?", [str(wanted)])
        self.contents = attrs.evolve(self.contents, wanted=wanted)

    def add(
        self,
        done: Iterable[FinishedBatch],
        troubles: Iterable[TroubleEvent] = (),
        sketch: Sketch | None = None,
    ) -> None:
        """Acknowledge batches, and seeds that could not be run: all of them or none.

        `sketch` is what they cover, where it is not known of each.
        """
        now = self.contents
        totals, spans, sightings = now.totals, list(now.done), list(now.sightings)
        with in_words(self.path), transaction(self._connection):
            known = schema.coverage(self._connection)
            sketch = known if sketch is None else known.united(sketch)
            for one in done:
                self._refuse_twice(one.span)
                self._insert(one)
                totals, sketch = totals.with_(one), sketch.united(one.batch.sketch)
                spans.append(one.span)
                sightings += one.batch.sightings
            for trouble in troubles:
                self._refuse_twice(Span(trouble.seed, trouble.seed + 1))
                self._connection.execute(
                    "INSERT INTO troubles VALUES (?, ?)", [of_seed(trouble.seed), trouble.what]
                )
                spans.append(Span(trouble.seed, trouble.seed + 1))
            self._connection.execute("UPDATE coverage SET sketch = ?", [sketch.to_bytes()])
        self.contents = attrs.evolve(
            now,
            totals=totals,
            sketch=sketch,
            done=tuple(joined(sorted(spans))),
            sightings=summed(sightings),
            troubles=(*now.troubles, *troubles),
        )

    def _refuse_twice(self, span: Span) -> None:
        beside = self._connection.execute(
            "SELECT first, stop FROM batches WHERE first < ? AND stop > ?",
            [of_seed(span.stop), of_seed(span.first)],
        ).fetchone()
        troubled = self._connection.execute(
            "SELECT seed FROM troubles WHERE seed >= ? AND seed < ?",
            [of_seed(span.first), of_seed(span.stop)],
        ).fetchone()
        if beside is not None or troubled is not None:
            raise StoreError(
                f"{self.path}: seeds {span} are in it already; does another process write to it?"
            )

    def _insert(self, done: FinishedBatch) -> None:
        batch = done.batch
        row = (
            of_seed(batch.first),
            of_seed(batch.stop),
            batch.steps,
            batch.cut,
            f"{batch.digest:016x}",
            batch.lesson,
        )
        self._connection.execute(
            "INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [*row, done.seconds, done.attempts],
        )
        for one in batch.sightings:
            self._connection.execute(
                "INSERT INTO sightings VALUES (?, ?, ?, ?, ?, ?, ?)",
                [
                    of_seed(batch.first),
                    *of_finding(one.finding),
                    of_seed(one.seed),
                    one.steps,
                    one.seeds,
                ],
            )

    def keep(self, witness: Witness) -> None:
        """The run that stands for its group of findings from now on."""
        finding, seed, *rest = attrs.astuple(witness, recurse=False)
        row = (*of_finding(finding), of_seed(seed), *rest)
        with in_words(self.path), transaction(self._connection):
            self._connection.execute(
                "INSERT OR REPLACE INTO witnesses VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row
            )
            witnesses = tuple(schema.witnesses(self._connection))
        self.contents = attrs.evolve(self.contents, witnesses=witnesses)

    def note(self, minute: MinuteSample) -> None:
        with in_words(self.path), transaction(self._connection):
            self._connection.execute("INSERT INTO minutes VALUES (?, ?, ?)", attrs.astuple(minute))
        self.contents = attrs.evolve(self.contents, minutes=(*self.contents.minutes, minute))

    def lessons(self, span: Span) -> tuple[bytes, ...]:
        """What the batches of these seeds have to say, in their order."""
        with in_words(self.path):
            lessons = self._connection.execute(
                "SELECT lesson FROM batches WHERE first >= ? AND first < ? ORDER BY first",
                [of_seed(span.first), of_seed(span.stop)],
            )
            return tuple(lesson for (lesson,) in lessons)

    def guide(self, epoch: int, guidance: bytes) -> None:
        """What an adaptive strategy goes by in an epoch.

        What it was learned from is not needed any more.
        """
        with in_words(self.path), transaction(self._connection):
            self._connection.execute("INSERT INTO epochs VALUES (?, ?)", [epoch, guidance])
            self._connection.execute("UPDATE batches SET lesson = x''")

    def guidance(self, epoch: int) -> bytes | None:
        """None where nobody has said."""
        with in_words(self.path):
            return schema.guidance(self._connection, epoch)

    def close(self) -> None:
        self._connection.close()
        self._writer.close()


def read(path: Path) -> StoreContents:
    """What is in a store, somebody else's too. Raises StoreError."""
    with in_words(path), reading(path) as connection:
        schema.check_format(path, connection)
        return schema.contents(connection)


def batches(path: Path) -> tuple[FinishedBatch, ...]:
    """Its batches, one by one, in the order of their seeds. Raises StoreError."""
    with in_words(path), reading(path) as connection:
        schema.check_format(path, connection)
        return tuple(schema.batches(connection))


def guidance(path: Path, epoch: int) -> bytes:
    """What an adaptive strategy went by in an epoch. Raises StoreError."""
    with in_words(path), reading(path) as connection:
        return schema.guidance(connection, epoch) or b""


def check_identity(
    path: Path, theirs: dict[str, Any], mine: dict[str, Any], what: str = "this is of"
) -> None:
    """Raises StoreError, by name, where a store is of another campaign."""
    for key, value in mine.items():
        if theirs.get(key) != value:
            raise StoreError(
                f"{path} is of {key} {_said(theirs.get(key))}, {what} {_said(value)}; another "
                "--store is begun anew"
            )


def _said(value: object) -> str:
    if isinstance(value, dict):
        return " ".join(f"{name}={of}" for name, of in value.items())
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)
