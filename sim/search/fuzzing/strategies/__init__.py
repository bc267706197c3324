"""Strategies: which task steps next, for thousands of runs at once.

One file each, and one entry in STRATEGIES.

A strategy takes its chances from `sim.engine.run.dice` alone, so a seed's run is the same alone and
in company. An adaptive one also goes by *guidance*, which changes between epochs and is a function
of all earlier seeds.

Importing this package loads no strategy, and so no numpy: names and sentences are for everybody.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

import attrs

if TYPE_CHECKING:
    from sim.engine.herd.herd import Chooser
    from sim.engine.model.scenario import Scenario
    from sim.engine.run.scheduler import Picks
    from sim.search.fuzzing.novelty import Firsts
    from sim.search.fuzzing.strategies.shared import Shared


class StrategyError(Exception):
    """A strategy that does not exist, or cannot do what is asked of it.

    The message says which can.
    """


class Strategy(Protocol):
    """How seeds are run. One that does not adapt has no `epoch`."""

    @property
    def epoch(self) -> int | None:
        """Seeds between two points at which it adapts."""

    def chooser(self, guidance: bytes) -> Chooser:
        """What runs the seeds of an epoch."""

    def learned(self, guidance: bytes, firsts: list[Firsts]) -> bytes:
        """What to go by after one more epoch: b"" at first."""


@attrs.frozen
class Entry:
    """A strategy as everybody but itself knows it: what it is called, what it does,
    and where it is.

    `make` and `draw` are places below this package, as `module:name`, so that nothing is loaded
    before it is used.
    """

    name: str
    """As it is typed. A D stands for a number from 1 to 99, such as the 3 of pct:3."""

    doc: str
    """One sentence."""

    make: str = ""
    """A class or function that takes a Ground, and the number if there is one.

    It gives a Chooser, or a Strategy if it adapts. Empty where only `tdpsim run` has it.
    """

    adapts: bool = False
    """It learns from earlier seeds, so a seed alone has no run, and `tdpsim run` cannot have it."""

    refuses: bool = False
    """It raises CountError for a scenario that is too large, so it is made at once;
    others when they first run."""

    draw: str = ""
    """A function of a scenario, a seed and a bound on retries,
    that gives the run `tdpsim run` takes.

    Empty where that is what `tdpsim fuzz` would run for the seed.
    """

    shares: tuple[tuple[str, int], ...] = ()
    """Seeds in a thousand that the portfolio gives it at first, by the name under which it does."""

    @property
    def pattern(self) -> str:
        """A regular expression for its names."""
        return re.sub(r":D$", r":([1-9]\\d?)", self.name)

    @property
    def in_fuzz(self) -> bool:
        """Whether `tdpsim fuzz --strategy` takes it."""
        return bool(self.make)

    @property
    def in_run(self) -> bool:
        """Whether `tdpsim run --strategy` takes it."""
        return not self.adapts


STRATEGIES = {
    entry.name: entry
    for entry in (
        # Sampling: a seed's run is a function of the seed alone.
        Entry(
            "walk",
            "Uniform at each step among the tasks that can take it, then among values.",
            "walk:walk",
            shares=(("walk", 50),),
        ),
        Entry(
            "pct:D",
            "Priorities that change at D - 1 places; a bug of depth D with a known least "
            "probability (ASPLOS 2010).",
            "pct:Pct",
            shares=(("pct:2", 70), ("pct:3", 70), ("pct:5", 60)),
        ),
        Entry(
            "pos",
            "A priority for every step, drawn anew where steps race (CAV 2018).",
            "pos:Pos",
            shares=(("pos", 200),),
        ),
        Entry(
            "surw",
            "Every order of the accesses to one cell as likely as any other; another cell in "
            "each run (ASPLOS 2025).",
            "surw:Surw",
            shares=(("surw", 400),),
        ),
        # Exact: every run as likely as any other, for what can be counted.
        Entry(
            "uniform",
            "Every interleaving as likely as any other, exactly; for up to a million states.",
            "uniform:Uniform",
            refuses=True,
            draw="uniform:one_interleaving",
        ),
        Entry(
            "uniform-classes",
            "Every class of interleavings as likely as any other, exactly; "
            "interleavings of a class differ in the order of independent steps alone.",
            draw="uniform:one_class",
        ),
        # Adaptive: what earlier seeds have found decides as well.
        Entry(
            "fest",
            "Choice tapes that reached new states, kept and mutated (after ASPLOS 2024).",
            "fest:CoverageGuided",
            adapts=True,
            shares=(("fest", 150),),
        ),
        Entry(
            "portfolio",
            "All but the uniform ones at once; more seeds for those that still find new states.",
            "portfolio:Portfolio",
            adapts=True,
        ),
    )
}


def fuzzing() -> Iterator[Entry]:
    """What `tdpsim fuzz --strategy` takes."""
    return (entry for entry in STRATEGIES.values() if entry.in_fuzz)


def running() -> Iterator[Entry]:
    """What `tdpsim run --strategy` takes."""
    return (entry for entry in STRATEGIES.values() if entry.in_run)


def _entry(name: str, among: Iterator[Entry]) -> Entry:
    """The entry that a name is of, such as pct:D for pct:3.

    Raises StrategyError, which lists some, if it has none.
    """
    for entry in STRATEGIES.values():
        if re.fullmatch(entry.pattern, name):
            return entry
    names = ", ".join(entry.name for entry in among)
    raise StrategyError(
        f"no strategy is named {name!r}; there are {names} (D from 1 to 99, such as pct:3)"
    )


def entry_for_fuzz(name: str) -> Entry:
    """Raises StrategyError for a name that `tdpsim fuzz` does not take."""
    entry = _entry(name, fuzzing())
    if not entry.in_fuzz:
        raise StrategyError(
            f"{name} is for `tdpsim run` alone; `tdpsim explain {name}` says what it is"
        )
    return entry


def entry_for_run(name: str) -> Entry:
    """Raises StrategyError for a name that `tdpsim run` does not take."""
    entry = _entry(name, running())
    if not entry.in_run:
        raise StrategyError(
            f"{name} adapts, so a seed alone has no run: `tdpsim fuzz` keeps what it goes by"
        )
    return entry


def strategy_named(name: str, ground: Shared) -> Strategy:
    """Raises StrategyError for one that does not exist,
    CountError for one that the scenario is too large for.
    """
    entry = entry_for_fuzz(name)
    numbers = (int(number) for number in re.findall(r":(\d+)$", name))

    def make() -> Any:
        return _at(entry.make)(ground, *numbers)

    if entry.adapts:
        made: Strategy = make()
        return made
    fixed = _Fixed(make)
    return fixed.made_now() if entry.refuses else fixed


def draw(name: str, scenario: Scenario, seed: int, retries: int) -> Picks | None:
    """The run of a seed, for a strategy that has a way of its own to draw one; None for the others.

    Raises StrategyError for a name that `tdpsim run` does not take.
    """
    entry = entry_for_run(name)
    if not entry.draw:
        return None
    picks: Picks = _at(entry.draw)(scenario, seed, retries)
    return picks


def _at(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(f"{__name__}.{module}"), name)


class _Fixed:
    """Always the same. It is made when it is first needed, since some begin with a profile."""

    epoch = None

    def __init__(self, make: Callable[[], Chooser]) -> None:
        self._make = make

    @cached_property
    def _made(self) -> Chooser:
        return self._make()

    def made_now(self) -> _Fixed:
        """Make it now, so that whatever that raises is raised here."""
        _ = self._made
        return self

    def chooser(self, guidance: bytes) -> Chooser:
        del guidance
        return self._made

    def learned(self, guidance: bytes, firsts: list[Firsts]) -> bytes:
        del firsts
        return guidance
