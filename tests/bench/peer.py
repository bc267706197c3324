"""What the bench asks of every checker, and what it gets."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from typing import NamedTuple, Protocol

import attrs


class Trouble(Exception):
    """Why a peer cannot be run, or its run says nothing: one line."""


@attrs.frozen
class Size:
    """How large a protocol."""

    vcpus: int
    limit: int

    def __str__(self) -> str:
        return f"({self.vcpus}, {self.limit})"


class Valuation(NamedTuple):
    """What the seven shared cells hold."""

    mmu_lock: int
    spte: str
    sept: str
    tree: int
    entry: bool
    zapping: bool
    inside: int

    def __str__(self) -> str:
        return ", ".join(f"{name}={value}" for name, value in self._asdict().items())


def digest(valuations: Iterable[Valuation]) -> str:
    """A few digits that differ where two sets of valuations do."""
    lines = sorted(map(str, valuations))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:10]


@attrs.frozen
class Verdict:
    """What one run of a checker came to.

    `exploring` is the seconds by the checker's own clock, `command` those from the source to the
    verdict, all processes and imports counted; `peak` and `packed` are bytes: the most memory that
    any of its processes had, and that of one visited state, where the checker tells.
    """

    clean: bool
    states: int
    transitions: int
    exploring: float
    command: float
    peak: int
    packed: int | None = None

    @property
    def rate(self) -> float:
        """States per second while exploring.

        Without end where that took less than the clock can tell.
        """
        return self.states / self.exploring if self.exploring else math.inf


@attrs.frozen
class Met:
    """The valuations of the shared cells that a checker met, and the states that it told apart."""

    states: int
    valuations: frozenset[Valuation]


class Peer(Protocol):
    """A checker. Every method raises Trouble where it cannot be run."""

    @property
    def name(self) -> str: ...

    def install(self) -> str:
        """Fetch what is missing, and tell what there is: versions and settings."""

    def check(self, size: Size, states: int) -> Verdict:
        """Explore everything, every property checked; there are about `states` states."""

    def met(self, size: Size) -> Met:
        """Explore everything, and tell the valuations."""
