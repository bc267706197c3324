"""A herd takes the runs that one run at a time would have taken, whoever runs beside them."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import cast

import attrs
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim.engine.arrays import Index
from sim.engine.herd.herd import WIDEST, Herd
from sim.engine.herd.tries import Tries
from sim.engine.model.cells import BOOL, Cell
from sim.engine.model.errors import EngineError
from sim.engine.model.operations import Finding, bug, load, step, store
from sim.engine.model.routines import routine
from sim.engine.model.scenario import Look, Property, Scenario, Task
from sim.engine.model.values import spell
from sim.engine.run import automata_executor, fingerprint, trio_executor
from sim.engine.run.automata import Automata
from sim.engine.run.dice import below, mixed
from sim.engine.run.scheduler import RandomWalk
from sim.engine.run.world import Run
from sim.scenarios.library import recipe_named
from sim.search.explore import explore
from sim.search.fuzzing.strategies.walk import WalkStrategy as Walks
from tests.engine.mini import Block, Memory, programs, scenario

MOST = 60
SEEDS = 40
laws = settings(
    max_examples=120, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


@attrs.define
class One:
    """What is known of a run."""

    steps: list[tuple[str, str, str]] = attrs.field(factory=list)
    findings: dict[Finding, None] = attrs.field(factory=dict)
    number: int = 0
    cut: bool = False


class Notes:
    """Writes down every run."""

    def __init__(self) -> None:
        self.runs: defaultdict[int, One] = defaultdict(One)
        self.states: defaultdict[int, list[int]] = defaultdict(list)

    def begun(self, herd: Herd, slots: Index) -> None:
        for seed in herd.seed.take(slots).tolist():
            self.runs[seed] = One()

    def stepped(self, herd: Herd, row: Index) -> None:
        for slot, number in zip(herd.slots.tolist(), row.tolist(), strict=True):
            of = herd.answers.rows[number]
            saw = spell(of.outcome.result)
            self.runs[int(herd.seed[slot])].steps.append(
                (herd.answers.tasks[of.task].name, of.operation.point, saw)
            )
            self.states[int(herd.seed[slot])].append(int(herd.state[slot]))

    def shown(self, herd: Herd, slots: Index, finding: Index) -> None:
        for slot, number in zip(slots.tolist(), finding.tolist(), strict=True):
            self.runs[int(herd.seed[slot])].findings[herd.answers.findings[number - 1]] = None

    def ended(self, herd: Herd, slots: Index) -> None:
        for slot in slots.tolist():
            run = self.runs[int(herd.seed[slot])]
            run.number, run.cut = int(herd.run[slot]), bool(herd.able[slot])
        for slot, finding in herd.deadlocked(slots):
            self.runs[int(herd.seed[slot])].findings[finding] = None


def herded(answers: Tries, seeds: range, width: int, most: int = MOST) -> Notes:
    notes = Notes()
    Herd(answers, most, width).runs(np.array(seeds, np.uint64), Walks(), notes)
    return notes


def expected(run: Run, seed: int) -> One:
    number = mixed(seed)
    for one in run.steps:
        number = mixed(number ^ fingerprint.of_step(one.task, one.point, one.saw))
    steps = [(one.task, one.point, one.saw) for one in run.steps]
    return One(steps, dict.fromkeys(run.findings), number)


def check(asked: Scenario, seeds: range, width: int = 8) -> None:
    automata, notes = Automata(), herded(Tries(asked), seeds, width)
    assert sorted(notes.runs) == list(seeds)
    for seed in seeds:
        run, mine = (
            automata_executor.run(asked, RandomWalk(seed), automata=automata, longest=MOST),
            notes.runs[seed],
        )
        wanted = expected(run, seed)
        assert mine.steps == wanted.steps
        assert set(mine.findings) == set(wanted.findings)
        assert mine.number == wanted.number
        assert not mine.cut or len(mine.steps) == MOST


@laws
@given(programs)
def test_its_runs_are_those_of_the_stepper(blocks: tuple[Block, ...]) -> None:
    """Steps, findings and deadlocks, for any program, and slots that are used again and again."""
    check(scenario(blocks), range(SEEDS))


def judging(memory: Memory, table: int) -> Property:
    """A property of five parts that goes by chance: each reads as many cells as it likes,
    and tells the next a number.

    What it says is a function of the table, what it was told and what it read; half of what was
    told is told again.
    """

    def judge(part: int, look: Look, told: int | None) -> object:
        place = 7 * part + (told or 0)
        cells = [cell for nth, cell in enumerate(memory.cells) if below(3, table, place, nth)]
        said = below(
            8, table, place, sum((look(cell) + 20) * 60**nth for nth, cell in enumerate(cells)) + 9
        )
        return {0: False, 1: True}.get(said, said % 3 if part < 4 else None)

    return Property("by chance", "divergence", tuple(partial(judge, part) for part in range(5)))


@laws
@given(programs, st.integers(0, 1 << 32))
def test_a_property_of_many_parts_is_judged_as_if_it_were_one(
    blocks: tuple[Block, ...], table: int
) -> None:
    """In every state, whichever of the ways that its parts look along are known by then."""
    asked = scenario(blocks)
    prop = judging(cast("Memory", asked.tasks[0].call.args[0]), table)
    check(attrs.evolve(asked, properties=(prop,)), range(SEEDS))


@pytest.mark.parametrize(
    ("name", "params", "without"),
    [
        ("np-to-leaf-exclusive", {}, ()),
        ("np-to-leaf-shared", {"inject": "all"}, ("restore",)),
        ("nonleaf-to-np-shared", {"kernel": "before"}, ()),
        ("leaf-to-np-exclusive", {}, ("kick",)),
        ("punch-hole", {"pages": "4K"}, ("mmu-seq",)),
        ("storm", {"pages": "8", "irqs": "2", "levels": "2M"}, ("kick",)),
    ],
)
def test_its_runs_of_the_model_are_those_of_trio(
    name: str, params: dict[str, str], without: tuple[str, ...]
) -> None:
    asked = recipe_named(name).scenario(params, without)
    notes = herded(Tries(asked), range(6), 3, 2000)
    for seed, mine in notes.runs.items():
        run = trio_executor.run(asked, RandomWalk(seed), longest=2000)
        assert [(one.task, one.point, one.saw) for one in run.steps] == mine.steps
        assert set(mine.findings) == set(run.findings)


def test_who_runs_beside_it_is_nothing_to_a_run() -> None:
    """The same runs and the same states, in a herd of one or of many,
    and by tables that have learned other things.
    """
    asked = recipe_named("np-to-leaf-exclusive").scenario({})
    old = Tries(asked)
    herded(old, range(5000, 5100), 50, 500)
    alone, together, later = (
        herded(of, range(30), width, 500) for of, width in ((Tries(asked), 1), (old, 7), (old, 30))
    )
    assert dict(alone.runs) == dict(together.runs) == dict(later.runs)
    assert dict(alone.states) == dict(together.states) == dict(later.states)


def test_a_state_has_one_number_however_it_was_come_to() -> None:
    """And two states have two: as many numbers as exploring counts states,
    once all have been passed.
    """
    asked = scenario(
        (
            ((("add", 0, 1)), ("load", 1), ("try", 0)),
            (("store", 1, 2), ("try", 0)),
            (("add", 0, 1),),
        )
    )
    notes = herded(Tries(asked), range(4000), 500)
    numbers = {number for of in notes.states.values() for number in of}
    assert len(numbers) + 1 == explore(asked).states


FLAG, DOOR = Cell("flag", initial=False, domain=BOOL), Cell("door", initial=False, domain=BOOL)


@routine
async def crash() -> None:
    await store(FLAG, new=True)
    await bug("crash")
    await step("never")


@routine
async def look() -> None:
    await load(FLAG)
    await load(DOOR)
    await load(FLAG)


def test_nobody_steps_after_bug() -> None:
    closed = Property.whole("closed", "divergence", lambda look: not look(FLAG) or look(DOOR))
    asked = Scenario("crash", (Task("p", crash()), Task("q", look())), (closed,))
    check(asked, range(SEEDS))
    notes = herded(Tries(asked), range(SEEDS), 8)
    assert all(run.steps[-1][1] == "crash.BUG" for run in notes.runs.values())
    assert not any(kind.kind == "deadlock" for run in notes.runs.values() for kind in run.findings)


def test_more_tasks_than_have_room_are_refused() -> None:
    crowd = Scenario("crowd", tuple(Task(f"t{i}", look()) for i in range(WIDEST + 1)))
    with pytest.raises(EngineError, match="crowd has 17 tasks; 16 can be run side by side"):
        Herd(Tries(crowd), MOST)


def test_ways_that_are_forgotten_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trie is begun anew when it is full; runs and findings are those of one that never is."""
    asked = recipe_named("np-to-leaf-shared").scenario({"contenders": "tdcall"}, ("restore",))
    whole = herded(Tries(asked), range(40), 20, 300)
    monkeypatch.setattr("sim.engine.herd.tries._WAYS", 0)
    small, begun = Tries(asked), list[int]()
    begin = small._begin_tries

    def counted() -> None:
        begun.append(len(small.rows))
        begin()

    monkeypatch.setattr(small, "_begin_tries", counted)
    again = herded(small, range(40), 20, 300)
    assert dict(again.runs) == dict(whole.runs)
    assert len(begun) > 2
