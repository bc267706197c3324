"""The engine against the oracle: the first programs of `make oracle SEED=1`,
each in some of the ways to run it.
"""

from __future__ import annotations

import pytest

from tests.oracle.compare import Comparison
from tests.oracle.generate import candidate, program_of

PARTS, EACH = 7, 32


@pytest.mark.parametrize("part", range(PARTS))
def test_engine_and_oracle_agree(part: int) -> None:
    """Of the programs that take long, which have many states, every eighth."""
    for number in range(part * EACH, (part + 1) * EACH):
        if candidate(1, number, 0).family == "large" and number % 8:
            continue
        mismatches = Comparison(*program_of(1, number), number).run(light=True)
        assert not mismatches, f"python -m tests.oracle --only {number}\n" + "\n".join(
            map(str, mismatches)
        )
