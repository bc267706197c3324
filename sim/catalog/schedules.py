"""Witnesses as schedule files: what they are called, and the ones that come with the package."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from sim.engine.model.operations import Finding
from sim.engine.model.scenario import Scenario
from sim.engine.run.fingerprint import of_text
from sim.engine.run.schedule import FoundBy, Schedule, record
from sim.engine.run.world import Run
from sim.scenarios.library import recipe_named
from sim.scenarios.recipe import KERNEL
from sim.search.exploration import Exploration, Found


def witness(found: Found) -> Schedule:
    """The schedule of a finding's shortest run."""
    return record(
        found.witness,
        found.witness.scenario.full_model,
        FoundBy("explore", causes=found.finding.causes),
    )


def recording(run: Run, strategy: str, seed: int | None = None) -> Schedule:
    """The schedule of a run, and how it was come by."""
    return record(run, run.scenario.full_model, FoundBy(strategy, seed))


def file_name(scenario: Scenario, found: Found) -> str:
    """Scenario, kernel, module, what else is not at its default, the guards that are out,
    and the finding.
    """
    finding = found.finding
    where = finding.where.partition("@")[0]
    return ".".join((*_question(scenario), finding.kind, where, *finding.causes)) + ".toml"


def finding_file(scenario: Scenario, finding: Finding) -> str:
    """The same without causes, for what stands for a group of findings.

    Told apart where the place is cut short.
    """
    where = finding.where.partition("@")[0]
    rest = () if where == finding.where else (f"{of_text(finding.where):016x}"[:8],)
    return ".".join((*_question(scenario), finding.kind, where, *rest)) + ".toml"


def _question(scenario: Scenario) -> tuple[str, ...]:
    defaults = {param.name: param.default for param in recipe_named(scenario.name).params}
    set_to = tuple(
        value
        for name, value in scenario.params
        if name not in {KERNEL, "module"} and value != defaults[name]
    )
    without = tuple(f"without-{guard}" for guard in scenario.without)
    return scenario.name, scenario.model, *set_to, *without


def witnesses(exploration: Exploration) -> Iterator[tuple[str, Schedule]]:
    """The files that a recorded exploration consists of."""
    for found in exploration.found:
        yield file_name(exploration.scenario, found), witness(found)


def shipped() -> dict[str, Traversable]:
    """The schedules that come with the package, by file name, which is unique.

    They lie in a folder for each scenario: in the wheel, or in the checkout beside `sim`.
    """
    inside = files("sim") / "schedules"
    folder: Traversable = (
        inside if inside.is_dir() else Path(str(files("sim"))).parent / "schedules"
    )
    if not folder.is_dir():
        return {}
    inside_folders = (item for each in folder.iterdir() if each.is_dir() for item in each.iterdir())
    found = sorted(inside_folders, key=lambda item: item.name)
    return {item.name: item for item in found if item.name.endswith(".toml")}
