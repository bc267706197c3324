"""A guard is taken out of a storm that nobody can exhaust: the bug is found,
shrunk to its core, and replays.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sim.engine.run.automata import Automata
from sim.engine.run.replay import replay
from sim.engine.run.schedule import parse
from sim.engine.states.product import Product
from sim.scenarios.library import recipe_named
from sim.search.budget import Budget
from sim.search.counting.preemptions import preempted
from sim.search.exploration import Counting
from sim.search.explore import explore
from sim.search.shrinking.follow import picks_of

WITHOUT = "wait-for-sept-zap"
"""Kicked vCPUs may come back before the zapper has tried again."""

DEEP = 2
"""Preemptions that it takes, at the lock that makes the first try BUSY and at the one that does
the second: depth 3."""


def test_the_bug_takes_two_preemptions_and_no_fewer() -> None:
    """Proved where it can be: one zap beside one guest."""
    small = recipe_named("leaf-to-np-exclusive").scenario({"contenders": "tdcall"}, (WITHOUT,))
    found = explore(small, counting=Counting()).found
    track = next(one for one in found if one.finding.where == "tdx_track")
    assert track.reach is not None
    assert track.reach.preemptions == DEEP


def test_the_storm_is_too_large_to_be_explored() -> None:
    storm = recipe_named("storm").scenario({"pages": "1"}, (WITHOUT,))
    exploration = explore(storm, budget=Budget(seconds=2))
    assert exploration.unexpanded > 0


def test_it_is_found_in_a_storm_and_shrunk_to_its_core(tdpsim: Any, tmp_path: Path) -> None:
    """SURW's seed 123 shows it, the first of the seeds from 0 on.

    The core is one zapper and one vCPU.
    """
    store = tmp_path / "night.db"
    asked = ("--set", "pages=1", "--without", WITHOUT, "--strategy", "surw", "--seeds", "110:130")
    said = tdpsim("fuzz", "storm", *asked, "--jobs", "1", "--store", store)
    assert said.status == 1, said.err
    (file,) = tmp_path.glob("night.findings/*.TDX_BUG_ON.tdx_track.toml")
    schedule = parse(file.read_bytes())
    scenario = recipe_named(schedule.scenario).scenario(schedule.params, schedule.without)
    run = replay(schedule, scenario)
    assert schedule.found_by.seed == 123
    assert run.findings[-1].where == "tdx_track"
    assert len({step.task for step in run.steps}) == 2
    assert preempted(scenario, picks_of(Product(scenario), run), Automata()) == DEEP
    assert tdpsim("replay", file).status == 0
