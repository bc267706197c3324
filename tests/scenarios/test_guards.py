"""The registry of guards: each can be taken out where it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import sim
from sim.scenarios.library import LIBRARY
from sim.scenarios.recipe import Guard
from sim.scenarios.switches import GUARDS

SIM = Path(sim.__file__).parent
MODEL = "".join(
    path.read_text(encoding="utf-8")
    for room in ("kvm", "tdx")
    for path in (SIM / room).rglob("*.py")
)
LOOKED_AT = set(re.findall(r'"([a-z-]+)" (?:not )?in self\.without\b', MODEL))


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_a_guard_is_looked_at_somewhere_in_the_model(guard: Guard) -> None:
    assert guard.name in LOOKED_AT


def test_whatever_the_model_looks_at_is_a_guard() -> None:
    assert {guard.name for guard in GUARDS} >= LOOKED_AT


@pytest.mark.parametrize("name", LIBRARY)
def test_every_scenario_has_every_guard(name: str) -> None:
    assert LIBRARY[name].guards == GUARDS
