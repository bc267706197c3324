"""Every way to run the engine, each compared with the machine by name.

`Comparison` takes one program, and `run()` goes through the ways that are due for it. What differs
is a `Mismatch`: the name of the comparison, and what either side said. What happened on the way (a
field was widened, a watch grew inside a level, ...) is noted in `seen`, by looking at the engine
while it runs, so that nobody has to guess what was tried.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import attrs

from sim.engine.model.values import spell
from sim.engine.run import trio_executor
from sim.engine.run.automata import Automata
from sim.engine.run.replay import replay
from sim.engine.run.schedule import FoundBy, parse, record, write
from sim.engine.run.scheduler import Picks, RandomWalk
from sim.engine.states import frontier
from sim.engine.states.product import Product
from sim.search.budget import Budget
from sim.search.counting import persistent_sets
from sim.search.counting.numbering import Numbering
from sim.search.counting.odds import explored
from sim.search.counting.traces import Traces as Sampled
from sim.search.errors import CountError
from sim.search.exploration import Counting, Exploration, Found, Verdict
from sim.search.explore import explore
from sim.search.exploring.checkpoint import Checkpoint
from sim.search.fuzzing.batch import Runner
from sim.search.fuzzing.strategies import fuzzing
from sim.search.shrinking.shrink import Certainty, shrink
from tests.oracle import liveness, numbers
from tests.oracle.generate import Draw
from tests.oracle.graph import Graph
from tests.oracle.language import Program, statements
from tests.oracle.machine import Found as Fact
from tests.oracle.machine import Step
from tests.oracle.traces import form_of
from tests.oracle.translate import scenario, told
from tests.oracle.truth import Truth
from tests.oracle.watching import Seen, watching

STRATEGIES = tuple(
    name
    for entry in fuzzing()
    for name in dict.fromkeys(entry.name.replace(":D", f":{number}") for number in (2, 3))
)
SEEDS = 12
CUT = 60
"""Steps after which fuzzed runs are cut."""

_RUNS, _UNMERGED = 300, 400
"""Interleavings that are all taken by their number,
and states beside which whole histories are few enough."""


@attrs.frozen
class Mismatch:
    """Two answers that should be one: the name of the comparison, how the engine was run,
    what both sides say.
    """

    name: str
    way: str
    engine: object
    oracle: object

    def __str__(self) -> str:
        return f"{self.name} ({self.way})\n  engine: {self.engine}\n  oracle: {self.oracle}"


@attrs.define
class _Times:
    """A budget that is spent after so many questions."""

    left: int
    seconds: float | None = None
    memory: int | None = None

    def spent(self, _seconds: float, _more: int) -> bool:
        self.left -= 1
        return self.left < 0

    def after(self, _seconds: float) -> Budget:
        return Budget()


class Comparison:
    """One program, run in every way that is due for it. `number` decides which those are."""

    def __init__(self, program: Program, graph: Graph, number: int) -> None:
        self.program, self.number = program, number
        self.truth = Truth(program, graph)
        self.scenario = scenario(program)
        self.draw = Draw(f"ways/{number}")
        self.mismatches: list[Mismatch] = []
        self.seen: Counter[str] = Counter()
        self._reference: Exploration | None = None

    def run(self, *, light: bool = False) -> list[Mismatch]:
        """Compare in every way that is due.

        Where time is short (`light`), in the first ones and one of the others.
        """
        self._note()
        ways: list[Callable[[], None]] = [self.chunks, self.threads, self.resumed]
        if not self.truth.is_large:
            ways += [
                self.fuzz,
                self.shrink,
                self.sampled,
                self.unmerged,
                self.numbering,
                self.valuations,
            ]
        elif not light:
            ways = ways[self.number % 2 :][:2]
        if light:
            ways = [ways[self.number % len(ways)]]
        for way in (self.plain, self.counting, *ways):
            self._try(way.__name__, way)
        return self.mismatches

    def _try(self, way: str, compare: Callable[[], None]) -> None:
        """Run one comparison. Whatever the engine raises is a mismatch as well."""
        try:
            compare()
        except Exception as error:  # noqa: BLE001 - the engine should raise nothing here, and what it does is told
            self.mismatches.append(
                Mismatch(f"raises {type(error).__name__}", way, str(error)[:500], "no error")
            )

    def _same(self, name: str, way: str, engine: object, oracle: object) -> bool:
        if engine != oracle:
            self.mismatches.append(Mismatch(name, way, engine, oracle))
        return engine == oracle

    def _note(self) -> None:
        self.seen[f"family {self.program.family}"] += 1
        rules = [one.rule for one in self.program.properties]
        self.seen["more than 8,192 states"] += self.truth.is_large
        self.seen["properties that read by what they have read"] += any(
            _is_chained(rule) for rule in rules
        )
        self.seen["of these at the end of a run"] += self.program.family == "ends"
        self.seen["with retries"] += self.truth.bound is not None
        self.seen["with findings"] += bool(self.truth.findings)
        self.seen["with livelock"] += bool(self.truth.livelocks)
        self.seen["with starvation"] += bool(self.truth.starvation)
        for kind in dict.fromkeys(
            one[0] for task in self.program.tasks for one in statements(task.block)
        ):
            self.seen[f"statement {kind}"] += 1

    def _happened(self, seen: Seen, jobs: int, *, chunked: bool) -> None:
        """Note what came up, once for a program,
        and with how many threads over several chunks.
        """
        if jobs > 1 and not seen.shared:
            return
        by = (
            f"{'one thread' if jobs == 1 else 'several threads'}, several chunks"
            if chunked
            else "one chunk"
        )
        came_up = (seen.layouts, "a field widens"), (seen.gained, "a state gains a word")
        for times, what in (
            (1, "array search"),
            *came_up,
            (seen.grown, "the watch widens inside a level"),
        ):
            if times:
                self.seen[f"{what}, {by}"] = 1

    # --- explorations

    def plain(self) -> None:
        """As `explore()` is called with nothing asked for: by a dict where that is enough."""
        self._explored("plain", explore(self.scenario, finals=True))
        safety = explore(self.scenario, liveness=False, finals=True)
        self._explored("plain, safety only", safety, live=False)

    def counting(self) -> None:
        """Everything that is counted, by arrays."""
        with watching() as seen:
            counting = Counting(retries=self.program.retries)
            exploration = explore(self.scenario, counting=counting, starvation=True, finals=True)
        self._happened(seen, 1, chunked=False)
        self._explored("counting", exploration)
        self._starving("counting", exploration)
        self._counted(exploration)

    def chunks(self) -> None:
        """By arrays, in chunks of a few states; wide footprints now and then."""
        widest = self.draw.of((0, 3, 16))
        with watching(chunk=self.chunk, widest=widest) as seen:
            exploration = explore(
                self.scenario, budget=Budget(seconds=1e9), starvation=True, finals=True
            )
        self._happened(seen, 1, chunked=True)
        self._alike("chunks", exploration)
        self._reference = exploration

    def threads(self) -> None:
        """By two or three threads."""
        jobs = self.draw.of((2, 2, 3))
        with watching(
            chunk=self.chunk, each=self.draw.of((1, 2)), widest=self.draw.of((0, 3, 16))
        ) as seen:
            exploration = explore(
                self.scenario,
                budget=Budget(seconds=1e9),
                counting=None if self.number % 3 else Counting(retries=self.program.retries),
                starvation=True,
                finals=True,
                jobs=jobs,
            )
        self._happened(seen, jobs, chunked=True)
        self._alike(f"{jobs} threads", exploration)
        if exploration.counts is not None:
            self._counted(exploration)

    def resumed(self) -> None:
        """Cut off and gone on with, as often as it takes; by two threads now and then."""
        jobs = self.draw.of((1, 1, 1, 2))
        pieces, exploration, widest = 0, None, self.draw.of((0, 3, 16))
        with (
            tempfile.TemporaryDirectory() as folder,
            watching(chunk=self.chunk, each=1, widest=widest) as seen,
        ):
            while exploration is None or exploration.unexpanded:
                checkpoint = Checkpoint(
                    Path(folder) / "kept", {"of": "oracle"}, every=0.0 if pieces % 2 else 60.0
                )
                asked = self.draw.between(1, 4) if pieces < 4 else 1 << 30
                budget: Any = _Times(asked)
                exploration = explore(
                    self.scenario,
                    budget=budget,
                    checkpoint=checkpoint,
                    starvation=True,
                    finals=True,
                    jobs=jobs,
                )
                pieces += 1
        self.seen["resumed"] += pieces > 1
        self._happened(seen, jobs, chunked=True)
        self._alike("resumed", exploration)

    @cached_property
    def chunk(self) -> int:
        """A size of chunks of which a level has several, but not thousands."""
        widest = max(Counter(self.truth.graph.depth).values())
        return max(1, (1, 2, 3, 7)[self.draw.below(4)], widest // 32)

    def _alike(self, way: str, exploration: Exploration) -> None:
        """That an array search came to what the machine says,
        and to the very witnesses of one thread.
        """
        self._explored(way, exploration)
        self._starving(way, exploration)
        if self._reference is not None:
            one, other = (
                [(told(f.finding), f.picks.picks) for f in e.found]
                for e in (exploration, self._reference)
            )
            self._same("witnesses", way, one, other)

    def _explored(self, way: str, exploration: Exploration, *, live: bool = True) -> None:
        truth, graph = self.truth, self.truth.graph
        self._same("states", way, exploration.states, len(graph.states))
        self._same("transitions", way, exploration.transitions, sum(map(len, graph.steps)))
        self._same("depth", way, exploration.depth, max(graph.depth))
        self._same("unexpanded", way, exploration.unexpanded, 0)
        momentary = [found for found in exploration.found if found.witness.lasso is None]
        lengths = {told(found.finding): len(found.picks.picks) for found in momentary}
        if self._same("findings", way, sorted(lengths), sorted(truth.findings)):
            self._same(
                "shortest lengths", way, sorted(lengths.items()), sorted(truth.findings.items())
            )
            expected = bool(truth.findings) or (live and bool(truth.livelocks))
            expected |= live and any(f.finding.kind == "starvation" for f in exploration.found)
            self._same("verdict", way, exploration.verdict is Verdict.FINDING, expected)
        for found in momentary:
            self._shows(way, found)
        self._finals(way, exploration)
        if live:
            self._locked(way, exploration)

    def _finals(self, way: str, exploration: Exploration) -> None:
        known = {name for state in exploration.final_states for name in state}
        graph = self.truth.graph
        finals = Counter(
            tuple(pair for pair in self.truth.named(at) if pair[0] in known) for at in graph.ends
        )
        engine = Counter(
            tuple((name, state[name]) for name in self.truth.machine.names if name in state)
            for state in exploration.final_states
        )
        self._same("final states", way, sorted(engine.items()), sorted(finals.items()))
        if exploration.final_states:
            left = {
                pair for at in graph.ends for pair in self.truth.named(at) if pair[0] not in known
            }
            self._same(
                "variables left out",
                way,
                sorted(left & {(name, str(v)) for name, v in left if v != "0" and v}),
                [],
            )

    def _shows(self, way: str, found: Found) -> None:
        """That the steps of a witness show what it was found for, at their end."""
        fact, graph = told(found.finding), self.truth.graph
        try:
            steps = graph.follow(found.picks.picks)
        except KeyError:
            self._same("witness", way, found.picks.picks, "cannot be followed")
            return
        shown = graph.shown[steps[-1][1] if steps else 0]
        shows = fact in shown or bool(steps and steps[-1][0].finding == fact)
        self._same(
            "witness shows its finding",
            way,
            (shows, _trace(found.witness)),
            (True, self._lines(steps)),
        )

    def _lines(self, steps: list[tuple[Step, int]]) -> list[tuple[str, str, str]]:
        return [
            (self.truth.machine.tasks[step.task], step.point, spell(step.result))
            for step, _ in steps
        ]

    # --- going round

    def _locked(self, way: str, exploration: Exploration) -> None:
        found = [one for one in exploration.found if one.finding.kind == "livelock"]
        self._rounds("livelock", way, found, self.truth.livelocks)

    def _starving(self, way: str, exploration: Exploration) -> None:
        found = [one for one in exploration.starving if one.finding.kind == "starvation"]
        self._rounds("starvation", way, found, self.truth.starvation)

    def _rounds(self, kind: str, way: str, found: list[Found], parts: list[liveness.Part]) -> None:
        """Who goes round, and how soon.

        A finding names tasks of which the definition is true, and every such task is named by one.
        Where nobody makes progress there is one finding for each set of them; else the engine looks
        task by task.
        """
        graph, names = self.truth.graph, [tuple(one.finding.where.split(",")) for one in found]
        engine = sorted({task for name in names for task in name})
        if not self._same(
            kind, way, engine, sorted({task for part in parts for task in part.tasks})
        ):
            return
        together = liveness.together(parts)
        if not liveness.has_progress(graph):
            self._same(
                f"{kind} together", way, sorted(names), sorted({part.tasks for part in together})
            )
        for one, name in zip(found, names, strict=True):
            stem = one.witness.lasso.stem if one.witness.lasso is not None else None
            whose = [part for part in together if name == part.tasks]
            sought = [[part for part in parts if task in part.tasks] for task in name]
            depths = [min(part.depth for part in those) for those in (whose, *sought) if those]
            self._same(f"{kind}: shortest stem", way, stem in depths or (stem, name, depths), True)
            self._same(f"{kind}: a loop", way, self._is_loop(one), True)

    def _is_loop(self, one: Found) -> object:
        """Whether a loop comes back to where it began, fairly, and nobody it names gets on.

        Else why not.
        """
        graph, lasso = self.truth.graph, one.witness.lasso
        steps = graph.follow(one.picks.picks)
        assert lasso is not None
        states = [0, *(to for _, to in steps)]
        loop, around = steps[lasso.stem :], states[lasso.stem : -1]
        if not loop or states[lasso.stem] != states[-1]:
            return "it does not come back"
        names = self.truth.machine.tasks
        able = [{step.task for step in graph.steps[at]} for at in around]
        unfair = sorted(set.intersection(*able) - {step.task for step, _ in loop})
        if unfair:
            return f"it is unfair to {names[unfair[0]]}"
        for task in one.finding.where.split(","):
            if task not in names:
                return f"no task is named {task}"
            place = names.index(task)
            if any(step.task == place and step.progress for step, _ in loop):
                return f"{task} makes progress"
            if (
                self.truth.machine.is_finished(graph.states[around[0]], place)
                or self.truth.machine.daemon[place]
            ):
                return f"{task} need not finish"
        return True

    # --- numbers

    def _counted(self, exploration: Exploration) -> None:
        truth, counts = self.truth, exploration.counts
        assert counts is not None
        graph = truth.bounded
        self._same("retries", "counting", counts.retries, truth.bound)
        if graph is None:
            return
        self.seen["counted"] += 1
        self._same("bounded states", "counting", counts.states, len(graph.states))
        self._same(
            "interleavings", "counting", counts.interleavings, numbers.interleavings(graph)[0]
        )
        if truth.classes is not None:
            self.seen["classes counted"] += 1
            self._same("classes", "counting", counts.classes, truth.classes.total)
        momentary = [found for found in exploration.found if found.reach is not None]
        least = numbers.fewest_preemptions(
            truth.graph, [told(found.finding) for found in momentary]
        )
        for found in momentary:
            self._reached(graph, found, least)

    def _reached(self, graph: Graph, found: Found, least: dict[Fact, tuple[int, int]]) -> None:
        truth, reach, fact, picks = self.truth, found.reach, told(found.finding), found.picks.picks
        assert reach is not None
        way = f"counting, {found.finding}"
        if fact not in least:
            return
        self.seen["findings counted"] += 1
        few = numbers.preemptions(truth.graph, reach.fewest.picks.picks)
        engine = reach.preemptions, len(reach.fewest.picks.picks), few
        self._same("fewest preemptions", way, engine, (*least[fact], least[fact][0]))
        self._shows(f"{way}, fewest", reach.fewest)
        self._same("preemptions", way, reach.preempted, numbers.preemptions(truth.graph, picks))
        self._same(
            "inevitable", way, reach.inevitable_at, numbers.inevitable_at(truth.graph, fact, picks)
        )
        self._same(
            "interleavings that pass", way, reach.interleavings, numbers.passing(graph, fact)
        )
        chance = numbers.odds(graph, fact)
        self._same("odds", way, reach.odds, chance[0])
        try:
            along = tuple(
                chance[at] for at in [0, *(to for _, to in graph.follow(picks))][:-1] or [0]
            )
        except KeyError:
            along = ()
        if reach.odds:
            self._same("odds along", way, reach.along, along)
        if truth.classes is not None:
            expected = truth.classes.passing(fact) if fact in graph.findings() else 0
            self._same("classes that pass", way, reach.classes, expected)

    def sampled(self) -> None:
        """Every interleaving and every class by its number: what uniform samples are drawn from."""
        graph, classes = self.truth.bounded, self.truth.classes
        if graph is None or classes is None:
            return
        self._same(
            "classes, reduced",
            "sampled",
            persistent_sets.count_traces(self.scenario, self.program.retries, 1 << 14),
            classes.total,
        )
        total = numbers.interleavings(graph)[0]
        if total > _RUNS:
            return
        _, runs, _ = explored(self.scenario, Counting(retries=self.program.retries))
        self.seen["sampled"] += 1
        every = {runs.run(number).picks for number in range(total)}
        ends = Counter(bool(graph.steps[_end(graph.follow(picks))]) for picks in every)
        self._same("runs by number", "sampled", (len(every), ends[True]), (total, 0))
        by_number = Sampled(runs)
        forms = {form_of(graph, by_number.run(number).picks) for number in range(classes.total)}
        self._same("classes by number", "sampled", forms == set(classes.ends), True)

    def unmerged(self) -> None:
        """Local states named by whole histories: more states, and the same findings,
        ends and lengths.
        """
        if self.truth.graph.is_retrying() or len(self.truth.graph.states) > _UNMERGED:
            return
        self.seen["unmerged"] += 1
        exploration = explore(self.scenario, merge=False, finals=True)
        lengths = {told(found.finding): len(found.picks.picks) for found in exploration.found}
        self._same(
            "findings of whole histories",
            "unmerged",
            sorted(lengths.items()),
            sorted(self.truth.findings.items()),
        )
        known = {name for state in exploration.final_states for name in state}
        engine = {tuple(sorted(state.items())) for state in exploration.final_states}
        ends = (dict(self.truth.named(at)) for at in self.truth.graph.ends)
        oracle = {
            tuple(sorted((name, value) for name, value in end.items() if name in known))
            for end in ends
        }
        self._same("ends of whole histories", "unmerged", sorted(engine), sorted(oracle))

    def numbering(self) -> None:
        """SCENARIO@N, for some N."""
        longest = max(self.truth.graph.depth) + 6
        numbering = Numbering(self.scenario)
        for number in (0, 1, self.draw.below(20), self.draw.below(400)):
            picks = numbers.numbered(self.truth.graph, number, longest)
            if picks is not None:
                self.seen["numbered"] += 1
                self._same("numbering", f"@{number}", numbering.picks(number).picks, picks)
                self._same("number of a run", f"@{number}", numbering.number(Picks(picks)), number)

    def valuations(self) -> None:
        """What variables hold together with where tasks stand, state by state."""
        product = Product(self.scenario, Automata())
        searched = frontier.Frontier(product)
        for _ in searched.levels():
            pass
        machine, graph = self.truth.machine, self.truth.graph
        engine: Counter[object] = Counter(
            self._valuation(product, searched.visited.state(i))
            for i in range(searched.visited.count)
        )
        oracle: Counter[object] = Counter(
            (
                tuple(pair for pair in self.truth.named(at) if pair[1] not in {"0", "", "no"}),
                tuple(machine.point(state, task) for task in range(len(machine.tasks))),
            )
            for at, state in enumerate(graph.states)
        )
        differ = sorted(map(repr, (engine - oracle) + (oracle - engine)))
        self._same("valuations", "array", differ[:4], [])

    def _valuation(self, product: Product, state: int) -> object:
        order = {name: i for i, name in enumerate(self.truth.machine.names)}
        cells = sorted(product.cells, key=lambda cell: order[cell.name])
        held = (
            (cell.name, spell(product.cell(state, cell)))
            for cell in cells
            if product.cell(state, cell) != cell.initial
        )
        locals_ = (product.local(state, task).operation for task in self.truth.machine.tasks)
        return tuple(held), tuple(
            None if operation is None else operation.point for operation in locals_
        )

    # --- runs

    def fuzz(self) -> None:
        """A few seeds under one strategy: what the batch says is what its runs, taken one by one,
        show the machine.
        """
        name = STRATEGIES[self.number % len(STRATEGIES)]
        try:
            runner = Runner(self.scenario, name, CUT)
            batch = runner.batch(0, SEEDS)
        except CountError:
            return
        self.seen[f"fuzzed by {name}"] += 1
        first: dict[Fact, tuple[int, int]] = {}
        count, steps, cut = Counter[Fact](), 0, 0
        for seed in range(SEEDS):
            picks = runner.picks(seed)
            way = self.truth.graph.follow(picks.picks)
            steps += len(way)
            end = way[-1][1] if way else 0
            cut += bool(self.truth.graph.steps[end])
            for fact, at in self._passed(way).items():
                first.setdefault(fact, (seed, at))
                count[fact] += 1
            if seed < 2:
                self._live(name, picks)
        engine = sorted(
            (told(one.finding), one.seed, one.steps, one.seeds) for one in batch.sightings
        )
        self._same(
            "sightings",
            name,
            engine,
            sorted((fact, *at, count[fact]) for fact, at in first.items()),
        )
        self._same("steps of a batch", name, (batch.steps, batch.cut), (steps, cut))
        if name == "walk":
            one, other = (
                trio_executor.run(self.scenario, RandomWalk(3), longest=CUT),
                runner.picks(3),
            )
            self._same("walk", name, _trace(one), self._lines(self.truth.graph.follow(other.picks)))

    def _passed(self, way: list[tuple[Step, int]]) -> dict[Fact, int]:
        """What a run shows, and after how many steps for the first time."""
        passed = dict.fromkeys(self.truth.graph.shown[0], 0)
        for at, (step, to) in enumerate(way, 1):
            for fact in (step.finding, *self.truth.graph.shown[to]):
                if fact is not None:
                    passed.setdefault(fact, at)
        return passed

    def _live(self, name: str, picks: Picks) -> None:
        """The same run under trio, and from its file."""
        way = self.truth.graph.follow(picks.picks)
        run = trio_executor.run(self.scenario, picks)
        self._same("trio", name, _trace(run), self._lines(way))
        self._same("trio finds", name, sorted(map(told, run.findings)), sorted(self._passed(way)))
        end = way[-1][1] if way else 0
        machine, state = self.truth.machine, self.truth.graph.states[end]
        left = tuple(
            task for i, task in enumerate(machine.tasks) if not machine.is_finished(state, i)
        )
        self._same("trio leaves", name, run.unfinished, left)
        held = dict(self.truth.named(end))
        self._same("trio's cells", name, run.cells, {cell: held[cell] for cell in run.cells})
        text = write(record(run, "oracle", FoundBy("oracle")))
        self._same("replay", name, replay(parse(text.encode()), self.scenario), run)
        self.seen["replayed"] += 1

    def shrink(self) -> None:
        """A run with a finding made small: still one, no larger,
        and as short as can be where it says so.
        """
        runner = Runner(self.scenario, "walk", CUT)
        sightings = runner.batch(0, 40).sightings
        if not sightings:
            return
        one = sightings[self.number % len(sightings)]
        picks = Picks(runner.picks(one.seed).picks)
        small = shrink(self.scenario, picks, one.finding, most=1 << 16)
        self.seen["shrunk"] += 1
        way, fact = self.truth.graph.follow(small.picks.picks), told(one.finding)
        self._same("shrunk shows its finding", "walk", self._passed(way).get(fact), len(way))
        before, after = (
            (
                len({task for task, _ in of.picks}),
                len(of.picks),
                numbers.preemptions(self.truth.graph, of.picks),
            )
            for of in (picks, small.picks)
        )
        self._same("shrunk is no larger", "walk", (after <= before, after), (True, after))
        if small.certainty is Certainty.SHORTEST:
            self.seen["shrunk with a proof"] += 1
            self._same("shrunk is shortest", "walk", after, _smallest(self.truth.graph, fact))


def _end(way: list[tuple[Step, int]]) -> int:
    """The state that a run ends in."""
    return way[-1][1] if way else 0


def _is_chained(rule: tuple[Any, ...]) -> bool:
    """Whether a property reads more than one cell, the second only by what the first one held."""
    return rule[0] == "staged" or rule[1][0] in {"and", "or", "pick"}


def _trace(run: Any) -> list[tuple[str, str, str]]:
    return [(step.task, step.point, step.saw) for step in run.steps]


def _smallest(graph: Graph, fact: Fact) -> tuple[int, int, int]:
    """Tasks, steps and preemptions of the smallest run that shows a finding: breadth first,
    set of tasks by set.
    """
    level: dict[tuple[int, frozenset[int], int], int] = {(0, frozenset(), -1): 0}
    best = (0, 0, 0) if fact in graph.shown[0] else (1 << 30, 0, 0)
    done = set(level)
    steps = 0
    while level and best != (0, 0, 0):
        steps += 1
        following: dict[tuple[int, frozenset[int], int], int] = {}
        for (at, tasks, last), preemptions in level.items():
            could = any(step.task == last for step in graph.steps[at])
            for step, to in zip(graph.steps[at], graph.after[at], strict=True):
                stepping, cost = tasks | {step.task}, preemptions + (could and step.task != last)
                if step.finding == fact or fact in graph.shown[to]:
                    best = min(best, (len(stepping), steps, cost))
                elif len(stepping) < best[0]:
                    key = (to, stepping, step.task)
                    if key not in done and cost < following.get(key, cost + 1):
                        following[key] = cost
        done.update(following)
        level = following
    return best


def compared(program: Program, graph: Graph, number: int) -> Comparison:
    """A program, compared in every way that is due for it."""
    comparison = Comparison(program, graph, number)
    comparison.run()
    return comparison
