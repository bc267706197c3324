"""A store: what is acknowledged is whole and there once."""

from __future__ import annotations

import errno
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest

from sim.campaign import schema
from sim.campaign.errors import StoreError
from sim.campaign.records import FinishedBatch, TroubleEvent
from sim.campaign.seeds import Span
from sim.campaign.store import Store, batches, read
from tests.campaign import toy

WHOLE = Span(0, 100)
ROOT = Path(__file__).parents[2]


def done(first: int, stop: int) -> FinishedBatch:
    return FinishedBatch(toy.work(toy.QUESTION, first, stop, b""), 0.5)


@pytest.fixture
def store(tmp_path: Path) -> Any:
    store = toy.begun(tmp_path / "a.db", WHOLE)
    store.add([done(10, 20)], [TroubleEvent(30, "hangs")])
    yield store
    store.close()


def test_what_is_read_is_what_was_written(store: Store) -> None:
    known = attrs.evolve(read(store.path), sketch=store.contents.sketch)
    assert known == store.contents
    assert read(store.path).sketch == store.contents.sketch == done(10, 20).batch.sketch
    (one,) = batches(store.path)
    assert attrs.evolve(one.batch, sketch=done(10, 20).batch.sketch) == done(10, 20).batch


@pytest.mark.parametrize("span", [(10, 20), (0, 11), (19, 40), (12, 13), (30, 31), (0, 100)])
def test_no_seed_is_counted_twice(store: Store, span: tuple[int, int]) -> None:
    before = store.contents
    with pytest.raises(StoreError, match=r"a\.db: seeds \d+:\d+ are in it already"):
        store.add([done(50, 60), done(*span)])
    assert store.contents is before
    assert read(store.path).totals == before.totals
    store.add([done(50, 60)])


def test_nor_is_a_seed_that_could_not_be_run(store: Store) -> None:
    with pytest.raises(StoreError, match="seeds 12:13 are in it already"):
        store.add([], [TroubleEvent(12, "crashes")])


def test_others_read_while_it_is_written(store: Store) -> None:
    assert read(store.path).totals.seeds == 10
    store.add([done(0, 10)])
    assert read(store.path).totals.seeds == 20


def test_a_writer_that_was_killed_in_a_commit_is_taken_back_by_whoever_reads(
    store: Store, tmp_path: Path
) -> None:
    """A hot journal: half of a transaction is in the file already."""
    connection = store._connection
    connection.execute("PRAGMA cache_size=1")
    connection.execute("PRAGMA cache_spill=1")
    connection.execute("BEGIN IMMEDIATE")
    for seed in range(5000):
        connection.execute(
            "INSERT INTO troubles VALUES (?, ?)", [schema.of_seed(1000 + seed), "x" * 100]
        )
    torn = tmp_path / "torn.db"
    for suffix in ("", "-journal"):
        shutil.copy(f"{store.path}{suffix}", f"{torn}{suffix}")
    connection.execute("ROLLBACK")
    assert torn.stat().st_size > 10 * store.path.stat().st_size // 9
    assert read(torn).troubles == (TroubleEvent(30, "hangs"),)
    with sqlite3.connect(torn) as whole:
        assert whole.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    whole.close()


def test_a_full_disk_takes_back_the_whole_transaction(store: Store) -> None:
    (pages,) = store._connection.execute("PRAGMA page_count").fetchone()
    store._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(
        StoreError, match=r"a\.db: the disk is full; what was acknowledged is whole: make room"
    ):
        store.add([done(20, 30)], [TroubleEvent(40 + i, "x" * 999) for i in range(50)])
    assert read(store.path).totals.seeds == store.contents.totals.seeds == 10
    store._connection.execute("PRAGMA max_page_count = 100000")
    store.add([done(20, 30)])
    assert read(store.path).totals.seeds == 20


def _other(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE shopping (what)")
    connection.close()


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda path: path.write_bytes(b"x" * 9999), "it is no store of tdpsim"),
        (lambda path: path.write_bytes(b""), "it is no store of tdpsim"),
        (lambda path: path.mkdir(), "it is a directory"),
        (_other, "it is no store of tdpsim"),
        (lambda _path: None, "it cannot be opened: no such file"),
    ],
)
def test_what_is_no_store_is_refused(tmp_path: Path, harm: Any, said: str) -> None:
    harm(tmp_path / "a.db")
    with pytest.raises(StoreError, match=said):
        read(tmp_path / "a.db")


def test_a_store_of_another_format_is_refused(store: Store) -> None:
    store._connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="a store of format 99, this tdpsim reads format 1"):
        read(store.path)


def test_a_damaged_store_is_refused(store: Store) -> None:
    data = bytearray(store.path.read_bytes())
    data[100:4096] = b"\xff" * 3996
    store.path.write_bytes(data)
    with pytest.raises(StoreError, match=r"it is damaged|it is no store"):
        read(store.path)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("strategy", "pct:3", r"a\.db is of strategy walk, this is of pct:3"),
        ("model", "mine", r"a\.db is of model 7.2.* [0-9a-f]{8}, this is of mine"),
        ("guards out", ["kick"], r"a\.db is of guards out none, this is of kick"),
    ],
)
def test_another_campaigns_store_is_refused_by_name(
    store: Store, key: str, value: object, said: str
) -> None:
    with pytest.raises(StoreError, match=said):
        Store.resume(store.path, {**toy.QUESTION.identity(WHOLE), key: value})


def test_a_store_that_is_there_is_not_begun_again(store: Store) -> None:
    store.close()
    with pytest.raises(
        StoreError, match="is there already: --resume goes on with it, --store FILE begins another"
    ):
        toy.begun(store.path, WHOLE)


def test_a_store_has_one_writer(store: Store) -> None:
    """The second one is refused in a line that says what to do.

    When the first one is done, the next may come.
    """
    with pytest.raises(StoreError, match=r"a\.db: another process writes to it: .* `tdpsim merge`"):
        toy.gone_on(store.path, WHOLE)
    assert read(store.path).totals.seeds == 10
    link = store.path.with_name("link.db")
    link.symlink_to(store.path.name)
    with pytest.raises(StoreError, match=r"link\.db: another process writes to it"):
        toy.gone_on(link, WHOLE)
    store.close()
    for _ in range(2):
        second = toy.gone_on(store.path, WHOLE)
        second.close()
    assert [path.name for path in store.path.parent.iterdir() if path.name.endswith(".lock")] == []


def test_two_writers_begin_one_store(tmp_path: Path) -> None:
    first = toy.begun(tmp_path / "a.db", WHOLE)
    with pytest.raises(StoreError, match="another process writes to it"):
        toy.begun(tmp_path / "a.db", WHOLE)
    first.close()
    with pytest.raises(StoreError, match="is there already"):
        toy.begun(tmp_path / "a.db", WHOLE)


def test_the_lock_goes_with_its_process(tmp_path: Path) -> None:
    """However that ends: a lock file that is left over holds nobody up."""
    holding = """import os, sys
from pathlib import Path
from sim.campaign.seeds import Span
from tests.campaign import toy
store = toy.begun(Path(sys.argv[1]), Span(0, 100))
print("held", flush=True)
sys.stdin.read()
"""
    path = tmp_path / "a.db"
    command = [sys.executable, "-c", holding, str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        with pytest.raises(StoreError, match="another process writes to it"):
            toy.gone_on(path, WHOLE)
        process.kill()
        process.wait()
    assert path.with_name("a.db.lock").exists()
    toy.gone_on(path, WHOLE).close()
    assert not path.with_name("a.db.lock").exists()


def test_where_nothing_can_be_locked_two_writers_lose_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file server without locks: rows, digest and coverage are those of both."""

    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", no_locks)
    path = tmp_path / "a.db"
    one = toy.begun(path, WHOLE)
    other = toy.gone_on(path, WHOLE)
    for number, store in ((0, one), (10, other), (20, one), (30, other)):
        store.add([done(number, number + 10)])
    one.close()
    other.close()
    known, whole = read(path), done(0, 40).batch
    assert (known.totals.seeds, known.totals.digest, known.sketch) == (
        40,
        whole.digest,
        whole.sketch,
    )
