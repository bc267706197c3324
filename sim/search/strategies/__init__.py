"""Strategies: whose turn it is, for thousands of runs at once. One file each.

A strategy takes its chances from `sim.engine.dice` alone, so a seed's run is the same alone and in company. An adaptive
one also goes by *guidance*, which changes between epochs and is a function of all earlier seeds.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cached_property
from typing import Protocol

from sim.engine.herd import Chooser
from sim.search.named import STRATEGIES
from sim.search.strategies.fest import Fest
from sim.search.strategies.ground import Ground
from sim.search.strategies.novelty import Firsts
from sim.search.strategies.pct import Pct
from sim.search.strategies.portfolio import Portfolio
from sim.search.strategies.pos import Pos
from sim.search.strategies.surw import Surw
from sim.search.strategies.uniform import Uniform
from sim.search.strategies.walk import Walk


class StrategyError(Exception):
    """A strategy that does not exist, or cannot do what is asked of it; the message says which can."""


class Strategy(Protocol):
    """How seeds are run. One that does not adapt has no `epoch`."""

    @property
    def epoch(self) -> int | None:
        """Seeds between two points at which it adapts."""

    def chooser(self, guidance: bytes) -> Chooser:
        """What runs the seeds of an epoch."""

    def learned(self, guidance: bytes, firsts: list[Firsts]) -> bytes:
        """What to go by after one more epoch: b"" at first."""


class _Fixed:
    """Always the same. It is made when it is first needed, since some begin with a profile."""

    epoch = None

    def __init__(self, make: Callable[[], Chooser]) -> None:
        self._make = make

    @cached_property
    def _made(self) -> Chooser:
        return self._make()

    def chooser(self, guidance: bytes) -> Chooser:
        del guidance
        return self._made

    def learned(self, guidance: bytes, firsts: list[Firsts]) -> bytes:
        del firsts
        return guidance


def strategy_named(name: str, ground: Ground) -> Strategy:
    """Raises StrategyError for one that does not exist, CountError for one that the scenario is too large for."""
    match = re.fullmatch(r"pct:([1-9]\d?)", name)
    if match is not None:
        return _Fixed(lambda: Pct(ground, int(match[1])))
    match name:
        case "walk":
            return _Fixed(Walk)
        case "pos":
            return _Fixed(lambda: Pos(ground))
        case "surw":
            return _Fixed(lambda: Surw(ground))
        case "uniform":
            uniform = Uniform(ground)
            return _Fixed(lambda: uniform)
        case "fest":
            return Fest(ground)
        case "portfolio":
            return Portfolio(ground)
    raise StrategyError(
        f"no strategy is named {name!r}; there are {', '.join(STRATEGIES)} (D from 1 to 99, such as pct:3)"
    )
