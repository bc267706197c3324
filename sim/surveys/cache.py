"""Cells of the table by several processes, and kept: a cell depends on the model,
on what explores it, and the loop.

What was derived lies in the user's cache directory, in a file named by a digest of all three; a
file that cannot be read is as good as none, and one that cannot be written is done without. A cell
is kept the moment it is derived.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing import active_children, get_context, parent_process
from pathlib import Path
from tempfile import NamedTemporaryFile
from threading import Thread
from typing import Any

from cattrs import BaseValidationError
from cattrs.preconf.json import make_converter

from sim.catalog.digest import table_digest
from sim.search.errors import WorkerError
from sim.surveys.table import TableCell, TableQuery, derive


class Kept:
    """The cells derived with this model so far."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / f"table-{table_digest()}.json"
        self._converter = make_converter(forbid_extra_keys=True)
        self._cells: dict[str, Any] = {}
        try:
            read = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return
        self._cells = read if isinstance(read, dict) else {}

    def get(self, question: TableQuery) -> TableCell | None:
        """A cell, if there is one and it can be read."""
        if question.key not in self._cells:
            return None
        try:
            return self._converter.structure(self._cells[question.key], TableCell)
        except BaseValidationError:
            return None

    def keep(self, question: TableQuery, cell: TableCell) -> None:
        """Keep a cell, whole or not at all."""
        self._cells[question.key] = self._converter.unstructure(cell)
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile(
                "w", encoding="utf-8", dir=self._path.parent, delete=False
            ) as file:
                try:
                    json.dump(self._cells, file)
                    file.flush()
                    Path(file.name).replace(self._path)
                except BaseException:
                    Path(file.name).unlink(missing_ok=True)
                    raise


def _serve() -> None:
    """A worker leaves Ctrl-C to its parent, and does not outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def cells(
    asked: Iterable[TableQuery], jobs: int, kept: Kept | None
) -> Iterator[tuple[TableQuery, TableCell]]:
    """Every cell as it becomes known, those that are kept first.

    A process that dies is an error that says so.
    """
    missing = []
    for question in asked:
        known = kept.get(question) if kept else None
        if known is None:
            missing.append(question)
        else:
            yield question, known
    for question, cell in _derived(missing, jobs):
        if kept:
            kept.keep(question, cell)
        yield question, cell


def _derived_with(
    digest: str, function: Callable[[TableQuery], TableCell], question: TableQuery
) -> TableCell:
    """In a process of its own, which imported tdpsim later than whoever asks and keeps
    what it says.
    """
    if table_digest() != digest:
        raise WorkerError(
            "tdpsim has changed since this began; what was derived before is kept: call again"
        )
    return function(question)


def _derived(missing: list[TableQuery], jobs: int) -> Iterator[tuple[TableQuery, TableCell]]:
    if jobs == 1 or len(missing) <= 1:
        yield from ((question, derive(question)) for question in missing)
        return
    pool = ProcessPoolExecutor(min(jobs, len(missing)), get_context("forkserver"), _serve)
    longest_first = sorted(missing, key=lambda question: -len(question.row.contenders))
    mine = table_digest()
    futures: dict[Future[TableCell], TableQuery] = {
        pool.submit(_derived_with, mine, derive, question): question for question in longest_first
    }
    try:
        for future in as_completed(futures):
            yield futures[future], future.result()
    except BrokenProcessPool:
        message = (
            "a process that derived cells was killed (out of memory?); what it had derived is kept"
        )
        raise WorkerError(f"{message}: call again, or with --jobs 1") from None
    except BaseException:
        for worker in active_children():  # they do not hear of Ctrl-C
            worker.kill()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
