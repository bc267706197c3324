"""`python -m tests.bench.fuzzing`: how fast seeds are run, and how many it takes,
strategy by strategy.

First the rate, beside the trio executor and detangle, on one protocol. Then schedules to the first
sight of each finding of the table's rows and of the mutants, in repetitions with seeds of their
own, beside what the walk has to expect exactly. Then the programs that schedulers are measured by
elsewhere. Status 1 says that the walk is not where it has to be, or that a strategy has not found
something; of the walk nothing is asked that it has, exactly, to expect more schedules for than
there are.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from fractions import Fraction

import attrs
from rich import box
from rich.console import Console
from rich.table import Table

from sim.catalog.schedules import shipped
from sim.engine.model.operations import Finding
from sim.engine.model.scenario import Scenario
from sim.engine.run import trio_executor
from sim.engine.run.schedule import parse
from sim.engine.run.scheduler import RandomWalk
from sim.engine.run.world import ENDLESS
from sim.scenarios.library import recipe_named
from sim.search.exploration import Counting
from sim.search.explore import explore
from sim.search.fuzzing.batch import Runner
from sim.search.fuzzing.strategies import fuzzing
from tests.bench.hitting import hitting
from tests.bench.install import python_package
from tests.bench.peer import Size, Trouble
from tests.bench.programs import Program
from tests.bench.protocol import protocol
from tests.bench.rounds import progress
from tests.search.sctbench import PROGRAMS, PUBLISHED

STRATEGIES = tuple(entry.name.replace("D", "3") for entry in fuzzing() if not entry.refuses)
"""All but those that a large scenario is too much for: what they would take is known exactly."""
SMALL = Size(2, 1)
DETANGLE = ("detangle", "0.1.0")
MOST, CUT, FIRST, BARREN = 1_000_000, 2000, 256, 2
"""Seeds of a repetition, steps of a run, seeds of a repetition's first batch,
repetitions in vain to give up after."""

RETRIES = 2
COUNTABLE, LARGEST = 2_000_000, 20_000_000
"""States of a graph of which the exact odds of a walk are worth the time,
and where it has not found something."""

WIDTH = 190


@attrs.frozen
class Rate:
    """Schedules and steps that somebody has run in so many seconds."""

    who: str
    schedules: int
    steps: int
    seconds: float

    @property
    def row(self) -> tuple[str, ...]:
        each = self.steps / self.schedules
        return (
            self.who,
            f"{self.schedules / self.seconds:,.0f}",
            f"{self.steps / self.seconds:,.0f}",
            f"{each:.0f}",
        )


def ours(asked: Scenario, seconds: float, seeds: int = 200_000) -> Rate:
    """The random walk, thousands of seeds at a time, once the tables are warm."""
    runner, total, steps, spent = Runner(asked, "walk"), 0, 0, 0.0
    for batch in range(1_000_000):
        begun = time.perf_counter()
        done = runner.batch(batch * seeds, (batch + 1) * seeds)
        if batch:
            total, steps, spent = (
                total + seeds,
                steps + done.steps,
                spent + time.perf_counter() - begun,
            )
        if spent > seconds:
            break
    return Rate(f"tdpsim, {asked.name}", total, steps, spent)


def under_trio(asked: Scenario, seconds: float) -> Rate:
    """The same walk by the reference executor, seed by seed."""
    total = steps = 0
    begun = time.perf_counter()
    while time.perf_counter() - begun < seconds:
        steps += len(trio_executor.run(asked, RandomWalk(total)).steps)
        total += 1
    return Rate(f"tdpsim's trio executor, {asked.name}", total, steps, time.perf_counter() - begun)


def by_detangle(seconds: float) -> Rate:
    python_package(*DETANGLE)
    program = Program("detangle", "tests.bench.stateless", 900 + seconds, DETANGLE)
    _, said = program.ask(SMALL, str(seconds))
    return Rate(
        f"detangle 0.1.0, the protocol at {SMALL}",
        said["schedules"],
        said["steps"],
        said["seconds"],
    )


def rates(seconds: float) -> Iterator[Rate]:
    small = protocol(SMALL.vcpus, SMALL.limit)
    progress("a storm of 4 vCPUs")
    yield ours(recipe_named("storm").scenario({"pages": "2"}), seconds)
    progress("the protocol, by us and by others")
    yield ours(small, seconds)
    yield under_trio(small, seconds)
    yield by_detangle(seconds)


@attrs.frozen
class Question:
    """A scenario, and what is to be found in it.

    How often a random walk, and an interleaving that is drawn uniformly, passes a finding is known
    where there are not too many states: the one with no bound on retries, the other with two. The
    latter is not run: it takes that long.
    """

    name: str
    scenario: Scenario
    wanted: tuple[Finding, ...]
    walk: dict[Finding, float]
    uniform: dict[Finding, float]


def questions(only: str) -> Iterator[Question]:
    """The rows after the series on module 1.5.01 in which there is something to be found,
    and the mutants.
    """
    asked: dict[tuple[str, str, tuple[str, ...]], None] = {}
    for file in shipped().values():
        schedule = parse(file.read_bytes())
        recipe, guards = recipe_named(schedule.scenario), schedule.without
        beside = schedule.params["contenders"]
        usual = {param.name: param.default for param in recipe.params} | {"contenders": beside}
        if dict(schedule.params) == usual and set(guards) <= {"restore", "kick"}:
            asked[schedule.scenario, beside, guards] = None
    for name, beside, guards in asked:
        label = " ".join((name, beside, *(f"without {guard}" for guard in guards)))
        if only in label:
            progress(f"{label}: exploring")
            question = _explored(label, recipe_named(name).scenario({"contenders": beside}, guards))
            if question.wanted:
                yield question


def _explored(label: str, scenario: Scenario) -> Question:
    exploration = explore(scenario, counting=Counting(RETRIES))
    found = [one for one in exploration.found if one.finding.kind not in ENDLESS]
    counts = exploration.counts
    total = (
        counts.interleavings if counts is not None and counts.retries in {None, RETRIES} else None
    )
    passed = {one.finding: (one.reach and one.reach.interleavings) or 0 for one in found}
    uniform = {
        finding: float(Fraction(of, total)) for finding, of in passed.items() if of and total
    }
    return Question(label, scenario, tuple(passed), hitting(scenario, COUNTABLE), uniform)


def firsts(asked: Question, strategy: str, repetitions: int) -> dict[Finding, list[int]]:
    """In which schedule each finding showed first, where it did.

    A repetition has seeds of its own.
    """
    runner, found = (
        Runner(asked.scenario, strategy, CUT),
        {finding: list[int]() for finding in asked.wanted},
    )
    for repetition in range(repetitions):
        wanted = [finding for finding, at in found.items() if at or repetition < BARREN]
        begin, at, guidance, missing = repetition << 40, 0, b"", dict.fromkeys(wanted)
        while missing and at < MOST:
            size = min(max(FIRST, at), runner.epoch or MOST, MOST - at)
            batch = runner.batch(begin + at, begin + at + size, guidance)
            for one in batch.sightings:
                if one.finding in missing:
                    del missing[one.finding]
                    found[one.finding].append(one.seed - begin + 1)
            at += size
            if runner.epoch:
                guidance = runner.learned(guidance, (batch.lesson,))
    return found


def said(found: list[int], repetitions: int) -> str:
    """Mean and spread, and in how many of the repetitions, if not in all."""
    if not found:
        return "-"
    some = "" if len(found) == repetitions else f" ({len(found)})"
    return f"{statistics.mean(found):,.0f} ± {statistics.pstdev(found):,.0f}{some}"


def is_where_it_should(found: list[int], odds: float, repetitions: int) -> bool:
    """Whether the mean of the walk is within four standard errors of 1 / p."""
    expected = 1 / odds
    spread = expected * (1 - odds) ** 0.5 / repetitions**0.5
    return len(found) < repetitions or abs(statistics.mean(found) - expected) <= 4 * spread + 1


def is_quick(found: list[int], uniform: float) -> bool:
    """Whether that took at most ten times what drawing interleavings uniformly would."""
    return bool(found) and statistics.mean(found) <= 10 / uniform + 1


def _times(p: float | None) -> str:
    """How many runs something takes on average that comes with a probability."""
    if not p:
        return ""
    return f"{1 / p:,.0f}" if p > 1e-7 else f"{1 / p:.0e}"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column(columns[0], overflow="fold")
    for column in columns[1:]:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def first_sights(out: Console, repetitions: int, only: str) -> bool:
    """Print them.

    Whether everything was found, the walk is where it should be, and SURW and POS are quick.
    """
    remarks = list[str]()
    title = (
        f"schedules to the first, of {MOST:,}: mean ± spread of {repetitions}; =: exactly expected"
    )
    table = _table(title, "finding", "walk =", "uniform =", *STRATEGIES)
    for question in questions(only):
        of = {}
        for strategy in STRATEGIES:
            progress(f"{question.name}: {strategy}")
            of[strategy] = firsts(question, strategy, repetitions)
        odds = question.walk
        if not odds and not all(of["walk"].values()):
            progress(f"{question.name}: the walk's exact odds")
            odds = hitting(question.scenario, LARGEST)
        for finding in question.wanted:
            walk, uniform = odds.get(finding), question.uniform.get(finding)
            name = f"{question.name}: {finding} {' '.join(finding.causes)}"
            cells = [said(of[strategy][finding], repetitions) for strategy in STRATEGIES]
            table.add_row(name, _times(walk), _times(uniform), *cells)
            rare = walk is not None and walk * MOST < 1
            missing = [
                one for one in STRATEGIES if not of[one][finding] and not (one == "walk" and rare)
            ]
            wrong = [f"not found by {', '.join(missing)}"] if missing else []
            if walk and not is_where_it_should(of["walk"][finding], walk, repetitions):
                wrong.append("the walk is not where it should be")
            if uniform:
                slow = [one for one in ("surw", "pos") if not is_quick(of[one][finding], uniform)]
                wrong += [f"{one} takes more than ten times what uniform does" for one in slow]
            remarks += [f"{name}: {remark}" for remark in wrong]
    out.print(table, *remarks, sep="\n")
    return not remarks


def published(out: Console, repetitions: int) -> None:
    names = ("walk", "pct:3", "pos", "surw")
    table = _table(
        "schedules to the first bug, beside the SURW artifact's (20 runs, at most 10,000)",
        "program",
        *names,
    )
    for asked in PROGRAMS:
        progress(asked.name)
        bug = Finding("BUG", asked.name)
        cells = []
        for strategy in names:
            runner, found = Runner(asked, strategy), list[int]()
            for repetition in range(repetitions):
                begin = repetition << 40
                sightings = runner.batch(begin, begin + 10_000).sightings
                found += [one.seed - begin + 1 for one in sightings if one.finding.kind == bug.kind]
            cells.append(f"{said(found, repetitions)} | {PUBLISHED[asked.name][strategy]}")
        table.add_row(asked.name, *cells)
    out.print(table)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.fuzzing", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10, metavar="S", help="for each rate (10)")
    parser.add_argument(
        "--repetitions", type=int, default=20, metavar="N", help="of each strategy (20)"
    )
    parser.add_argument(
        "--only",
        default="",
        metavar="TEXT",
        help="questions whose names have this in them; - for none",
    )
    options = parser.parse_args(arguments)
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    out = Console(
        highlight=False, markup=False, soft_wrap=True, width=None if sys.stdout.isatty() else WIDTH
    )
    fine = True
    try:
        if options.only in {"", "-"}:
            table = _table("one core", "the random walk", "schedules/s", "steps/s", "steps each")
            for rate in rates(options.seconds):
                table.add_row(*rate.row)
            out.print(table)
        if options.only != "-":
            fine = first_sights(out, options.repetitions, options.only)
        if not options.only:
            published(out, options.repetitions)
    except Trouble as trouble:
        progress(str(trouble))
        return 2
    except KeyboardInterrupt:
        progress("interrupted")
        return 130
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
