"""One SQLite file as a campaign uses it: how it is opened, what a transaction is,
and what goes wrong in words.

The journal is SQLite's own rollback journal and not a write-ahead log. A log would let readers and
the writer pass each other, which matters to nobody here: there is one commit a second or so. It
would cost two more files beside the store, which whoever copies the store forgets; memory shared
between processes, which a file server does not give; and the right to write, for those who only
read. With `synchronous=EXTRA` a transaction that was committed is on the disk, the end of its
journal included, so neither kill -9 nor a power cut undoes it. A full disk fails the transaction,
and the journal takes back what had been written of it.

A store has one writer at a time: it holds a lock on a file beside the store, which the system takes
back however the process ends. SQLite's own lock would keep readers out as well, for as long as the
writer runs. Where a file server has no such locks the store goes without, as its rows and its
coverage are right with two writers, too.

Whoever reads opens the file read-only. There is one case in which that does not do: the writer was
killed in the middle of a commit, and nobody has taken it back since. Then the file is opened for
writing once, which takes it back.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from sim.campaign.errors import StoreError

PATIENCE = 60.0
"""Seconds that a writer and a reader wait for each other."""


_WORDS = {
    "SQLITE_FULL": "the disk is full; what was acknowledged is whole: make room, and --resume goes "
    "on "
    "from there",
    "SQLITE_IOERR": "it cannot be written; what was acknowledged is whole: make room, and --resume "
    "goes "
    "on "
    "from there",
    "SQLITE_READONLY": "it cannot be written: it is read-only here",
    "SQLITE_PERM": "it cannot be opened: no right to it",
    "SQLITE_CANTOPEN_ISDIR": "it is a directory",
    "SQLITE_CANTOPEN": "it cannot be opened: no such file or directory, or no right to it",
    "SQLITE_NOTADB": "it is no store of tdpsim",
    "SQLITE_CORRUPT": "it is damaged; `sqlite3 FILE .recover` may save what is in it",
    "SQLITE_BUSY": "another process has held it for a minute; does somebody look at it with a "
    "transaction "
    "open?",
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


class Writer:
    """The right to write to a store, until it is given up or the process is gone.

    Raises StoreError.
    """

    def __init__(self, path: Path) -> None:
        there = path.resolve()
        self._lock = there.with_name(f"{there.name}.lock")
        self._file: int | None = None
        with contextlib.suppress(_NoLock):
            while self._file is None:
                self._file = self._locked(path)

    def _locked(self, path: Path) -> int | None:
        """The file, locked; None where it was taken away meanwhile, by whoever had it."""
        try:
            file = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError:  # then neither can SQLite's journal be made, and SQLite says why
            raise _NoLock from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(file), self._lock.stat()):
                return file
        except BlockingIOError:
            os.close(file)
            raise StoreError(
                f"{path}: another process writes to it: wait for that one, or give each a "
                "--store and seeds of its own;"
                " `tdpsim merge` makes one of them"
            ) from None
        except FileNotFoundError:
            pass
        except OSError:
            os.close(file)
            raise _NoLock from None
        os.close(file)
        return None

    def close(self) -> None:
        """Take the file away while it is held,
        so that nobody else comes to hold one that is gone.
        """
        if self._file is not None:
            self._lock.unlink(missing_ok=True)
            os.close(self._file)
            self._file = None


class _NoLock(Exception):
    """Nothing can be locked there."""


@contextlib.contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that cannot write, inside one transaction,
    so that all that is read is of one moment.
    """
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
