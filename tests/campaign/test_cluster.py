"""A real Dask scheduler with two workers, of which one is killed on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from sim.campaign import dask_workers
from sim.campaign.errors import NoWorkersError
from sim.campaign.jobs import Foreign, checked
from sim.campaign.question import CampaignSpec
from sim.campaign.records import TroubleEvent
from sim.campaign.store import batches, read
from sim.scenarios.library import recipe_named
from tests.campaign import faulty, toy

ROOT = Path(__file__).parents[2]
NAME, SEEDS, BATCH = "np-to-leaf-exclusive", 400, 10


class Dask:
    """A scheduler and its workers, each with a nanny, as a person starts them."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "scheduler.json"
        self._log = (folder / "log").open("wb")
        self.processes = [self._start("scheduler", "--host", "127.0.0.1", "--port", "0")]
        while not self.file.exists() or not self.file.read_text():
            time.sleep(0.02)
        self.address: str = json.loads(self.file.read_text())["address"]

    def _start(self, what: str, *argv: str) -> subprocess.Popen[bytes]:
        command = [
            sys.executable,
            "-m",
            f"distributed.cli.dask_{what}",
            "--scheduler-file",
            str(self.file),
            *argv,
        ]
        return subprocess.Popen(
            [*command, "--no-dashboard"],
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
            cwd=ROOT,
        )

    def hire(self) -> subprocess.Popen[bytes]:
        self.processes.append(
            self._start("worker", "--nthreads", "1", "--nworkers", "1", "--host", "127.0.0.1")
        )
        return self.processes[-1]

    def close(self) -> None:
        for process in self.processes:
            kill(process)
        self._log.close()


def kill(process: subprocess.Popen[bytes]) -> None:
    """With its nanny."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dask]:
    known = Dask(tmp_path_factory.mktemp("dask"))
    yield known
    known.close()


def started(dask: Dask, folder: Path, *argv: object) -> subprocess.Popen[str]:
    store = ("--store", folder / "a.db", "--seeds", f"0:{SEEDS}", "--batch", BATCH, "--json")
    command = [
        sys.executable,
        "-m",
        "sim.cli",
        "fuzz",
        NAME,
        "--cluster",
        dask.address,
        *store,
        *argv,
    ]
    return subprocess.Popen(
        list(map(str, command)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
    )


def test_it_comes_to_the_same_and_a_worker_that_is_killed_costs_a_retry(
    dask: Dask, tmp_path: Path
) -> None:
    workers = [dask.hire(), dask.hire()]
    process = started(dask, tmp_path)
    while process.poll() is None and (
        not (tmp_path / "a.db").exists() or not seeds(tmp_path / "a.db")
    ):
        time.sleep(0.01)
    kill(workers[0])
    assert seeds(tmp_path / "a.db") < SEEDS
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (1, "")
    end = json.loads(out.splitlines()[-1])
    whole = (
        CampaignSpec.from_scenario(recipe_named(NAME).scenario({}), "walk").runner().batch(0, SEEDS)
    )
    assert (end["digest"], end["steps"], end["troubles"]) == (
        f"{whole.digest:016x}",
        whole.steps,
        [],
    )
    contents = read(tmp_path / "a.db")
    assert contents.sketch == whole.sketch
    assert contents.sightings == whole.sightings
    assert contents.witnesses[0].confirmed
    assert [done.span.size for done in batches(tmp_path / "a.db")] == [BATCH] * (SEEDS // BATCH)


def seeds(path: Path) -> int:
    try:
        return read(path).totals.seeds
    except Exception:  # noqa: BLE001 - it is just being made
        return 0


def test_workers_that_come_later_are_given_work(dask: Dask, tmp_path: Path) -> None:
    for process in dask.processes[1:]:
        kill(process)
    fuzz = started(dask, tmp_path)
    time.sleep(0.5)
    dask.hire()
    out, _ = fuzz.communicate(timeout=60)
    assert json.loads(out.splitlines()[-1])["seeds"] == SEEDS


HANGING = """
import sys
from pathlib import Path
from sim.campaign import retrying
from sim.campaign.campaign import Terms
from sim.campaign.fuzz import Audience, fuzz
from sim.campaign.seeds import Span
from tests.campaign import faulty, toy

retrying.ATTEMPTS = 1
store = toy.begun(Path(sys.argv[1]), Span(faulty.HANGS - 3, faulty.HANGS + 1))
quiet = Audience(lambda _news: None, lambda _now: None, 60.0)
terms = Terms(Path(sys.argv[1]).parent, batch=1, patience=1.5)
fuzz(toy.QUESTION, store, terms, quiet, jobs=1, cluster=sys.argv[2], work=faulty.hangs)
"""


def test_a_worker_that_hangs_is_started_anew(dask: Dask, tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-c", HANGING, tmp_path / "a.db", dask.address],
        check=True,
        timeout=90,
        cwd=ROOT,
    )
    contents = read(tmp_path / "a.db")
    assert contents.troubles == (TroubleEvent(faulty.HANGS, "it took longer than 2 s"),)
    assert contents.totals.seeds == 3


def test_a_worker_with_another_tdpsim_is_refused_by_name() -> None:
    mine = toy.QUESTION.model()
    assert checked(mine, toy.work, toy.QUESTION, 0, 9, b"") == toy.work(toy.QUESTION, 0, 9, b"")
    with pytest.raises(Foreign, match=rf"its program is {mine['program']}, and here it is newer"):
        checked({**mine, "program": "newer"}, toy.work, toy.QUESTION, 0, 9, b"")


def test_a_scheduler_that_goes_is_one_line(tmp_path: Path) -> None:
    dask = Dask(tmp_path)
    dask.hire()
    fuzz = started(dask, tmp_path)
    while fuzz.poll() is None and not seeds(tmp_path / "a.db"):
        time.sleep(0.01)
    dask.close()
    out, err = fuzz.communicate(timeout=60)
    gone = f"tdpsim: the scheduler at {dask.address} is gone; --resume goes on from here\n"
    assert (fuzz.returncode, err) == (4, gone)
    assert '"end"' not in out
    assert 0 < read(tmp_path / "a.db").totals.seeds < SEEDS


def test_a_scheduler_that_is_not_there_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_workers, "_ANSWER", 0.3)

    async def main() -> None:
        async with dask_workers.connected("tcp://127.0.0.1:9"):
            pass

    with pytest.raises(NoWorkersError, match=r"no scheduler answers at tcp://127.0.0.1:9"):
        trio.run(main)
