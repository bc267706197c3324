"""Kernels from a file, and faults, on the command line."""

from __future__ import annotations

import importlib.util
import marshal
import os
import shutil
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import attrs
import pytest

from sim.base.errors import UsageError
from sim.campaign.question import CampaignSpec
from sim.engine.model.scenario import Scenario
from sim.scenarios.library import recipe_named
from sim.scenarios.patch import Patch, load_patch, read_patch

FILE = Path(__file__).parents[2] / "examples" / "patches" / "stats_first.py"


def test_a_schedule_of_a_patch_replays_with_it_and_with_nothing_else(
    tdpsim: Any, tmp_path: Path
) -> None:
    said = tdpsim(
        "explore",
        "np-to-leaf-shared",
        "--patch",
        str(FILE),
        "--no-count",
        "--record",
        str(tmp_path),
    )
    assert said.status == 1
    (file,) = tmp_path.iterdir()
    assert tdpsim("replay", str(file), "--patch", str(FILE)).status == 0
    assert "stats" in tdpsim("show", str(file), "--patch", str(FILE)).out
    refused = tdpsim("replay", str(file))
    assert (refused.status, "--patch FILE names it" in refused.err) == (3, True)


@pytest.mark.parametrize("fault", ["invalidation", "cmpxchg", "resched"])
def test_an_injected_fault_costs_a_retry_and_breaks_nothing(tdpsim: Any, fault: str) -> None:
    """KVM list, August 2025: faults that were to be injected by chance are choices here."""
    said = tdpsim("explore", "np-to-leaf-shared", "--inject", fault, "--no-count")
    assert said.status == 0
    assert f"inject={fault}" in said.out


KERNEL = """import attrs

from sim.kvm.versions import Series


@attrs.frozen(eq=False)
class Mine(Series):
    VERSION = {version!r}
"""


def of(patch: Patch) -> Scenario:
    return recipe_named("np-to-leaf-shared").scenario({"kernel": "patch"}, (), patch)


LOADS = """import sys
from pathlib import Path

from sim.scenarios.patch import load_patch

print(load_patch(Path(sys.argv[1])).kernel.VERSION)
"""


def run_of(path: Path) -> str:
    """What a process of its own loads, with the right to write bytecode."""
    told = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    said = subprocess.run(
        [sys.executable, "-c", LOADS, path], env=told, capture_output=True, text=True, check=True
    )
    return said.stdout.strip()


def written(path: Path, version: str) -> Path:
    path.write_text(KERNEL.format(version=version), encoding="utf-8")
    return path


def planted(path: Path, version: str) -> None:
    """Bytecode beside the file that Python takes without a look at the file: an unchecked hash."""
    cached = Path(importlib.util.cache_from_source(str(path)))
    cached.parent.mkdir(exist_ok=True)
    code = compile(KERNEL.format(version=version), str(path), "exec")
    flags, unread = (0b01).to_bytes(4, "little"), bytes(8)
    cached.write_bytes(importlib.util.MAGIC_NUMBER + flags + unread + marshal.dumps(code))


def test_two_edits_of_one_size_within_a_second_each_run(tmp_path: Path) -> None:
    path = written(tmp_path / "mine.py", "one")
    moment = path.stat().st_mtime_ns // 10**9 * 10**9
    os.utime(path, ns=(moment, moment))
    assert run_of(path) == "one"
    os.utime(written(path, "two"), ns=(moment, moment))
    assert run_of(path) == "two"


def test_a_copy_that_keeps_its_time_runs(tmp_path: Path) -> None:
    """cp -p, rsync and tar bring another text, of the same size and time."""
    path, other = written(tmp_path / "mine.py", "one"), written(tmp_path / "other.py", "two")
    for file in (path, other):
        os.utime(file, ns=(10**18, 10**18))
    assert run_of(path) == "one"
    shutil.copy2(other, path)
    assert run_of(path) == "two"


def test_bytecode_beside_the_file_is_nobodys_business(tmp_path: Path) -> None:
    """Neither read nor written."""
    path = written(tmp_path / "mine.py", "text")
    assert run_of(path) == "text"
    assert not (tmp_path / "__pycache__").exists()
    planted(path, "evil")
    assert run_of(path) == "text"


def test_what_runs_is_what_the_digest_is_of_whatever_becomes_of_the_file(tmp_path: Path) -> None:
    """A campaign's workers get the text that was loaded, not the file as it is by then."""
    path = written(tmp_path / "mine.py", "one")
    patch = load_patch(path)
    assert patch == Patch(str(path), KERNEL.format(version="one"))
    written(path, "two")
    scenario = of(patch)
    assert scenario.model == "one+1.5.01"
    assert (
        CampaignSpec.from_scenario(scenario, "walk", patch=patch).scenario().full_model
        == scenario.full_model
    )
    other = of(load_patch(path))
    assert other.model == "two+1.5.01"
    assert other.digest != scenario.digest
    assert of(patch).full_model == scenario.full_model


def test_a_patch_that_cannot_be_loaded_leaves_nothing_behind(tmp_path: Path) -> None:
    before = set(sys.modules)
    for text, said in (
        ("1 +", r"bad\.py:1: invalid syntax"),
        ("x = 1\n1 / 0", r"bad\.py:2: ZeroDivisionError: division by zero"),
        ("x = 1", r"bad\.py: a patch is one class with a VERSION"),
    ):
        (tmp_path / "bad.py").write_text(text, encoding="utf-8")
        with pytest.raises(UsageError, match=said):
            load_patch(tmp_path / "bad.py")
    assert set(sys.modules) == before


def test_a_file_may_be_of_another_editor(tmp_path: Path) -> None:
    """A byte-order mark and its line ends change nothing; bytes that are no text are refused."""
    path = written(tmp_path / "mine.py", "one")
    digest = of(load_patch(path)).digest
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert of(load_patch(path)).digest == digest
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match=r"mine\.py: not a text in UTF-8"):
        read_patch(path)


def test_a_traceback_shows_the_lines_that_ran(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        KERNEL.format(version="one") + "    def fails(self):\n        return 1 // 0\n",
        encoding="utf-8",
    )
    kernel = load_patch(path).kernel
    path.write_text("# nothing\n", encoding="utf-8")
    with pytest.raises(ZeroDivisionError) as raised:
        kernel.fails(None)  # type: ignore[attr-defined] # the file's
    assert "return 1 // 0" in "".join(traceback.format_exception(raised.value))
    assert attrs.has(Patch("elsewhere.py", KERNEL.format(version="two")).kernel)
