"""Errors that any room may raise, and that the command line turns into a message."""

from __future__ import annotations


class UsageError(Exception):
    """Something that was asked for does not exist; the message says what does."""


class CompilerError(Exception):
    """There is no C compiler, or it does not compile what it is given."""
