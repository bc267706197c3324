"""Machine code that is kept belongs to the text that it was compiled from, or is not used."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sim.base.compiler import loaded
from sim.base.errors import CompilerError

ROOT = Path(__file__).parents[1]
SOURCE = "int answer(void) { return %d; }\n"


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "tdpsim"


def source(tmp_path: Path, answer: int) -> Path:
    path = tmp_path / "one.c"
    path.write_text(SOURCE % answer)
    return path


def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are compiled from now on."""
    names, honest = list[str](), subprocess.run

    def run(command: list[str], **how: Any) -> Any:
        names.append(Path(command[-1]).name)
        return honest(command, **how)

    monkeypatch.setattr("sim.base.compiler.subprocess.run", run)
    return names


def test_a_text_is_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = compiled(monkeypatch)
    assert [loaded(source(tmp_path, 7)).answer() for _ in range(3)] == [7, 7, 7]
    assert names == ["one.c"]


def test_another_text_of_one_size_and_time_is_compiled_anew(tmp_path: Path) -> None:
    path = source(tmp_path, 7)
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    assert loaded(path).answer() == 7
    path.write_text(SOURCE % 8)
    os.utime(path, ns=times)
    assert loaded(path).answer() == 8


@pytest.mark.parametrize("name", ["so", "sha256"])
@pytest.mark.parametrize("contents", [b"", b"damaged", None])
def test_what_is_damaged_is_compiled_anew(
    tmp_path: Path, kept: Path, name: str, contents: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = source(tmp_path, 7)
    loaded(path)
    (file,) = kept.glob(f"*.{name}")
    file.unlink()  # and not written in place: what is loaded is mapped from it
    if contents is not None:
        file.write_bytes(contents)
    names = compiled(monkeypatch)
    assert loaded(path).answer() == 7
    assert names == ["one.c"]
    assert loaded(path).answer() == 7
    assert names == ["one.c"]


def test_where_nothing_can_be_kept_it_is_compiled_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert loaded(source(tmp_path, 7)).answer() == 7


def test_what_does_not_compile_is_one_line(tmp_path: Path, kept: Path) -> None:
    path = tmp_path / "wrong.c"
    path.write_text("int answer(void) { return }\n")
    with pytest.raises(CompilerError, match=r"does not compile wrong\.c: .*wrong\.c") as raised:
        loaded(path)
    assert "\n" not in str(raised.value)
    assert not list(kept.iterdir())


def command(*argv: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sim.cli", *argv],
        env={**os.environ, **env},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_a_compiler_a_large_search_is_undecided_in_one_line() -> None:
    ran = command("explore", "np-to-leaf-exclusive", "--no-count", PATH="/nowhere")
    assert (ran.returncode, ran.stdout) == (4, "")
    assert ran.stderr == (
        "tdpsim: a search over many states needs a C compiler, and cc or gcc or clang is "
        "not there: install one, or name it by CC=\n"
    )


def test_what_is_small_needs_none() -> None:
    ran = command("explore", "teardown", "--no-count", PATH="/nowhere")
    assert ran.returncode == 0, ran.stderr


def test_a_compiler_is_chosen_by_name() -> None:
    ran = command("explore", "np-to-leaf-exclusive", "--no-count", CC="no-such-cc")
    assert "and no-such-cc is not there" in ran.stderr
