"""Where runs pass each finding: the states that show it, and the steps that do."""

from __future__ import annotations

from collections.abc import Iterable

import attrs
import numpy as np

from sim.engine.arrays import Mask
from sim.engine.model.operations import HALTED, Finding
from sim.engine.run.journal import deadlock
from sim.engine.states.frontier import Frontier
from sim.engine.states.loops import Candidates
from sim.engine.states.product import WORD
from sim.engine.states.tables import Table, numbers_of
from sim.engine.states.visited import Visited
from sim.search.counting.deadline import check_time
from sim.search.exploring.properties import Watched

_CHUNK = 1 << 16


@attrs.frozen
class Reaching:
    """Where one finding is passed: in these states, by number,
    and by steps whose row in their task's table says so.
    """

    finding: Finding
    states: Mask

    def rows(self, table: Table) -> Mask:
        """Of the rows of a task's table so far, those that show it."""
        rows = np.zeros(len(table.findings), np.bool_)
        rows[table.showing.get(self.finding, [])] = True
        return rows


def where_reached(frontier: Frontier) -> dict[Finding, Reaching]:
    """What steps show, what properties say, and who is stuck in the end:
    all that any run passes, and where.
    """
    found = {finding: np.zeros(frontier.visited.count, np.bool_) for finding in frontier.flags}
    for finding, states in (*_broken(frontier), *_deadlocks(frontier)):
        found[finding] = found[finding] | states if finding in found else states
    return {finding: Reaching(finding, states) for finding, states in found.items()}


def _broken(frontier: Frontier) -> Iterable[tuple[Finding, Mask]]:
    """The properties that do not hold, asked once per valuation of what they read, and where."""
    if not frontier.product.scenario.properties:
        return
    visited, watched = frontier.visited, Watched(frontier.product)
    watched.broken(0)
    while True:
        mask = watched.mask
        masks = [mask >> WORD * i & (1 << WORD) - 1 for i in range(visited.words)]
        bits = np.array(masks, np.uint64)
        valuations, number = Visited(len(masks)), np.empty(visited.count, np.uint32)
        for low in range(0, visited.count, _CHUNK):
            check_time()
            here = range(low, min(low + _CHUNK, visited.count))
            batch = Candidates.of(
                visited.rows(here) & bits, np.arange(low, here.stop, dtype=np.uint32)
            )
            number[low : here.stop] = valuations.keep(batch)
        broken = []
        for state in valuations.before[: valuations.count].tolist():
            check_time()
            broken.append(watched.broken(visited.state(state)))
        if watched.mask == mask:
            break
    for finding in dict.fromkeys(finding for findings in broken for finding in findings):
        yield finding, np.array([finding in findings for findings in broken]).take(number)


def _deadlocks(frontier: Frontier) -> Iterable[tuple[Finding, Mask]]:
    """Who is stuck where nobody can step. Where somebody has given up, who waits for him is not."""
    visited, product = frontier.visited, frontier.product
    numbers = np.concatenate([*frontier.stuck, np.zeros(0, np.int64)])
    if not len(numbers):
        return
    states = visited.take(numbers)
    fields = [
        *(table.field for table in frontier.tables),
        product.field(HALTED),
    ]  # who stands alike may be halted or not
    standing = np.stack([numbers_of(field, states) for field in fields])
    _, first, which = np.unique(standing, axis=1, return_index=True, return_inverse=True)
    for i, sample in enumerate(numbers.take(first).tolist()):
        check_time()
        state = visited.state(sample)
        locals_ = {task.name: product.local(state, task.name) for task in product.scenario.tasks}
        if product.halted(state) or any(local.gave_up for local in locals_.values()):
            continue
        finding = deadlock(
            product.scenario, {name: local.operation for name, local in locals_.items()}
        )
        if finding is not None:
            stuck = np.zeros(visited.count, np.bool_)
            stuck[numbers[which.reshape(-1) == i]] = True
            yield finding, stuck
