"""A worker process from within: when it ends, and what it does not listen to.

Ctrl-C at a terminal, and a batch system that ends a job, reach every process of it. What that means
is decided by the process that the workers work for, so they are deaf to both; but where that one is
gone, for whatever reason, they go too, in the middle of a batch.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from itertools import count
from pathlib import Path

LONGEST_SERVICE = 500
"""Calls after which a worker is replaced: whatever grows in it is not to grow for ever."""
LEAST_GROWTH = 1 << 30
"""Bytes that it may grow by after its first call before it is replaced,
on however small a machine."""

_calls = count(1)
_at_first = 0


def begin() -> None:
    """When a worker starts."""
    for ignored in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ignored, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def is_spent() -> bool:
    """After each call: whether another process had better take over."""
    global _at_first  # noqa: PLW0603 - a process has one first call
    calls = next(_calls)
    if calls == 1:
        _at_first = _resident()
    return calls >= LONGEST_SERVICE or _resident() - _at_first > _growth()


def _growth() -> int:
    """Half of a processor's share of the machine's memory:
    what a storm has taught it is worth keeping.
    """
    share = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // (os.cpu_count() or 1)
    return max(LEAST_GROWTH, share // 2)


def _resident() -> int:
    """The memory that this process has, in bytes; 0 where the system does not say."""
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
