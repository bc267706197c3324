"""What going through all that few tasks can do comes to, without any pass before it."""

from __future__ import annotations

from hypothesis import example, given

from sim.engine.run import automata_executor
from sim.engine.run.scheduler import RandomWalk
from sim.search.shrinking.follow import Follower, Size
from sim.search.shrinking.shortest import smaller
from tests.engine.mini import programs, scenario
from tests.engine.test_laws import ABBA, Programs, laws
from tests.search.smallest import smallest

ENDLESS = 1 << 20
LATER: Programs = ((("store", 1, 2), ("load", 0), ("report", 1)), (("add", 0, 1),))
LAST: Programs = ((("load", 0), ("load", 0), ("report", 1)), (("add", 0, 1),))
"""Where the way with a preemption less is met after another of the same length."""


def gone_through(follower: Follower, most: int) -> tuple[Size | None, bool]:
    """The smallest run that is met, one after the other, from one that is larger than all."""
    size, met = Size(len(follower.names), ENDLESS, ENDLESS, 0), None
    while True:
        proof = smaller(follower, follower.names, size, most)
        if proof.way is None:
            return met, proof.whole
        assert proof.way.size < size
        assert follower.exactly(proof.way.picks) == proof.way
        met = size = proof.way.size


@laws
@given(programs)
@example(ABBA)
@example(LATER)
@example(LAST)
def test_the_last_that_is_met_is_the_smallest(program: Programs) -> None:
    this = scenario(program)
    for seed in range(4):
        for finding in automata_executor.run(this, RandomWalk(seed), longest=200).findings:
            follower = Follower(this, finding)
            size, whole = gone_through(follower, ENDLESS)
            assert whole
            assert size is not None
            assert (size.tasks, size.steps, size.preemptions) == smallest(program, finding)
            for most in (0, 20):
                met, whole = gone_through(follower, most)
                assert met == size or not whole
