"""The wheel runs outside the checkout and carries its schedules."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_wheel_runs_elsewhere_and_carries_the_schedules(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    inside = tmp_path / "inside"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(inside)
    names = sorted(path.name for path in (ROOT / "schedules").rglob("*.toml"))
    assert sorted(path.name for path in (inside / "sim" / "schedules").rglob("*.toml")) == names
    assert any("LICENSE" in name for name in archive.namelist())

    def tdpsim(*argv: str) -> subprocess.CompletedProcess[str]:
        code = (
            "import sys, sim; assert sim.__file__.startswith(sys.path[0]); from sim.cli import "
            "main; sys.exit(main())"
        )
        env = {**os.environ, "PYTHONPATH": str(inside), "PYTHONSAFEPATH": "1"}
        command = [sys.executable, "-c", code, *argv]
        return subprocess.run(
            command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
        )

    said = tdpsim("replay", str(next((inside / "sim" / "schedules").rglob("*.toml"))))
    assert (said.returncode, said.stderr) == (0, "")
    assert tdpsim("explore", "np-to-leaf-exclusive").returncode == 1
