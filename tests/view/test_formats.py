"""The registry of views."""

from __future__ import annotations

import pytest

from sim.analysis.moments import moments
from sim.catalog.schedules import shipped
from sim.engine.run.schedule import parse
from sim.scenarios.library import recipe_named
from sim.view.runs.formats import FORMATS, Drawing
from tests.test_layers import loaded

NAME, FILE = next(
    (name, file) for name, file in shipped().items() if name.startswith("np-to-leaf-exclusive")
)


@pytest.mark.parametrize("name", FORMATS)
def test_every_view_draws_a_schedule_given_the_same_arguments(name: str) -> None:
    schedule = parse(FILE.read_bytes())
    scenario = recipe_named(schedule.scenario).scenario(schedule.params, schedule.without)
    run, seen = moments(schedule, scenario)
    drawn = FORMATS[name].view()(Drawing(NAME, schedule, run, seen))
    text = drawn if isinstance(drawn, str) else "\n".join(line.plain for line in drawn)
    assert "KVM_BUG_ON" in text


def test_names_of_views_load_none_of_them() -> None:
    assert (
        loaded(
            "import sim.view.runs.formats", "sim.view.runs.svg", "sim.view.runs.timeline", "rich"
        )
        == "[]"
    )
