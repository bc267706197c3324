"""Every schedule in schedules/ replays, under both executors, to what it says it shows.

And so does any other run.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import attrs
import pytest

from sim.catalog.schedules import recording, shipped
from sim.engine.model.scenario import Scenario
from sim.engine.run import trio_executor
from sim.engine.run.replay import Drift, replay
from sim.engine.run.schedule import WIDTH, Schedule, parse, write
from sim.engine.run.scheduler import RandomWalk
from sim.scenarios.library import LIBRARY, recipe_named

FILES = sorted(
    (Path(__file__).parents[2] / "schedules").rglob("*.toml"), key=lambda path: path.name
)


def scenario_of(schedule: Schedule) -> Scenario:
    return recipe_named(schedule.scenario).scenario(schedule.params, schedule.without)


def test_there_are_schedules() -> None:
    assert len(FILES) >= 10
    assert sorted(shipped()) == [path.name for path in FILES]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_schedule_replays_to_what_it_expects(path: Path) -> None:
    schedule = parse(path.read_bytes())
    scenario = scenario_of(schedule)
    run = replay(schedule, scenario)
    assert run.outcomes == schedule.expect
    assert [(s.task, s.point, s.saw) for s in run.steps] == [
        (s.task, s.point, s.saw) for s in schedule.steps
    ]
    assert schedule.model == scenario.full_model, "the model has moved: `make schedules`"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_schedule_fits_a_mail_and_is_written_as_we_write(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert max(map(len, text.splitlines())) <= WIDTH
    assert write(parse(text.encode())) == text
    assert tomllib.loads(text)["format"] == 1


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", LIBRARY)
def test_replaying_a_recorded_run_is_the_run(name: str, seed: int) -> None:
    run = trio_executor.run(recipe_named(name).scenario({}), RandomWalk(seed))
    text = write(recording(run, "walk", seed))
    schedule = parse(text.encode())
    again = replay(schedule, scenario_of(schedule))
    assert (again.steps, again.findings, again.cells) == (run.steps, run.findings, run.cells)
    assert write(recording(again, "walk", seed)) == text
    assert max(map(len, text.splitlines())) <= WIDTH


@pytest.fixture(scope="module")
def witness() -> Schedule:
    return parse(
        next(
            path
            for path in FILES
            if path.name.startswith("np-to-leaf-exclusive.7.2+1.5.01.KVM_BUG_ON")
        ).read_bytes()
    )


def changed(schedule: Schedule, step: int, **what: str) -> Schedule:
    steps = list(schedule.steps)
    steps[step] = attrs.evolve(steps[step], **what)  # type: ignore[arg-type] # texts all
    return attrs.evolve(schedule, steps=tuple(steps))


def test_every_changed_step_is_noticed(witness: Schedule) -> None:
    scenario = scenario_of(witness)
    for step, recorded in enumerate(witness.steps):
        for what in ({"point": "elsewhere.load"}, {"saw": "something else"}, {"task": "v9"}):
            with pytest.raises(Drift) as drift:
                replay(changed(witness, step, **what), scenario)
            assert drift.value.step == step
            assert f"step {step + 1}: " in str(drift.value)
        assert recorded == witness.steps[step]


def test_drift_says_what_was_recorded_and_where_the_task_stands(witness: Schedule) -> None:
    at = [(recorded.task, recorded.point) for recorded in witness.steps]
    step = at.index(("v0", "op_state.try_shared"))
    with pytest.raises(Drift) as drift:
        replay(changed(witness, step, saw="busy: v1 TDH.VP.ENTER"), scenario_of(witness))
    assert re.fullmatch(
        rf"step {step + 1}: v0 at op_state.try_shared was recorded to see 'busy: v1 "
        r"TDH.VP.ENTER', but sees 'ok'; "
        r"v0 is at sim/tdx/td.py:\d+ in LeafBase.lock_td",
        str(drift.value),
    )
    with pytest.raises(Drift, match=r"step 1: no task is named v9; there are v0, v1, v2"):
        replay(changed(witness, 0, task="v9"), scenario_of(witness))


def test_loose_checks_points_alone(witness: Schedule) -> None:
    scenario = scenario_of(witness)
    assert (
        replay(changed(witness, 6, saw="whatever"), scenario, loose=True).outcomes == witness.expect
    )
    with pytest.raises(Drift):
        replay(changed(witness, 6, point="elsewhere.load"), scenario, loose=True)


def test_a_finished_task_cannot_step(witness: Schedule) -> None:
    last = attrs.evolve(witness.steps[0], task="v0", point="mmu_lock.write_lock")
    full = parse(
        write(recording(trio_executor.run(scenario_of(witness), RandomWalk(0)), "walk", 0)).encode()
    )
    longer = attrs.evolve(full, steps=(*full.steps, last))
    with pytest.raises(Drift, match="v0 is finished"):
        replay(longer, scenario_of(full))
