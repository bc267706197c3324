"""Runs of every checker in turn, round after round, and what they come to."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from statistics import median

import attrs

from tests.bench.agreement import Agreement
from tests.bench.peer import Met, Peer, Size, Trouble, Verdict

OURS = "tdpsim"


def progress(text: str) -> None:
    sys.stderr.write(f"bench: {text}\n")
    sys.stderr.flush()


@attrs.frozen
class Figure:
    """The median of some runs, the least, and the most."""

    middle: float
    least: float
    most: float


def figure(values: Iterable[float]) -> Figure:
    values = list(values)
    return Figure(median(values), min(values), max(values))


@attrs.frozen
class Measured:
    """All runs of one checker at one size."""

    name: str
    size: Size
    runs: tuple[Verdict, ...]

    @property
    def rate(self) -> Figure:
        return figure(run.rate for run in self.runs)

    @property
    def command(self) -> Figure:
        return figure(run.command for run in self.runs)

    @property
    def peak(self) -> Figure:
        return figure(run.peak for run in self.runs)


@attrs.define
class Bench:
    """The checkers that are still in, ours first, and the trouble with the others.

    Trouble with ours is raised.

    `sooner` are those of them again, set so as to be over sooner where there are few states.
    """

    peers: list[Peer]
    sooner: list[Peer] = attrs.field(factory=list)
    trouble: list[str] = attrs.field(factory=list)

    def install(self) -> list[str]:
        """Fetch what is missing, and tell what each checker is."""
        versions: list[str] = []

        def fetch(peer: Peer) -> None:
            versions.append(f"{peer.name}: {peer.install()}")

        self._each(self.peers, "installing", fetch)
        self._each(self.sooner, "installing", fetch)
        return versions

    def agreement(self, size: Size) -> Agreement:
        met: dict[str, Met] = {}

        def meet(peer: Peer) -> None:
            met[peer.name] = peer.met(size)

        self._each(self.peers, f"{size} valuations,", meet)
        return Agreement(size, met)

    def small(self, size: Size, rounds: int) -> list[Measured]:
        """Let every checker run once a round, set in either way."""
        return self._measure([self.peers, self.sooner], size, rounds, {})

    def big(self, size: Size, rounds: int, sizes: dict[str, Size]) -> list[Measured]:
        """Let every checker run once a round; `sizes` has those that run at another size."""
        return self._measure([self.peers], size, rounds, sizes)

    def _measure(
        self, groups: list[list[Peer]], size: Size, rounds: int, sizes: dict[str, Size]
    ) -> list[Measured]:
        runs: dict[tuple[str, Size], list[Verdict]] = {}
        states: dict[Size, int] = {}

        def check(peer: Peer) -> None:
            its = sizes.get(peer.name, size)
            verdict = peer.check(its, states.get(its, 1 << 24))
            if peer.name == OURS:
                states[its] = verdict.states
            runs.setdefault((peer.name, its), []).append(verdict)
            progress(
                f"    {verdict.states:,} states, {verdict.rate:,.0f} a second, "
                f"{verdict.command:.2f} s"
            )

        for number in range(1, rounds + 1):
            for peers in groups:
                self._each(peers, f"{size} round {number} of {rounds},", check)
        return [Measured(name, its, tuple(verdicts)) for (name, its), verdicts in runs.items()]

    def _each(self, peers: list[Peer], what: str, do: Callable[[Peer], object]) -> None:
        for peer in list(peers):
            progress(f"{what} {peer.name}")
            try:
                do(peer)
            except Trouble as trouble:
                if peer.name == OURS:
                    raise
                progress(f"    {trouble}")
                self.trouble.append(f"{peer.name}: {what} {trouble}")
                peers.remove(peer)
