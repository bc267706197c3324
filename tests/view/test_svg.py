"""The picture: well formed, of every step, and in need of no host."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from sim.analysis.moments import moments
from sim.catalog.schedules import shipped
from sim.engine.run.schedule import parse
from sim.scenarios.library import recipe_named
from sim.view.runs.svg import html, svg

SCHEDULES = shipped()
ROW_2 = "np-to-leaf-exclusive.7.2+1.5.01.KVM_BUG_ON.handle_changed_spte.zero-step.toml"
FROZEN = "np-to-leaf-shared.7.2+1.5.01.without-restore.divergence.mirror-is-sept.toml"
SVG = "{http://www.w3.org/2000/svg}"


def drawn(name: str) -> tuple[str, str, int]:
    schedule = parse(SCHEDULES[name].read_bytes())
    run, seen = moments(
        schedule, recipe_named(schedule.scenario).scenario(schedule.params, schedule.without)
    )
    return svg(schedule, run, seen), html(schedule, run, seen), len(seen)


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_has_a_picture_with_a_line_a_step(name: str) -> None:
    picture, page, steps = drawn(name)
    root = ET.fromstring(picture)  # noqa: S314 - ours
    numbers = [int(text.text or "") for text in root.iter(f"{SVG}text") if text.get("class") == "n"]
    assert numbers == list(range(1, steps + 1))
    assert re.findall(r"https?://[^\"']+", picture) == ["http://www.w3.org/2000/svg"]
    assert picture in page
    assert not re.search(r"<(script|link|img|iframe)|url\(|@import", page)


def test_texts_stay_inside_the_picture_and_lanes_apart() -> None:
    picture, _, _ = drawn(ROW_2)
    root = ET.fromstring(picture)  # noqa: S314 - ours
    width = float(root.get("width", "0"))
    for text in root.iter(f"{SVG}text"):
        assert float(text.get("x", "0")) + 7.3 * len(text.text or "") <= width


def test_what_is_frozen_is_shaded_and_who_is_turned_away_is_red() -> None:
    assert 'class="fr"' in drawn(FROZEN)[0]
    assert 'class="fr"' not in drawn(ROW_2)[0]
    red = re.findall(r'class="b" xml:space="preserve">([^<]+)<', drawn(ROW_2)[0])
    assert red == [
        "  sept.tree.try_shared -&gt; busy: v1 TDH.VP.ENTER",
        "  handle_changed_spte.KVM_BUG_ON -&gt; no",
    ]


def test_the_picture_in_the_readme_is_what_is_drawn() -> None:
    """`make docs` writes it."""
    root = Path(__file__).parents[2]
    assert (root / "docs" / "row-2.svg").read_text(encoding="utf-8") == drawn(ROW_2)[0]
    assert "(docs/row-2.svg)" in (root / "README.md").read_text(encoding="utf-8")
