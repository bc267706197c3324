"""The oracle against itself: what it says of programs that can be done by hand,
and that it notices a lie.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any
from unittest import mock

import attrs
import pytest

from sim.search import explore as exploring
from sim.search.exploration import Exploration
from tests.oracle.command import main
from tests.oracle.compare import Comparison
from tests.oracle.generate import guarded, program_of
from tests.oracle.graph import Graph
from tests.oracle.language import Block, Program, PropertyOf, TaskOf, statements, text_of
from tests.oracle.liveness import livelocks, starvation
from tests.oracle.machine import Machine
from tests.oracle.minimise import minimise, mismatch_of
from tests.oracle.numbers import fewest_preemptions, inevitable_at, interleavings, odds
from tests.oracle.traces import Classes

HERE = Path(__file__).parent
ALONE = ("language", "machine", "graph", "traces", "numbers", "liveness", "generate", "truth")
"""What shares nothing with the engine."""


def program(
    *blocks: Block, cells: int = 2, properties: tuple[PropertyOf, ...] = (), retries: int = 1
) -> Program:
    tasks = tuple(TaskOf(name, block) for name, block in zip("pqrs", blocks, strict=False))
    return Program(tasks, cells, mutexes=1, rwlocks=1, properties=properties, retries=retries)


def graph(*blocks: Block, **also: Any) -> Graph:
    return Graph(Machine(program(*blocks, **also)), 10_000)


@pytest.mark.parametrize("name", ALONE)
def test_the_machine_imports_nothing_of_the_engine(name: str) -> None:
    for node in ast.walk(ast.parse((HERE / f"{name}.py").read_text(encoding="utf-8"))):
        imported = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            imported = names if node.module == "tests.oracle" else [node.module or ""]
        assert not [one for one in imported if one.split(".")[0] == "sim"]
        assert not [
            one
            for one in imported
            if one.startswith("tests.") and one.rpartition(".")[2] not in ALONE
        ]


def test_the_machine_runs_where_there_is_no_engine() -> None:
    """A process that draws programs and goes through their states never loads `sim`, nor numpy."""
    code = (
        "import sys; from tests.oracle.generate import program_of; from tests.oracle import "
        "truth, numbers;"
        "program_of(1, 3); sys.exit(any(m.split('.')[0] in {'sim', 'numpy'} for m in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=HERE.parent.parent, check=True)


def test_a_program_can_be_had_alone() -> None:
    """Number 7 is number 7, whatever was drawn before, and never changes:
    a report names it by its number.
    """
    assert text_of(program_of(1, 7)[0]) == text_of(program_of(1, 7)[0])
    assert text_of(program_of(1, 7)[0]) != text_of(program_of(2, 7)[0])


def test_all_statements_are_drawn() -> None:
    drawn = {
        one[0]
        for number in range(150)
        for task in program_of(1, number)[0].tasks
        for one in statements(task.block)
    }
    assert len(drawn) >= 40


LIES = {
    "states": lambda said: attrs.evolve(said, states=said.states + 1),
    "transitions": lambda said: attrs.evolve(said, transitions=said.transitions - 1),
    "findings": lambda said: attrs.evolve(said, found=()),
    "final states": lambda said: attrs.evolve(said, final_states=said.final_states[1:]),
    "interleavings": lambda said: attrs.evolve(
        said,
        counts=said.counts
        and attrs.evolve(said.counts, interleavings=said.counts.interleavings + 1),
    ),
    "classes": lambda said: attrs.evolve(
        said, counts=said.counts and attrs.evolve(said.counts, classes=1)
    ),
    "odds": lambda said: attrs.evolve(said, found=tuple(_with_odds(one) for one in said.found)),
}


def _with_odds(found: Any) -> Any:
    return attrs.evolve(
        found, reach=found.reach and attrs.evolve(found.reach, odds=found.reach.odds / 2)
    )


LYING = program(
    guarded((("load", 0), ("if", 1, (("report", "WARN", "here", ""),), ()), ("store", 1, 1))),
    guarded((("store", 0, 1), ("load", 1))),
)


@pytest.mark.parametrize("name", LIES)
def test_a_lie_is_noticed(name: str) -> None:
    """Each number is really compared: whoever changes one in what the engine says is found out."""
    honest = exploring.explore

    def lying(*args: Any, **kwargs: Any) -> Exploration:
        said: Exploration = LIES[name](honest(*args, **kwargs))
        return said

    assert not _names(LYING)
    with mock.patch("tests.oracle.compare.explore", lying):
        assert name in _names(LYING)


def _names(of: Program) -> set[str]:
    return {one.name for one in Comparison(of, Graph(Machine(of), 1000), 0).run()}


def test_a_mismatch_is_made_small() -> None:
    """Of a program with more in it than matters, what matters is left."""

    def fails(of: Program) -> bool:
        kinds = [one[0] for task in of.tasks for one in statements(task.block)]
        return "weak" in kinds

    for number in range(200):
        before = program_of(1, number)[0]
        if fails(before):
            after = minimise(before, fails)
            assert [one[0] for task in after.tasks for one in statements(task.block)] == ["weak"]
            assert len(after.tasks) == 1
            assert not after.properties
            return
    raise AssertionError("no weak cmpxchg in 200 programs")


def test_what_is_no_program_is_no_mismatch() -> None:
    assert mismatch_of(program((("raise", 1),)), 0, 1000) == []
    assert mismatch_of(program((("forever", 0, ()),)), 0, 1000) == []


def test_the_command_says_what_it_has_tried() -> None:
    out = StringIO()
    assert main(["--number", "3", "--jobs", "1"], out) == 0
    assert "no mismatch" in out.getvalue()
    assert "array search" in out.getvalue()


# The oracle itself, on programs that can be done by hand.


def test_two_independent_stores() -> None:
    both = graph((("store", 0, 1),), (("store", 1, 1),))
    assert len(both.states) == 4
    assert interleavings(both)[0] == 2
    assert Classes(both, 100).total == 1


def test_two_stores_of_one_cell() -> None:
    both = graph((("store", 0, 1),), (("store", 0, 2),))
    assert len(both.states) == 5
    assert Classes(both, 100).total == 2


def test_additions_commute_and_a_load_does_not() -> None:
    assert Classes(graph((("add", 0, 1),), (("add", 0, 1),)), 100).total == 1
    assert Classes(graph((("add", 0, 1),), (("fetch_add", 0, 1),)), 100).total == 2


def test_readers_commute_and_a_writer_does_not() -> None:
    reader, writer = (
        (("read_lock", 0), ("read_unlock", 0)),
        (("write_lock", 0), ("write_unlock", 0)),
    )
    assert Classes(graph(reader, reader), 100).total == 1
    assert Classes(graph(reader, writer), 100).total == 2


def test_a_frame_remembers_and_forgets() -> None:
    """A result that nobody uses tells two states apart until the frame that saw it returns."""
    kept = graph((("choose", 0, 1), ("step",)))
    forgotten = graph((("call", (("choose", 0, 1), ("return", 0)), 0), ("step",)))
    assert (len(kept.states), len(forgotten.states)) == (4, 3)


def test_a_loop_forgets_all_but_what_it_carries() -> None:
    spin = graph((("until", 1, 0, (("load", 0),)),))
    assert len(spin.states) == 1
    assert graph((("times", 3, 0, (("step",),)),)).depth[-1] == 3


def test_retries_are_bounded() -> None:
    """Two turns more than the first one, and then it gives up: three runs that get it,
    and one that never does.
    """
    coin = Machine(program((("until", 1, 0, (("choose", 0, 1),)),)), retries=2)
    bounded = Graph(coin, 100)
    assert interleavings(bounded)[0] == 4
    assert sum(coin.gave_up(bounded.states[at]) for at in bounded.ends) == 1
    assert not any(bounded.shown)


def test_an_exception_passes_finally_and_frames() -> None:
    inner = ("call", (("finally", (("raise", 1), ("store", 0, 2)), (("store", 1, 1),)),), 0)
    ended = graph((("guard", (inner,), (("put", 0),)),))
    (end,) = ended.ends
    assert ended.states[end][0][:2] == (11 % 5, 1)


def test_odds_preemptions_and_inevitability() -> None:
    """p reports if it reads what q has written: half of all walks, no preemption,
    and inevitable once q is first.
    """
    seen = graph(
        (("load", 0), ("if", 1, (("report", "WARN", "here", ""),), ())), (("store", 0, 1),)
    )
    fact = ("WARN", "here", ())
    assert seen.findings() == {fact: 3}
    assert odds(seen, fact)[0] == pytest.approx(0.5)
    assert fewest_preemptions(seen, [fact])[fact] == (0, 3)
    assert inevitable_at(seen, fact, (("q", 0), ("p", 0), ("p", 0))) == 1


def test_who_starves_and_who_is_trapped() -> None:
    """A waiter may starve behind a coin that is tossed for ever,
    and is trapped where the coin is not tossed.
    """
    waits = (("until", 1, 0, (("load", 0),)),)
    tosses = (("until", 1, 0, (("choose", 0, 1),)), ("store", 0, 1))
    assert {part.tasks for part in starvation(graph(waits, tosses))} == {("p",), ("q",)}
    assert not livelocks(graph(waits, tosses))
    assert {part.tasks for part in livelocks(graph(waits))} == {("p",)}
    assert not starvation(graph(waits))


def test_a_way_into_a_trap_is_no_starvation() -> None:
    """Whether a frame remembers what a try-lock gave or not, it is the livelock,
    and nothing else.
    """
    spin = ("until", 1, 0, (("choose", 0, 1),))
    for first in (("try", 0), ("call", (("try", 0), ("return", 0)), 0)):
        lost = graph((("forever", 0, (first, spin)),))
        assert {part.tasks for part in livelocks(lost)} == {("p",)}
        assert not starvation(lost)
