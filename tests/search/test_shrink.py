"""Shrinking: never larger, the same finding, a fixpoint.

And where it says so, what brute force finds smallest.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import example, given

from sim.catalog.schedules import shipped
from sim.engine.model.cells import Cell
from sim.engine.model.operations import Finding, load, report, store
from sim.engine.model.routines import routine
from sim.engine.model.scenario import Scenario, Task
from sim.engine.run import automata_executor
from sim.engine.run.automata import Automata
from sim.engine.run.replay import follow_schedule, replay
from sim.engine.run.schedule import FoundBy, Schedule, parse, record
from sim.engine.run.scheduler import Picks, RandomWalk
from sim.engine.run.world import Run
from sim.engine.states.product import Product
from sim.scenarios.library import recipe_named
from sim.search.budget import Budget
from sim.search.shrinking.follow import Size, picks_of
from sim.search.shrinking.shrink import MOST, ROOM, Certainty, ShrinkError, Shrunk, shrink
from tests.engine.mini import programs, scenario
from tests.engine.test_laws import ABBA, SPIN, Programs, laws
from tests.search.smallest import WARNING, smallest

SCHEDULES = shipped()
DETOUR: Programs = (
    (
        ("choose", 0, 1, 2),
        ("if", 1, (("xchg", 0, 1), ("xchg", 0, 1), ("report", 1))),
        ("report", 2),
    ),
    (("store", 1, 1), ("store", 1, 2)),
)
"""A choice whose last value leads to the finding sooner than the one before."""
RELAY: Programs = (
    (("wait", 0, 1), ("store", 1, 1), ("load", 0), ("report", 2)),
    (("store", 0, 1), ("wait", 1, 1), ("store", 0, 2)),
)
"""Two tasks that need each other, and take turns."""


def found(this: Scenario, seeds: int) -> Iterator[tuple[Run, Finding]]:
    """What random walks find."""
    automata = Automata()
    for seed in range(seeds):
        run = automata_executor.run(this, RandomWalk(seed), automata=automata, longest=200)
        yield from ((run, finding) for finding in run.findings)


def shown(this: Scenario, picks: Picks) -> Run:
    """The run, which both executors agree on."""
    return replay(record(automata_executor.run(this, picks), "", FoundBy("hand")), this)


def check(run: Run, finding: Finding, *, most: int = MOST, room: int = ROOM) -> Shrunk:
    """Shrink a run, and hold what comes of it to the laws that hold for all runs."""
    this = run.scenario
    shrunk = shrink(this, picks_of(Product(this), run), finding, most=most, room=room)
    assert shrunk.after <= shrunk.before
    assert shrunk.before.steps == len(run.steps)
    picks = shrunk.picks.picks
    again = shown(this, shrunk.picks)
    assert finding in again.findings
    assert not picks or finding not in shown(this, Picks(picks[:-1])).findings
    assert (shrunk.after.tasks, shrunk.after.steps) == (
        len({task for task, _ in picks}),
        len(picks),
    )
    assert shrink(this, picks_of(Product(this), run), finding, most=most, room=room) == shrunk
    if shrunk.certainty is not Certainty.CUT:
        twice = shrink(this, shrunk.picks, finding, most=most, room=room)
        assert (twice.picks, twice.before, twice.certainty) == (
            shrunk.picks,
            shrunk.after,
            shrunk.certainty,
        )
    return shrunk


@laws
@given(programs)
@example(SPIN)
@example(ABBA)
@example(DETOUR)
@example(RELAY)
def test_what_is_called_the_shortest_is_what_brute_force_finds(program: Programs) -> None:
    for run, finding in found(scenario(program), seeds=4):
        shrunk = check(run, finding)
        size = shrunk.after.tasks, shrunk.after.steps, shrunk.after.preemptions
        assert shrunk.certainty is Certainty.SHORTEST
        assert size == smallest(program, finding)
        for room in (0, 8, 40):
            local = check(run, finding, room=room)
            of = local.after.tasks, local.after.steps, local.after.preemptions
            assert of == size or (local.certainty is Certainty.LOCAL and of > size)


@laws
@given(programs)
@example(DETOUR)
@example(RELAY)
def test_it_ends_within_its_bound_and_a_larger_bound_is_no_worse(program: Programs) -> None:
    for run, finding in found(scenario(program), seeds=2):
        before = None
        for most in (0, 10, 30, 100):
            shrunk = check(run, finding, most=most)
            assert shrunk.cost <= most + 2 * len(run.steps)
            assert before is None or shrunk.after <= before
            before = shrunk.after


def test_another_value_of_a_choice_is_tried_and_a_later_one_taken_if_it_is_shorter() -> None:
    run = automata_executor.run(
        scenario(DETOUR), Picks((("q", 0), ("p", 1), ("q", 0), ("p", 0), ("p", 0), ("p", 0)))
    )
    for room in (ROOM, 0):
        assert check(run, WARNING, room=room).picks == Picks((("p", 2), ("p", 0)))


def test_turns_that_come_to_nothing_are_left_out_together() -> None:
    """The other one has to come in at the second of five steps,
    so no other number of steps less will do.
    """
    turns = (
        "repeat",
        1,
        (("store", 1, 0), ("store", 1, 1), ("store", 1, 0), ("store", 1, 0), ("load", 0)),
    )
    once = "p" * 5
    run = automata_executor.run(
        scenario(((turns,), (("load", 1), ("report", 1)))),
        Picks(tuple((t, 0) for t in once * 3 + "ppqq")),
    )
    for room in (ROOM, 0):
        assert check(run, WARNING, room=room).picks == Picks(
            (("p", 0), ("p", 0), ("q", 0), ("q", 0))
        )


def test_a_task_is_not_interrupted_where_it_need_not_be() -> None:
    """Turn and turn about, until the switches pass has brought each one's steps together."""
    one = (("store", 0, 1), ("store", 0, 2), ("wait", 1, 1), ("load", 1), ("report", 1))
    two = (("load", 1), ("load", 1), ("store", 1, 1))
    run = automata_executor.run(
        scenario((one, two)), Picks(tuple((task, 0) for task in "pqpqqppp"))
    )
    for room in (ROOM, 0):
        shrunk = check(run, WARNING, room=room)
        assert (shrunk.before.preemptions, shrunk.after.preemptions) == (2, 0)


def of(name: str, without: tuple[str, ...] = (), **given: str) -> Scenario:
    return recipe_named(name).scenario(given, without)


ROW_2 = of("np-to-leaf-exclusive")
ROW_13 = of("nonleaf-to-np-shared")
KICK = of("leaf-to-np-exclusive", ("kick",))
WALKS = [
    (ROW_2, 21, "KVM_BUG_ON handle_changed_spte", (2, 24, 1)),
    (ROW_2, 32, "KVM_BUG_ON handle_changed_spte", (2, 24, 1)),
    (ROW_13, 59, "lockdep tdx_track", (1, 26, 0)),
    (ROW_13, 59, "KVM_BUG_ON tdx_sept_free_private_spt", (1, 62, 0)),
    (KICK, 3, "KVM_BUG_ON handle_changed_spte", (2, 65, 1)),
    (KICK, 3, "TDX_BUG_ON tdx_mem_page_aug", (2, 97, 3)),
    (KICK, 18, "KVM_BUG_ON handle_changed_spte", (2, 39, 1)),
    (KICK, 28, "KVM_BUG_ON handle_changed_spte", (2, 51, 1)),
]
"""Random walks of up to 336 steps, and the size of the smallest run with the same finding."""


@pytest.mark.parametrize(("this", "seed", "outcome", "size"), WALKS)
def test_a_random_walk_shrinks_to_the_shortest_witness(
    this: Scenario, seed: int, outcome: str, size: tuple[int, int, int]
) -> None:
    run = automata_executor.run(this, RandomWalk(seed))
    (finding,) = (finding for finding in run.findings if str(finding) == outcome)
    shrunk = check(run, finding)
    assert shrunk.certainty is Certainty.SHORTEST
    assert (shrunk.after.tasks, shrunk.after.steps, shrunk.after.preemptions) == size


@pytest.mark.parametrize(("this", "seed", "outcome", "size"), WALKS[1:4])
def test_passes_alone_come_as_far_where_there_is_no_room(
    this: Scenario, seed: int, outcome: str, size: tuple[int, int, int]
) -> None:
    run = automata_executor.run(this, RandomWalk(seed))
    (finding,) = (finding for finding in run.findings if str(finding) == outcome)
    shrunk = check(run, finding, room=0)
    assert shrunk.certainty is Certainty.LOCAL
    assert (shrunk.after.tasks, shrunk.after.steps, shrunk.after.preemptions) == size


CAUSES = ("tdcall", "bugged")


def test_a_cause_is_not_traded_for_another() -> None:
    """A TDCALL's BUSY takes 51 steps where zero-step's takes 39, and stays a TDCALL's.

    That the VM was bugged a step before stays as well: TDX_BUG_ON() of the same SEAMCALL.
    """
    run = automata_executor.run(KICK, RandomWalk(28))
    shrunk = check(run, run.findings[-1])
    assert shown(KICK, shrunk.picks).findings[-1].causes == run.findings[-1].causes == CAUSES


def read(name: str) -> tuple[Schedule, Scenario]:
    schedule = parse(SCHEDULES[name].read_bytes())
    return schedule, recipe_named(schedule.scenario).scenario(schedule.params, schedule.without)


@pytest.mark.parametrize("name", [name for name in SCHEDULES if "livelock" not in name])
def test_no_shipped_schedule_grows(name: str) -> None:
    """They are shortest: what has fewer steps has more tasks."""
    schedule, this = read(name)
    run = follow_schedule(schedule, this)
    shrunk = shrink(this, picks_of(Product(this), run), run.findings[-1], room=1 << 13)
    assert shrunk.after <= shrunk.before
    assert shrunk.after.steps == len(run.steps) or shrunk.after.tasks < shrunk.before.tasks
    assert run.findings[-1] in automata_executor.run(this, shrunk.picks).findings


@routine
async def wind(cell: Cell[int]) -> None:
    for value in range(1, 30):
        await store(cell, value)


@routine
async def look(cell: Cell[int]) -> None:
    if await load(cell) == 20:
        await report("WARN", "there")


def test_a_storm_is_shrunk_without_its_states() -> None:
    """Ten tasks that nobody needs and two that race: more states than anybody could go through,
    and the shortest.
    """
    cells = tuple(Cell(f"c{i}", 0, range(30)) for i in range(11))
    tasks = tuple(Task(f"t{i}", wind(cell)) for i, cell in enumerate(cells))
    this = Scenario("storm", (*tasks, Task("reader", look(cells[0]))))
    turns = [task.name for _ in range(20) for task in tasks]
    run = automata_executor.run(
        this, Picks(tuple((task, 0) for task in (*turns, "reader", *turns[:90], "reader")))
    )
    shrunk = check(run, Finding("WARN", "there"))
    assert (shrunk.before.steps, shrunk.certainty) == (312, Certainty.SHORTEST)
    assert shrunk.picks == Picks((*[("t0", 0)] * 20, ("reader", 0), ("reader", 0)))


def test_a_way_round_is_refused() -> None:
    schedule, this = read(next(name for name in SCHEDULES if "livelock" in name))
    run = follow_schedule(schedule, this)
    with pytest.raises(ShrinkError, match="a livelock is a stem and a loop"):
        shrink(this, picks_of(Product(this), run), run.findings[-1])


def test_what_a_run_does_not_show_is_refused() -> None:
    run = automata_executor.run(ROW_2, RandomWalk(0))
    assert not run.findings
    with pytest.raises(ShrinkError, match="does not show WARN nowhere"):
        shrink(ROW_2, picks_of(Product(ROW_2), run), Finding("WARN", "nowhere"))


def test_a_budget_that_is_over_leaves_the_run_up_to_its_finding() -> None:
    run = automata_executor.run(ROW_2, RandomWalk(32))
    shrunk = shrink(ROW_2, picks_of(Product(ROW_2), run), run.findings[0], budget=Budget(seconds=0))
    assert shrunk.certainty is Certainty.CUT
    assert (shrunk.before.steps, shrunk.after.steps) == (73, 46)


def test_each_size_is_told() -> None:
    run, told = automata_executor.run(ROW_2, RandomWalk(32)), list[Size]()
    shrunk = shrink(ROW_2, picks_of(Product(ROW_2), run), run.findings[0], tick=told.append)
    assert told == sorted(told, reverse=True)
    assert told[-1] == shrunk.after
