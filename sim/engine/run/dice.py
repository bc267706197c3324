"""The one source of chance: a counter-based generator of (seed, step, draw).

There is no state to carry along: the number that seed 7 draws at step 3 is the same whether one
seed is run or a hundred thousand at once, on every platform. Who uses which draws,
`sim.engine.run.draws` says. The mixing function is the finaliser of SplitMix64 ("Fast splittable
pseudorandom number generators", OOPSLA 2014), applied once per coordinate. `below` scales the upper
32 bits, so a choice among n is uniform to n parts in 2**32. `sim.engine.herd.dice_many` draws the
same for many seeds at once.
"""

from __future__ import annotations

from itertools import count

from sim.engine.run.draws import Stream

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15
FACTORS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)


def mixed(x: int) -> int:
    """SplitMix64's finaliser, of 64 bits."""
    x = (x ^ (x >> 30)) * FACTORS[0] & MASK
    x = (x ^ (x >> 27)) * FACTORS[1] & MASK
    return x ^ (x >> 31)


def bits(seed: int, step: int, draw: int) -> int:
    """64 random bits for one coordinate; all three are taken modulo 2**64."""
    x = mixed(seed + GOLDEN & MASK)
    x = mixed((x ^ step) + GOLDEN & MASK)
    return mixed((x ^ draw) + GOLDEN & MASK)


def below(n: int, seed: int, step: int, draw: int) -> int:
    """A number from 0 to n-1, n at most 2**32."""
    return ((bits(seed, step, draw) >> 32) * n) >> 32


def below_big(n: int, seed: int, step: int, stream: Stream) -> int:
    """A number from 0 to n-1 for any n: as many bits as it takes,
    drawn again while they say too much.
    """
    words = -(-(n - 1).bit_length() // 64)
    spare = 64 * words - (n - 1).bit_length()
    for turn in count():
        drawn = (
            sum(bits(seed, step, stream.nth(turn * words + i)) << 64 * i for i in range(words))
            >> spare
        )
        if drawn < n:
            return drawn
    raise AssertionError
