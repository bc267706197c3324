"""What a search raises; a module of its own, so that a command can catch it without numpy."""

from __future__ import annotations


class CheckpointError(Exception):
    """A checkpoint that cannot be written, or cannot be gone on from.

    The message says why and what to do.
    """


class WorkerError(Exception):
    """A process that shared the work has died; the message says what is left of it."""


class CountError(Exception):
    """A number that there is not, or that is out of reach; the message says what there is."""
