"""Numbers of runs, uniform samples and random walks: each is what counting says it is."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from math import sqrt

import numpy as np
import pytest
from hypothesis import example, given

from sim.engine.model.scenario import Scenario
from sim.engine.run.automata import Automata
from sim.engine.run.automata_executor import run
from sim.engine.run.dice import below_big
from sim.engine.run.draws import Stream
from sim.engine.run.scheduler import Picks, RandomWalk
from sim.scenarios.library import recipe_named
from sim.search.counting.interleavings import Interleavings
from sim.search.counting.numbering import Numbering
from sim.search.counting.sample import CLASSES, INTERLEAVINGS, interleavings, sample, sampled
from sim.search.counting.traces import Traces
from sim.search.errors import CountError
from tests.engine.mini import Config, Naive, programs, scenario
from tests.engine.test_laws import ABBA, SPIN, Programs, laws
from tests.search.counting import brute, textbook
from tests.search.counting.test_count import HELD, RETRY, TWICE
from tests.search.counting.walks import hits, walks

ROW_2 = recipe_named("np-to-leaf-exclusive").scenario({})


def spread(counts: Counter[int], total: int, of: int) -> float:
    """Pearson's chi-square against all alike, in standard deviations from what it should be."""
    expected = total / of
    square = sum((counts[i] - expected) ** 2 / expected for i in range(of))
    return (square - (of - 1)) / sqrt(2 * (of - 1))


@pytest.mark.parametrize(
    "program", [textbook.readers(3), textbook.inc(3), textbook.trylock(3), scenario(RETRY)]
)
def test_samples_are_uniform(program: Scenario) -> None:
    """By a chi-square test at fixed seeds, over interleavings and over classes.

    A random walk fails the same test.
    """
    runs = interleavings(program, 2)
    for of in (runs, Traces(runs)):
        number = {of.run(n): n for n in range(of.total)}
        assert len(number) == of.total
        draws = 40 * of.total
        drawn = Counter(number[sampled(of, seed)] for seed in range(draws))
        assert abs(spread(drawn, draws, of.total)) < 4


def test_a_random_walk_is_not_uniform() -> None:
    runs = interleavings(textbook.trylock(3), 2)
    number = {runs.run(n): n for n in range(runs.total)}
    taken = Counter(number[picks] for picks in walked(runs, 40 * runs.total))
    assert spread(taken, 40 * runs.total, runs.total) > 10


def walked(runs: Interleavings, count: int) -> list[Picks]:
    picks: list[list[tuple[str, int]]] = [[] for _ in range(count)]
    for every, edges in walks(runs, np.arange(count, dtype=np.uint64)):
        for which, edge in zip(every.tolist(), edges.tolist(), strict=True):
            picks[which].append(runs.pick(edge))
    return [Picks(tuple(one)) for one in picks]


def test_draws_from_large_numbers_keep_their_range() -> None:
    assert {below_big(3, seed, 0, Stream.UNIFORM_RUN) for seed in range(99)} == {0, 1, 2}
    assert below_big(1, 7, 0, Stream.UNIFORM_RUN) == 0
    large = 3 * 2**200
    draws = [below_big(large, seed, 0, Stream.UNIFORM_RUN) for seed in range(300)]
    assert all(0 <= draw < large for draw in draws)
    assert 80 < sum(draw < 2**200 for draw in draws) < 120


@pytest.mark.parametrize(
    ("program", "rare"),
    [(ROW_2, False), (textbook.philosophers(6), False), (textbook.late(10), True)],
    ids=["row 2", "philosophers", "late"],
)
def test_walks_hit_as_often_as_the_odds_say(program: Scenario, rare: bool) -> None:
    """100,000 of them, within four standard deviations."""
    runs, seeds = interleavings(program, 2), np.arange(100_000, dtype=np.uint64)
    for passing in runs.findings.values():
        (odds,) = runs.odds(runs.goal(passing), [0])
        hit = int(hits(runs, passing, seeds).sum())
        deviation = sqrt(len(seeds) * float(odds) * (1 - float(odds)))
        assert abs(hit - len(seeds) * float(odds)) < 4 * deviation
        assert (odds < Fraction(1, 1000)) == rare


@laws
@given(programs)
@example(SPIN)
@example(TWICE)
@example(HELD)
def test_walks_at_a_time_are_the_walks_one_by_one(program: Programs) -> None:
    this = scenario(program)
    runs = interleavings(this, 2)
    automata = Automata(retries=2)
    for seed, picks in enumerate(walked(runs, 20)):
        alone = run(this, RandomWalk(seed), automata=automata)
        assert run(this, picks, automata=automata).steps == alone.steps


@laws
@given(programs)
@example(SPIN)
@example(ABBA)
@example(TWICE)
def test_numbers_go_by_length_and_then_by_task(program: Programs) -> None:
    naive, numbering = Naive(program), Numbering(scenario(program))
    found = list[tuple[tuple[str, int], ...]]()
    level: list[tuple[tuple[tuple[str, int], ...], Config]] = [((), naive.first)]
    for _ in range(9):
        following = []
        for picks, config in level:
            steps = brute.steps_of(naive, config)
            if not steps:
                found.append(picks)
            taken = Counter[str]()
            for event, _, after in steps:
                following.append(((*picks, (event.task, taken[event.task])), after))
                taken[event.task] += 1
        level = following[:400]
        if len(following) > 400:
            break
    for number, picks in enumerate(found[:60]):
        assert numbering.picks(number).picks == picks
        assert numbering.number(numbering.picks(number)) == number
        for cut in range(len(picks)):
            first = next(n for n, other in enumerate(found) if other[:cut] == picks[:cut])
            assert numbering.number(Picks(picks[:cut])) == first
    if not level:
        with pytest.raises(CountError, match="the last one is"):
            numbering.picks(len(found))


def test_a_number_past_the_last_is_told() -> None:
    numbering = Numbering(textbook.inc(3))
    assert numbering.number(numbering.picks(89)) == 89
    with pytest.raises(CountError, match="no interleaving 90: the last one is 89"):
        numbering.picks(90)


def test_what_never_ends_has_no_number() -> None:
    numbering = Numbering(scenario(((("repeat", 1, (("load", 0),)),),)))
    with pytest.raises(CountError, match="ever ends"):
        numbering.number(Picks((("p", 0),)))


def test_a_sample_is_the_same_whoever_draws_it() -> None:
    for strategy in (INTERLEAVINGS, CLASSES):
        assert (
            sample(ROW_2, strategy, 7) == sample(ROW_2, strategy, 7) != sample(ROW_2, strategy, 8)
        )
