"""docs/transitions.md is what running says now."""

from __future__ import annotations

import re
from pathlib import Path

from sim.catalog.schedules import shipped
from sim.scenarios.switches import FLIPS
from tests import docs
from tests.scenarios import mail

TEXT = docs.PAGE.read_text(encoding="utf-8")


def test_it_was_written_with_this_model() -> None:
    assert f"Model {docs.model_digest()}." in TEXT, "the model has moved: make schedules docs"


def test_every_schedule_that_it_names_is_there() -> None:
    named = set(re.findall(r"`schedules/[^`/]+/([^`/]+)`", TEXT))
    assert named
    assert named <= shipped().keys()


def test_every_assumption_and_every_argument_is_in_it() -> None:
    for flip in FLIPS:
        assert f"**{flip.name}**" in TEXT
    told = " ".join(TEXT.split())
    for argument in mail.ARGUED.values():
        assert argument in told


def test_its_tables_are_those_of_the_readme() -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    rows = [line for line in readme.splitlines() if re.match(r" *\d+ +(NP|leaf|nonleaf) ", line)]
    assert all(row in TEXT for row in rows)
    assert len(rows) == 18
