"""Several strategies at once, and more seeds for those that still find something new.

No strategy is the best at everything, and which is best where nobody knows beforehand. Half of the
seeds are shared out as fixed below. The other half goes by what each has brought in the epoch
before: states that nobody had passed, per seed that it was given. Which of them runs a seed is
drawn by the seed, so a run is a function of it and of the epochs before.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cached_property

import attrs
import numpy as np

from sim.engine.arrays import U64, Index, Mask
from sim.engine.herd import dice_many
from sim.engine.herd.herd import Chooser, Herd
from sim.engine.run.draws import Stream
from sim.search.fuzzing.novelty import EPOCH, Firsts
from sim.search.fuzzing.strategies import STRATEGIES, strategy_named
from sim.search.fuzzing.strategies.fest import CoverageGuided
from sim.search.fuzzing.strategies.shared import Shared

_WHOLE = 1000

SHARES = {name: share for entry in STRATEGIES.values() for name, share in entry.shares}
"""The members, and how many of a thousand seeds each of them has at first."""

_FIXED = tuple(
    name for entry in STRATEGIES.values() if not entry.adapts for name, _ in entry.shares
)
"""Those that do not adapt."""


class Portfolio:
    """The members in order, and how the next epoch is shared out between them."""

    epoch = EPOCH

    def __init__(self, ground: Shared) -> None:
        self._ground, self._fest = ground, CoverageGuided(ground)

    @cached_property
    def _fixed(self) -> dict[str, Chooser]:
        """The members that do not adapt."""
        return {name: strategy_named(name, self._ground).chooser(b"") for name in _FIXED}

    def chooser(self, guidance: bytes) -> Chooser:
        """All members, each in the slots of its seeds."""
        said = _Guidance.from_guidance(guidance)
        return _MemberChooser(
            [self._fixed.get(name) or self._fest.chooser(said.fest) for name in SHARES], said
        )

    def learned(self, guidance: bytes, firsts: list[Firsts]) -> bytes:
        """With shares by what each member has brought."""
        said, members = _Guidance.from_guidance(guidance), list(SHARES)
        _, new = Firsts.from_bytes(bytes.fromhex(said.known)).and_then(firsts)
        brought = np.bincount(said.member(new.seeds), minlength=len(members)).tolist()
        worth = [_WHOLE * new_ // share for new_, share in zip(brought, said.shares, strict=True)]
        total = sum(worth)
        shares = [
            (fixed + (_WHOLE * one // total if total else fixed)) // 2
            for fixed, one in zip(SHARES.values(), worth, strict=True)
        ]
        shares[0] += _WHOLE - sum(shares)
        played = [members.index(name) for name in ("walk", "fest")]
        fest = self._fest.learned(
            said.fest, firsts, lambda seeds: np.isin(said.member(seeds), played)
        )
        known = json.loads(fest)["known"]
        return json.dumps({"shares": shares, "known": known, "fest": fest.decode()}).encode()


@attrs.frozen
class _Guidance:
    """What a portfolio goes by."""

    shares: list[int]
    known: str
    fest: bytes

    @classmethod
    def from_guidance(cls, guidance: bytes) -> _Guidance:
        if not guidance:
            return cls(list(SHARES.values()), "", b"")
        said = json.loads(guidance)
        return cls(said["shares"], said["known"], said["fest"].encode())

    def member(self, seeds: U64) -> Index:
        """Which member runs each seed."""
        drawn = dice_many.below(
            np.uint64(_WHOLE), dice_many.seeded(seeds), np.uint64(0), Stream.PORTFOLIO_MEMBER
        )
        return np.searchsorted(np.cumsum(self.shares), drawn.astype(np.int64), side="right")


class _MemberChooser:
    """Runs of several members side by side:
    each slot is that of the member whose seed runs there.
    """

    def __init__(self, members: list[Chooser], said: _Guidance) -> None:
        self._members, self._said = members, said
        self._whose = np.zeros(0, np.int64)

    def _split(self, slots: Index) -> Iterator[tuple[Chooser, Index]]:
        """Each member, and which of the slots are its own."""
        whose = self._whose.take(slots)
        for number, member in enumerate(self._members):
            mine = np.flatnonzero(whose == number)
            if len(mine):
                yield member, mine

    def begin(self, herd: Herd, slots: Index) -> None:
        if len(self._whose) < herd.width:
            self._whose = np.zeros(herd.width, np.int64)
        self._whose[slots] = self._said.member(herd.seed.take(slots))
        for member, mine in self._split(slots):
            member.begin(herd, slots.take(mine))

    def choose(self, herd: Herd, slots: Index) -> Index:
        chosen = np.zeros(len(slots), np.int64)
        for member, mine in self._split(slots):
            chosen[mine] = member.choose(herd, slots.take(mine))
        return chosen

    def outcome(self, herd: Herd, slots: Index, count: Index) -> Index:
        drawn = np.zeros(len(slots), np.int64)
        for member, mine in self._split(slots):
            drawn[mine] = member.outcome(herd, slots.take(mine), count.take(mine))
        return drawn

    def moved(self, herd: Herd, slots: Index, task: Index, row: Index, retry: Mask) -> None:
        for member, mine in self._split(slots):
            member.moved(herd, slots.take(mine), task.take(mine), row.take(mine), retry.take(mine))
