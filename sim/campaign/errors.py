"""What can go wrong with a campaign; each message says what to do."""

from __future__ import annotations


class StoreError(Exception):
    """A store that cannot be read, written or gone on with."""


class NoWorkersError(Exception):
    """Nobody can do the work, or nobody can do it right."""


class Lost(Exception):
    """A call that came to nothing: its worker died, or took too long, or the call failed."""
