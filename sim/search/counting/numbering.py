"""The number of an interleaving: from 0 on, shorter ones first,
those of one length in the order of tasks.

Of two runs of the same length, that one comes first whose first different step is by a task that
the scenario names earlier, or takes an earlier value of a choice. There is no bound on retries
here: where tasks go round the runs have no end, but those of each length do.

All is counted by *layers*: the states that some run is in after so many steps, and the steps
between two of them. Going up, the number of ways to each state gives how many runs there are of
each length; going down from one length, the number of ways on gives the rest. A number is for
replaying one run in a mail, so plain Python integers do.
"""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from sim.engine.arrays import Index, Mask
from sim.engine.model.scenario import Scenario
from sim.engine.run.scheduler import Picks
from sim.engine.run.world import Run
from sim.engine.states.frontier import Frontier
from sim.engine.states.product import Product
from sim.search.errors import CountError
from sim.search.shrinking.follow import picks_of

_MOST = 1 << 24
"""Steps that all layers may have together."""

_CHUNK = 1 << 16

Big = npt.NDArray[Any]
"""Python integers."""


@attrs.frozen
class _Layer:
    """States, in order; the steps out of the one at position i are `first[i]` to `first[i + 1]`.

    `row` is that in the table of `task`, `target` a position in the layer after this one, whose
    states are `following`. `ways` is how many ways lead to each state in as many steps as the layer
    is high.
    """

    states: Index
    ways: Big
    first: Index
    task: Index
    row: Index
    target: Index
    following: Index

    @property
    def ends(self) -> Mask:
        ends: Mask = self.first[1:] == self.first[:-1]
        return ends

    def steps(self, position: int) -> range:
        return range(int(self.first[position]), int(self.first[position + 1]))


class Numbering:
    """The numbers of all interleavings of a scenario, which is explored to its end first."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._frontier = Frontier(Product(scenario), want_tops=False)
        for _ in self._frontier.levels():
            pass
        self._layers: list[_Layer] = []
        self._size = 0
        self._down: dict[int, list[Big]] = {}

    def picks(self, number: int) -> Picks:
        """The interleaving of that number.

        Raises CountError if there is none, or it is too long to be told.
        """
        left, length = number, 0
        while left >= (there := self._runs(length)):
            left, length = left - there, length + 1
            if not len(self._layer(length).states):
                last = number - left - 1
                raise CountError(
                    f"{self._scenario.name} has no interleaving {number}: the last one is {last}"
                )
        on, position, picks = self._on(length), 0, list[tuple[str, int]]()
        for height in range(length):
            layer = self._layer(height)
            for step in layer.steps(position):
                ways = on[height + 1][layer.target[step]]
                if left < ways:
                    break
                left -= ways
            picks.append(self._pick(layer, step))
            position = int(layer.target[step])
        return Picks(tuple(picks))

    def number(self, picks: Picks) -> int:
        """The number of an interleaving, or of the first one that begins so.

        Raises CountError if it is too long.
        """
        way = [0]
        for height, pick in enumerate(picks.picks):
            layer = self._layer(height)
            way.append(
                next(
                    step
                    for step in layer.steps(self._at(way, height))
                    if self._pick(layer, step) == pick
                )
            )
        position = self._at(way, len(picks.picks))
        length = len(picks.picks) + self._to_end(
            int(self._layer(len(picks.picks)).states[position])
        )
        on = self._on(length)
        number = sum(self._runs(shorter) for shorter in range(length))
        for height in range(len(picks.picks)):
            layer = self._layer(height)
            for step in range(layer.steps(self._at(way, height)).start, way[height + 1]):
                number += on[height + 1][layer.target[step]]
        return int(number)

    def number_of(self, run: Run) -> tuple[int, bool]:
        """The number of a run, and whether it ends there:
        else it is that of the first one that begins so.
        """
        picks = picks_of(self._frontier.product, run)
        number = self.number(picks)
        return number, self.picks(number) == picks

    def _at(self, way: list[int], height: int) -> int:
        """The position in a layer that the step before leads to."""
        return int(self._layer(height - 1).target[way[height]]) if height else 0

    def _pick(self, layer: _Layer, step: int) -> tuple[str, int]:
        table = self._frontier.tables[int(layer.task[step])]
        return table.task, table.which[int(layer.row[step])][0]

    def _runs(self, length: int) -> int:
        """How many interleavings have that many steps."""
        layer = self._layer(length)
        return int(layer.ways[layer.ends].sum())

    def _layer(self, height: int) -> _Layer:
        while len(self._layers) <= height:
            if self._layers:
                last = self._layers[-1]
                self._layers.append(self._built(last.following, self._ways_after(last)))
            else:
                self._layers.append(self._built(np.array([0]), np.array([1], object)))
        return self._layers[height]

    @staticmethod
    def _ways_after(layer: _Layer) -> Big:
        """How many ways lead to each state of the next layer."""
        order = np.argsort(layer.target, kind="stable")
        source = np.repeat(np.arange(len(layer.states)), layer.first[1:] - layer.first[:-1])
        starts = np.searchsorted(layer.target.take(order), np.arange(len(layer.following)))
        ways: Big = (
            np.add.reduceat(layer.ways.take(source.take(order)), starts)
            if len(starts)
            else np.empty(0, object)
        )
        return ways

    def _built(self, states: Index, ways: Big) -> _Layer:
        empty = np.zeros(0, np.int64)
        parts = [(empty, empty, empty, empty)]
        parts += [self._steps(states[low : low + _CHUNK]) for low in range(0, len(states), _CHUNK)]
        counts, task, row, after = (np.concatenate(column) for column in zip(*parts, strict=True))
        self._size += len(after)
        if self._size > _MOST:
            name, length = self._scenario.name, len(self._layers)
            raise CountError(
                f"{name} has too many states to number runs of more than {length} steps"
            )
        following, target = np.unique(after, return_inverse=True)
        first = np.concatenate([[0], np.cumsum(counts)])
        return _Layer(states, ways, first, task, row, target.reshape(-1), following)

    def _steps(self, states: Index) -> tuple[Index, Index, Index, Index]:
        edges = self._frontier.edges(states)
        order = np.argsort(edges.before, kind="stable")
        counts = np.bincount(edges.before, minlength=len(states))
        return counts, edges.task[order], edges.row[order], edges.after[order]

    def _on(self, length: int) -> list[Big]:
        """Per layer, how many interleavings of that length go on from each of its states."""
        if length not in self._down:
            top = self._layer(length)
            ways = top.ends.astype(object) * 1
            down = [ways]
            for layer in reversed(self._layers[:length]):
                having = np.flatnonzero(~layer.ends)
                ways = np.zeros(len(layer.states), object)
                ways[having] = np.add.reduceat(
                    down[-1].take(layer.target), layer.first.take(having)
                )
                down.append(ways)
            self._down[length] = down[::-1]
        return self._down[length]

    def _to_end(self, state: int) -> int:
        """The fewest steps from a state to one in which nobody can step."""
        level, seen, length = np.array([state]), np.zeros(self._frontier.visited.count, np.bool_), 0
        while len(level):
            seen[level] = True
            edges = self._frontier.edges(level)
            if len(np.unique(edges.before)) < len(level):
                return length
            level = np.unique(edges.after)
            level, length = level[~seen.take(level)], length + 1
        raise CountError("no run that begins so ever ends, and only those that do are numbered")
