"""Who draws what: a name for every use of chance, so that no two of them share a number.

A drawn number is a function of (seed, step, draw) (`sim.engine.run.dice`). Two uses of one
coordinate would be one chance: which strategy runs a seed and what that strategy does first, say.
So each use has a stream here, with as many numbers in it as it likes (`Stream.nth`), and streams
have no number in common. A test holds that each stream has one user.
"""

from __future__ import annotations

from enum import IntEnum, unique

_BITS = 8
"""Bits of a draw's number that are the stream's; the rest is which draw of the stream it is."""


@unique
class Stream(IntEnum):
    """A use of chance.

    The number of a stream is its first draw; never change one, since seeds are passed on.
    """

    TASK = 0
    """Whose turn it is in a random walk."""

    VALUE = 1
    """Which value of a choice is taken."""

    PCT_PRIORITY = 2
    PCT_CHANGE = 3
    POS_PRIORITY = 4
    SURW_CELL = 5
    SURW_SHARED = 6
    SURW_INTENDED = 7
    SURW_CANDIDATE = 8
    FEST_IS_FRESH = 9
    FEST_PARENT = 10
    FEST_MUTATIONS = 11
    FEST_STEP = 12
    PORTFOLIO_MEMBER = 13

    UNIFORM_RUN = 14
    """The number of an interleaving, or of a class, that is drawn uniformly."""

    ESTIMATE = 15
    """A way to go on, for an estimate of how many interleavings there are."""

    VERIFY = 16
    """The batch of a campaign that is run again."""

    def nth(self, number: int) -> int:
        """The draw of this stream with that number, from 0 on."""
        return number << _BITS | self
