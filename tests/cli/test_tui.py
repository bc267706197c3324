"""`tdpsim tui` on a terminal of its own: how it begins, how it ends,
and that it leaves the terminal as it was.
"""

from __future__ import annotations

import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Any

import attrs
import pytest

from sim.cli.tui import _save
from sim.engine.run import automata_executor
from sim.engine.run.scheduler import RandomWalk
from sim.scenarios.library import recipe_named
from sim.view.explorer.dialogs import NotSaved

SCHEDULES = Path(__file__).parents[2] / "schedules"
ROW_2 = (
    SCHEDULES
    / "np-to-leaf-exclusive"
    / "np-to-leaf-exclusive.7.2+1.5.01.KVM_BUG_ON.handle_changed_spte.zero-step.toml"
)
COLOURS = re.compile(rb"\x1b\[(?:[\d;]*;)?(?:3[0-8]|4[0-8]|9\d|10[0-7])(?:;[\d;]*)?m")
MODES = {
    1049: "l",
    1000: "l",
    1003: "l",
    1006: "l",
    1015: "l",
    1004: "l",
    2004: "l",
    25: "h",
    7: "h",
}
"""How each mode was last set: alternate screen, mouse, focus and pasting off,
the cursor and wrapping on."""
BREAKS = """\
import sys
from sim.view.explorer import panels
here = panels.here
def broken(explorer):
    return here(explorer) if not explorer.at else 1 // 0
panels.here = broken
from sim.cli import command
command()
"""


@attrs.define
class Terminal:
    """A process on a terminal of its own, and all that it has written there."""

    process: subprocess.Popen[bytes]
    master: int
    slave: int
    before: list[Any]
    said: bytes = b""

    def read(self, seconds: float) -> None:
        if select.select([self.master], [], [], seconds)[0]:
            self.said += os.read(self.master, 1 << 16)

    def until(self, text: str) -> None:
        for _ in range(600):
            if text.encode() in self.said:
                return
            self.read(0.1)
        raise AssertionError(self.said[-2000:])

    def key(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def end(self) -> int:
        """Its exit status, once all that it wrote is read and the terminal is found to be as
        it was before.
        """
        deadline = time.monotonic() + 60
        while self.process.poll() is None and time.monotonic() < deadline:
            self.read(0.1)
        self.check()
        return self.process.wait(1)

    def check(self) -> None:
        """Once all that was written is read, the terminal is as it was before."""
        while select.select([self.master], [], [], 0.2)[0]:
            self.read(0)
        assert termios.tcgetattr(self.slave) == self.before
        for mode, wanted in MODES.items():
            found = re.findall(rb"\x1b\[\?%d([hl])" % mode, self.said)
            assert found[-1].decode() == wanted, f"mode {mode} was left {found}"

    @property
    def left(self) -> list[str]:
        """The lines that stand on the terminal after the alternate screen is gone."""
        after = self.said.rpartition(b"\x1b[?1049l")[2].decode()
        return [
            line
            for line in re.sub(r"\x1b\[[^a-zA-Z]*[a-zA-Z]|\x1b\][^\a]*\a", "", after).split("\r\n")
            if line.strip()
        ]


@pytest.fixture
def started(tmp_path: Path) -> Any:
    running: list[Terminal] = []

    def start(*argv: object, code: str = "", **env: str) -> Terminal:
        master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        before = termios.tcgetattr(slave)
        program = ["-c", code] if code else ["-m", "sim.cli"]
        clean = {
            name: value
            for name, value in os.environ.items()
            if name not in {"NO_COLOR", "COLORTERM"}
        }
        process = subprocess.Popen(
            [sys.executable, *program, "tui", *map(str, argv)],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=tmp_path,
            env={**clean, "TERM": "xterm-256color", "PYTHONPATH": str(SCHEDULES.parent), **env},
            start_new_session=True,
        )
        running.append(Terminal(process, master, slave, before))
        return running[-1]

    yield start
    for terminal in running:
        terminal.process.kill()
        terminal.process.wait()
        os.close(terminal.master)
        os.close(terminal.slave)


def test_a_branch_is_saved_and_replays(started: Any, tdpsim: Any, tmp_path: Path) -> None:
    terminal = started(ROW_2)
    terminal.until("step 0 of 24")
    terminal.key("jjj")
    terminal.until("step 3 of 24")
    terminal.key("\t\rws")
    terminal.until("escape does not")
    terminal.key("\r")
    terminal.until("saved; tdpsim replay np-to-leaf-exclusive.branch.toml")
    terminal.key("q")
    assert terminal.end() == 0
    assert terminal.left == ["tdpsim replay np-to-leaf-exclusive.branch.toml"]
    said = tdpsim("replay", tmp_path / "np-to-leaf-exclusive.branch.toml")
    assert said.status == 0
    assert "the same under both executors" in said.out


def test_a_scenario_is_stepped_through_from_its_start(started: Any) -> None:
    terminal = started("np-to-leaf-exclusive", "--without", "zero-step", "--no-odds")
    terminal.until("step 0 of 0")
    terminal.until("not asked for")
    terminal.key("1")
    terminal.until("step 1 of 1")
    terminal.key("q")
    assert (terminal.end(), terminal.left) == (0, [])


def test_ctrl_c_restores_the_terminal_and_is_one_line(started: Any) -> None:
    terminal = started(ROW_2)
    terminal.until("step 0 of 24")
    terminal.key("s\x03")
    assert terminal.end() == 130
    assert terminal.left == ["tdpsim: interrupted; nothing was recorded that is not complete"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_restores_the_terminal_and_is_passed_on(
    started: Any, number: signal.Signals
) -> None:
    terminal = started(ROW_2)
    terminal.until("step 0 of 24")
    terminal.process.send_signal(number)
    assert terminal.end() == (130 if number is signal.SIGINT else -number)


def test_ctrl_z_restores_the_terminal_until_it_comes_back(started: Any) -> None:
    terminal = started(ROW_2)
    terminal.until("step 0 of 24")
    terminal.key("\x1a")
    while not os.waitpid(terminal.process.pid, os.WUNTRACED | os.WNOHANG)[0]:
        terminal.read(0.1)
    terminal.check()
    terminal.said = b""
    terminal.process.send_signal(signal.SIGCONT)
    terminal.until("step 0 of 24")
    terminal.key("q")
    assert terminal.end() == 0


def test_an_exception_restores_the_terminal_and_is_one_line(started: Any) -> None:
    terminal = started(ROW_2, code=BREAKS)
    terminal.until("step 0 of 24")
    terminal.key("j")
    assert terminal.end() == 70
    (line,) = terminal.left
    assert line.startswith("tdpsim: internal error: ZeroDivisionError: ")


def test_a_bug_in_the_thread_restores_the_terminal_and_is_one_line(started: Any) -> None:
    code = BREAKS.replace(
        "from sim.cli import",
        "import sim.view.explorer.odds_thread as a\na.Odds = int\nfrom sim.cli import",
    )
    terminal = started(ROW_2, code=code)
    assert terminal.end() == 70
    (line,) = terminal.left
    assert line.startswith("tdpsim: internal error: TypeError: ")


@pytest.mark.parametrize("env", [{}, {"NO_COLOR": "1"}])
def test_no_color_is_respected(started: Any, env: dict[str, str]) -> None:
    terminal = started(ROW_2, **env)
    terminal.until("step 0 of 24")
    terminal.key("c")
    terminal.until("step 21 of 24")
    terminal.key("q")
    assert terminal.end() == 0
    assert bool(COLOURS.search(terminal.said)) == (not env)


@pytest.mark.parametrize(
    ("argv", "status", "message"),
    [
        (
            ("-",),
            2,
            (
                "tdpsim tui needs the keyboard, and cannot read a mail from stdin as well; save it "
                "to a file"
            ),
        ),
        (
            (str(ROW_2),),
            2,
            "tdpsim tui needs a terminal; `tdpsim show FILE` draws a schedule without one",
        ),
        (("--sett",), 2, "no option is named --sett"),
        (("no/such/file",), 2, "cannot read no/such/file: No such file or directory"),
        (("no-such.toml",), 2, "cannot read no-such.toml: No such file or directory"),
        (
            ("np-to-leaf-exclusiv",),
            2,
            "no scenario is named 'np-to-leaf-exclusiv'; did you mean np-to-leaf-exclusive?",
        ),
        ((str(ROW_2), "--without", "kick"), 2, "--set, --without and --inject go with a scenario"),
        ((str(Path(__file__)),), 3, "no schedule in here: one begins with a line `format = 1`"),
    ],
)
def test_what_cannot_be_explored_is_one_line(
    tdpsim: Any, argv: tuple[str, ...], status: int, message: str
) -> None:
    said = tdpsim("tui", *argv)
    assert (said.status, message in said.complaint) == (status, True)


def test_without_textual_it_says_how_to_get_it(
    tdpsim: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list(sys.modules):
        if name.startswith(("textual.", "sim.view.explorer.")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "textual", None)
    said = tdpsim("tui", ROW_2)
    assert (said.status, said.complaint) == (
        2,
        "tdpsim: tdpsim tui needs textual, which is not there: pip install 'tdpsim[explore]'\n",
    )


def test_a_file_that_is_there_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = automata_executor.run(recipe_named("np-to-leaf-exclusive").scenario({}), RandomWalk(0))
    monkeypatch.chdir(tmp_path)
    assert _save("a b.toml", run) == "tdpsim replay 'a b.toml'"
    kept = (tmp_path / "a b.toml").read_bytes()
    for name, message in (
        ("a b.toml", "a b.toml is there already; another name keeps both"),
        ("", "a file needs a name"),
        ("no/such/folder.toml", "cannot write no/such/folder.toml: No such file or directory"),
    ):
        with pytest.raises(NotSaved, match=re.escape(message)):
            _save(name, run)
    assert (tmp_path / "a b.toml").read_bytes() == kept
    assert [path.name for path in tmp_path.iterdir()] == ["a b.toml"]
