"""Checkpoints: cut off anywhere, an exploration ends with the same numbers."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import attrs
import pytest

from sim.catalog.digest import identity
from sim.engine.run.dice import below
from sim.engine.states import frontier
from sim.scenarios.library import recipe_named
from sim.search.budget import Budget
from sim.search.errors import CheckpointError
from sim.search.exploration import Exploration, Verdict
from sim.search.explore import explore
from sim.search.exploring.checkpoint import NAME, Checkpoint

ROW_1, ROW_2 = (
    recipe_named(name).scenario({}) for name in ("np-to-leaf-shared", "np-to-leaf-exclusive")
)


@attrs.define
class Times:
    """A budget that is spent after so many questions."""

    left: int
    seconds: float | None = None
    memory: int | None = None

    def spent(self, _seconds: float, _more: int) -> bool:
        self.left -= 1
        return self.left < 0


def kept(folder: Path, **also: Any) -> Checkpoint:
    return Checkpoint(folder, {**identity(ROW_2), **also}, every=0.0)


def same(one: Exploration, other: Exploration) -> bool:
    return attrs.evolve(one, seconds=0) == attrs.evolve(other, seconds=0)


@pytest.mark.parametrize("scenario", [ROW_1, ROW_2], ids=["clean", "findings"])
@pytest.mark.parametrize("jobs", [1, 2])
def test_in_pieces_it_comes_to_the_same(scenario: Any, jobs: int, tmp_path: Path) -> None:
    """Not a number and not a witness is different, and nothing is left behind."""
    whole = explore(scenario, finals=True)
    pieces, exploration = 0, None
    while exploration is None or exploration.verdict is Verdict.UNDECIDED or exploration.unexpanded:
        budget: Any = Times(17)
        exploration = explore(
            scenario, budget=budget, checkpoint=kept(tmp_path / "kept"), jobs=jobs, finals=True
        )
        pieces += 1
    assert pieces > 5
    assert same(exploration, whole)
    assert not (tmp_path / "kept").exists()


def test_fields_that_are_laid_out_anew_go_to_new_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frontier, "_CHUNK", 64)
    budget: Any = Times(400)
    explore(ROW_2, budget=budget, checkpoint=kept(tmp_path))
    layouts = sum(
        deed == "layout" for deed, _, _ in json.loads((tmp_path / NAME).read_text())["log"]
    )
    assert layouts > 2
    assert {path.name.partition(".")[2] for path in tmp_path.glob("states-*")} == {
        f"layout-{layouts}.u64"
    }


STEADY = """
import sys
from pathlib import Path
from sim.engine.states import frontier
from sim.search.exploring.checkpoint import Checkpoint
from sim.search.explore import explore
from sim.scenarios.library import recipe_named
from sim.catalog.digest import identity
frontier._CHUNK = 128
scenario = recipe_named("np-to-leaf-exclusive").scenario({})
e = explore(scenario, checkpoint=Checkpoint(Path(sys.argv[1]), identity(scenario), every=0.02))
print(e.states, e.transitions, e.depth, [str(f.finding) for f in e.found], [f.picks for f in e.found])
"""


def content(path: Path) -> bytes | None:
    with contextlib.suppress(FileNotFoundError):
        return path.read_bytes()
    return None


@pytest.mark.parametrize("attempt", range(5))
def test_a_killed_exploration_goes_on_and_ends_with_the_same_totals(
    attempt: int, tmp_path: Path
) -> None:
    """kill -9, three times over, at moments of which most are in the middle of writing.

    The last may come too late.
    """
    command = [sys.executable, "-c", STEADY, str(tmp_path / "kept")]
    written = tmp_path / "kept" / NAME
    said, killed = "", 0
    while killed < 3 and not said:
        before = content(written)
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        while process.poll() is None and content(written) == before:
            time.sleep(0.01)
        time.sleep(below(100, attempt, killed, 0) / 1000)
        process.kill()
        said, _ = process.communicate()
        assert process.returncode in (0, -signal.SIGKILL)
        killed += process.returncode == -signal.SIGKILL
    assert killed
    said = said or subprocess.run(command, capture_output=True, text=True, check=True).stdout
    e = explore(ROW_2)
    assert said.strip() == " ".join(
        map(
            str,
            (
                e.states,
                e.transitions,
                e.depth,
                [str(f.finding) for f in e.found],
                [f.picks for f in e.found],
            ),
        )
    )


@pytest.fixture
def cut(tmp_path: Path) -> Path:
    budget: Any = Times(12)
    explore(ROW_2, budget=budget, checkpoint=kept(tmp_path))
    return tmp_path


def test_another_models_checkpoint_is_refused_by_name(cut: Path) -> None:
    with pytest.raises(
        CheckpointError, match=r"has a checkpoint of another model \('.*', this is 'mine'\)"
    ):
        explore(ROW_2, checkpoint=kept(cut, model="mine"))


@pytest.mark.parametrize(
    ("name", "harm", "said"),
    [
        (NAME, lambda _data: b"{", "is no checkpoint"),
        (NAME, lambda _data: b"[]", "is no checkpoint of this format"),
        ("before.u32", lambda data: data[:-1], "is damaged"),
        ("before.u32", lambda data: b"\xff" + data[1:], "is damaged"),
    ],
)
def test_a_damaged_checkpoint_is_refused(cut: Path, name: str, harm: Any, said: str) -> None:
    (cut / name).write_bytes(harm((cut / name).read_bytes()))
    with pytest.raises(CheckpointError, match=said):
        explore(ROW_2, checkpoint=kept(cut))


def test_a_full_disk_stops_it_and_loses_nothing(cut: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_file: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("sim.search.exploring.checkpoint.os.fsync", full)
        with pytest.raises(
            CheckpointError, match=r"No space left on device; the one before it is whole"
        ):
            explore(ROW_2, checkpoint=kept(cut))
    assert same(explore(ROW_2, checkpoint=kept(cut)), explore(ROW_2))


def test_a_budget_is_each_parts_own_and_seconds_add_up(cut: Path) -> None:
    before = json.loads((cut / NAME).read_text())["seconds"]
    exploration = explore(ROW_2, budget=Budget(seconds=3600), checkpoint=kept(cut))
    assert exploration.seconds > before
