"""Processes that share one piece of work, phase by phase.

They are forked for it. So they know all that this process has learned, without a word of it being
sent, and whatever lies in shared arrays (`sim.engine.states.visited`) is one and the same for all
of them. The work is a generator: it yields what it has to say at the end of a phase, and is sent
what it needs for the next one. This process does its share too.

Threads would be simpler. But the work is thousands of array steps of some microseconds each, and
handing the interpreter's lock over takes as long as such a step.
"""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Callable, Generator
from multiprocessing.connection import Connection, Pipe
from typing import Any, NoReturn

import attrs

from sim.engine.model.errors import Deserted

PhaseWork = Generator[Any, Any, None]


@attrs.define
class _Worker:
    """A forked process."""

    pid: int
    pipe: Connection


class ForkedWorkers:
    """`jobs` processes, each with its own share of a piece of work."""

    def __init__(self, jobs: int, work: Callable[[int], PhaseWork]) -> None:
        self._hands: list[_Worker] = []
        try:
            for number in range(1, jobs):
                self._hands.append(_forked(number, work, [hand.pipe for hand in self._hands]))
        except OSError:
            self.dismiss()
            raise Deserted from None
        self._mine = work(0)
        next(self._mine)

    @property
    def pids(self) -> tuple[int, ...]:
        """The other processes."""
        return tuple(hand.pid for hand in self._hands)

    def send(self, message: object) -> list[Any]:
        """Tell everybody what the next phase takes, and give what each says at its end.

        Raises Deserted.
        """
        try:
            for hand in self._hands:
                hand.pipe.send(message)
            mine = self._mine.send(message)
            return [mine, *(hand.pipe.recv() for hand in self._hands)]
        except (EOFError, OSError):
            raise Deserted from None

    def dismiss(self) -> None:
        """End them."""
        for hand in self._hands:
            hand.pipe.close()
        for hand in self._hands:
            os.kill(hand.pid, signal.SIGKILL)
            os.waitpid(hand.pid, 0)
        self._hands.clear()


def _forked(number: int, work: Callable[[int], PhaseWork], others: list[Connection]) -> _Worker:
    here, there = Pipe()
    with warnings.catch_warnings():
        # numpy's idle threads; the child does not wait for them
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if not pid:
        here.close()
        for other in others:
            other.close()
        _serve(there, work(number))
    there.close()
    return _Worker(pid, here)


def _serve(pipe: Connection, work: PhaseWork) -> NoReturn:
    """Do one share, and leave without a trace: nothing of this copy of the process may run on."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        next(work)
        while True:
            pipe.send(work.send(pipe.recv()))
    finally:
        os._exit(0)
