"""Going round for ever: what can be left, what cannot, and what weak fairness rules out."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings

from sim.engine.model.cells import BOOL, Cell
from sim.engine.model.operations import choose, load, progress, store, wait
from sim.engine.model.routines import Again, Done, repeat, routine
from sim.engine.model.scenario import Scenario, Task
from sim.engine.run.replay import replay
from sim.engine.run.schedule import FoundBy, Schedule, parse, record, write
from sim.kvm.versions import Series
from sim.kvm.x86 import Kvm
from sim.scenarios.at_rest import AtRest
from sim.scenarios.library import recipe_named
from sim.scenarios.machine import machine
from sim.search.exploration import Exploration, Found, Verdict
from sim.search.explore import explore
from sim.tdx.module import TdxModule
from sim.tdx.releases import Module_1_5_01, Module_1_5_34
from sim.tdx.sept import SeptState
from sim.tdx.vp_enter import Instruction
from sim.tdx.zero_step import STEPPING_EPF_THRESHOLD, Tdvps
from tests.engine.mini import Block, Config, Naive, programs, scenario
from tests.engine.test_laws import ABBA, SPIN
from tests.search.counting.brute import racing

X = Cell("x", initial=False, domain=BOOL)


def schedule_of(found: Found) -> Schedule:
    return record(found.witness, "test", FoundBy("explore"))


def waiting(found: tuple[Found, ...], kind: str) -> set[str]:
    return {f.finding.where for f in found if f.finding.kind == kind}


def reached(config: Config, after: dict[Config, list[tuple[str, Config]]]) -> set[Config]:
    """What one step or several lead to."""
    found, todo = set[Config](), [config]
    while todo:
        for _, to in after[todo.pop()]:
            if to not in found:
                found.add(to)
                todo.append(to)
    return found


def who_can_get_on(naive: Naive, config: Config, reach: set[Config]) -> str:
    """The tasks that have not finished there, and have somewhere that it leads to."""
    unfinished = [i for i, (_, left) in enumerate(config.tasks) if left]
    return ",".join(naive.names[i] for i in unfinished if any(not to.tasks[i][1] for to in reach))


def naive_liveness(naive: Naive) -> tuple[set[str], set[str]]:
    """Who can get into a livelock and who can starve, from the definitions:
    everything against everything.
    """
    after: dict[Config, list[tuple[str, Config]]] = {}
    todo = [naive.first]
    while todo:
        config = todo.pop()
        if config not in after:
            after[config] = [(label[0], to) for label, to in naive.steps(config)]
            todo += [to for _, to in after[config]]
    reach = {config: reached(config, after) for config in after}
    locked, starving = set[str](), set[str]()
    for config in after:
        part = [c for c in reach[config] if config in reach[c]]
        who = ",".join(
            name for name, (_, left) in zip(naive.names, config.tasks, strict=True) if left
        )
        if not part or not who:
            continue
        steps = {task for c in part for task, to in after[c] if to in part}
        able = [{task for task, _ in after[c]} for c in part]
        if all(to in part for c in part for _, to in after[c]):
            locked.add(who)
        elif set.intersection(*able) <= steps and (
            named := who_can_get_on(naive, config, reach[config])
        ):
            starving.add(named)
    return locked, starving


@settings(max_examples=150, derandomize=True, deadline=None)
@given(programs)
@example(SPIN)
@example(ABBA)
@example(((("repeat", 1, (("load", 0),)),), (("repeat", 1, (("choose", 0, 1),)), ("store", 0, 1))))
@example(((("lock", 0),), (("repeat", 1, (("try", 0),)),)))
@example(((), (("repeat", 0, (("choose", 0, 1),)),)))
def test_who_goes_round_is_what_the_definitions_say(program: tuple[Block, ...]) -> None:
    hold(program)


def test_who_goes_round_where_many_do() -> None:
    said = [hold(racing(number)) for number in range(150)]
    assert sum(bool(locked) for locked, _ in said) >= 50
    assert sum(bool(starving) for _, starving in said) >= 20


def hold(program: tuple[Block, ...]) -> tuple[set[str], set[str]]:
    """Compare who gets into a livelock and who starves with the definitions,
    and replay each loop.
    """
    exploration, expected = explore(scenario(program)), naive_liveness(Naive(program))
    assert (
        waiting(exploration.found, "livelock"),
        waiting(exploration.starving, "starvation"),
    ) == expected
    for found in (*exploration.found, *exploration.starving):
        if found.witness.lasso is not None:
            schedule = parse(write(schedule_of(found)).encode())
            assert replay(schedule, scenario(program)).outcomes == found.witness.outcomes
    return expected


@routine
async def look() -> Again | Done[None]:
    return Done(None) if await load(X) else Again()


@routine
async def look_until_set() -> None:
    await repeat(look)


@routine
async def set_it() -> None:
    await store(X, new=True)


@routine
async def maybe() -> Again | Done[None]:
    return Done(None) if await choose("now", (False, True)) else Again()


@routine
async def set_it_some_time() -> None:
    await repeat(maybe)
    await store(X, new=True)


def explored(*tasks: Task) -> Exploration:
    return explore(Scenario("round", tasks))


def test_a_retry_that_nothing_ends_is_a_livelock() -> None:
    exploration = explored(Task("p", look_until_set()))
    assert exploration.verdict is Verdict.FINDING
    (found,) = exploration.found
    assert str(found.finding) == "livelock p"
    assert [(step.task, step.point) for step in found.witness.steps] == [("p", "x.load")]
    assert found.witness.lasso is not None
    assert found.witness.lasso.stem == 0


def test_a_fair_way_round_that_could_be_left_is_starvation_and_no_finding() -> None:
    tasks = (Task("p", look_until_set()), Task("q", set_it_some_time()))
    exploration = explored(*tasks)
    assert exploration.clean
    (found,) = exploration.starving
    assert str(found.finding) == "starvation p,q"
    assert {step.task for step in found.witness.steps} == {"p", "q"}
    on_request = explore(Scenario("round", tasks), starvation=True)
    assert [str(f.finding) for f in on_request.found] == ["starvation p,q"]


def test_a_way_round_that_only_an_unfair_scheduler_takes_is_neither() -> None:
    exploration = explored(Task("p", look_until_set()), Task("q", set_it()))
    assert exploration.clean
    assert exploration.starving == ()


@routine
async def grace_period() -> None:
    await wait("readers", bool, X)


@routine
async def tick() -> Again | Done[None]:
    await store(X, new=False)
    return Again()


@routine
async def tick_for_ever() -> None:
    await repeat(tick)


def test_an_idle_rcu_task_is_no_deadlock_and_a_busy_one_no_livelock() -> None:
    assert explored(Task("rcu", grace_period(), daemon=True)).clean
    assert explored(Task("rcu", tick_for_ever(), daemon=True)).clean
    assert [str(f.finding) for f in explored(Task("p", tick_for_ever())).found] == ["livelock p"]


@routine
async def serve() -> Again | Done[None]:
    await store(X, new=False)
    await progress("served")
    return Again()


@routine
async def serve_for_ever() -> None:
    await repeat(serve)


def test_going_round_with_progress_is_neither() -> None:
    exploration = explored(Task("p", serve_for_ever()))
    assert exploration.clean
    assert exploration.starving == ()


def test_who_gets_on_does_not_hide_who_does_not() -> None:
    exploration = explored(Task("p", serve_for_ever()), Task("q", look_until_set()))
    assert [str(f.finding) for f in exploration.found] == ["livelock q"]


def test_a_loop_that_is_mangled_does_not_close() -> None:
    found = explored(Task("p", look_until_set()), Task("q", set_it_some_time())).starving[0]
    text = write(schedule_of(found))
    assert f"loop  = {found.witness.lasso.stem + 1}" in text if found.witness.lasso else False
    scenario_of_it = found.witness.scenario
    assert replay(parse(text.encode()), scenario_of_it).outcomes == ("starvation p,q",)
    *_, last = [line for line in text.splitlines() if line.startswith("q")]
    cut = text.replace(last + "\n", "", 1)
    assert replay(parse(cut.encode()), scenario_of_it).outcomes == ("clean",)


def faulting(module: type[TdxModule], kernel: type[Kvm] = Series, *without: str) -> Exploration:
    """Two vCPUs accept, and so fault on, gfn A.

    Each enters past a zero-step list with gfn B, and takes the tree.
    """
    kvm = machine(
        kernel,
        module,
        sept={"A": SeptState.FREE, "B": SeptState.MAPPED},
        programs=dict.fromkeys(("v1", "v2"), ((Instruction.ACCEPT, "A"),)),
        others=(),
        without=without,
    )
    armed = Tdvps(0, 0, STEPPING_EPF_THRESHOLD, ("B",))
    tasks = tuple(Task(vcpu.name, kvm.vcpu_run(vcpu, armed)) for vcpu in kvm.vcpus)
    return explore(Scenario("faulting", tasks, AtRest(kvm).properties()))


@pytest.mark.parametrize("kernel", [Kvm, Series])
def test_two_vcpus_that_fault_beside_zero_step_entries_starve_and_are_not_locked(
    kernel: type[Kvm],
) -> None:
    """Each one's entry holds the tree while the other would map, so neither does.

    Any other timing lets one through.

    So it is starvation, and no livelock. It takes entering anew after a fault in vain: that is what
    the local retry in tdx_handle_ept_violation() is for, and the loop that is left with it in place
    does not take the tree exclusively.
    """
    exploration = faulting(Module_1_5_01, kernel, "local-retry")
    assert exploration.clean
    found, *alone = exploration.starving
    assert [str(one.finding) for one in (found, *alone)] == [
        "starvation v1,v2",
        "starvation v2",
        "starvation v1",
    ]
    assert all(turned_away(one) for one in alone)
    assert found.witness.lasso is not None
    around = found.witness.steps[found.witness.lasso.stem :]
    busy = [(step.task, step.saw) for step in around if step.point == "sept.tree.try_shared"]
    assert busy == [("v1", "busy: v2 TDH.VP.ENTER")]


def turned_away(found: Found) -> bool:
    """Whether a way round is that of a guest whose time-out never comes,
    although it could each time.
    """
    assert found.witness.lasso is not None
    around = found.witness.steps[found.witness.lasso.stem :]
    return [step.saw for step in around if step.point == "HP_LOCK_TIMEOUT.choose"] == ["no"]


def test_nobody_starves_where_entries_share_the_tree_and_faults_are_retried_locally() -> None:
    exploration = faulting(Module_1_5_34)
    assert exploration.clean
    assert exploration.starving == ()


@pytest.mark.parametrize(("module", "steps"), [("1.5.01", None), ("1.5.28", 61), ("2.0.16", 61)])
def test_a_guest_that_is_turned_away_for_ever_is_a_livelock_but_for_the_timeout(
    module: str, steps: int | None
) -> None:
    """Row 1: the loser's TDHP lands on an entry that is FREE,
    and nobody's SEAMCALL ever clears it.
    """
    recipe = recipe_named("np-to-leaf-shared")
    found = explore(recipe.scenario({"module": module}, ("hp-timeout",))).found
    assert [str(f.finding) for f in found] == ["livelock v2"]
    assert found[0].witness.lasso is not None
    assert {step.task for step in found[0].witness.steps[found[0].witness.lasso.stem :]} == {"v2"}
    if steps:
        assert (
            found[0].witness.lasso.stem,
            len(found[0].witness.steps) - found[0].witness.lasso.stem,
        ) == (steps, 6)
    exploration = explore(recipe.scenario({"module": module}))
    assert exploration.clean
    assert [str(one.finding) for one in exploration.starving] == ["starvation v2"]
    assert turned_away(exploration.starving[0])


@pytest.mark.parametrize("row", ["np-to-leaf-shared", "np-to-nonleaf-shared"])
def test_nobody_is_turned_away_for_ever_where_guests_look_first(row: str) -> None:
    """From 1.5.34 and 2.0.18 on; before, rows 1 and 3 starve by the time-out's choice."""
    recipe = recipe_named(row)
    for module, starves in (("1.5.28", True), ("1.5.34", False), ("2.0.18", False)):
        assert bool(explore(recipe.scenario({"module": module})).starving) == starves
    assert explore(recipe.scenario({"module": "1.5.34"}, ("hp-timeout",))).clean
