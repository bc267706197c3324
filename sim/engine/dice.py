"""The one source of chance: a counter-based generator of (seed, step, draw).

There is no state to carry along: the number that seed 7 draws at step 3 is the same whether one seed is run or a
hundred thousand at once, on every platform. The mixing function is the finaliser of SplitMix64 ("Fast splittable
pseudorandom number generators", OOPSLA 2014), applied once per coordinate. `below` scales the upper 32 bits, so a
choice among n is uniform to n parts in 2**32.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_A = 0xBF58476D1CE4E5B9
_B = 0x94D049BB133111EB


def mixed(x: int) -> int:
    """SplitMix64's finaliser, of 64 bits."""
    x = (x ^ (x >> 30)) * _A & _MASK
    x = (x ^ (x >> 27)) * _B & _MASK
    return x ^ (x >> 31)


def bits(seed: int, step: int, draw: int) -> int:
    """64 random bits for one coordinate; all three are taken modulo 2**64."""
    x = mixed(seed + _GOLDEN & _MASK)
    x = mixed((x ^ step) + _GOLDEN & _MASK)
    return mixed((x ^ draw) + _GOLDEN & _MASK)


def below(n: int, seed: int, step: int, draw: int) -> int:
    """A number from 0 to n-1, n at most 2**32."""
    return ((bits(seed, step, draw) >> 32) * n) >> 32


def below_big(n: int, seed: int, step: int) -> int:
    """A number from 0 to n-1 for any n: as many bits as it takes, drawn again while they say too much."""
    words = -(-(n - 1).bit_length() // 64)
    spare = 64 * words - (n - 1).bit_length()
    for turn in count():
        drawn = sum(bits(seed, step, turn * words + i) << 64 * i for i in range(words)) >> spare
        if drawn < n:
            return drawn
    raise AssertionError


def below_many(
    n: npt.NDArray[np.uint64], seeds: npt.NDArray[np.uint64], step: int, draw: int
) -> npt.NDArray[np.uint64]:
    """`below` for many seeds at once, each with its own n: the same numbers."""
    import numpy as np  # noqa: PLC0415 - the command line starts without it

    u64 = np.uint64

    def mix(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
        x = (x ^ (x >> u64(30))) * u64(_A)
        x = (x ^ (x >> u64(27))) * u64(_B)
        return x ^ (x >> u64(31))

    x = mix(seeds + u64(_GOLDEN))
    x = mix((x ^ u64(step)) + u64(_GOLDEN))
    x = mix((x ^ u64(draw)) + u64(_GOLDEN))
    return ((x >> u64(32)) * n) >> u64(32)
