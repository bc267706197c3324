"""Exit statuses."""

from __future__ import annotations

from enum import IntEnum


class ExitStatus(IntEnum):
    """What `$?` says."""

    CLEAN = 0
    """Nothing found; `replay`: what the file expects; `table`: every row decided."""
    FINDING = 1
    """A finding; `replay`: another outcome than the file expects."""
    USAGE = 2
    """Asked for something that does not exist or cannot be read or written."""
    DRIFT = 3
    """A schedule that is malformed, or that the model has moved away from."""
    UNDECIDED = 4
    """A budget ended first."""
    INTERNAL = 70
    """tdpsim broke a rule of its own."""
    INTERRUPTED = 130
    """Ctrl-C."""
    BROKEN_PIPE = 141
    """Whoever read the output has gone."""
