"""Known answers: interleavings and classes of programs that papers and other checkers count,
and closed forms.
"""

from __future__ import annotations

from fractions import Fraction
from math import factorial, prod

import pytest

from sim.engine.model.scenario import Scenario
from sim.search.counting import persistent_sets
from sim.search.counting.sample import interleavings
from sim.search.counting.traces import Traces
from tests.search.counting import textbook


def counted(scenario: Scenario) -> tuple[int, int]:
    runs = interleavings(scenario, 2)
    return runs.total, Traces(runs).total


@pytest.mark.parametrize(
    ("scenario", "runs", "classes"),
    [
        (textbook.readers(2), 6, 4),
        (textbook.readers(8), 362_880, 256),
        (textbook.readers(3, private=True), 630, 8),
        (textbook.lastzero(2), 35, 5),
        (textbook.lastzero(4), 44_300, 28),
        (textbook.lastzero(5), 3_487_880, 64),
        (textbook.lastzero(7), 70_962_676_400, 320),
        (textbook.popl14(), 69, 5),
        (textbook.fib_bench(1), 560, 11),
        (textbook.fib_bench(2), 84_084, 140),
        (textbook.fib_bench(2, reader=False), 924, 19),
        (textbook.ainc(4), 24, 24),
        (textbook.binc(2), 6, 4),
        (textbook.binc(3), 90, 36),
        (textbook.binc(4), 2_520, 576),
        (textbook.inc(4), 2_520, 576),
        (textbook.inc(5), 113_400, 14_400),
        (textbook.casw(2), 6, 6),
        (textbook.casw(3), 90, 66),
        (textbook.casw(4), 2_520, 1_200),
        (textbook.lockinc(3), 6, 6),
        (textbook.lockinc(4), 24, 24),
        (textbook.philosophers(3), 168, 7),
        (textbook.philosophers(4), 98_184, 15),
        (textbook.philosophers(5), 66_468_720, 31),
        (textbook.philosophers(6), 164_606_463_648, 63),
        (textbook.trylock(2), 8, 4),
        (textbook.trylock(3), 78, 21),
        (textbook.trylock(4), 984, 148),
        (textbook.trylock(2, tries=2), 20, 6),
        (textbook.trylock(3, tries=2), 1_086, 75),
    ],
    ids=lambda value: value.name if isinstance(value, Scenario) else str(value),
)
def test_known_answers(scenario: Scenario, runs: int, classes: int) -> None:
    assert counted(scenario) == (runs, classes)
    assert persistent_sets.count_traces(scenario, 2, 1 << 20) == classes


@pytest.mark.parametrize(
    ("scenario", "classes"),
    [
        (textbook.indexer(11), 1),
        (textbook.indexer(12), 8),
        (textbook.indexer(15), 4_096),
        (textbook.filesystem(13), 1),
        (textbook.filesystem(14), 2),
        (textbook.filesystem(16), 8),
        (textbook.filesystem(18), 32),
        (textbook.filesystem(19), 64),
        (textbook.readers(13), 8_192),
    ],
    ids=lambda value: value.name if isinstance(value, Scenario) else str(value),
)
def test_known_classes_of_what_has_too_many_states(scenario: Scenario, classes: int) -> None:
    """A dozen tasks that hardly meet have more states than there is memory."""
    assert persistent_sets.count_traces(scenario, 2, 1 << 20) == classes


def test_what_would_take_too_many_nodes_is_not_counted() -> None:
    assert persistent_sets.count_traces(textbook.philosophers(6), 2, 50) is None


@pytest.mark.parametrize("n", range(2, 7))
def test_all_philosophers_but_one_class_of_them_eat(n: int) -> None:
    runs = interleavings(textbook.philosophers(n), 2)
    classes = Traces(runs)
    ((finding, passing),) = runs.findings.items()
    assert finding.kind == "deadlock"
    assert (classes.total, classes.reaching(passing)) == (2**n - 1, 1)


@pytest.mark.parametrize(
    "lengths",
    [(1,), (3, 4, 5), (32, 33), (22, 22, 22, 22), (40, 40, 40), (60, 60, 60), (250, 250, 3)],
    ids=lambda lengths: "+".join(map(str, lengths)),
)
def test_tasks_that_never_meet_interleave_in_as_many_ways_as_a_multinomial_says(
    lengths: tuple[int, ...],
) -> None:
    """Past 2**64, past 10**30, past what the widest moduli make together, and to the last digit."""
    expected = factorial(sum(lengths)) // prod(map(factorial, lengths))
    assert counted(textbook.apart(*lengths)) == (expected, 1)


def test_the_closed_forms_go_where_they_should() -> None:
    sizes = [
        factorial(sum(n)) // prod(map(factorial, n))
        for n in [(32, 33), (22, 22, 22, 22), (60, 60, 60)]
    ]
    assert 2**60 < sizes[0] < 2**64 < 10**30 < sizes[1] < 10**60 < sizes[2]


def test_one_chance_in_so_many_is_exact() -> None:
    """Whoever is late by k steps is first with probability 1 in 2**(k + 1),
    also where no float would say so.
    """
    for k in (1, 9, 80):
        runs = interleavings(textbook.late(k), 2)
        ((_, passing),) = runs.findings.items()
        assert runs.odds(runs.goal(passing), [0]) == [Fraction(1, 2 ** (k + 1))]
        assert (runs.reaching(runs.goal(passing)), runs.total) == (1, k + 2)
