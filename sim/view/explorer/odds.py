"""How likely each finding is from a moment of a line on, and behind each choice there.

A probability is that a random walk comes by the finding from there on, within the bound on retries:
an exact fraction, read off the graph of all interleavings (`sim.search.counting.interleavings`). A
step by which a finding is shown has it with certainty. Where a line retries more often than is
counted it leaves that graph, and there is nothing to be said.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cached_property

import attrs

from sim.engine.arrays import Mask
from sim.engine.model.operations import Finding
from sim.engine.model.scenario import Scenario
from sim.search.counting.inevitable import inevitable_at
from sim.search.counting.odds import explored
from sim.search.counting.reaching import Reaching, where_reached
from sim.search.counting.residues import Goal
from sim.search.exploration import Counting
from sim.view.explorer.moves import Move, MovePick


@attrs.frozen
class Behind:
    """The odds of each finding, in the order of `Odds.findings`: at a node,
    and behind each choice there.
    """

    node: int
    here: tuple[Fraction, ...]
    choices: dict[MovePick, tuple[Fraction, ...]]


class Odds:
    """A scenario that has been explored and counted, within `retries` of each loop (None:
    no task ever retries).

    Raises CountError where that is too much.
    """

    def __init__(
        self, scenario: Scenario, counting: Counting, stop: Callable[[], bool] = lambda: False
    ) -> None:
        self._frontier, self._runs, self.retries = explored(scenario, counting, stop)
        self.findings = tuple(self._runs.findings)
        self._goals: dict[Finding, tuple[Goal, Mask]] = {}

    def after(self, node: int, pick: MovePick) -> int | None:
        """The node that a choice leads to; None where it retries more often than is counted."""
        edge = next(
            (edge for edge in self._runs.dag.edges(node) if self._runs.pick(edge) == pick), None
        )
        return None if edge is None else int(self._runs.dag.target[edge])

    def behind(self, node: int) -> Behind:
        """The odds at a node, and behind each choice there."""
        edges = self._runs.dag.edges(node)
        nodes = [node, *(int(self._runs.dag.target[edge]) for edge in edges)]
        columns = [self._column(finding, nodes, edges) for finding in self.findings]
        rows = [tuple(column[i] for column in columns) for i in range(len(nodes))]
        return Behind(
            node,
            rows[0],
            {self._runs.pick(edge): row for edge, row in zip(edges, rows[1:], strict=True)},
        )

    def _column(self, finding: Finding, nodes: list[int], edges: range) -> list[Fraction]:
        """The odds of one finding at a node, and behind each of the edges out of it."""
        goal, passed = self._goal(finding)
        here, *then = self._runs.odds(goal, nodes)
        return [
            here,
            *(
                Fraction(1) if passed[edge] else odds
                for edge, odds in zip(edges, then, strict=True)
            ),
        ]

    def _goal(self, finding: Finding) -> tuple[Goal, Mask]:
        if finding not in self._goals:
            passing = self._runs.findings[finding]
            self._goals[finding] = self._runs.goal(passing), self._runs.edges(passing)
        return self._goals[finding]

    def inevitable_at(self, picks: Sequence[MovePick], finding: Finding) -> int:
        """After how many of these steps, the last of which shows a finding,
        every way to go on passes it.
        """
        product, visited, state = self._frontier.product, self._frontier.visited, 0
        way = [0]
        for task, outcome in picks:
            state += product.answer(task, state)[outcome][0]
            way.append(visited.number(state))
        return inevitable_at(self._frontier, self._passings[finding], way)

    @cached_property
    def _passings(self) -> dict[Finding, Reaching]:
        """Where findings are passed in the graph without bound, whose runs may retry for ever."""
        return where_reached(self._frontier)


class Along:
    """The nodes that a line passes, as far as that was asked for.

    What has not changed is not gone through again.
    """

    def __init__(self, odds: Odds) -> None:
        self._odds = odds
        self._moves: list[Move] = []
        self._nodes: list[int | None] = [0]

    def node(self, line: Sequence[Move], at: int) -> int | None:
        """The node after so many steps of a line.

        None where it retries more often than is counted.
        """
        while self._moves and (
            len(self._moves) > len(line) or self._moves[-1] is not line[len(self._moves) - 1]
        ):
            self._moves.pop()
            self._nodes.pop()
        for move in line[len(self._moves) : at]:
            node = self._nodes[-1]
            self._moves.append(move)
            self._nodes.append(None if node is None else self._odds.after(node, move.pick))
        return self._nodes[at]
