"""Errors that any room may raise, and that the command line turns into a message."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


class UsageError(Exception):
    """Something that was asked for does not exist; the message says what does."""
