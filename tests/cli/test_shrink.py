"""`tdpsim shrink` as its users meet it."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sim.cli import shrink
from sim.engine.run.schedule import FoundBy, parse

SCHEDULES = Path(__file__).parents[2] / "schedules"
SHORTEST = next(SCHEDULES.rglob("np-to-leaf-exclusive.7.2+1.5.01.*.zero-step.toml"))
LIVELOCK = next(SCHEDULES.rglob("*livelock*.toml"))
MESSAGE = (
    "3 tasks, 73 steps, 41 preemptions -> 2 tasks, 24 steps, 1 preemption: the shortest there is"
)


@pytest.fixture
def walk(tdpsim: Any, tmp_path: Path) -> Path:
    """A random walk of 73 steps that finds row 2's KVM_BUG_ON."""
    path = tmp_path / "walk.toml"
    assert tdpsim("run", "np-to-leaf-exclusive", "--seed", "32", "--record", path).status == 1
    return path


def test_a_walk_becomes_the_shortest_and_replays(tdpsim: Any, walk: Path, tmp_path: Path) -> None:
    small = tmp_path / "small.toml"
    said = tdpsim("shrink", walk, "-o", small)
    assert (said.status, said.err) == (0, "")
    head, line, command = said.out.splitlines()
    assert head.endswith("KVM_BUG_ON in handle_changed_spte, cause: zero-step")
    assert line == MESSAGE
    assert tdpsim(*command.split()[1:]).status == 0
    schedule = parse(small.read_bytes())
    assert len(schedule.steps) == 24
    assert schedule.found_by == FoundBy("walk", 32)
    assert schedule.expect == ("KVM_BUG_ON handle_changed_spte",)


def test_without_a_file_to_write_the_schedule_is_printed_to_be_piped_on(
    tdpsim: Any, walk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = tdpsim("shrink", walk)
    assert "Pipe this into `tdpsim replay -`:" in said.out
    mail = "".join(f"> {line}\n" for line in said.out.splitlines())
    for command in ("replay", "shrink"):
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(mail.encode())))
        again = tdpsim(command, "-")
        assert again.status == 0
    assert "2 tasks, 24 steps, 1 preemption, as it was: the shortest there is" in again.out


def test_what_is_the_smallest_already_stays_as_it_is(tdpsim: Any, tmp_path: Path) -> None:
    """How it was found stays with it, causes too.

    So the same file comes out, and may be written over itself.
    """
    copy = tmp_path / "copy.toml"
    copy.write_bytes(SHORTEST.read_bytes())
    assert tdpsim("shrink", copy, "--output", copy).status == 0
    small = parse(copy.read_bytes())
    assert small.found_by == parse(SHORTEST.read_bytes()).found_by
    assert small.found_by.causes == ("zero-step",)
    assert len(small.steps) == 24


def test_a_file_that_is_there_is_kept(tdpsim: Any, walk: Path) -> None:
    before = walk.read_bytes()
    assert "--force replaces it" in (tdpsim("shrink", walk, "-o", walk).err)
    assert walk.read_bytes() == before
    assert tdpsim("shrink", walk, "-o", walk, "--force").status == 0
    assert len(walk.read_bytes()) < len(before)


def test_a_budget_that_ends_leaves_the_best_so_far(tdpsim: Any, walk: Path, tmp_path: Path) -> None:
    small = tmp_path / "small.toml"
    said = tdpsim("shrink", walk, "-o", small, "--for", "0s")
    assert said.status == 4
    assert "73 steps, 41 preemptions -> 3 tasks, 46 steps, 31 preemptions: cut off" in said.out
    assert tdpsim("replay", small).status == 0


def test_ctrl_c_writes_nothing(
    tdpsim: Any, walk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def telling() -> Any:
        def tell(line: str, *, over: bool) -> None:
            if "2 tasks" in line:
                raise KeyboardInterrupt

        return tell

    monkeypatch.setattr(shrink, "telling", telling)
    said = tdpsim("shrink", walk, "-o", tmp_path / "small.toml")
    assert said.status == 130
    assert "interrupted" in said.complaint
    assert list(tmp_path.iterdir()) == [walk]


def test_one_of_several_findings_can_be_named(tdpsim: Any, tmp_path: Path) -> None:
    walk, small = tmp_path / "walk.toml", tmp_path / "small.toml"
    tdpsim("run", "nonleaf-to-np-shared", "--seed", "15", "--record", walk)
    for named, steps in (
        ("lockdep", 26),
        ("tdh_do_no_vcpus", 11),
        ("KVM_BUG_ON tdx_sept_free_private_spt", 62),
    ):
        assert tdpsim("shrink", walk, "-o", small, "--force", "--finding", named).status == 0
        assert len(parse(small.read_bytes()).steps) == steps
    assert "does not show WARN; it shows lockdep tdx_sept_remove_leaf_spte, lockdep" in (
        tdpsim("shrink", walk, "--finding", "WARN").complaint
    )


def test_json_is_the_contract(tdpsim: Any, walk: Path) -> None:
    said = json.loads(tdpsim("shrink", walk, "--json").out)
    assert list(said) == [
        "scenario",
        "params",
        "model",
        "finding",
        "before",
        "after",
        "certainty",
        "schedule",
    ]
    assert said["finding"] == {
        "kind": "KVM_BUG_ON",
        "where": "handle_changed_spte",
        "causes": ["zero-step"],
    }
    assert said["before"] == {"tasks": 3, "steps": 73, "preemptions": 41}
    assert said["after"] == {"tasks": 2, "steps": 24, "preemptions": 1}
    assert said["certainty"] == "shortest"
    assert len(parse(said["schedule"].encode()).steps) == 24


def test_what_cannot_be_shrunk_gets_one_line(tdpsim: Any, walk: Path, tmp_path: Path) -> None:
    clean = tmp_path / "clean.toml"
    assert tdpsim("run", "np-to-leaf-exclusive", "--seed", "0", "--record", clean).status == 0
    moved = tmp_path / "moved.toml"
    moved.write_text(walk.read_text().replace("spte[A].load", "spte[B].load"))
    other = tmp_path / "other.toml"
    other.write_text(
        walk.read_text().replace('model    = "7.2+1.5.01 ', 'model    = "7.2+1.5.01 0')
    )
    mangled = tmp_path / "mangled.toml"
    mangled.write_text(walk.read_text().replace("[schedule]", "[schedules]"))
    for argv, status, message in (
        ([clean], 2, f"{clean} shows no finding, so there is nothing to shrink it to"),
        ([LIVELOCK], 2, f"{LIVELOCK}: a livelock is a stem and a loop, which is not shrunk"),
        ([tmp_path / "none.toml"], 2, "none.toml: No such file"),
        ([walk, "--for", "soon"], 2, "--for takes a number and one of s, m, h, d"),
        ([walk, "-o", tmp_path / "no" / "where.toml"], 2, "where.toml: No such file or directory"),
        ([moved], 3, "v0 was recorded at spte[B].load, but stands at spte[A].load"),
        ([other], 3, "recorded with model"),
        ([mangled], 3, "mangled.toml"),
    ):
        said = tdpsim("shrink", *argv)
        assert said.status == status
        assert message in said.complaint
