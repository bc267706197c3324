"""Whole numbers and fractions that no machine word holds, one per node of a graph,
from what they leave modulo primes.

A sum over all ways (`sim.search.counting.dag`) is taken modulo one number after the other, with no
factor in common, until their product exceeds what the sum may be; the Chinese remainder theorem
then has one answer to offer. The bound is taken first, and is one: it is summed in floating point
with a factor to spare, or told by the degrees of the nodes where that overflows.

A fraction is summed as it stands, modulo primes, where its denominators have inverses. It comes out
as a whole number once a common denominator is multiplied in; that is the highest power of each
small prime that any way can collect.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from itertools import count
from math import inf, isqrt, prod

import numpy as np
import numpy.typing as npt

from sim.engine.arrays import U64, Mask
from sim.search.counting.dag import Dag
from sim.search.counting.deadline import check_time

_WORD = 1 << 64
_SPARE = 2


def _is_prime(n: int) -> bool:
    return n > 1 and all(n % d for d in range(2, isqrt(n) + 1))


@cache
def _prime_below(n: int) -> int:
    return next(below for below in count(n - 1, -1) if _is_prime(below))


def primes() -> Iterator[int]:
    """The primes below 2**31, the largest first."""
    below = 1 << 31
    while True:
        below = _prime_below(below)
        yield below


def enough(bound: int) -> list[int]:
    """Primes whose product exceeds a bound."""
    found = list[int]()
    for prime in primes():
        check_time()
        if prod(found) > bound:
            break
        found.append(prime)
    return found


def wide(bound: int, degree: int) -> list[int]:
    """Coprime moduli whose product exceeds a bound, few of them:
    a sum of `degree` numbers below them fits a word.

    2**a - 1 and 2**b - 1 have the factor 2**gcd(a, b) - 1 in common, and all of them are odd.
    """
    moduli = [_WORD, *((1 << bits) - 1 for bits in (58, 57, 55, 53, 49, 47, 43, 41, 37))]
    if degree > 1 << 6 or prod(moduli) <= bound:
        return enough(bound)
    found = list[int]()
    while prod(found) <= bound:
        found.append(moduli[len(found)])
    return found


class WholeNumbers:
    """A whole number per node, by what it leaves modulo some moduli whose product exceeds it."""

    def __init__(self, moduli: list[int], left: list[U64]) -> None:
        self.moduli, self.left, self._all = moduli, left, prod(moduli)
        others = [self._all // modulus for modulus in moduli]
        self._units = [
            other * pow(other, -1, modulus) for other, modulus in zip(others, moduli, strict=True)
        ]

    def at(self, node: int) -> int:
        check_time()
        left = (int(column[node]) for column in self.left)
        return sum(unit * of for unit, of in zip(self._units, left, strict=True)) % self._all


def ways(dag: Dag, ends: Mask, keep: Mask | None = None) -> WholeNumbers:
    """Per node, how many ways lead from there to one of `ends`, by edges that `keep` keeps."""
    degree = int((dag.first[1:] - dag.first[:-1]).max())
    moduli = wide(_bound(dag, ends, keep), degree)
    return WholeNumbers(
        moduli, [dag.total(ends.astype(np.uint64), keep, modulus) for modulus in moduli]
    )


class Goal:
    """Some nodes and edges of a graph, and the part of it that leads to them:
    what else there is adds nothing.

    `edges` are those that no other comes before, `sources` where they begin, by number within the
    `part`; `here` and `kept` are its nodes and edges.
    """

    def __init__(self, dag: Dag, nodes: Mask, edges: Mask) -> None:
        before = np.repeat(~nodes, dag.first[1:] - dag.first[:-1])
        self.edges = np.flatnonzero(before & edges)
        before[self.edges] = False
        source = np.searchsorted(dag.first, self.edges, side="right") - 1
        reached = nodes.copy()
        reached[source] = True
        self.part, self.here, self.kept = dag.part(dag.leading(reached, before), before)
        self._dag, self._nodes, self._sources = (
            dag,
            nodes.take(self.here),
            np.searchsorted(self.here, source),
        )

    def number(self, node: int) -> int | None:
        """The number of a node within the part; None outside of it."""
        number = int(np.searchsorted(self.here, node))
        return number if number < len(self.here) and self.here[number] == node else None

    def base(self, nodes: U64, edges: U64) -> U64:
        """What the nodes of the part begin with, where each node of the goal has a number,
        and each edge has.
        """
        base = nodes.take(self.here) * self._nodes
        np.add.at(base, self._sources, edges)
        return base

    def ways(self, ways: WholeNumbers, at: int) -> int:
        """How many of some ways come to the goal; `ways` has how many go on from each node."""
        left = []
        for modulus, column in zip(ways.moduli, ways.left, strict=True):
            base = self.base(column, column.take(self._dag.target.take(self.edges)))
            left.append(
                self.part.total(
                    base % np.uint64(modulus) if modulus < _WORD else base, None, modulus
                )
            )
        number = self.number(at)
        return 0 if number is None else WholeNumbers(ways.moduli, left).at(number)


def _bound(dag: Dag, ends: Mask, keep: Mask | None) -> int:
    """What no node's number of ways exceeds."""
    with np.errstate(over="ignore", invalid="ignore"):
        most = float(dag.rough_total(ends.astype(np.float64), keep).max(initial=0))
    if most < inf:
        return _SPARE * int(most)
    degree = dag.first[1:] - dag.first[:-1]
    return 1 << int(dag.highest(np.ceil(np.log2(np.maximum(degree, 1))).astype(np.int64)).max())


def _power(number: int, prime: int) -> int:
    """How often a prime divides a number."""
    return 1 + _power(number // prime, prime) if number and number % prime == 0 else 0


class WalkOdds:
    """A walk that takes each edge with probability 1 / `parts[edge]`, and what it comes by,
    as exact fractions.
    """

    def __init__(self, dag: Dag, parts: npt.NDArray[np.int64]) -> None:
        self.dag, self._parts = dag, parts
        self._degree = dag.first[1:] - dag.first[:-1]
        self._power: dict[int, npt.NDArray[np.int64]] = {}
        having, largest = np.flatnonzero(self._degree), int(parts.max(initial=1))
        for prime in filter(_is_prime, range(largest + 1)):
            power = np.array([_power(number, prime) for number in range(largest + 1)])
            most = np.zeros(len(dag), np.int64)
            check_time()
            if len(having):
                most[having] = np.maximum.reduceat(power.take(parts), dag.first.take(having))
            if most.any():
                self._power[prime] = dag.highest(most)

    def _common(self, node: int) -> int:
        """What every probability at a node becomes whole by."""
        return prod(prime ** int(power[node]) for prime, power in self._power.items())

    def odds(self, goal: Goal, at: list[int]) -> list[Fraction]:
        """At some nodes, the probability of coming to a goal."""
        parts, passing = self._parts.take(goal.kept), self._parts.take(goal.edges)
        moduli = enough(max((self._common(node) for node in at), default=0))
        left = []
        for prime in moduli:
            inverse = self._inverses(prime)
            base = goal.base(np.ones(len(self.dag), np.uint64), inverse.take(passing))
            left.append(goal.part.weighed(base % np.uint64(prime), inverse.take(parts), prime))
        numbers = Residues(moduli, left)
        return [
            Fraction(0) if number is None else numbers.fraction(number, self._common(node))
            for node, number in ((node, goal.number(node)) for node in at)
        ]

    def _inverses(self, prime: int) -> U64:
        most = int(self._parts.max(initial=1))
        return np.array([0, *(pow(part, -1, prime) for part in range(1, most + 1))], np.uint64)


class Residues(WholeNumbers):
    """The same for fractions whose common denominator is known."""

    def fraction(self, node: int, common: int) -> Fraction:
        return Fraction(self.at(node) * common % self._all, common)


def nth_way(dag: Dag, ways: WholeNumbers, number: int) -> list[int]:
    """The edges of the `number`-th of all ways from node 0, in the order of edges.

    Raises IndexError past the last.
    """
    if number >= ways.at(0):
        raise IndexError(f"there are {ways.at(0)}, from 0 on")
    node, taken = 0, list[int]()
    while edges := dag.edges(node):
        for edge in edges:
            node = int(dag.target[edge])
            there = ways.at(node)
            if number < there:
                break
            number -= there
        taken.append(edge)
    return taken
