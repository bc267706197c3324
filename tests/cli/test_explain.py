"""`tdpsim explain` and `list`: what can be run can be listed and explained, and the reverse."""

from __future__ import annotations

import json
from contextlib import nullcontext
from typing import Any

import pytest

from sim.analysis.holds import holds
from sim.analysis.moments import Moment, moments
from sim.base.errors import UsageError
from sim.catalog.schedules import shipped
from sim.cli.commands import COMMANDS
from sim.cli.vocabulary import VOCABULARY, meanings
from sim.engine.model.values import spell
from sim.engine.run.schedule import Schedule, parse
from sim.scenarios.library import LIBRARY
from sim.search.fuzzing.batch import Runner
from sim.search.fuzzing.strategies import STRATEGIES, StrategyError, fuzzing, running
from sim.view.runs.formats import FORMATS

SCHEDULES = {name: parse(file.read_bytes()) for name, file in shipped().items()}
ALONE = LIBRARY["np-to-leaf-exclusive"].scenario({"contenders": "none"})
EVERY = {(scenario, param.name) for scenario, recipe in LIBRARY.items() for param in recipe.params}


def explained(word: str) -> bool:
    try:
        return all(one.text for one in meanings(word))
    except UsageError:
        return False


def unexplained(words: set[str]) -> list[str]:
    return sorted(word for word in words if not explained(word))


def test_everything_that_is_listed_is_explained(tdpsim: Any) -> None:
    listed = json.loads(tdpsim("list", "--json").out)
    assert {
        "scenarios",
        "parameters",
        "guards",
        "modules",
        "strategies",
        "views",
        "commands",
        "words",
    } <= set(listed)
    assert not unexplained({word for words in listed.values() for word in words})
    assert "kick" in tdpsim("list").out
    said = tdpsim("explain", "kick")
    assert (said.status, said.out.startswith("kick (guards)")) == (0, True)


def test_everything_that_can_be_run_is_listed() -> None:
    recipes = LIBRARY.values()
    assert set(VOCABULARY["scenarios"]) == set(LIBRARY)
    assert set(VOCABULARY["parameters"]) == {
        param.name for recipe in recipes for param in recipe.params
    }
    assert set(VOCABULARY["guards"]) == {
        guard.name for recipe in recipes for guard in recipe.guards
    }
    assert set(VOCABULARY["strategies"]) == {entry.name for entry in (*running(), *fuzzing())}
    assert set(VOCABULARY["views"]) == set(FORMATS)
    assert set(VOCABULARY["commands"]) == set(COMMANDS)


def test_every_module_and_kernel_that_can_be_set_is_listed() -> None:
    modules = {value for recipe in LIBRARY.values() for value in recipe.param("module").values}
    params = [recipe.param("kernel") for recipe in LIBRARY.values()]
    kernels = {word for param in params for word in (*param.values, *param.words)}
    assert set(VOCABULARY["modules"]) == modules
    assert set(VOCABULARY["kernels"]) == kernels


@pytest.mark.parametrize("entry", STRATEGIES.values(), ids=lambda entry: entry.name)
def test_a_strategy_is_said_to_be_for_the_commands_that_take_it(tdpsim: Any, entry: Any) -> None:
    name = entry.name.replace("D", "3")
    text = " ".join(tdpsim("explain", name).out.split())
    ran = tdpsim("run", ALONE.name, "--set", "contenders=none", "--strategy", name).status == 0
    assert (
        ("`tdpsim fuzz` and `run`" in text or "`tdpsim run` alone" in text) == ran == entry.in_run
    )
    with nullcontext() if entry.in_fuzz else pytest.raises(StrategyError):
        assert Runner(ALONE, name).epoch is None or entry.adapts
    assert ("For `tdpsim fuzz`" in text) == entry.in_fuzz


@pytest.mark.parametrize(("scenario", "name"), sorted(EVERY))
def test_a_parameter_is_explained_as_the_scenario_has_it(scenario: str, name: str) -> None:
    (meaning,) = [one for one in meanings(name, scenario) if one.kind == "parameters"]
    param = LIBRARY[scenario].param(name)
    assert (
        meaning.text
        == f"{param.doc}. One of {', '.join(param.values)}; {param.default} by default."
    )


@pytest.mark.parametrize("name", sorted({name for _, name in EVERY}))
def test_a_parameter_that_means_several_things_says_so(name: str) -> None:
    """Without a scenario, each meaning is there, with the scenarios that it is meant in."""
    (text,) = [one.text for one in meanings(name) if one.kind == "parameters"]
    meant = {
        meanings(name, scenario)[-1 if name == "teardown" else 0].text
        for scenario, n in EVERY
        if n == name
    }
    assert all(one in text for one in meant)
    assert text.count("\n") == len(meant) - 1
    assert len(meant) == 1 or all(line.startswith("In ") for line in text.splitlines())


def test_a_meaning_names_all_rows_at_once(tdpsim: Any) -> None:
    out = tdpsim("explain", "root").out
    assert "In rows: the root that the SPTE belongs to." in out
    assert "In accept-4k: the root whose SPTEs are changed. One of mirror;" in out


@pytest.mark.parametrize("name", ["order", "form", "split"])
def test_what_a_parameter_was_called_before_is_explained(tdpsim: Any, name: str) -> None:
    assert "What kernel was called before" in tdpsim("explain", name).out


@pytest.mark.parametrize(
    ("scenario", "kernel"),
    [("np-to-leaf-shared", "7.2"), ("leaf-to-np-exclusive", "7.2"), ("storm", "hugepages")],
)
def test_after_is_the_kernel_that_it_is_in_the_scenario(
    tdpsim: Any, scenario: str, kernel: str
) -> None:
    assert f"In {scenario}: kernel={kernel}." in " ".join(
        tdpsim("explain", "after", "--in", scenario).out.split()
    )
    assert "the seed" not in tdpsim("explain", "after").out


def test_what_a_scenario_does_not_have_is_refused(tdpsim: Any) -> None:
    said = tdpsim("explain", "np", "--in", "storm")
    assert said.status == 2
    assert "storm has no parameter 'np'; it has" in said.complaint
    assert "how often each of them does" in tdpsim("explain", "zaps", "--in", "storm").out


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("S-EPT", "Secure EPT"),
        ("s-ept", "Secure EPT"),
        ("frozen", "between two steps"),
        ("mirror", "no processor walks"),
        ("TDHP", "bit 52"),
        ("sept.tree", "whole S-EPT"),
        ("spte[A.2M]", "SPTE of a gfn"),
        ("TDH.MEM.PAGE.AUG", "sim/tdx/tdh_mem.py"),
        ("tdh_mem_page_aug()", "sim/tdx/tdh_mem.py"),
        ("__handle_changed_spte", "sim/kvm/versions"),
        ("tdx_track.TDX_BUG_ON", "tdx_track (functions)"),
        ("sept[p7].bts_TDEL", "S-EPT entry"),
    ],
)
def test_words_of_a_timeline_are_explained_as_one_types_them(
    tdpsim: Any, word: str, says: str
) -> None:
    said = tdpsim("explain", word)
    assert said.status == 0
    assert says in " ".join(said.out.split())


def seen_of(schedule: Schedule) -> tuple[Moment, ...]:
    scenario = LIBRARY[schedule.scenario].scenario(schedule.params, schedule.without)
    return moments(schedule, scenario)[1]


def words_of(said: str) -> set[str]:
    """The words of what a step saw, or a cell holds: without numbers and punctuation."""
    parts = said.replace(":", " ").replace(",", " ").replace("(", " ").replace(")", " ").split()
    return {
        part.rpartition(".")[2] if part.partition(".")[0].istitle() else part for part in parts
    } - NUMBERS


NUMBERS = {str(number) for number in range(100)}


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_every_word_that_a_shipped_schedule_shows_is_explained(name: str) -> None:
    """Tasks, points, functions, what is seen, cells and what they hold,
    locks and how they are held.
    """
    seen = seen_of(SCHEDULES[name])
    words = {moment.step.task for moment in seen} | {moment.step.point for moment in seen}
    words |= {call for moment in seen for call in moment.calls}
    words |= {cell for moment in seen for cell, _ in moment.touched}
    words |= {word for moment in seen for word in words_of(moment.step.saw)}
    words |= {
        word for moment in seen for _, value in moment.changed for word in words_of(spell(value))
    }
    words |= {word for hold in holds(seen) for word in (hold.lock, hold.how, hold.task)}
    assert not unexplained({word.strip("'") for word in words})


@pytest.mark.parametrize("scenario", sorted(LIBRARY))
def test_every_cell_that_a_scenario_begins_with_is_explained(scenario: str) -> None:
    """Those that its tasks' first operations and its properties look at."""
    asked = LIBRARY[scenario].scenario({})
    cells: set[str] = set()

    def look(cell: Any) -> Any:
        cells.add(cell.name)
        return cell.initial

    for one in asked.properties:
        one.holds(look)
    assert cells
    assert not unexplained(cells | {task.name for task in asked.tasks})
