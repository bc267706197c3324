"""Who draws what: no two uses of chance share a number, by construction and when it is watched."""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim.engine.herd import dice_many
from sim.engine.herd.herd import Herd
from sim.engine.run.draws import Stream
from sim.scenarios.library import recipe_named
from sim.search.fuzzing.batch import Runner
from sim.search.fuzzing.novelty import EPOCH
from sim.search.fuzzing.strategies import portfolio
from sim.search.fuzzing.strategies.fest import CoverageGuided, Tapes, steps_of
from sim.search.fuzzing.strategies.pos import Pos
from sim.search.fuzzing.strategies.shared import Shared
from sim.search.fuzzing.strategies.surw import Surw

SIM = Path(__file__).parents[2] / "sim"
SAME = [{"engine/run/scheduler.py", "search/fuzzing/strategies/walk.py"}]
"""Files that are one user: the random walk, of one run and of many."""


def users() -> dict[str, set[str]]:
    """Per stream, the files that draw from it."""
    found = defaultdict[str, set[str]](set)
    for path in SIM.rglob("*.py"):
        for name in re.findall(r"\bStream\.([A-Z_]+)", path.read_text(encoding="utf-8")):
            found[name].add(str(path.relative_to(SIM)))
    return found


def test_each_stream_has_one_user() -> None:
    assert {
        name: files for name, files in users().items() if len(files) > 1 and files not in SAME
    } == {}
    assert set(users()) == {stream.name for stream in Stream}


def test_streams_have_no_draw_in_common() -> None:
    """The first hundred thousand draws of each, all different from all others."""
    draws = [stream.nth(number) for stream in Stream for number in range(100_000)]
    assert len(set(draws)) == len(draws)


def test_the_random_walk_draws_what_it_always_drew() -> None:
    """Seeds in mails and in recorded schedules mean the runs that they meant."""
    assert (int(Stream.TASK), int(Stream.VALUE)) == (0, 1)


def of_user(frame: Any) -> str:
    """The function that asked for a draw, the herd's own methods passed over."""
    while frame.f_code.co_filename.endswith(("dice_many.py", "herd.py", "test_draws.py")):
        frame = frame.f_back
    return f"{Path(frame.f_code.co_filename).name}:{frame.f_code.co_name}"


def test_nobody_draws_what_somebody_else_has_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """A portfolio's runs are watched: each (seed, step, draw) is asked for by one function."""
    drawn = defaultdict[int, set[str]](set)
    bits = dice_many.bits

    def noting(seeded: Any, step: Any, draw: int) -> Any:
        drawn[int(draw)].add(of_user(sys._getframe()))
        return bits(seeded, step, draw)

    monkeypatch.setattr(dice_many, "bits", noting)
    runner = Runner(recipe_named("np-to-leaf-exclusive").scenario({}), "portfolio")
    guidance = runner.learned(b"", (runner.batch(0, 400).lesson,))
    runner.batch(400, 800, guidance)
    together = {draw: names for draw, names in drawn.items() if len(names) > 1}
    assert together.pop(int(Stream.TASK), set()) <= {"walk.py:choose"}
    # a priority, first drawn at step 0, and anew at later steps
    again = {"pos.py:begin", "pos.py:moved"}
    assert all(names == again for names in together.values())
    assert {name.partition(":")[0] for names in drawn.values() for name in names} >= {
        "fest.py",
        "pct.py",
        "portfolio.py",
        "pos.py",
        "surw.py",
        "walk.py",
    }


def first_tasks(chooser: Any, ground: Shared, seeds: Any) -> Any:
    """Who takes the first step of each run."""
    herd = Herd(ground.answers, 1, len(seeds))
    slots = np.arange(len(seeds))
    herd.slots = slots
    herd._make_room()
    herd._begin(slots, seeds, Silent())
    chooser.begin(herd, slots)
    return chooser.choose(herd, slots)


class Silent:
    """A watcher that is not interested."""

    def begun(self, *_: Any) -> None: ...

    def stepped(self, *_: Any) -> None: ...

    def ended(self, *_: Any) -> None: ...

    def shown(self, *_: Any) -> None: ...


def members_seeds(name: str, many: int) -> Any:
    """The seeds, of so many, that a portfolio deals to one of its members."""
    seeds = np.arange(many, dtype=np.uint64)
    said = portfolio._Guidance.from_guidance(b"")
    return seeds[said.member(seeds) == list(portfolio.SHARES).index(name)]


def chi_square(one: list[int], other: list[int]) -> float:
    """How far two samples are from being of one distribution,
    in standard deviations of chi-square.
    """
    total = [a + b for a, b in zip(one, other, strict=True)]
    share = sum(one) / sum(total)
    chi = sum((a - share * t) ** 2 / (share * t) for a, t in zip(one, total, strict=True) if t)
    chi += sum(
        (b - (1 - share) * t) ** 2 / ((1 - share) * t)
        for b, t in zip(other, total, strict=True)
        if t
    )
    free = sum(1 for t in total if t) - 1
    return (chi - free) / sqrt(2 * free)


@pytest.mark.parametrize(("name", "make"), [("surw", Surw), ("pos", Pos)])
def test_a_member_of_a_portfolio_draws_as_it_does_alone(name: str, make: Any) -> None:
    """Who begins: the same shares, whether a portfolio has dealt the seeds or they
    are simply some.
    """
    for question in ("np-to-leaf-exclusive", "np-to-leaf-shared", "storm"):
        asked = recipe_named(question).scenario({})
        ground = Shared(asked, 1000)
        chooser, tasks = make(ground), len(asked.tasks)
        dealt = members_seeds(name, 40_000)
        alone = np.arange(1 << 40, (1 << 40) + len(dealt), dtype=np.uint64)
        counts = [
            np.bincount(first_tasks(chooser, ground, seeds), minlength=tasks).tolist()
            for seeds in (dealt, alone)
        ]
        assert chi_square(*counts) < 4


def test_fest_mutates_anywhere_inside_a_portfolio_too() -> None:
    """Each of a mutation's steps is as likely in any tenth of a tape,
    for seeds that a portfolio has dealt to it.
    """
    dealt = members_seeds("fest", 100_000)
    for steps in steps_of(dealt, 100):
        where = np.bincount(steps[steps >= 0] // 10, minlength=10)
        assert where.min() > 0.8 * where.mean()
    parents = Tapes(((1,),) * 64).parent(dealt)
    assert np.bincount(parents[parents >= 0], minlength=64).min() > 0.6 * len(dealt) * 3 / 4 / 64
    assert CoverageGuided.epoch == EPOCH
