"""Breadth-first levels by the array: every state of a level takes every step it can.

States are numbered in the order in which they are found, so a level is a range of numbers. It is
gone through by chunks, and nothing of a chunk is kept before all of it has been computed: a field
that runs out of bits in the middle (`Widen`) makes the chunk start over, after every state so far
has been given the new form.

Several threads share the work where they are asked to and there is enough of it. First they look up
all answers. Then one thread learns those that are missing, chunk by chunk. Then all of them take
the steps. So the number of threads changes neither what is learned, nor in which order, nor which
number a state gets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, TypeVar

import attrs
import numpy as np

from sim.engine.arrays import U64, Index
from sim.engine.model.operations import HALTED, Finding
from sim.engine.states.loops import MOVE, Candidates
from sim.engine.states.product import WORD, Product, Widen
from sim.engine.states.successors import ChunkResult, Flag, Successors
from sim.engine.states.tables import LocalSet, MoveSet, PendingQuery, Table, numbers_of
from sim.engine.states.visited import Claims, Visited, keep_freed_memory

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

A = TypeVar("A")
B = TypeVar("B")

_CHUNK = 1 << 16
_MANY = 1 << 23
"""States from which on fields are packed: by then few of them gain values."""
_EACH = 4
"""Chunks that one of several threads takes on at once."""


@attrs.frozen
class Edges:
    """Steps out of some states, task by task: the position of the state that each leaves,
    and the number of the next.

    `row` is the row in the task's table. The steps of a task out of one state come in the order of
    its outcomes.
    """

    before: Index
    task: Index
    after: Index
    row: Index


class Frontier:
    """An exploration, level by level, by `jobs` threads.

    `flags` has the first transition that shows each finding, `stuck` the numbers of states in which
    nobody can step, `deadlocked` of those in which a task that should finish has not, and `tops` of
    those that step, but only to states with numbers no higher than their own. `moves` has, per
    task, from which of its local states it has been seen to step to which, and `waits` in which it
    has been seen to wait. `stop` is asked before every chunk of a level, with the bytes that its
    states may take; once it says so, the exploration is over, and `unexpanded` states are left. It
    has come to state `at` of `level`.
    """

    def __init__(
        self,
        product: Product,
        stop: Callable[[int], bool] = lambda _bytes: False,
        jobs: int = 1,
        *,
        want_tops: bool = True,
    ) -> None:
        self.product, self._want_tops = product, want_tops
        self._stop, self._jobs = stop, jobs
        self.level, self.at, self.unexpanded = range(1), 0, 0
        product.layout()
        keep_freed_memory()
        self.visited = Visited(product.words, jobs)
        first = np.zeros((1, product.words), np.uint64)
        self.visited.keep(Candidates.of(first, np.zeros(1, np.uint32)))
        self.transitions = 0
        self.flags: dict[Finding, Flag] = {}
        self.stuck: list[Index] = []
        self.deadlocked: list[Index] = []
        self.tops: list[Index] = []
        self.moves: dict[str, MoveSet] = {task.name: {} for task in product.scenario.tasks}
        self.waits: dict[str, LocalSet] = {task.name: {} for task in product.scenario.tasks}
        self.tables = self._new_tables()
        self._threads: ThreadPoolExecutor | None = None
        self._every = Candidates.room(0, product.words)

    def _new_tables(self) -> list[Table]:
        tasks = enumerate(self.product.scenario.tasks)
        return [
            Table(self.product, i, self.moves[task.name], self.waits[task.name])
            for i, task in tasks
        ]

    def levels(self) -> Iterator[range]:
        """The numbers of each level's states; the next level is found when it is asked for.

        One that goes on in the middle of a level does not give that one again.
        """
        if not self.at:
            yield self.level
        try:
            while self.level and self._is_expanded():
                self.level = range(self.level.stop, self.visited.count)
                if self.level:
                    yield self.level
                    self._pack_once()
        finally:
            self.dismiss()

    def _pack_once(self) -> None:
        """Once there are many states, see to it that each takes no more memory than it needs.

        That is between two levels, as levels are the same however many threads there are.
        """
        if not self.product.is_packed and self.visited.count >= _MANY:
            self._pack()

    def _is_expanded(self) -> bool:
        """Take all steps out of the rest of this level.

        False if that is not to be, or finds no room.
        """
        while self.at < self.level.stop:
            upto = min(self.level.stop, self.at + self._most)
            chunks = [range(at, min(upto, at + _CHUNK)) for at in range(self.at, upto, _CHUNK)]
            if self._stop(self.visited.growth(self._most * len(self.tables))) or not self._expand(
                chunks
            ):
                self.unexpanded = self.visited.count - self.at
                return False
            self.at = upto
        return True

    @property
    def _most(self) -> int:
        """States that are taken on at once."""
        return _CHUNK if self._jobs == 1 else _CHUNK * _EACH * self._jobs

    def _expand(self, chunks: list[range]) -> bool:
        """Take all steps out of some chunks; False: the rest of them finds no room."""
        while len(chunks) >= self._jobs > 1:
            layout = self.product.fields_now
            try:
                return self._together(chunks)
            except Widen:
                self._lay_out_anew(layout)
        return all(self._alone(chunk) for chunk in chunks)

    def _alone(self, chunk: range) -> bool:
        while True:
            layout = self.product.fields_now
            try:
                self._meet()
                steps = self._steps(chunk)
                self._learn(steps.asks())
            except Widen:
                self._lay_out_anew(layout)
            else:
                break
        count = steps.count()
        if count > self.visited.room:
            return False
        batch = self._place(count)
        steps.take(batch)
        is_top = steps.tops() if self._want_tops else None
        self.visited.keep_steps(batch, chunk.start, is_top)
        self._note(steps.outcome(is_top))
        return True

    def _together(self, chunks: list[range]) -> bool:
        """The same by several threads, phase by phase. Raises Widen."""
        self._meet()
        every = self._by_threads(self._steps, chunks)
        for steps in every:
            self._learn(steps.asks())
        counts = self._by_threads(Successors.count, every)
        starts = list(accumulate(counts, initial=0))
        if starts[-1] > self.visited.room:
            return False
        batch = self._place(starts[-1])
        spans = [range(*pair) for pair in pairwise(starts)]

        def take(work: tuple[Successors, range]) -> None:
            steps, span = work
            steps.take(batch.part(span))

        self._by_threads(take, zip(every, spans, strict=True))
        batch.struct.count = starts[-1]
        firsts = self._number(every, batch, spans)
        self.visited.struct.count = firsts[-1]
        return True

    def _number(self, every: list[Successors], batch: Candidates, spans: list[range]) -> list[int]:
        """Number the candidates of some chunks by several threads, and note what came of them.

        Gives the number that each chunk's first new state has, and how many states there are then.
        """
        visited = self.visited
        parts = range(visited.parts)
        if visited.grow(visited.count + len(batch)):
            self._by_threads(visited.fill, parts)
        number, final, places = (np.empty(len(batch), np.uint32) for _ in range(3))
        split = self._by_threads(lambda span: visited.split(batch, span, places), spans)

        def claim(part: int) -> Claims:
            return visited.claim(part, batch, places, [of[part] for of in split], number)

        claims = self._by_threads(claim, parts)
        news = map(sum, zip(*(claimed.many for claimed in claims), strict=True))
        firsts = list(accumulate(news, initial=visited.count))

        def settle(work: tuple[Successors, range, int]) -> None:
            steps, span, first = work
            visited.settle(batch, number, span, steps.low, first, final)

        def outcome(work: tuple[Successors, range]) -> ChunkResult:
            steps, span = work
            if not self._want_tops:
                return steps.outcome(None)
            is_top = steps.tops()
            visited.not_tops(batch, number, span, steps.low, final, is_top)
            return steps.outcome(is_top)

        self._by_threads(settle, zip(every, spans, firsts[:-1], strict=True))
        self._by_threads(lambda claimed: visited.enter(claimed, final), claims)
        for came in self._by_threads(outcome, zip(every, spans, strict=True)):
            self._note(came)
        return firsts

    def _by_threads(self, function: Callable[[A], B], of: Iterable[A]) -> list[B]:
        """What a function gives for each of these, in their order."""
        if self._threads is None:
            from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - one thread alone starts without it

            self._threads = ThreadPoolExecutor(self._jobs)
        return list(self._threads.map(function, of))

    def dismiss(self) -> None:
        """Let the threads go, if there are any."""
        if self._threads is not None:
            self._threads.shutdown()
            self._threads = None

    def _place(self, count: int) -> Candidates:
        """Room for so many candidates. The next call gives the same room again."""
        words = self.product.words
        if self._every.states.shape[1] != words or len(self._every.states) < count:
            self._every = Candidates.room(count + count // 4, words)
        self._every.struct.count = 0
        return self._every

    def _learn(self, asks: list[PendingQuery]) -> None:
        for task, asked, state in asks:
            self.tables[task].ask(asked, state)
        for table in self.tables:
            table.ready()

    def _note(self, outcome: ChunkResult) -> None:
        self.transitions += outcome.transitions
        self.stuck.append(outcome.stuck)
        self.deadlocked.append(outcome.deadlocked)
        self.tops.append(outcome.tops)
        for flag in outcome.flags:
            self.flags.setdefault(flag.finding, flag)

    def _meet(self) -> None:
        """Give every local state so far its place in the tables,
        and every state the words that this takes.
        """
        for table in self.tables:
            if not table.has_met_all:
                table.meet()
        self.visited.widen(self.product.words)
        for table in self.tables:
            table.widen(self.product.words)
            table.ready()

    def _steps(self, chunk: range) -> Successors:
        return self._steps_from(self.visited.rows(chunk), chunk.start)

    def _steps_from(self, states: U64, low: int) -> Successors:
        halted = self.product.field(HALTED)
        running = numbers_of(halted, states) == 0 if len(halted.values) > 1 else None
        return Successors(self.tables, states, low, running)

    def edges(self, numbers: Index) -> Edges:
        """All steps out of some states, once every state has been visited."""
        self._meet()
        steps = self._steps_from(self.visited.take(numbers), 0)
        self._learn(steps.asks())
        batch = steps.taken_alone(rows=True)
        return Edges(
            batch.before.astype(np.int64),
            np.repeat(np.arange(len(self.tables)), steps.taken),
            self.visited.find(batch.states),
            batch.rows.astype(np.int64),
        )

    def _lay_out_anew(self, layout: tuple[tuple[int, int], ...]) -> None:
        """Give every field the bits it wants, and every state so far the new form."""
        self.product.layout()
        self._move(layout)

    def _pack(self) -> None:
        """Give every field the bits that it needs, if that takes a word from a state."""
        layout = self.product.fields_now
        if self.product.pack():
            self._move(layout)

    def _move(self, layout: tuple[tuple[int, int], ...]) -> None:
        """Give every state so far the form that fields have now; `layout` is the one before."""
        # fields that came since are 0 everywhere
        moves = [
            (
                shift // WORD,
                field.shift // WORD,
                shift % WORD,
                field.shift % WORD,
                (1 << min(bits, field.bits)) - 1,
            )
            for field, (shift, bits) in zip(self.product.fields, layout, strict=False)
        ]
        self.visited.lay_out(self.product.words, np.array(moves, MOVE))
        self.tables = self._new_tables()

    def way(self, number: int) -> list[int]:
        """The numbers of the states on a shortest way to a state, from the first one on."""
        way = [number]
        while way[-1]:
            way.append(int(self.visited.before[way[-1]]))
        return way[::-1]

    def deadlocked_once(self) -> list[int]:
        """Of the deadlocked states that came since the last call,
        one for each way in which the tasks stand.
        """
        numbers = np.concatenate([*self.deadlocked, np.zeros(0, np.int64)])
        self.deadlocked.clear()
        if not len(numbers):
            return []
        states = self.visited.take(numbers)
        standing = np.stack([numbers_of(table.field, states) for table in self.tables])
        first: Index = np.sort(np.unique(standing, axis=1, return_index=True)[1])
        return [int(number) for number in numbers.take(first)]
