"""tdpsim fuzz, merge, status and verify as their users meet them."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sim.campaign.question import CampaignSpec
from sim.campaign.store import batches, read
from sim.engine.run.dice import below
from sim.scenarios.library import recipe_named

NAME = "np-to-leaf-exclusive"
SEEDS = 300
END_FIELDS = {
    "event",
    "scenario",
    "params",
    "model",
    "strategy",
    "seeds",
    "steps",
    "cut",
    "digest",
    "states",
    "findings",
    "troubles",
    "expected_new_states",
    "ended",
    "seconds",
    "schedules_per_second",
    "steps_per_second",
}


def digest(seeds: int) -> str:
    """Of an undisturbed run."""
    spec = CampaignSpec.from_scenario(recipe_named(NAME).scenario({}), "walk")
    return f"{spec.runner().batch(0, seeds).digest:016x}"


DIGEST = digest(SEEDS)


@pytest.fixture(autouse=True)
def _somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def command(*argv: object) -> list[str]:
    return [sys.executable, "-m", "sim.cli", "fuzz", NAME, *map(str, argv)]


def started(*argv: object, limit: Callable[[], None] | None = None) -> subprocess.Popen[str]:
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command(*argv), preexec_fn=limit, start_new_session=True, **pipes)  # noqa: PLW1509 - no threads here


def done(path: Path) -> int:
    """How many seeds a store has; 0 while there is none."""
    try:
        return read(path).totals.seeds
    except Exception:  # noqa: BLE001 - it is just being made
        return 0


def wait_for(what: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    while not what() and process.poll() is None:
        time.sleep(0.01)


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]], int]:
    """A campaign from its first seed to its last, and what it said."""
    path = tmp_path_factory.mktemp("ended") / "a.db"
    run = subprocess.run(
        command("--seeds", f"0:{SEEDS}", "--jobs", 2, "--store", path, "--json"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stderr == ""
    return path, [json.loads(line) for line in run.stdout.splitlines()], run.returncode


def test_it_prints_the_contract(ended: tuple[Path, list[dict[str, Any]], int]) -> None:
    path, said, status = ended
    last = said[-1]
    assert status == 1
    assert set(last) == END_FIELDS
    assert (last["event"], last["seeds"], last["digest"], last["ended"]) == (
        "end",
        SEEDS,
        DIGEST,
        "done",
    )
    assert {event["event"] for event in said} == {"note", "finding", "end"}
    (finding,) = last["findings"]
    assert (finding["kind"], finding["where"]) == ("KVM_BUG_ON", "handle_changed_spte")
    assert [one["causes"] for one in finding["causes"]] == [["zero-step"], ["tdcall"]]
    assert (
        finding["seed"]
        == finding["witness"]["seed"]
        == min(one["seed"] for one in finding["causes"])
    )
    assert finding["witness"]["confirmed"]
    assert Path(finding["witness"]["path"]).read_text() == finding["witness"]["schedule"]
    assert path.with_suffix(".findings").is_dir()


def test_a_finding_is_replayed_by_the_command_that_is_printed(
    tdpsim: Any, ended: tuple[Path, list[dict[str, Any]], int]
) -> None:
    said = tdpsim("status", ended[0])
    (line,) = [line for line in said.out.splitlines() if "tdpsim replay " in line]
    replayed = tdpsim(*line.split()[1:])
    assert (said.status, replayed.status) == (0, 0)
    assert "the same under both executors" in replayed.out
    assert f"1 finding in {SEEDS} seeds" in said.out
    assert f"digest {DIGEST}" in said.out
    assert f"seeds 0 to {SEEDS - 1}: all done" in said.out


@pytest.mark.parametrize(("jobs", "batch"), [(1, 300), (2, 41)])
def test_jobs_and_batches_do_not_change_it(tdpsim: Any, jobs: int, batch: int) -> None:
    said = tdpsim("fuzz", NAME, "--seeds", f"0:{SEEDS}", "--jobs", jobs, "--batch", batch, "--json")
    assert json.loads(said.out.splitlines()[-1])["digest"] == DIGEST


def test_a_clean_campaign_ends_with_0_and_yesterdays_findings_come_first(
    tdpsim: Any, tmp_path: Path
) -> None:
    known = next(
        (Path(__file__).parents[2] / "schedules").rglob(
            "np-to-leaf-shared*without-restore.divergence*.toml"
        )
    )
    folder = tmp_path / "np-to-leaf-shared.findings"
    folder.mkdir()
    (folder / "a.toml").write_text(known.read_text())
    (folder / "b.toml").write_text(known.read_text().replace("v0 ", "v9 ", 1))
    (folder / "c.toml").write_text(
        known.read_text().replace('expect   = "', 'expect   = "WARN nowhere ')
    )
    (folder / "d.toml").write_text("not one")
    said = tdpsim("fuzz", "np-to-leaf-shared", "--seeds", "0:9", "--jobs", 1)
    assert said.status == 0
    assert "no finding in 9 seeds" in said.out
    log = [line.split(" ", 2)[2] for line in said.err.splitlines()][1:]
    there, drifted, gone, malformed = log
    assert there == "known: np-to-leaf-shared.findings/a.toml: still there"
    assert "b.toml: drifted: " in drifted
    assert "no task is named v9" in drifted
    assert "c.toml: gone: now divergence mirror-is-sept" in gone
    assert "d.toml: drifted: no schedule in here" in malformed


def test_going_on_with_another_question_is_refused_by_name(tdpsim: Any) -> None:
    tdpsim("fuzz", NAME, "--seeds", "0:5", "--jobs", 1)
    for more, said in (
        (("--most", 50), f"{NAME}.db is of longest run 10000, this is of 50"),
        (("--set", "module=1.5.28"), f"{NAME}.db is of parameters kernel=7.2 module=1.5.01"),
        (("--without", "kick"), f"{NAME}.db is of guards out none, this is of kick"),
        (("--shard", "2/3"), f"{NAME}.db is of shard 1/1, this is of 2/3"),
    ):
        refused = tdpsim("fuzz", NAME, "--store", f"{NAME}.db", "--resume", *more)
        assert refused.status == 2
        assert said in refused.complaint
    begun = tdpsim("fuzz", NAME)
    assert f"{NAME}.db is there already: --resume goes on with it" in begun.complaint


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("--strategy", "dice"), "no strategy is named 'dice'"),
        (("--seeds", "9"), "--seeds takes A:B"),
        (("--shard", "4/3"), "there is no shard 4/3"),
        (("--shard", "x"), "--shard takes I/N"),
        (("--for", "8"), "--for takes a number and one of s, m, h, d"),
        (("--jobs", "0"), "--jobs takes a number from 1 on, got 0"),
        (("--batch", "0"), "--batch takes a number from 1 on, got 0"),
        (
            ("--store", "no/such/place.db"),
            "no/such/place.db: it cannot be opened: no such file or directory",
        ),
        (("--store", "/dev/full", "--resume"), "/dev/full: the disk is full"),
        (("--patch", "gone.py"), "cannot read gone.py: No such file"),
    ],
)
def test_bad_input_is_one_line(tdpsim: Any, argv: tuple[str, ...], said: str) -> None:
    refused = tdpsim("fuzz", NAME, *argv)
    assert refused.status == 2
    assert said in refused.complaint


@pytest.mark.parametrize("name", ["status", "verify", "merge"])
def test_what_is_no_store_is_one_line(tdpsim: Any, name: str, tmp_path: Path) -> None:
    (tmp_path / "a.db").write_text("shopping\n" * 1000)
    argv = ("out.db", "a.db") if name == "merge" else ("a.db",)
    refused = tdpsim(name, *argv)
    assert (refused.status, refused.complaint) == (2, "tdpsim: a.db: it is no store of tdpsim\n")
    assert not Path("out.db").exists()


def test_the_time_is_over_before_the_seeds(tdpsim: Any) -> None:
    said = tdpsim(
        "fuzz", "np-to-leaf-shared", "--seeds", "0:1G", "--for", "0.1s", "--batch", 5, "--jobs", 1
    )
    assert said.status == 4
    assert "not all done" in said.out
    on = next(line for line in said.out.splitlines() if "--resume" in line)
    assert (
        on
        == "  tdpsim fuzz np-to-leaf-shared --strategy walk --store np-to-leaf-shared.db --resume"
    )
    assert (
        tdpsim("fuzz", "np-to-leaf-shared", "--for", "0.1s", "--jobs", 1, "--store", "b.db").status
        == 0
    )


def test_shards_of_a_batch_system_merged_are_one_run(
    tdpsim: Any, monkeypatch: pytest.MonkeyPatch, ended: tuple[Path, list[dict[str, Any]], int]
) -> None:
    for task in (5, 7, 9):
        for name, value in (("ID", task), ("MIN", 5), ("STEP", 2), ("COUNT", 3)):
            monkeypatch.setenv(f"SLURM_ARRAY_TASK_{name}", str(value))
        said = tdpsim("fuzz", NAME, "--seeds", f"0:{SEEDS}", "--jobs", 1)
        assert f"shard {(task - 3) // 2}/3 (by SLURM_ARRAY_TASK_ID)" in said.err
    stores = [f"{NAME}.{number}-of-3.db" for number in (1, 2, 3)]
    assert f"{stores[1]}" in tdpsim("status", ".").out or "1 finding" in tdpsim("status", ".").out
    merged = json.loads(tdpsim("merge", "all.db", *stores, "--json").out)
    whole = {
        key: ended[1][-1][key]
        for key in ("seeds", "steps", "digest", "states", "expected_new_states")
    }
    assert {key: merged[key] for key in whole} == whole
    mine, theirs = merged["findings"][0], ended[1][-1]["findings"][0]
    assert (mine["causes"], mine["witness"]["schedule"]) == (
        theirs["causes"],
        theirs["witness"]["schedule"],
    )
    assert Path(mine["witness"]["path"]).exists()
    again = tdpsim("merge", "twice.db", "all.db", stores[0])
    assert "both have the seeds" in again.complaint


def test_kubernetes_gives_an_index_and_the_job_the_count(
    tdpsim: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "0")
    assert "JOB_COMPLETIONS is not" in tdpsim("fuzz", NAME).complaint
    monkeypatch.setenv("JOB_COMPLETIONS", "4")
    said = tdpsim("fuzz", NAME, "--seeds", "0:40", "--jobs", 1)
    assert "shard 1/4 (by JOB_COMPLETION_INDEX)" in said.err
    assert read(Path(f"{NAME}.1-of-4.db")).totals.seeds == 10


def test_verifying_finds_the_batch_that_differs(
    tdpsim: Any, ended: tuple[Path, list[dict[str, Any]], int]
) -> None:
    same = tdpsim("verify", ended[0], "--sample", 2)
    assert same.status == 0
    assert same.out.count(": the same\n") == 2
    copy = Path("copy.db")
    copy.write_bytes(ended[0].read_bytes())
    with sqlite3.connect(copy) as connection:
        connection.execute("UPDATE batches SET digest = '00000000000000ff', steps = steps + 1")
    connection.close()
    differs = tdpsim("verify", copy, "--sample", 1)
    assert differs.status == 1
    assert "digest was ff and is " in differs.out
    assert "steps: " in differs.out


def test_ctrl_c_drains_and_says_how_to_go_on() -> None:
    path = Path("a.db")
    process = started("--seeds", "0:1M", "--batch", 20, "--jobs", 2, "--store", path)
    wait_for(lambda: done(path) > 0, process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: every process of it
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert re.search(r"interrupted: finishing \d batch(es)?; once more to stop at once", err)
    assert "Traceback" not in err
    assert f"  tdpsim fuzz {NAME} --strategy walk --store a.db --resume" in out
    seeds = done(path)
    assert seeds % 20 == 0
    process = started(
        "--seeds", f"0:{seeds + 7}", "--resume", "--jobs", 2, "--store", path, "--json"
    )
    out, _ = process.communicate(timeout=60)
    assert json.loads(out.splitlines()[-1])["digest"] == digest(seeds + 7)


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_the_second_one_stops_at_once(first: signal.Signals) -> None:
    path = Path("a.db")
    process = started("--seeds", "0:1M", "--batch", 50_000, "--jobs", 2, "--store", path)
    wait_for(lambda: len(workers(process.pid)) == 2, process)
    process.send_signal(first)
    assert process.stderr is not None
    while "once more" not in process.stderr.readline():
        pass
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (130, "")
    assert "no finding in 0 seeds" in out


def test_ctrl_c_while_workers_are_started_shows_no_traceback_of_theirs() -> None:
    """To the whole group, again and again, as from a terminal.

    A process that has just begun knows no better.
    """
    path = Path("a.db")
    process = started("--seeds", "0:1M", "--batch", 20, "--jobs", 6, "--store", path)
    wait_for(lambda: bool(done(path) or workers(process.pid)), process)
    for _ in range(5):
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.02)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err


def test_workers_end_with_their_parent_in_the_middle_of_a_batch() -> None:
    process = started("--seeds", "0:1M", "--batch", 500_000, "--jobs", 2, "--store", "a.db")
    wait_for(lambda: [pid for pid in workers(process.pid) if seconds(pid) > 1.5] != [], process)
    mine = workers(process.pid)
    process.kill()
    process.wait()
    until = time.monotonic() + 20
    while any(map(is_running, mine)) and time.monotonic() < until:
        time.sleep(0.05)
    left = [pid for pid in mine if is_running(pid)]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    process.communicate()
    assert mine
    assert not left


def read_proc(path: Path) -> str:
    """What has gone meanwhile is empty."""
    try:
        return path.read_text()
    except OSError:
        return ""


def workers(pid: int) -> list[int]:
    """The processes that its threads have started, but for the one that multiprocessing keeps."""
    known = [read_proc(file).split() for file in Path(f"/proc/{pid}/task").glob("*/children")]
    return [
        int(child)
        for of in known
        for child in of
        if "spawn_main" in read_proc(Path(f"/proc/{child}/cmdline"))
    ]


def is_running(pid: int) -> bool:
    return read_proc(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()[:1] not in ([], ["Z"])


def seconds(pid: int) -> float:
    """What it has taken of a processor; before it comes to its first batch it is half a second."""
    ticks = read_proc(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()[11:13]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def test_kill_9_loses_nothing_and_counts_nothing_twice() -> None:
    """Twenty times, at random moments, and every third time a worker before."""
    path = Path("a.db")
    argv = ("--batch", 11, "--jobs", 2, "--store", path, "--resume")
    orphans: list[int] = []
    for attempt in range(20):
        before = batches(path) if done(path) else ()
        seen = sum(one.span.size for one in before)
        process = started("--seeds", "0:1G", *argv)
        if attempt % 3 == 0:
            wait_for(lambda: done(path) > seen, process)  # noqa: B023 - called at once
            for pid in workers(process.pid)[:1]:
                os.kill(pid, signal.SIGKILL)
        time.sleep(below(600 if attempt % 3 else 200, attempt, 0, 0) / 1000)
        orphans += workers(process.pid)
        process.kill()
        process.communicate()
        with sqlite3.connect(path) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        connection.close()
        if before:
            after = {one.span: one.batch.digest for one in batches(path)}
            assert all(after[one.span] == one.batch.digest for one in before)
    seeds = read(path).done[-1].stop + 5
    process = started("--seeds", f"0:{seeds}", *argv, "--json")
    out, err = process.communicate(timeout=60)
    last = json.loads(out.splitlines()[-1])
    assert (err, last["seeds"], last["digest"]) == ("", seeds, digest(seeds))
    assert last["troubles"] == []
    assert sum(one.span.size for one in batches(path)) == seeds
    assert orphans
    assert not [pid for pid in orphans if is_running(pid)]


def test_a_store_that_was_killed_while_it_was_made_is_begun_again(tdpsim: Any) -> None:
    with sqlite3.connect("making.db", isolation_level=None) as making:
        for statement in (
            "PRAGMA cache_size=1",
            "PRAGMA cache_spill=1",
            "BEGIN",
            "CREATE TABLE batches (first)",
        ):
            making.execute(statement)
        for _ in range(999):
            making.execute("INSERT INTO batches VALUES (?)", ["x" * 99])
        for suffix in ("", "-journal"):
            shutil.copy(f"making.db{suffix}", f"a.db{suffix}")
    making.close()
    assert Path("a.db").stat().st_size > 0
    assert (
        tdpsim("fuzz", NAME, "--seeds", "0:5", "--jobs", 1, "--store", "a.db", "--resume").status
        == 0
    )
    assert done(Path("a.db")) == 5


def test_a_full_disk_is_one_line_and_the_store_is_whole() -> None:
    path = Path("a.db")

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (70_000, 70_000))

    process = started(
        "--seeds", f"0:{SEEDS}", "--batch", 3, "--jobs", 2, "--store", path, limit=limit
    )
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "")
    complaint = err.splitlines()[-1]
    assert complaint.startswith("tdpsim: a.db: ")
    assert "what was acknowledged is whole: make room, and --resume goes on from there" in complaint
    assert "Traceback" not in err
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
    assert 0 < done(path) < SEEDS
    process = started("--seeds", f"0:{SEEDS}", "--jobs", 2, "--store", path, "--resume", "--json")
    out, _ = process.communicate(timeout=60)
    assert json.loads(out.splitlines()[-1])["digest"] == DIGEST


def test_a_witness_that_does_not_replay_is_not_confirmed(
    tdpsim: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sim.campaign.findings.replayed", lambda _path: "gone: now clean")
    said = tdpsim("fuzz", NAME, "--seeds", "0:40", "--jobs", 1)
    assert "says: gone: now clean" in said.err
    assert "; not replayed" in said.out


def test_where_schedules_cannot_be_written_the_store_has_them(tdpsim: Any) -> None:
    said = tdpsim("fuzz", NAME, "--seeds", "0:40", "--jobs", 1, "--record", "/dev/full")
    assert said.status == 1
    assert "cannot write into /dev/full: File exists; the store has it" in said.err
    assert (
        "its file is not there; tdpsim status np-to-leaf-exclusive.db --record DIR writes it"
        in said.out
    )
    assert tdpsim("status", f"{NAME}.db", "--record", "kept").status == 0
    (file,) = Path("kept").iterdir()
    assert tdpsim("replay", file).status == 0


def test_a_file_of_somebody_else_is_left_alone(tdpsim: Any) -> None:
    tdpsim("fuzz", NAME, "--seeds", "0:40", "--jobs", 1)
    (file,) = Path(f"{NAME}.findings").iterdir()
    theirs = file.read_text().replace("seed     = 0x15", "seed     = 0x99")
    assert theirs != file.read_text()
    file.write_text(theirs)
    said = tdpsim(
        "fuzz", NAME, "--seeds", "0:40", "--jobs", 1, "--store", "b.db", "--record", file.parent
    )
    mine = file.with_name(f"{file.stem}.seed-0x15.toml")
    assert f"tdpsim replay {mine}" in said.out
    assert (file.read_text(), mine.read_text()) == (theirs, theirs.replace("0x99", "0x15"))


def test_two_cannot_go_on_with_one_store(tdpsim: Any) -> None:
    """Disjoint seeds would do each other's coverage no harm,
    and yet each would report half of it.
    """
    assert tdpsim("fuzz", NAME, "--seeds", "0:20", "--jobs", "1", "--store", "a.db").status == 0
    process = started("--seeds", "0:1M", "--jobs", 1, "--batch", 20, "--store", "a.db", "--resume")
    wait_for(lambda: done(Path("a.db")) > 20, process)
    refused = tdpsim("fuzz", NAME, "--seeds", "2M:3M", "--jobs", "1", "--store", "a.db", "--resume")
    assert (refused.status, "a.db: another process writes to it" in refused.complaint) == (2, True)
    process.kill()
    process.communicate()
    assert tdpsim(
        "fuzz", NAME, "--seeds", "2M:2000020", "--jobs", "1", "--store", "a.db", "--resume"
    ).status in {0, 1}


def test_a_patch_goes_along_to_the_workers() -> None:
    """In processes of its own: what a patch changes stays changed."""
    patch, path = (
        Path(__file__).parents[2] / "examples" / "patches" / "stats_first.py",
        Path("a.db"),
    )
    process = started(
        "--patch", patch, "--seeds", "0:20", "--jobs", 2, "--batch", 5, "--store", path
    )
    out, _ = process.communicate(timeout=60)
    contents = read(path)
    assert (contents.totals.seeds, contents.troubles) == (20, ())
    assert contents.identity["parameters"]["kernel"] == "patch"
    assert f"digest {contents.totals.digest:016x}" in out
    verify = [sys.executable, "-m", "sim.cli", "verify", str(path), "--patch"]
    assert subprocess.run([*verify, str(patch)], capture_output=True, check=False).returncode == 0
    other = Path("other.py")
    other.write_text(patch.read_text().replace("stats-first", "stats-last"))
    refused = subprocess.run([*verify, str(other)], capture_output=True, text=True, check=False)
    assert "a.db is of model " in refused.stderr
