"""The trio executor is trio: its tasks are trio's, and trio awaits the model."""

from __future__ import annotations

import ast
from pathlib import Path

import trio

from sim.engine.run import trio_executor
from sim.engine.run.scheduler import RandomWalk
from sim.engine.run.world import Step
from sim.scenarios.library import recipe_named


def test_each_model_task_performs_its_operations_in_a_trio_task_of_its_own() -> None:
    seen: dict[str, set[trio.lowlevel.Task]] = {}

    def watch(step: Step) -> None:
        seen.setdefault(step.task, set()).add(trio.lowlevel.current_task())

    scenario = recipe_named("np-to-leaf-exclusive").scenario({})
    trio_executor.run(scenario, RandomWalk(1), watch=watch)
    assert sorted(seen) == ["v0", "v1", "v2"]
    assert all(len(tasks) == 1 for tasks in seen.values())
    assert len(set.union(*seen.values())) == 3
    assert {next(iter(tasks)).name for tasks in seen.values()} == {"v0", "v1", "v2"}


def test_no_coroutine_is_driven_by_hand() -> None:
    tree = ast.parse(Path(trio_executor.__file__).read_text(encoding="utf-8"))
    called = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not called & {"send", "throw", "__next__"}


def test_the_baton_is_handed_on_in_the_order_that_the_scheduler_chose() -> None:
    scenario = recipe_named("np-to-leaf-shared").scenario({})
    seen: list[str] = []
    run = trio_executor.run(scenario, RandomWalk(3), watch=lambda step: seen.append(step.task))
    assert seen == [step.task for step in run.steps]
    assert len(dict.fromkeys(seen)) == 3
