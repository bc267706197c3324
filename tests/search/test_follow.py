"""Following choices: what is left of a run can be followed,
and what was found out of a state stays true of it.
"""

from __future__ import annotations

from hypothesis import example, given

from sim.engine.model.cells import Cell
from sim.engine.model.operations import Finding, store
from sim.engine.model.routines import routine
from sim.engine.model.scenario import Look, Property, Scenario, Task
from sim.engine.run import automata_executor
from sim.engine.run.automata import Automata
from sim.engine.run.scheduler import Picks, RandomWalk
from sim.engine.states.product import Product
from sim.search.counting.preemptions import preempted
from sim.search.shrinking.follow import Follower, picks_of
from tests.engine.mini import programs, scenario
from tests.engine.test_laws import ABBA, SPIN, Programs, laws


@laws
@given(programs)
@example(SPIN)
@example(ABBA)
def test_a_run_is_followed_to_the_first_step_that_shows_its_finding(program: Programs) -> None:
    this = scenario(program)
    for seed in range(3):
        run = automata_executor.run(this, RandomWalk(seed), longest=100)
        picks = picks_of(Product(this), run)
        assert automata_executor.run(this, picks) == run
        for finding in run.findings:
            follower = Follower(this, finding)
            way = follower.exactly(picks.picks)
            assert way is not None
            assert way.picks == picks.picks[: len(way.picks)]
            assert (
                finding not in automata_executor.run(this, Picks(way.picks[:-1])).findings
                or not way.picks
            )
            assert way.preemptions == preempted(this, Picks(way.picks), Automata())
            assert follower.size(picks.picks).preemptions == preempted(this, picks, Automata())
            assert follower.leniently(way.order, way.values) == way


COUNT, FLAG = Cell("count", 0, range(20)), Cell("flag", 0, range(2))


@routine
async def put(cell: Cell[int], *values: int) -> None:
    for value in values:
        await store(cell, value)


def holds(look: Look) -> bool:
    return (look(COUNT), look(FLAG)) != (8, 0)


def test_what_was_found_out_before_fields_were_laid_out_anew_is_forgotten() -> None:
    """The ninth value of the one, where its field has become wider,
    is numbered as the second of the other was.
    """
    tasks = Task("p", put(COUNT, *range(1, 9))), Task("q", put(FLAG, 1, 0))
    this = Scenario("two", tasks, (Property.whole("not yet", "divergence", holds),))
    picks = Picks((("q", 0), ("q", 0), *(("p", 0) for _ in range(8))))
    assert automata_executor.run(this, picks).findings == (Finding("divergence", "not yet"),)
    way = Follower(this, Finding("divergence", "not yet")).leniently("qqpppppppp", {})
    assert way is not None
    assert way.picks == picks.picks
