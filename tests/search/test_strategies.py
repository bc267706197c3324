"""Strategies: every run replays, no run depends on its company,
and each samples what its paper says it does.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import permutations
from math import comb, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim.catalog.printed import aloud
from sim.engine.arrays import Index
from sim.engine.herd.herd import Herd
from sim.engine.model.cells import BOOL, Cell
from sim.engine.model.operations import load, report, store, wait, xchg
from sim.engine.model.routines import Again, Call, Done, repeat, routine
from sim.engine.model.scenario import Scenario, Task
from sim.engine.run import automata_executor
from sim.engine.run.dice import MASK
from sim.scenarios.library import recipe_named
from sim.search.errors import CountError
from sim.search.exploration import Counting
from sim.search.explore import explore
from sim.search.fuzzing.batch import MOST, Batch, Runner
from sim.search.fuzzing.novelty import EPOCH
from sim.search.fuzzing.sketch import Sketch
from sim.search.fuzzing.strategies import (
    STRATEGIES,
    StrategyError,
    entry_for_fuzz,
    fuzzing,
    portfolio,
)
from sim.search.fuzzing.strategies.pos import Pos
from sim.search.fuzzing.strategies.shared import Shared
from sim.search.fuzzing.strategies.surw import Surw
from tests.search.sctbench import PROGRAMS, account, reorder, spawned, two_stages

EVERY = tuple(
    name
    for entry in fuzzing()
    for name in dict.fromkeys(entry.name.replace(":D", f":{number}") for number in (1, 3))
)
ROW_2 = recipe_named("np-to-leaf-exclusive").scenario({})
ROW_1 = recipe_named("np-to-leaf-shared").scenario({"contenders": "tdcall"})


def guided(runner: Runner, first: int, seeds: int) -> bytes:
    """What an adaptive strategy goes by after two epochs."""
    guidance = b""
    for epoch in range(2 if runner.epoch else 0):
        begin = first + epoch * seeds
        guidance = runner.learned(guidance, (runner.batch(begin, begin + seeds, guidance).lesson,))
    return guidance


@pytest.mark.parametrize("strategy", EVERY)
@pytest.mark.parametrize("asked", [ROW_2, ROW_1], ids=lambda asked: asked.name)
def test_a_seed_has_the_schedule_that_the_batch_took(strategy: str, asked: Scenario) -> None:
    """Its picks are a run of their own.

    Its findings are the batch's; seeds taken alone come to the batch's digest.
    """
    runner = Runner(asked, strategy)
    guidance = guided(runner, 1 << 40, 300)
    whole, digest, found = runner.batch(50, 90, guidance), 0, dict[object, list[int]]()
    for seed in range(50, 90):
        run = automata_executor.run(asked, runner.picks(seed, guidance))
        assert not run.unfinished or len(run.steps) == MOST or run.findings
        for finding in run.findings:
            found.setdefault(finding, []).append(seed)
        digest += runner.batch(seed, seed + 1, guidance).digest
    assert digest & MASK == whole.digest
    assert {one.finding: (one.seed, one.seeds) for one in whole.sightings} == {
        finding: (seeds[0], len(seeds)) for finding, seeds in found.items()
    }


def added(parts: list[Batch]) -> tuple[int, int, Sketch]:
    sketch = Sketch()
    for part in parts:
        sketch = sketch.united(part.sketch)
    return sum(part.digest for part in parts) & MASK, sum(part.steps for part in parts), sketch


@pytest.mark.parametrize("strategy", EVERY)
def test_however_seeds_are_shared_out_it_comes_to_the_same(strategy: str) -> None:
    """In one batch, in three, in any order, and by a runner that has seen other seeds before."""
    one, other = Runner(ROW_2, strategy), Runner(ROW_2, strategy)
    guidance = guided(one, 1 << 40, 500)
    other.batch(7000, 7100, guidance)
    whole = one.batch(0, 600, guidance)
    parts = [other.batch(first, stop, guidance) for first, stop in ((350, 600), (0, 3), (3, 350))]
    assert added(parts) == (whole.digest, whole.steps, whole.sketch)
    assert added(parts[::-1]) == added(parts)


def test_what_is_learned_does_not_depend_on_how_an_epoch_was_cut() -> None:
    for strategy in ("fest", "portfolio"):
        runner = Runner(ROW_2, strategy)
        whole = runner.learned(b"", (runner.batch(0, 900).lesson,))
        cut = runner.learned(
            b"", tuple(runner.batch(first, first + 300).lesson for first in (0, 300, 600))
        )
        assert whole == cut
        again = runner.learned(whole, (runner.batch(900, 1800, whole).lesson,))
        assert again != whole
        assert runner.batch(900, 1000, whole).digest != runner.batch(900, 1000).digest


def test_seeds_are_64_bits_wide() -> None:
    runner = Runner(ROW_2, "walk")
    last = runner.batch((1 << 64) - 5, 1 << 64)
    assert last.steps > 0
    assert last.digest != runner.batch(0, 5).digest
    runner.picks((1 << 64) - 1)


def test_the_walk_comes_by_findings_as_often_as_the_odds_say() -> None:
    """Exactly known (`sim.search.counting`), and met within four standard errors."""
    seeds, batch = 20_000, Runner(ROW_2, "walk").batch(0, 20_000)
    odds = {
        one.finding: float(one.reach.odds)  # type: ignore[arg-type] # counted
        for one in explore(ROW_2, counting=Counting()).found
        if one.reach
    }
    assert len(odds) == len(batch.sightings) == 2
    for one in batch.sightings:
        p = odds[one.finding]
        assert abs(one.seeds / seeds - p) < 4 * sqrt(p * (1 - p) / seeds)


def test_uniform_is_uniform_over_interleavings() -> None:
    """It passes a finding as often as interleavings do: for row 2, hardly ever the one,
    and the other by a third.
    """
    exploration = explore(ROW_2, counting=Counting())
    assert exploration.counts is not None
    total = exploration.counts.interleavings or 0
    share = {
        one.finding: (one.reach.interleavings or 0) / total
        for one in exploration.found
        if one.reach
    }
    seen = {
        one.finding: one.seeds / 1500 for one in Runner(ROW_2, "uniform").batch(0, 1500).sightings
    }
    for finding, p in share.items():
        assert abs(seen.get(finding, 0) - p) < 4 * sqrt(max(p, 1e-4) / 1500)


def test_uniform_says_where_there_is_too_much() -> None:
    with pytest.raises(
        CountError, match=r"storm has more than .* states: its runs cannot be drawn uniformly"
    ):
        Runner(recipe_named("storm").scenario({}), "uniform")


C, D = (Cell(name, 0, range(10)) for name in "cd")


@routine
async def three(cell: Cell[int], value: int) -> None:
    await xchg(cell, value)
    await xchg(cell, value)
    await xchg(cell, value)


@routine
async def noisy(cell: Cell[int], noise: Cell[int], value: int) -> None:
    for _ in range(3):
        await xchg(cell, value)
        await load(noise)
        await load(noise)


def orders(asked: Scenario, strategy: str, seeds: int) -> Counter[tuple[str, ...]]:
    """In which order tasks got at c."""
    runner, counted = Runner(asked, strategy), Counter[tuple[str, ...]]()
    for seed in range(seeds):
        run = automata_executor.run(asked, runner.picks(seed))
        counted[tuple(step.task for step in run.steps if step.point == "c.xchg")] += 1
    return counted


def chi_square(counted: Counter[Any], classes: int) -> float:
    expected = counted.total() / classes
    missing = classes - len(counted)
    return sum((n - expected) ** 2 / expected for n in counted.values()) + missing * expected


def test_surw_takes_every_order_of_what_it_selects_as_often() -> None:
    """Twenty orders of three steps each.

    The walk does not, where one of the tasks has more to do in between.
    """
    asked = Scenario("noise", (Task("p", three(C, 1)), Task("q", noisy(C, D, 2))))
    bound = 43.8  # of chi-square with 19 degrees of freedom, once in a thousand
    assert chi_square(orders(asked, "surw", 1200), comb(6, 3)) < bound
    assert chi_square(orders(asked, "walk", 1200), comb(6, 3)) > 2 * bound


@routine
async def creator(begins: tuple[Cell[bool], ...]) -> None:
    """It gets at c itself after each thread that it creates."""
    for begin in begins:
        await store(begin, new=True)
        await xchg(C, 1)


@routine
async def created(begin: Cell[bool], inner: Call[None] | None) -> None:
    """A thread, which may create another one before it gets at c."""
    await wait(f"{begin.name}.wait", bool, begin)
    if inner is not None:
        await inner
    await xchg(C, 2)


class Orders:
    """In which order tasks get at c, in the runs that SURW has drawn that cell for."""

    def __init__(self, surw: Surw) -> None:
        self._surw, self._now = surw, defaultdict[int, list[int]](list)
        self.counted = Counter[tuple[int, ...]]()

    def begun(self, herd: Herd, slots: Index) -> None:
        for slot in slots.tolist():
            self._now[slot].clear()

    def stepped(self, herd: Herd, row: Index) -> None:
        for slot, number in zip(herd.slots.tolist(), row.tolist(), strict=True):
            of = herd.answers.rows[number]
            if of.operation.point == "c.xchg":
                self._now[slot].append(of.task)

    def shown(self, herd: Herd, slots: Index, finding: Index) -> None:
        pass

    def ended(self, herd: Herd, slots: Index) -> None:
        for slot in slots.tolist():
            if self._surw._names[self._surw._cell[slot]] == "c":
                self.counted[tuple(self._now[slot])] += 1


def test_surw_takes_every_order_as_often_where_tasks_begin_on_the_way() -> None:
    """What a parent has won is its children's as well, and theirs.
    main() gets at c after it has created p, and q.
    """
    begins = tuple(Cell(f"{name}.created", initial=False, domain=BOOL) for name in "pqr")
    inner = creator(begins[2:])
    tasks = (
        Task("main", creator(begins[:2])),
        Task("p", created(begins[0], None)),
        Task("q", created(begins[1], inner)),
        Task("r", created(begins[2], None)),
    )
    surw = Surw(ground := Shared(Scenario("creating", tasks), MOST))
    assert ground.profile.parent == (-1, 0, 0, 2)
    assert ground.profile.cells[0].touched == (2, 1, 2, 1)
    taken = Orders(surw)
    Herd(ground.answers, MOST, 500).runs(np.arange(40_000, dtype=np.uint64), surw, taken)
    wanted = {
        order
        for order in permutations("AapbBr")
        if order.index("A") < min(map(order.index, "abr")) and order.index("b") < order.index("B")
    }
    named = {"A": 0, "a": 0, "p": 1, "b": 2, "B": 2, "r": 3}
    assert set(taken.counted) == {tuple(named[one] for one in order) for order in wanted}
    bound = len(wanted) + 4 * sqrt(2 * len(wanted))
    assert chi_square(taken.counted, len(wanted)) < bound


def test_the_profile_says_who_begins_whom_and_what_is_contended_for() -> None:
    profile = Shared(spawned("noise", {"p": three(C, 1), "q": three(C, 2)}), MOST).profile
    assert profile.parent == (-1, 0, 0)
    assert {cell.name: (cell.touched, cell.pairs) for cell in profile.cells}["c"] == ((0, 3, 3), 1)


@routine
async def spin() -> Again | Done[None]:
    return Done(None) if await load(D) else Again()


@routine
async def spinner() -> None:
    await repeat(spin)


@pytest.mark.parametrize("strategy", ["pct:1", "pct:3", "pos"])
def test_who_only_retries_lets_the_others_go_first(strategy: str) -> None:
    """One task waits in a loop for what the other does:
    with the higher priority for good it would wait for ever.
    """
    asked = Scenario("spin", (Task("p", spinner()), Task("q", noisy(D, C, 1))))
    assert Runner(asked, strategy, 200).batch(0, 300).cut == 0


def test_pct_without_changes_is_a_permutation_of_the_tasks() -> None:
    asked = Scenario("three", tuple(Task(name, three(C, i)) for i, name in enumerate("pqr")))
    counted = orders(asked, "pct:1", 300)
    wanted = {tuple(name for name in order for _ in range(3)) for order in permutations("pqr")}
    assert set(counted) == wanted
    assert min(counted.values()) > 25


class Priorities:
    """The priorities of POS after every step of one run."""

    def __init__(self, pos: Pos) -> None:
        self._pos, self.after = pos, list[list[int]]()

    def begun(self, herd: Herd, slots: Index) -> None:
        pass

    def stepped(self, herd: Herd, row: Index) -> None:
        self.after.append(self._pos._priority[:, 0].tolist())

    def shown(self, herd: Herd, slots: Index, finding: Index) -> None:
        pass

    def ended(self, herd: Herd, slots: Index) -> None:
        pass


def test_pos_draws_anew_what_races_and_nothing_else() -> None:
    """While p writes c, q is about to write it too, and r to write d."""
    asked = Scenario(
        "race", (Task("p", three(C, 1)), Task("q", three(C, 2)), Task("r", three(D, 3)))
    )
    ground = Shared(asked, MOST)
    redrawn = kept = 0
    for seed in range(20):
        pos = Pos(ground)
        watcher, steps = (
            Priorities(pos),
            [task for task, _ in Runner(asked, "pos").picks(seed).picks],
        )
        Herd(ground.answers, MOST, 1).runs(np.array([seed], np.uint64), pos, watcher)
        for number in range(1, 3):
            before, after = watcher.after[number - 1], watcher.after[number]
            changed = [
                name for name, was, now in zip("pqr", before, after, strict=True) if was != now
            ]
            racing = {"p": ["p", "q"], "q": ["p", "q"], "r": ["r"]}[steps[number]]
            assert changed == racing
            redrawn, kept = redrawn + (len(racing) == 2), kept + (len(racing) == 1)
    assert redrawn > 5
    assert kept > 5


@routine
async def hider(cell: Cell[int]) -> None:
    await store(cell, 1)
    await load(D)
    await store(cell, 2)
    await load(D)
    await store(cell, 3)


@routine
async def seeker(cell: Cell[int]) -> None:
    """A bug of depth 4: each of these has to come after one store and before the next."""
    if await load(cell) == 1 and await load(cell) == 2:
        await report("BUG", "seeker")


def test_pct_keeps_its_promise() -> None:
    """A bug of depth d among n tasks and k steps,
    with a probability of at least 1 / (n k^(d-1)).
    """
    asked = Scenario("hidden", (Task("p", hider(C)), Task("q", seeker(C))))
    steps = max(
        len(automata_executor.run(asked, Runner(asked, "walk").picks(seed)).steps)
        for seed in range(50)
    )
    seeds = 20_000
    found = {
        one.finding.kind: one.seeds for one in Runner(asked, "pct:4").batch(0, seeds).sightings
    }
    assert found["BUG"] / seeds >= 1 / (2 * steps**3)
    assert "BUG" not in {
        one.finding.kind for one in Runner(asked, "pct:3").batch(0, seeds).sightings
    }


def first(asked: Scenario, strategy: str, most: int = 10_000, times: int = 10) -> list[int]:
    """In which schedule the bug showed first, in so many repetitions; `most` where it did not."""
    runner, found = Runner(asked, strategy), list[int]()
    for repetition in range(times):
        begin = repetition * most
        sightings = runner.batch(begin, begin + most).sightings
        found.append(
            next((one.seed - begin for one in sightings if one.finding.kind == "BUG"), most) + 1
        )
    return found


def test_surw_and_pos_behave_as_published() -> None:
    """SURW finds what starts late among many in tens of runs.

    POS needs the more the more there are.
    """
    surw = {asked.name: np.mean(first(asked, "surw", 500)) for asked in PROGRAMS}
    assert all(mean < 100 for mean in surw.values())
    pos = {asked.name: np.mean(first(asked, "pos", 1000)) for asked in (account(), two_stages(2))}
    assert pos["account"] < 20
    assert pos["twostage_2"] < 50
    assert np.mean(first(reorder(10), "pos", times=4)) > 10 * surw["reorder_10"]
    assert np.mean(first(reorder(10), "walk", times=2)) > 1000


@pytest.mark.parametrize("strategy", ["walk", "pct:3", "pos", "surw", "fest", "portfolio"])
@pytest.mark.parametrize(
    ("name", "without"),
    [
        ("np-to-leaf-exclusive", ()),
        ("np-to-leaf-shared", ("restore",)),
        ("leaf-to-np-exclusive", ("kick",)),
    ],
)
def test_every_strategy_finds_what_exploring_finds(
    strategy: str, name: str, without: tuple[str, ...]
) -> None:
    """But for what goes round for ever, which no run of an end shows.

    Whether the VM was bugged a step before is no question of its own here: of some findings that
    takes a second race, which no walk comes by.

    `make bench` does so for every row.
    """
    asked = recipe_named(name).scenario({"contenders": "tdcall"}, without)
    wanted = {
        aloud(one.finding)
        for one in explore(asked).found
        if one.finding.kind not in {"livelock", "starvation"}
    }
    runner, found = Runner(asked, strategy, 400), set[object]()
    for begin in range(0, 200_000, 5000):
        found |= {aloud(one.finding) for one in runner.batch(begin, begin + 5000).sightings}
        if found >= wanted:
            break
    assert found == wanted


def test_an_unknown_strategy_is_refused_by_name() -> None:
    for name in ("pct", "pct:0", "pct:x", "random", ""):
        with pytest.raises(
            StrategyError, match=r"no strategy is named .*; there are walk, pct:D, pos"
        ):
            Runner(ROW_2, name)
    with pytest.raises(StrategyError, match=r"uniform-classes is for `tdpsim run` alone"):
        Runner(ROW_2, "uniform-classes")


def test_the_portfolio_gives_each_seed_to_somebody() -> None:
    """Its members are strategies that `tdpsim fuzz` takes, and their shares are the whole."""
    members = [name for entry in STRATEGIES.values() for name, _ in entry.shares]
    assert sum(portfolio.SHARES.values()) == 1000
    assert list(portfolio.SHARES) == members
    for name in members:
        assert entry_for_fuzz(name).shares
    assert not STRATEGIES["portfolio"].shares


def test_the_docs_have_the_sentence_of_every_strategy() -> None:
    text = (Path(__file__).parents[2] / "docs" / "fuzzing.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip(" `") for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line[:1] == "|"
    ]
    said = {name: (sentence, adapts) for name, sentence, adapts in rows[2:]}
    every = f"every {EPOCH:,} seeds"
    assert said == {entry.name: (entry.doc, every if entry.adapts else "") for entry in fuzzing()}
