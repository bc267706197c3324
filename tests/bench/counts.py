"""`python -m tests.bench.counts`: what counting costs beside the verdict,
and the large ones of the known answers.

Status 1 says that a count is not what is known.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from functools import partial

import attrs
from rich import box
from rich.console import Console
from rich.table import Table

from sim.engine.model.scenario import Scenario
from sim.scenarios.library import recipe_named
from sim.search.counting import persistent_sets
from sim.search.exploration import Counting
from sim.search.explore import explore
from sim.view.numbers import number
from tests.bench.rounds import progress
from tests.search.counting import textbook

MOST = 1_500_000
MANY = 1_000_000
FACTOR = 5


@attrs.frozen
class Line:
    """One program: its states, interleavings and classes,
    and the seconds of the verdict and of counting.
    """

    name: str
    states: int | None
    interleavings: int | None
    classes: int | None
    known: int | None
    verdict: float | None
    counting: float

    @property
    def agrees(self) -> bool:
        return self.known is None or self.classes == self.known


@attrs.frozen
class Whole:
    """A program of which every state is gone through. `known` are its classes."""

    name: str
    scenario: Callable[[], Scenario]
    known: int | None = None
    retries: int = 2

    def line(self) -> Line:
        done = explore(self.scenario(), counting=Counting(self.retries, MOST))
        counts = done.counts
        assert counts is not None
        return Line(
            self.name,
            done.states,
            counts.interleavings,
            counts.classes,
            self.known,
            done.seconds,
            counts.seconds,
        )


@attrs.frozen
class Reduced:
    """A program that has too many states, of which only the classes are counted."""

    name: str
    scenario: Callable[[], Scenario]
    known: int

    def line(self) -> Line:
        begun = time.perf_counter()
        classes = persistent_sets.count_traces(self.scenario(), 2, MOST)
        return Line(self.name, None, None, classes, self.known, None, time.perf_counter() - begun)


PROGRAMS: tuple[Whole | Reduced, ...] = (
    Whole("readers(13)", partial(textbook.readers, 13), 8_192),
    Whole("lastzero(10)", partial(textbook.lastzero, 10), 3_328),
    Whole("fib_bench(5)", partial(textbook.fib_bench, 5), 218_243),
    Whole("ainc(7)", partial(textbook.ainc, 7), 5_040),
    Whole("inc(5)", partial(textbook.inc, 5), 14_400),
    Whole("casw(5)", partial(textbook.casw, 5), 32_880),
    Whole("philosophers(9)", partial(textbook.philosophers, 9), 511),
    Reduced("indexer(12)", partial(textbook.indexer, 12), 8),
    Reduced("indexer(15)", partial(textbook.indexer, 15), 4_096),
    *(
        Reduced(f"filesystem({n})", partial(textbook.filesystem, n), known)
        for n, known in ((14, 2), (16, 8), (18, 32), (19, 64))
    ),
    Whole(
        "np-to-leaf-exclusive, 2 retries",
        partial(recipe_named("np-to-leaf-exclusive").scenario, {}),
    ),
    Whole(
        "leaf-to-np-exclusive, 0 retries",
        partial(recipe_named("leaf-to-np-exclusive").scenario, {}),
        retries=0,
    ),
    Whole(
        "leaf-to-np-exclusive --without kick",
        partial(recipe_named("leaf-to-np-exclusive").scenario, {}, ("kick",)),
    ),
)


def table(lines: list[Line]) -> Table:
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    for name in (
        "program",
        "states",
        "interleavings",
        "classes",
        "known",
        "verdict, s",
        "counting, s",
        "ratio",
    ):
        grid.add_column(name, justify="left" if name == "program" else "right", no_wrap=True)
    for line in lines:
        grid.add_row(line.name, *_cells(line))
    return grid


def _cells(line: Line) -> Iterator[str]:
    for count in (line.states, line.interleavings, line.classes, line.known):
        yield "" if count is None else number(count)
    yield "" if line.verdict is None else f"{line.verdict:.2f}"
    yield f"{line.counting:.2f}"
    yield "" if line.verdict is None else f"{line.counting / line.verdict:.2f} x"


def main() -> int:
    out = Console(
        highlight=False, markup=False, soft_wrap=True, width=None if sys.stdout.isatty() else 150
    )
    lines = []
    for program in PROGRAMS:
        progress(f"counting {program.name}")
        lines.append(program.line())
    out.print(table(lines))
    out.print()
    for line in lines:
        if not line.agrees:
            out.print(f"{line.name}: {line.classes} classes, and {line.known} are known")
        if line.states is not None and line.verdict is not None and line.states >= MANY:
            met = "yes" if line.counting <= FACTOR * line.verdict else "NO"
            out.print(
                f"{line.name}: counting <= {FACTOR} x the verdict at {line.states:,} states  {met}"
            )
    return 0 if all(line.agrees for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
