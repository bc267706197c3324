"""Run a command: how long it took, how much memory it had, and when it said what."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Timer

import attrs

from tests.bench.peer import Trouble


@attrs.frozen
class Ran:
    """A command that has ended well: seconds, bytes, and its output,
    each line with the second in which it came.

    The peak is the kernel's `ru_maxrss`, which is no less than what the bench itself had when it
    started the command.
    """

    seconds: float
    peak: int
    lines: tuple[tuple[float, str], ...]

    @property
    def output(self) -> str:
        return "".join(line for _, line in self.lines)

    def when(self, words: str) -> float:
        """The second in which the first line with these words came; raises Trouble if none did."""
        for second, line in self.lines:
            if words in line:
                return second
        raise Trouble(f"it never said {words!r}")


def run(
    command: Sequence[str | Path],
    *,
    limit: float,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    statuses: Container[int] = (0,),
) -> Ran:
    """Run a command to its end.

    Raises Trouble for any other status, or after more than `limit` seconds.
    """
    name = Path(command[0]).name
    lines = []
    started = time.perf_counter()
    with (
        subprocess.Popen(
            list(map(str, command)),
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as child,
        _killed_after(limit, child) as killed,
    ):
        assert child.stdout is not None
        lines = [(time.perf_counter() - started, line) for line in child.stdout]
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)
    if killed:
        raise Trouble(f"{name} was killed after {limit:g} s")
    if child.returncode not in statuses:
        raise Trouble(
            f"{name} ended with status {child.returncode}: "
            f"{_complaint([line for _, line in lines])}"
        )
    return Ran(seconds, usage.ru_maxrss * 1024, tuple(lines))


def _complaint(lines: list[str]) -> str:
    """The line that says what went wrong: the first with an error in it, else the last one."""
    said = [line.strip() for line in lines if line.strip()]
    return next((line for line in said if "rror" in line), said[-1] if said else "nothing was said")


@contextmanager
def _killed_after(limit: float, child: subprocess.Popen[str]) -> Iterator[list[bool]]:
    """Kill the child and its children after so many seconds, or when an exception passes.

    The list tells the former.
    """
    killed: list[bool] = []

    def kill() -> None:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)

    def expire() -> None:
        killed.append(True)
        kill()

    timer = Timer(limit, expire)
    timer.start()
    try:
        yield killed
    except BaseException:
        kill()
        raise
    finally:
        timer.cancel()
