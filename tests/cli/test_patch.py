"""Kernels from a file, and faults, on the command line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sim.scenarios import model

FILE = Path(__file__).parents[2] / "examples" / "patches" / "stats_first.py"


@pytest.fixture
def patched() -> Iterator[None]:
    """Whatever a test loads is gone after it."""
    yield
    forget()


def forget() -> None:
    sys.modules.pop("tdpsim_patch", None)
    model.note_patch("")


@pytest.mark.usefixtures("patched")
def test_a_schedule_of_a_patch_replays_with_it_and_with_nothing_else(tdpsim: Any, tmp_path: Path) -> None:
    said = tdpsim("explore", "np-to-leaf-shared", "--patch", str(FILE), "--no-count", "--record", str(tmp_path))
    assert said.status == 1
    (file,) = tmp_path.iterdir()
    assert tdpsim("replay", str(file), "--patch", str(FILE)).status == 0
    assert "stats" in tdpsim("show", str(file), "--patch", str(FILE)).out
    forget()
    refused = tdpsim("replay", str(file))
    assert (refused.status, "--patch FILE names it" in refused.err) == (3, True)


@pytest.mark.parametrize("fault", ["invalidation", "cmpxchg", "resched"])
def test_an_injected_fault_costs_a_retry_and_breaks_nothing(tdpsim: Any, fault: str) -> None:
    """KVM list, August 2025: faults that were to be injected by chance are choices here."""
    said = tdpsim("explore", "np-to-leaf-shared", "--inject", fault, "--no-count")
    assert said.status == 0
    assert f"inject={fault}" in said.out
