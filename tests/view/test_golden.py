"""Six timelines, to be looked at when they change:
`python -m tests.view.test_golden` writes them anew.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.analysis.moments import moments
from sim.catalog.schedules import shipped
from sim.engine.run.schedule import parse
from sim.scenarios.library import recipe_named
from sim.view.runs.timeline import ASCII, Marks, timeline

FOLDER = Path(__file__).parent / "golden"

GOLDEN = {
    "row-2-120": (
        "np-to-leaf-exclusive.7.2+1.5.01.KVM_BUG_ON.handle_changed_spte.zero-step",
        120,
        Marks(),
    ),
    "row-2-80-ascii": (
        "np-to-leaf-exclusive.7.2+1.5.01.KVM_BUG_ON.handle_changed_spte.zero-step",
        80,
        ASCII,
    ),
    "row-2-60": (
        "np-to-leaf-exclusive.7.2+1.5.01.KVM_BUG_ON.handle_changed_spte.zero-step",
        60,
        Marks(),
    ),
    "row-13-120": (
        (
            "nonleaf-to-np-shared.7.2+1.5.01.zero-step+seamcall.KVM_BUG_ON.handle_changed_spte."
            "seamcall.bugged"
        ),
        120,
        Marks(),
    ),
    "without-restore-80": (
        "np-to-leaf-shared.7.2+1.5.01.without-restore.divergence.mirror-is-sept",
        80,
        Marks(),
    ),
    "livelock-200": ("np-to-leaf-shared.7.2+1.5.01.without-hp-timeout.livelock.v2", 200, Marks()),
}


def drawn(name: str, width: int, marks: Marks) -> str:
    schedule = parse(shipped()[f"{name}.toml"].read_bytes())
    run, seen = moments(
        schedule, recipe_named(schedule.scenario).scenario(schedule.params, schedule.without)
    )
    _headline, *lines = timeline(schedule, run, seen, width, marks=marks)
    return "\n".join(line.plain for line in lines) + "\n"


@pytest.mark.parametrize("name", GOLDEN)
def test_it_looks_as_it_did(name: str) -> None:
    assert drawn(*GOLDEN[name]) == (FOLDER / f"{name}.txt").read_text(encoding="utf-8")


if __name__ == "__main__":
    for name, of in GOLDEN.items():
        (FOLDER / f"{name}.txt").write_text(drawn(*of), encoding="utf-8")
