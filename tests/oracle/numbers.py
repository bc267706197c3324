"""What is counted, by going through a graph state by state,
with Python's whole numbers and fractions.

An interleaving is a way from the first state to one in which nobody can step. The graph has no way
round: where it had one, retries are bounded. A way passes a finding if one of its states or steps
shows it.
"""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from heapq import heappop, heappush

from tests.oracle.graph import Graph, avoiding, in_order
from tests.oracle.machine import Found


def interleavings(graph: Graph) -> list[int]:
    """Per state, how many ways lead on from there to an end."""
    count = [0] * len(graph.states)
    for at in in_order(graph.after):
        count[at] = sum(count[to] for to in graph.after[at]) if graph.after[at] else 1
    return count


def passing(graph: Graph, finding: Found) -> int:
    """How many interleavings pass a finding."""
    total, without = interleavings(graph), [0] * len(graph.states)
    for at in in_order(graph.after):
        if finding in graph.shown[at]:
            continue
        ways = (
            without[to]
            for step, to in zip(graph.steps[at], graph.after[at], strict=True)
            if step.finding != finding
        )
        without[at] = sum(ways) if graph.after[at] else 1
    return total[0] - without[0]


def odds(graph: Graph, finding: Found) -> list[Fraction]:
    """Per state, the probability that a random walk from there passes a finding.

    It is uniform among the tasks that can step, and then among what may come of the step.
    """
    chance = [Fraction(0)] * len(graph.states)
    for at in in_order(graph.after):
        if finding in graph.shown[at]:
            chance[at] = Fraction(1)
            continue
        outcomes = Counter(step.task for step in graph.steps[at])
        for step, to in zip(graph.steps[at], graph.after[at], strict=True):
            then = Fraction(1) if step.finding == finding else chance[to]
            chance[at] += then / (len(outcomes) * outcomes[step.task])
    return chance


def preemptions(graph: Graph, picks: tuple[tuple[str, int], ...]) -> int:
    """How often a run goes on with another task although the last one could have gone on."""
    number, at, last = 0, 0, -1
    for step, to in graph.follow(picks):
        number += step.task != last and any(other.task == last for other in graph.steps[at])
        at, last = to, step.task
    return number


def fewest_preemptions(graph: Graph, wanted: list[Found]) -> dict[Found, tuple[int, int]]:
    """Per finding, the fewest preemptions of a run that passes it,
    and the length of a shortest one with those.
    """
    found: dict[Found, tuple[int, int]] = {}
    done: set[tuple[int, int]] = set()
    todo: list[tuple[int, int, int, int, Found | tuple[()]]] = [(0, 0, 0, -1, ())]
    best: dict[tuple[int, int], tuple[int, int]] = {}
    missing = set(wanted)
    while todo and missing:
        cost, length, at, last, shown = heappop(todo)
        for finding in (*graph.shown[at], shown):
            if finding and finding in missing:
                found[finding] = cost, length
                missing.discard(finding)
        if (at, last) in done:
            continue
        done.add((at, last))
        able = {step.task for step in graph.steps[at]}
        for step, to in zip(graph.steps[at], graph.after[at], strict=True):
            then = cost + (last in able and step.task != last), length + 1
            if step.finding is not None or best.get((to, step.task), (1 << 30, 0)) > then:
                best[to, step.task] = min(best.get((to, step.task), then), then)
                heappush(todo, (*then, to, step.task, step.finding or ()))
    return found


def inevitable_at(graph: Graph, finding: Found, picks: tuple[tuple[str, int], ...]) -> int:
    """After how many steps of a run that ends with a finding every way to go on passes it."""
    avoids = avoiding(
        graph, lambda at: finding in graph.shown[at], lambda step: step.finding == finding
    )
    states = [0, *(to for _, to in graph.follow(picks))]
    at = len(picks)
    while at and not avoids[states[at - 1]]:
        at -= 1
    return at


def numbered(graph: Graph, number: int, longest: int) -> tuple[tuple[str, int], ...] | None:
    """The interleaving of that number: shorter ones first, then by tasks and outcomes.

    None past `longest`.
    """
    ways: list[dict[int, int]] = [dict.fromkeys(graph.ends, 1)]

    def count(at: int, length: int) -> int:
        """How many interleavings of just that length go on from a state."""
        while len(ways) <= length:
            before, here = ways[-1], dict[int, int]()
            for state, after in enumerate(graph.after):
                total = sum(before.get(to, 0) for to in after)
                if total:
                    here[state] = total
            ways.append(here)
        return ways[length].get(at, 0)

    length = 0
    while number >= count(0, length):
        number -= count(0, length)
        length += 1
        if length > longest:
            return None
    at, picks = 0, list[tuple[str, int]]()
    for left in range(length - 1, -1, -1):
        for step, to in zip(graph.steps[at], graph.after[at], strict=True):
            if number < count(to, left):
                picks.append((graph.machine.tasks[step.task], step.outcome))
                at = to
                break
            number -= count(to, left)
    return tuple(picks)
