"""The protocol and its ports are one protocol: what can be held against that in seconds,
with nothing installed.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sim.engine.run.automata import Automata
from sim.engine.states.product import Product
from sim.search.explore import explore
from tests.bench import install, ours, state_space
from tests.bench.agreement import Agreement
from tests.bench.peer import Met, Size, Valuation, digest
from tests.bench.protocol import protocol
from tests.bench.spin import Spin
from tests.engine.plain import by_arrays, plainly

SMALL = Size(2, 1)


def our_valuations() -> frozenset[Valuation]:
    met = ours.met(SMALL.vcpus, SMALL.limit)["met"]
    assert isinstance(met, list)
    return frozenset(met)


def test_the_protocol_is_clean() -> None:
    assert explore(protocol(2, 2)).clean


def test_arrays_and_a_plain_set_see_the_same() -> None:
    this, automata = protocol(SMALL.vcpus, SMALL.limit), Automata()
    assert by_arrays(Product(this, automata)) == plainly(Product(this, automata))


def test_the_python_port_meets_our_valuations() -> None:
    port = state_space.Port(SMALL.vcpus, SMALL.limit)
    met = {Valuation(*state[: len(state_space.CELLS)]) for state in state_space.reachable(port)}
    assert met == our_valuations()
    assert port.found == []


@pytest.mark.skipif(
    not (shutil.which("spin") and shutil.which("gcc")), reason="Spin and gcc are not on the path"
)
def test_the_promela_port_meets_our_valuations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(install, "BUILD", tmp_path)
    spin = Spin(60)
    spin.install()
    port = state_space.Port(SMALL.vcpus, SMALL.limit)
    met = spin.met(SMALL)
    assert met.valuations == our_valuations()
    assert met.states == len(set(state_space.reachable(port)))
    assert spin.check(SMALL, met.states).clean


def test_a_difference_is_named_from_both_sides() -> None:
    one, other = sorted(our_valuations())[:2]
    agreement = Agreement(SMALL, {"a": Met(1, frozenset([one])), "b": Met(1, frozenset([other]))})
    assert not agreement.holds
    said = list(agreement.lines())
    assert f"(2, 1) a meets and b does not: {one}" in said
    assert f"(2, 1) b meets and a does not: {other}" in said


def test_a_digest_tells_sets_apart_and_orders_alike() -> None:
    one, other = sorted(our_valuations())[:2]
    assert digest([one, other]) == digest([other, one])
    assert digest([one, other]) != digest([one])
