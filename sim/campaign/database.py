"""One SQLite file as a campaign uses it: how it is opened, what a transaction is, and what goes wrong in words.

The journal is SQLite's own rollback journal and not a write-ahead log. A log would let readers and the writer pass each
other, which matters to nobody here: there is one commit a second or so. It would cost two more files beside the store,
which whoever copies the store forgets; memory shared between processes, which a file server does not give; and the
right to write, for those who only read. With `synchronous=EXTRA` a transaction that was committed is on the disk, the
end of its journal included, so neither kill -9 nor a power cut undoes it. A full disk fails the transaction, and the
journal takes back what had been written of it.

Whoever reads opens the file read-only. There is one case in which that does not do: the writer was killed in the middle
of a commit, and nobody has taken it back since. Then the file is opened for writing once, which takes it back.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from sim.campaign.errors import StoreError

PATIENCE = 60.0
"""Seconds that a writer and a reader wait for each other."""


_WORDS = {
    "SQLITE_FULL": "the disk is full; what was acknowledged is whole: make room, and --resume goes on from there",
    "SQLITE_IOERR": "it cannot be written; what was acknowledged is whole: make room, and --resume goes on from there",
    "SQLITE_READONLY": "it cannot be written: it is read-only here",
    "SQLITE_PERM": "it cannot be opened: no right to it",
    "SQLITE_CANTOPEN_ISDIR": "it is a directory",
    "SQLITE_CANTOPEN": "it cannot be opened: no such file or directory, or no right to it",
    "SQLITE_NOTADB": "it is no store of tdpsim",
    "SQLITE_CORRUPT": "it is damaged; `sqlite3 FILE .recover` may save what is in it",
    "SQLITE_BUSY": "another process has held it for a minute; does somebody look at it with a transaction open?",
}


@contextlib.contextmanager
def in_words(path: Path) -> Iterator[None]:
    """Raises StoreError for whatever SQLite raises inside."""
    try:
        yield
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", "")
        if path.is_dir():
            name = "SQLITE_CANTOPEN_ISDIR"
        words = next((words for code, words in _WORDS.items() if name.startswith(code)), str(error))
        raise StoreError(f"{path}: {words}") from None


def writing(path: Path) -> sqlite3.Connection:
    """The one connection that writes, or the file's first."""
    connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("PRAGMA synchronous=EXTRA")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


@contextlib.contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that cannot write, inside one transaction, so that all that is read is of one moment."""
    try:
        connection = _read_only(path)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorname != "SQLITE_READONLY_ROLLBACK":
            raise
        with contextlib.closing(writing(path)) as healing:
            healing.execute("SELECT * FROM sqlite_master").fetchall()
        connection = _read_only(path)
    with contextlib.closing(connection):
        yield connection


def _read_only(path: Path) -> sqlite3.Connection:
    uri = f"file:{quote(str(path.absolute()))}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, timeout=PATIENCE, isolation_level=None)
    try:
        connection.execute("BEGIN")
        connection.execute("SELECT * FROM sqlite_master").fetchall()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of it or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
