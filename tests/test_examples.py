"""Every example runs, and prints what it is there to show."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from sim.campaign.store import read

EXAMPLES = Path(__file__).parents[1] / "examples"

SHOWN = {
    "fuzz_dask.py": [
        "400 seeds on two workers, digest ",
        "KVM_BUG_ON in handle_changed_spte, first seen by seed 0x15",
    ],
    "how_likely.py": [
        "1.468e+52 interleavings in 12,796 classes",
        "KVM_BUG_ON handle_changed_spte by zero-step: 0.0996 of all random walks,",
        "KVM_BUG_ON handle_changed_spte by tdcall: 0.0410 of all random walks,",
    ],
    "row_2.py": [
        "as it is: zero-step, tdcall",
        "on module 1.5.28: tdcall",
        "without zero-step mitigation: tdcall",
        "with nobody beside it: clean",
    ],
    "out_of_a_mail.py": [
        (
            "65 steps, and then: lockdep tdx_sept_remove_leaf_spte, lockdep tdh_do_no_vcpus, "
            "TDX_BUG_ON"
        ),
        "    (G) KVM_BUG_ON()",
        "nonleaf-to-np-shared, model 7.2+1.5.01 ",
    ],
    "what_a_guard_guards.py": [
        "as it is: clean",
        "  TDX_BUG_ON tdx_mem_page_aug, 43 steps",
        "  divergence mirror-is-sept, 30 steps",
        "  livelock v2, 42 steps",
    ],
    "your_own_question.py": [
        "divergence one-at-a-time after 6 steps:",
        "  p  taken.load no",
        "  q  taken.load no",
    ],
}


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_every_example_shows_its_point(name: str) -> None:
    run = subprocess.run(
        [sys.executable, EXAMPLES / name], capture_output=True, text=True, check=True
    )
    lines = run.stdout.splitlines()
    for shown in SHOWN[name]:
        assert any(line.startswith(shown) for line in lines), run.stdout


def ends_by_sigterm(command: list[str], folder: Path, store: Path, **environment: object) -> int:
    """Run it until its store has something, as a batch system does that wants the machine back."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    variables = {
        **os.environ,
        "PATH": path,
        **{name: str(value) for name, value in environment.items()},
    }
    process = subprocess.Popen(
        command, cwd=folder, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while not store.exists() or not store.stat().st_size or not read(store).totals.seeds:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    return process.wait(60)


def test_a_task_of_the_job_array_runs_its_shard(tmp_path: Path) -> None:
    store = tmp_path / "fuzz" / "leaf-to-np-exclusive.2.db"
    variables = {"SLURM_ARRAY_TASK_ID": 2, "SLURM_ARRAY_TASK_MIN": 1, "SLURM_ARRAY_TASK_COUNT": 3}
    command = ["sh", str(EXAMPLES / "fuzz.slurm")]
    assert ends_by_sigterm(command, tmp_path, store, **variables, SLURM_CPUS_PER_TASK=1) == 130
    assert str(read(store).shard) == "2/3"


def test_a_pod_of_the_indexed_job_runs_its_shard(tmp_path: Path) -> None:
    job = yaml.safe_load((EXAMPLES / "fuzz-job.yaml").read_text())["spec"]
    (pod,) = job["template"]["spec"]["containers"]
    (variable,) = pod["env"]
    assert variable["value"] == str(job["completions"])
    command = [*pod["command"], *(arg.replace("/fuzz/", f"{tmp_path}/") for arg in pod["args"])]
    store = tmp_path / "3.db"
    status = ends_by_sigterm(
        command, tmp_path, store, JOB_COMPLETION_INDEX=3, **{variable["name"]: variable["value"]}
    )
    assert status == 1, "which Kubernetes tries again"
    assert str(read(store).shard) == "4/16"
