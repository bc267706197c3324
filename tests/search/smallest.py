"""The smallest run with a finding by brute force, over the oracle of the little language."""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import count

from sim.engine.model.operations import Finding
from tests.engine.mini import Config, Naive
from tests.engine.test_laws import Programs

WARNING = Finding("WARN", "here")


def stuck(naive: Naive, config: Config) -> str:
    """Where a deadlock is, as its finding names it."""
    at = []
    for name, (_, todo) in zip(naive.names, config.tasks, strict=True):
        if todo:
            _, block, i = todo[-1]
            what, which, *_ = block[i]
            at.append(f"{name}@{'m' if what == 'lock' else 'c'}{which}.{what}")
    return ",".join(at)


def smallest(program: Programs, finding: Finding) -> tuple[int, int, int]:
    """Tasks, steps and preemptions of the smallest run that shows it: all runs there are,
    smaller ones first.
    """
    naive, order, done = Naive(program), count(), set[tuple[Config, frozenset[str], str]]()
    todo: list[tuple[tuple[int, int, int], int, Config | None, frozenset[str], str]]
    todo = [((0, 0, 0), next(order), naive.first, frozenset(), "")]
    while True:
        cost, _, config, tasks, last = heappop(todo)
        if config is None:
            return cost
        if (config, tasks, last) in done:
            continue
        done.add((config, tasks, last))
        steps = list(naive.steps(config))
        if finding.kind == "deadlock" and not steps and stuck(naive, config) == finding.where:
            return cost
        able = [by for (by, _, _), _ in steps]
        for (by, point, _), after in steps:
            stepping = tasks | {by}
            then = len(stepping), cost[1] + 1, cost[2] + (last in able and by != last)
            shows = point == "here.WARN" and finding == WARNING
            heappush(todo, (then, next(order), None if shows else after, stepping, by))
