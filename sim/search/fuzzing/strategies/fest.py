"""Coverage-guided: choice tapes that reached new states are kept, and mutated.

Feedback from coverage as fuzzers of inputs use it (AFL), on schedules (Wolff, Shi, Duck, Mathur,
Roychoudhury, "Greybox fuzzing for concurrency testing", ASPLOS 2024). A tape is what a run drew,
step by step. It need not be stored: a draw is a function of (seed, step), so a tape is a seed, and
a mutated one is its parent's and the seed whose draws replace those at a few steps. Which steps
those are, that seed says as well. A tape that came about by so many mutations is a list of so many
seeds.

What is kept changes between epochs only, by what was new in all batches of the one before. So a run
is a function of its seed and of the seeds before its epoch.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import attrs
import numpy as np
import numpy.typing as npt

from sim.engine.arrays import U64, Index, Mask
from sim.engine.herd import dice_many
from sim.engine.herd.herd import Herd
from sim.engine.run.draws import Stream
from sim.search.fuzzing.novelty import EPOCH, Firsts
from sim.search.fuzzing.strategies.shared import Shared
from sim.search.fuzzing.strategies.walk import WalkStrategy

_TAPES, _LONGEST, _MUTATIONS = 512, 12, 8
"""Tapes that are kept, mutations of a tape, and steps of a mutation, at most."""

_FRESH = 4
"""One run of so many is a walk of its own."""


@attrs.frozen
class Tapes:
    """Tapes, each the seeds that made it, the oldest first."""

    of: tuple[tuple[int, ...], ...] = ()

    def parent(self, seeds: U64) -> Index:
        """Which tape each seed mutates; -1 for those that walk."""
        if not self.of:
            return np.full(len(seeds), -1)
        drawing, step = dice_many.seeded(seeds), np.uint64(0)
        parent = dice_many.below(np.uint64(len(self.of)), drawing, step, Stream.FEST_PARENT).astype(
            np.int64
        )
        parent[dice_many.below(np.uint64(_FRESH), drawing, step, Stream.FEST_IS_FRESH) == 0] = -1
        return parent

    def children(self, seeds: U64) -> list[tuple[int, ...]]:
        """The tapes of some seeds."""
        parents = self.parent(seeds).tolist()
        return [
            (*(self.of[parent] if parent >= 0 else ()), seed)
            for parent, seed in zip(parents, seeds.tolist(), strict=True)
        ]


def steps_of(seeds: U64, length: int) -> npt.NDArray[np.int64]:
    """At which steps each seed's draws replace its parent's; -1 for none."""
    drawing, step = dice_many.seeded(seeds), np.uint64(0)
    many = 1 + dice_many.below(np.uint64(_MUTATIONS), drawing, step, Stream.FEST_MUTATIONS)
    draws = map(Stream.FEST_STEP.nth, range(_MUTATIONS))
    at = np.stack(
        [dice_many.below(np.uint64(length), drawing, step, draw).astype(np.int64) for draw in draws]
    )
    return np.where(np.arange(_MUTATIONS)[:, None] < many, at, -1)


class _Player(WalkStrategy):
    """Walks by tapes: each draw is that of the tape's seed whose turn it is at a step."""

    def __init__(self, length: int, tapes: Tapes) -> None:
        self._length, self._tapes = length, tapes
        self._seeds = np.zeros((len(tapes.of), _LONGEST + 1), np.uint64)
        self._whose = np.zeros((len(tapes.of), length), np.uint8)
        for tape, seeds in enumerate(tapes.of):
            self._seeds[tape, : len(seeds)] = seeds
            for generation, at in enumerate(steps_of(np.array(seeds[1:], np.uint64), length).T, 1):
                self._whose[tape, at[at >= 0]] = generation
        self._generations = np.array([len(seeds) for seeds in tapes.of], np.int64)
        self._drawn = np.zeros((0, _LONGEST + 1), np.uint64)
        self._played = np.zeros((0, length), np.uint8)

    def begin(self, herd: Herd, slots: Index) -> None:
        if len(self._drawn) < herd.width:
            self._drawn = np.zeros((herd.width, _LONGEST + 1), np.uint64)
            self._played = np.zeros((herd.width, self._length), np.uint8)
        seeds = herd.seed.take(slots)
        parent = self._tapes.parent(seeds)
        self._drawn[slots, 0], self._played[slots] = dice_many.seeded(seeds), 0
        child = np.flatnonzero(parent >= 0)
        if not len(child):
            return
        at, parent, seeds = slots.take(child), parent.take(child), seeds.take(child)
        generation = self._generations.take(parent)
        self._drawn[at], self._played[at] = (
            dice_many.seeded(self._seeds[parent]),
            self._whose[parent],
        )
        self._drawn[at, generation] = dice_many.seeded(seeds)
        for steps in steps_of(seeds, self._length):
            which = steps >= 0
            self._played[at[which], steps[which]] = generation[which]

    def choose(self, herd: Herd, slots: Index) -> Index:
        step = herd.step.take(slots)
        whose = np.where(
            step < self._length, self._played[slots, np.minimum(step, self._length - 1)], 0
        )
        herd.draw_as(slots, self._drawn[slots, whose])
        return super().choose(herd, slots)


class CoverageGuided:
    """Goes by the tapes that were kept."""

    epoch = EPOCH

    def __init__(self, ground: Shared) -> None:
        self._ground = ground
        self._player: tuple[bytes, WalkStrategy] | None = None

    def chooser(self, guidance: bytes) -> WalkStrategy:
        """What plays the tapes that have been kept."""
        if self._player is None or self._player[0] != guidance:
            self._player = guidance, _Player(self._ground.profile.length, _read(guidance)[1])
        return self._player[1]

    def learned(
        self, guidance: bytes, firsts: list[Firsts], played: Callable[[U64], Mask] | None = None
    ) -> bytes:
        """With the tapes that have passed something new, the newest to stay.

        Of those seeds that were `played`.
        """
        known, tapes = _read(guidance)
        known, new = known.and_then(firsts)
        seeds = np.unique(new.seeds)
        fresh = tapes.children(seeds if played is None else seeds[played(seeds)])
        kept = (*tapes.of, *(tape for tape in fresh if len(tape) <= _LONGEST))[-_TAPES:]
        return json.dumps({"known": known.to_bytes().hex(), "tapes": kept}).encode()


def _read(guidance: bytes) -> tuple[Firsts, Tapes]:
    if not guidance:
        return Firsts.from_bytes(b""), Tapes()
    said = json.loads(guidance)
    return Firsts.from_bytes(bytes.fromhex(said["known"])), Tapes(tuple(map(tuple, said["tapes"])))
