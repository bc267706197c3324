"""`sim.engine.run.dice` for many seeds at once, with the same numbers.

The command line starts without numpy.
"""

from __future__ import annotations

import numpy as np

from sim.engine.arrays import U64
from sim.engine.run.dice import FACTORS, GOLDEN

_A, _B = map(np.uint64, FACTORS)
_GOLDEN = np.uint64(GOLDEN)
_30, _27, _31, _32 = map(np.uint64, (30, 27, 31, 32))


def mixed(x: U64) -> U64:
    """`dice.mixed`."""
    x = x ^ (x >> _30)
    x *= _A
    x ^= x >> _27
    x *= _B
    x ^= x >> _31
    return x


def seeded(seeds: U64) -> U64:
    """What `bits` and `below` take for a seed:
    the part of the work that is the same for all of its draws.
    """
    return mixed(seeds + _GOLDEN)


def bits(seeded: U64, step: U64 | np.uint64, draw: int) -> U64:
    """`dice.bits`."""
    x = mixed((seeded ^ step) + _GOLDEN)
    return mixed((x ^ np.uint64(draw)) + _GOLDEN)


def below(n: U64 | np.uint64, seeded: U64, step: U64 | np.uint64, draw: int) -> U64:
    """`dice.below`, each with an n and a step of its own."""
    return ((bits(seeded, step, draw) >> _32) * n) >> _32
