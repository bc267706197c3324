"""The diagram for a mail: narrow, in order, and only of what happened and mattered."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from sim.analysis.moments import Moment, causes_of, moments
from sim.catalog.schedules import recording, shipped
from sim.engine.run import automata_executor
from sim.engine.run.schedule import Schedule, parse
from sim.engine.run.scheduler import RandomWalk
from sim.scenarios.library import recipe_named
from sim.view.runs.commit import commit

SCHEDULES = shipped()
ROOT = Path(__file__).parents[2]

ROW_2 = """\
  v0                                  v1
  ==                                  ==
                                      tdh_vp_enter()
                                        td_entry_stepping_filter()
                                        (A) sept.tree.try_exclusive -> ok
  tdh_mem_page_aug()
    lock_sept_entry()
    (B) sept.tree.try_shared -> busy:
          v1 TDH.VP.ENTER
  tdp_mmu_set_spte()
    handle_changed_spte()
    (C) KVM_BUG_ON()

At (C) the KVM_BUG_ON() in handle_changed_spte() fires, because of zero-
step.
"""


def drawn(name: str, schedule: Schedule) -> tuple[str, tuple[Moment, ...]]:
    scenario = recipe_named(schedule.scenario).scenario(schedule.params, schedule.without)
    run, seen = moments(schedule, scenario)
    return commit(name, schedule, run, seen), seen


def shipped_schedule(name: str) -> Schedule:
    return parse(SCHEDULES[name].read_bytes())


def check(text: str, seen: tuple[Moment, ...]) -> None:
    """No line is too wide, and the points that are shown are a part of the run, in its order."""
    assert max(map(len, text.splitlines())) <= 75
    points = re.findall(r"(?:\([A-Z]+\)|\d+\. +\w+:(?: +\w+\(\):)?) +([\w\[\].]+\.\w+)", text)
    taken = iter(moment.step.point for moment in seen)
    assert all(point in taken for point in points), points


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_has_a_diagram_and_its_command_names_the_file(name: str) -> None:
    file = Path(str(SCHEDULES[name])).relative_to(ROOT)
    text, seen = drawn(str(file), shipped_schedule(name))
    check(text, seen)
    assert text.count("tdpsim replay ") == 1
    command = text[text.index("  tdpsim replay ") :].replace("\\\n", "")
    assert shlex.split(command) == ["tdpsim", "replay", str(file)]


def test_the_shell_reads_the_command_as_it_is_printed() -> None:
    """Broken inside a word, and where a name needs quotes."""
    name = "nonleaf-to-np-shared.7.2+1.5.01.lockdep.tdx_sept_remove_leaf_spte.toml"
    file = f"my schedules/{'deep.' * 30}/{name}"
    text, seen = drawn(file, shipped_schedule(name))
    check(text, seen)
    command = text[text.index("  tdpsim replay ") :].replace("tdpsim replay", "printf %s")
    said = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=True)
    assert said.stdout == file


def test_row_2_reads_like_a_changelog() -> None:
    name = "np-to-leaf-exclusive.7.2+1.5.01.KVM_BUG_ON.handle_changed_spte.zero-step.toml"
    text, _ = drawn(name, shipped_schedule(name))
    assert text.startswith(ROW_2)


@pytest.mark.parametrize(
    ("cause", "points"),
    [
        ("zero-step", ["sept.tree.try_exclusive"]),
        ("tdcall", ["sept[A].bts_TDEL"]),
        ("epoch", ["epoch.sample", "epoch.refcount.load"]),
    ],
)
def test_without_the_kick_the_diagram_has_what_stood_in_the_way(
    cause: str, points: list[str]
) -> None:
    name = (
        f"leaf-to-np-exclusive.7.2+1.5.01.without-kick.KVM_BUG_ON.handle_changed_spte.{cause}."
        "bugged.toml"
    )
    text, seen = drawn(name, shipped_schedule(name))
    check(text, seen)
    for point in points:
        assert point in text
    assert text.count("\n") < 40


@pytest.mark.parametrize("row", ["nonleaf-to-np-shared", "nonleaf-to-leaf-shared"])
def test_rows_9_and_13_show_both_busy_answers(row: str) -> None:
    (name,) = (
        n
        for n in SCHEDULES
        if n.startswith(f"{row}.7.2+1.5.01.zero-step+seamcall.KVM_BUG_ON.handle")
    )
    text, _ = drawn(name, shipped_schedule(name))
    assert text.count("busy: v3 TDH.MEM.PAGE.AUG") == 2


@pytest.mark.parametrize("scenario", ["np-to-leaf-exclusive", "nonleaf-to-np-shared", "fault"])
@pytest.mark.parametrize("seed", range(8))
def test_any_run_has_one(scenario: str, seed: int) -> None:
    run = automata_executor.run(recipe_named(scenario).scenario({}), RandomWalk(seed))
    text, seen = drawn("run.toml", recording(run, "walk", seed))
    check(text, seen)
    kept = causes_of(seen, len(seen) - 1)
    assert kept == sorted(set(kept))
    assert kept[-1] == len(seen) - 1
    assert all(
        source in kept for number in kept for source in seen[number].caused_by if source < number
    )


def test_what_a_step_noticed_was_done_by_somebody_else_before() -> None:
    run = automata_executor.run(recipe_named("nonleaf-to-np-shared").scenario({}), RandomWalk(3))
    _, seen = drawn("run.toml", recording(run, "walk", 3))
    pairs = [(number, source) for number, moment in enumerate(seen) for source in moment.caused_by]
    assert pairs
    assert all(
        source < number and seen[source].step.task != seen[number].step.task
        for number, source in pairs
    )
