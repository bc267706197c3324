"""Ctrl-C and SIGTERM while worker processes are started.

A process that is being started listens to signals as any new process does, until its own code has
come to say otherwise. A Ctrl-C in that tenth of a second would end it with a traceback in the
middle of the screen. What a thread blocks, its children block too, so signals are blocked here, in
all threads that start processes, and taken by a thread that does nothing else; Python then runs
their handlers in the main thread, as ever.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from multiprocessing import resource_tracker

import trio

HEARD = (signal.SIGINT, signal.SIGTERM)


@contextlib.asynccontextmanager
async def heard() -> AsyncIterator[AsyncIterator[int]]:
    """Signals as they come, in the main thread of the process."""
    with trio.open_signal_receiver(*HEARD) as signals, _taken_elsewhere():
        yield signals


@contextlib.contextmanager
def _taken_elsewhere() -> Iterator[None]:
    over = threading.Event()
    threading.Thread(target=over.wait, daemon=True, name="takes signals").start()
    # else whichever thread starts it has its signals unblocked by it
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HEARD)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        over.set()
