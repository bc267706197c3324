"""Schedules that an earlier model wrote: refused by name, and replayed where one insists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sim.engine.run.schedule import parse

FILES = sorted((Path(__file__).parent / "fa09219").glob("*.toml"))
"""Three that were shipped at commit fa09219, when the kernel's parameter was called `order`.

Of those in which a leaf is removed the steps have changed since, and they fit no more.
"""

KERNELS = {
    "np-to-leaf-exclusive": "7.2",
    "np-to-nonleaf-exclusive": "6.19",
    "leaf-to-nonleaf-exclusive": "7.2",
}
"""What `order` and the switches beside it meant in each."""


def test_there_are_three() -> None:
    assert sorted(parse(path.read_bytes()).scenario for path in FILES) == sorted(KERNELS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name.partition(".")[0])
def test_it_is_refused_with_both_models_named_and_replays_loosely(tdpsim: Any, path: Path) -> None:
    schedule = parse(path.read_bytes())
    refused = tdpsim("replay", path)
    assert refused.status == 3
    assert (
        f"recorded with model {schedule.model!r}, this is '{KERNELS[schedule.scenario]}+1.5.01 "
        in refused.err
    )
    assert len(refused.err.splitlines()) == 1
    assert "--loose replays it all the same" in refused.err
    said = tdpsim("replay", path, "--loose")
    assert said.status == 0
    assert schedule.expect[0] in said.out
