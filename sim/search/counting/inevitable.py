"""From which step of a run on a finding was inevitable: every way to go on passes it.

A run that ends without it avoids it, and so does one that goes on for ever without it, fair or not.
What can be come to without passing it only grows towards the beginning of the run, so it is
gathered from the last state back, until there is an end in it, or a way round. What was gathered
before leads to nothing new: a way round lies in the new part alone.
"""

from __future__ import annotations

import numpy as np

from sim.engine.arrays import Index, Mask
from sim.engine.states.frontier import Frontier
from sim.search.counting.dag import has_way_round
from sim.search.counting.deadline import check_time
from sim.search.counting.reaching import Reaching

_CHUNK = 1 << 16


def inevitable_at(frontier: Frontier, passing: Reaching, way: list[int]) -> int:
    """After how many steps of `way`, its states by number,
    every way to go on passes a finding that its end passes.
    """
    gathered = np.zeros(frontier.visited.count, np.bool_)
    at = len(way) - 1
    while at and not _is_avoided(frontier, passing, way[at - 1], gathered):
        at -= 1
    return at


def _is_avoided(frontier: Frontier, passing: Reaching, state: int, gathered: Mask) -> bool:
    """Whether some way from a state never passes a finding.

    Adds all that is come to without it to `gathered`.
    """
    sources, targets = list[Index](), list[Index]()
    new = np.array([] if gathered[state] or passing.states[state] else [state], np.int64)
    while len(new):
        gathered[new] = True
        following = list[Index]()
        for low in range(0, len(new), _CHUNK):
            check_time()
            chunk = new[low : low + _CHUNK]
            edges = frontier.edges(chunk)
            if len(np.unique(edges.before)) < len(chunk):
                return True
            keep = ~passing.states.take(edges.after)
            for task, table in enumerate(frontier.tables):
                mine = edges.task == task
                keep[mine] &= ~passing.rows(table).take(edges.row[mine])
            sources.append(chunk.take(edges.before[keep]))
            targets.append(edges.after[keep])
            following.append(edges.after[keep])
        new = np.unique(np.concatenate(following))
        new = new[~gathered.take(new)]
    return bool(sources) and has_way_round(np.concatenate(sources), np.concatenate(targets))
