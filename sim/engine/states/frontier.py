"""Breadth-first levels by the array: every state of a level takes every step it can.

States are numbered in the order in which they are found, so a level is a range of numbers. It is
gone through by chunks, and nothing of a chunk is kept before all of it has been computed: a field
that runs out of bits in the middle (`Widen`) makes the chunk start over, after every state so far
has been given the new form.

Several processes share the work where they are asked to and there is enough of it. What some of
them ask anew is learned by one, chunk by chunk, and told to the others. So what is learned, in
which order, and which number a state gets, does not depend on how many processes there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from sim.engine.arrays import U32, U64, Index
from sim.engine.model.errors import Deserted
from sim.engine.model.operations import HALTED, Finding
from sim.engine.states.product import WORD, LogEntry, Product, Widen
from sim.engine.states.successors import ChunkResult, Flag, Successors
from sim.engine.states.tables import (
    LearnedAnswer,
    LocalSet,
    MoveSet,
    PendingQuery,
    Table,
    numbers_of,
)
from sim.engine.states.visited import Candidates, Visited, keep_freed_memory, reserved

if TYPE_CHECKING:
    from sim.engine.states.forked import ForkedWorkers, PhaseWork

_CHUNK = 1 << 16
COMPILED_FROM = 1 << 21
"""States from which on compiled loops pay for being loaded, which takes half a second."""
_EACH = 8
"""Chunks that one process of a crew takes on at once."""


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


class _Scratch:
    """What a crew writes about its candidates for all to see."""

    def __init__(self) -> None:
        self.hashed, self.before = reserved(np.uint64), reserved(np.int64)
        self.number, self.new = reserved(np.uint32), reserved(np.bool_)

    def put(self, visited: Visited, batch: Candidates, start: int) -> None:
        visited.write(batch, start)
        self.hashed[start : start + len(batch)] = batch.hashed
        self.before[start : start + len(batch)] = batch.before


@cache
def _has_compiler() -> bool:
    """Whether numba is installed: without it an exploration is slower, and no different."""
    return find_spec("numba") is not None


class Frontier:
    """An exploration, level by level, by `jobs` processes.

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
        self.visited.keep(
            Candidates(
                [np.zeros(1, np.uint64) for _ in range(product.words)], np.zeros(1, np.int64)
            )
        )
        self.transitions = 0
        self.flags: dict[Finding, Flag] = {}
        self.stuck: list[Index] = []
        self.deadlocked: list[Index] = []
        self.tops: list[Index] = []
        self.moves: dict[str, MoveSet] = {task.name: {} for task in product.scenario.tasks}
        self.waits: dict[str, LocalSet] = {task.name: {} for task in product.scenario.tasks}
        self.tables = self._new_tables()
        self._scratch = _Scratch()
        self._crew: ForkedWorkers | None = None
        self._era = self._told = 0

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
        finally:
            self.dismiss()

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
            except Deserted:
                self.dismiss()
                self.visited.reindex()
                break
        return all(self._alone(chunk) for chunk in chunks)

    def _alone(self, chunk: range) -> bool:
        steps = self._learned(chunk)
        if len(steps.batch) > self.visited.room:
            return False
        self._note(steps.outcome(self._keep(steps.batch), tops=self._want_tops))
        return True

    def _together(self, chunks: list[range]) -> bool:
        """The same by a crew, which learns, writes, looks up and settles phase by phase."""
        self._meet()
        if self.visited.grow(self.visited.count + 2 * sum(map(len, chunks))):
            self._crew_now().send(None)
        crew, scratch = self._crew_now(), self._scratch
        for asks in self._in_turn(
            chunks, crew.send((chunks, self.visited.count, self._tail(), self._news()))
        ):
            self._learn(asks)
        sizes = self._in_turn(chunks, crew.send(self._news()))
        *starts, size = [0, *accumulate(sizes)]
        if size > self.visited.room:
            return False
        if self.visited.grow(self.visited.count + size):
            self._crew_now().send(None)
            return self._together(chunks)
        scratch.new[:size] = False
        crew.send(starts)
        crew.send(size)
        kept = self.visited.count_in(scratch.new[:size], scratch.number)
        outcomes = crew.send(None)
        self.visited.move(kept, scratch.before[:size])
        for outcome in self._in_turn(chunks, outcomes):
            self._note(outcome)
        return True

    def _crew_now(self) -> ForkedWorkers:
        """The crew, or a new one where the old one would not see what has become of the arrays."""
        if self._crew is None or self._era != self.visited.era:
            from sim.engine.states.forked import ForkedWorkers  # noqa: PLC0415 - one process alone starts without multiprocessing

            self.dismiss()
            self._tail()
            self._news()
            self._crew, self._era = ForkedWorkers(self._jobs, self._share), self.visited.era
        return self._crew

    def dismiss(self) -> None:
        """Let the crew go, if there is one."""
        if self._crew is not None:
            self._crew.dismiss()
            self._crew = None

    def _tail(self) -> list[LogEntry]:
        """What has been numbered since the last time."""
        told, self._told = self._told, len(self.product.log)
        return self.product.log[told:]

    def _news(self) -> list[list[LearnedAnswer]]:
        """What has been learned since the last time, by task."""
        news = [list(table.news) for table in self.tables]
        for table in self.tables:
            table.news.clear()
        return news

    def _catch_up(self, tail: list[LogEntry], news: list[list[LearnedAnswer]]) -> None:
        """In another process: number and learn what this one has."""
        self.product.replay_log([*self.product.log, *tail], self._look)
        self._meet()
        for table, more in zip(self.tables, news, strict=True):
            table.catch_up(more)

    def _look(self, state: int) -> None:
        for prop in self.product.scenario.properties:
            prop.holds(lambda cell: self.product.cell(state, cell))

    def _in_turn(self, chunks: list[range], said: list[list[Any]]) -> list[Any]:
        """What each of a crew has said of its chunks, in the order of chunks."""
        return [said[i % self._jobs][i // self._jobs] for i in range(len(chunks))]

    def _share(self, number: int) -> PhaseWork:
        """One process's share of each batch: every so many-th chunk, and one part of the index.

        That part is what None asks to fill.
        """
        visited, scratch, said = self.visited, self._scratch, None
        while True:
            batch = yield said
            if batch is None:
                visited.fill(number)
                continue
            chunks, count, tail, news = batch
            if number:
                visited.count = count
                self._catch_up(tail, news)
            every = [self._steps(chunk) for chunk in chunks[number :: self._jobs]]
            news = yield [steps.asks() for steps in every]
            if number:
                self._catch_up([], news)
            for steps in every:
                steps.close()
            starts = (yield [len(steps.batch) for steps in every])[number :: self._jobs]
            for steps, start in zip(every, starts, strict=True):
                scratch.put(visited, steps.batch, start)
            size = yield None
            claim = visited.place(number, scratch.hashed[:size], scratch.number)
            scratch.new[claim.candidates] = True
            yield None
            visited.settle(claim, scratch.number)
            said = [
                steps.outcome(scratch.number[start:], tops=self._want_tops)
                for steps, start in zip(every, starts, strict=True)
            ]

    def _learn(self, asks: list[PendingQuery]) -> None:
        for task, asked, state in asks:
            self.tables[task].ask(asked, state)

    def _note(self, outcome: ChunkResult) -> None:
        self.transitions += outcome.transitions
        self.stuck.append(outcome.stuck)
        self.deadlocked.append(outcome.deadlocked)
        self.tops.append(outcome.tops)
        for flag in outcome.flags:
            self.flags.setdefault(flag.finding, flag)

    def _learned(self, chunk: range) -> Successors:
        """All steps out of a chunk, learned where need be."""
        while True:
            layout = self.product.fields_now
            try:
                self._meet()
                steps = self._steps(chunk)
                self._learn(steps.asks())
            except Widen:
                self._lay_out_anew(layout)
            else:
                steps.close()
                return steps

    def _meet(self) -> None:
        """Give every local state so far its place in the tables,
        and every state the words that this takes.
        """
        for table in self.tables:
            if table.is_behind:
                table.meet()
        self.visited.widen(self.product.words)
        for table in self.tables:
            table.widen(self.product.words)

    def _steps(self, chunk: range) -> Successors:
        return self._steps_from(
            [word[chunk.start : chunk.stop] for word in self.visited.words], chunk.start
        )

    def _steps_from(self, words: list[U64], low: int, *, keeps_rows: bool = False) -> Successors:
        steps = self._successors(words, low, keeps_rows=keeps_rows)
        halted = self.product.field(HALTED)
        running = numbers_of(halted, steps.words) == 0 if len(halted.values) > 1 else None
        for table in self.tables:
            steps.take(table, running)
        return steps

    def _successors(self, words: list[U64], low: int, *, keeps_rows: bool) -> Successors:
        """What takes the steps out of a chunk: numpy, or compiled loops for many states."""
        if self._jobs > 1 or self.visited.count < COMPILED_FROM or not _has_compiler():
            return Successors(words, low)
        from sim.engine.states.compiled_successors import CompiledSuccessors  # noqa: PLC0415 - numba, for what is large

        return CompiledSuccessors(words, low, keeps_rows=keeps_rows)

    def _keep(self, batch: Candidates) -> U32:
        """Number those that are new; a batch of compiled loops has a loop for that."""
        return batch.kept_in(self.visited)

    def edges(self, numbers: Index) -> Edges:
        """All steps out of some states, once every state has been visited."""
        self._meet()
        words = [word.take(numbers) for word in self.visited.words]
        steps = self._steps_from(words, 0, keeps_rows=True)
        self._learn(steps.asks())
        row = steps.finish()
        steps.close()
        task = np.repeat(
            np.arange(len(self.tables)), [steps.taken[table.task] for table in self.tables]
        )
        return Edges(
            steps.batch.from_,
            task,
            self.visited.find(steps.batch.words).take(steps.batch.places()),
            row,
        )

    def _lay_out_anew(self, layout: tuple[tuple[int, int], ...]) -> None:
        """Give every field the bits it wants, and every state so far the new form."""
        product, visited = self.product, self.visited
        product.layout()
        words = [np.zeros(visited.count, np.uint64) for _ in range(product.words)]
        # what came since is 0 everywhere
        for field, (shift, bits) in zip(product.fields, layout, strict=False):
            was = visited.words[shift // WORD][: visited.count] >> np.uint64(shift % WORD)
            words[field.shift // WORD] |= (was & np.uint64((1 << bits) - 1)) << np.uint64(
                field.shift % WORD
            )
        visited.replace(words)
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
        words = [word.take(numbers) for word in self.visited.words]
        standing = np.stack([numbers_of(table.field, words) for table in self.tables])
        first: Index = np.sort(np.unique(standing, axis=1, return_index=True)[1])
        return [int(number) for number in numbers.take(first)]
