"""Breadth-first levels by the array: every state of a level takes every step it can, in a handful of numpy calls.

`sim.engine.product` knows what a task may do in a state; this file asks it once per distinct question, and from then on
looks the answer up for thousands of states at a time. A question is a task's local state and the values of its
operation's footprint. States whose operations have the same footprint are handled together: the footprint's fields,
shifted side by side, index a dense table of answers, and an answer is one row or several of 64-bit numbers to add, one
number per word of a state.

States are numbered in the order in which they are found, so a level is a range of numbers. Nothing of a chunk is kept
before all of it has been computed: a field that runs out of bits in the middle (`Widen`) makes the chunk start over,
after every state so far has been given the new form.

Several processes share the work where they are asked to and there is enough of it. Whatever has been learned, they only
read: a chunk that asks something new is left to one of them, in its turn. So what is learned, in which order, and which
number a state gets, does not depend on how many processes there are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import accumulate, count
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from sim.engine.crew import Crew, Deserted, Work
from sim.engine.operations import HALTED, Finding
from sim.engine.product import WORD, Deed, Field, Product, Widen
from sim.engine.visited import U32, U64, Batch, Index, Mask, Visited, keep_freed_memory, reserved

_CHUNK = 1 << 16
_EACH = 8
"""Chunks that one process of a crew takes on at once."""
_WIDEST = 16
_ASK = -1
_MASK = (1 << WORD) - 1
_NONE: Index = np.empty(0, np.int64)
_NO_WORDS: U64 = np.empty(0, np.uint64)


Asked = int | tuple[int, ...]
"""A question: its number, or for a wide footprint the local state and the values."""

Row = tuple[tuple[int, ...], Finding | None]
"""One outcome of an answer: what to add to each word of a state, and what it shows."""

Ask = tuple[int, Asked, int]
"""A question, the number of the task that asks it, and a state in which it does."""

News = tuple[Asked, int, list[Row]]
"""A question that has been answered, its number, and the outcomes."""

Locals = dict[int, None]
Moves = dict[tuple[int, int], None]


@attrs.frozen
class Edges:
    """Steps out of some states: the position of the state that each leaves, the task, and the number of the next."""

    before: Index
    task: Index
    after: Index


@attrs.frozen
class Flag:
    """A transition that shows a finding: the number of the state it leaves, the task, and which of its outcomes."""

    state: int
    task: str
    outcome: int
    finding: Finding


def numbers_of(field: Field, words: list[U64]) -> U64:
    """A field's numbers in many states."""
    return (words[field.shift // WORD] >> np.uint64(field.shift % WORD)) & np.uint64(field.mask)


def _room(array: npt.NDArray[Any], size: int, fill: int = 0) -> npt.NDArray[Any]:
    """The array itself where it is long enough, else one that is twice as long."""
    if size <= len(array):
        return array
    longer = np.full(max(size, 2 * len(array)), fill, array.dtype)
    longer[: len(array)] = array
    return longer


def _difference(state: int, delta: int, words: int) -> tuple[int, ...]:
    """What to add to each word of a state."""
    return tuple(((state + delta >> WORD * i) - (state >> WORD * i)) & _MASK for i in range(words))


def _is_wide(fields: tuple[Field, ...]) -> bool:
    """Whether a footprint has too many valuations to set a place aside for each."""
    return sum(field.bits for field in fields) > _WIDEST


class _Table:
    """What one task may do: its local states, the questions they ask, and the answers so far.

    `shape[local]` numbers the footprint of a local state's operation (0: it has finished), `base[local]` is where its
    questions begin, `answer[question]` is 0 for nothing, or a number whose outcomes are the rows from `first` on.
    """

    def __init__(self, product: Product, number: int, moves: Moves, waits: Locals) -> None:
        task = product.scenario.tasks[number]
        self.product, self.place, self.task, self.daemon = product, number, task.name, task.daemon
        self.moves, self.waits = moves, waits
        self.field = product.local_field(task.name)
        self.shapes: list[tuple[Field, ...]] = [()]
        self._numbers: dict[tuple[Field, ...], int] = {(): 0}
        self.shape = np.full(64, _ASK, np.int16)
        self.base = np.zeros(64, np.int64)
        self.answer = np.full(256, _ASK, np.int32)
        self._met = 0
        self._questions = 1
        self._wide: dict[tuple[int, ...], int] = {}
        self.first = np.zeros(64, np.int64)
        self.outcomes = np.zeros(64, np.int64)
        self._answers = 1
        self.deltas: list[U64] = [np.zeros(64, np.uint64) for _ in range(product.words)]
        self.flagged = np.zeros(64, np.bool_)
        self.findings: list[Finding | None] = []
        self.flags = self.choices = 0
        self.news: list[News] = []

    @property
    def is_behind(self) -> bool:
        """Whether there are local states that it has not met."""
        return self._met < len(self.field.values)

    def meet(self) -> None:
        """Learn what every local state so far asks about."""
        self.shape = _room(self.shape, len(self.field.values), _ASK)
        self.base = _room(self.base, len(self.field.values))
        for local in range(self._met, len(self.field.values)):
            self._meet(local)
        self._met = len(self.field.values)

    def _meet(self, local: int) -> None:
        fields = self.product.footprint(self.task, local)
        if fields is None:
            self.shape[local] = 0
            return
        number = self._numbers.setdefault((self.field, *fields), len(self.shapes))
        if number == len(self.shapes):
            self.shapes.append(fields)
        self.shape[local], self.base[local] = number, self._questions
        if not _is_wide(fields):
            self._questions += 1 << sum(field.bits for field in fields)
            self.answer = _room(self.answer, self._questions, _ASK)

    def questions(self, local: Index, values: list[U64], fields: tuple[Field, ...]) -> Index:
        """The question that each state asks, from its local state and the values of that one's footprint.

        0, which nobody answers, is a question of a wide footprint that has no number yet.
        """
        if _is_wide(fields):
            asked, which = np.unique(np.stack([local, *values]).astype(np.int64), axis=1, return_inverse=True)
            numbers = [self._wide.get(tuple(column), 0) for column in asked.T.tolist()]
            return np.array(numbers, np.int64).take(which.reshape(-1))
        question, bits = self.base.take(local), 0
        for field, value in zip(fields, values, strict=True):
            question += (value << np.uint64(bits)).view(np.int64)
            bits += field.bits
        return question

    def ask(self, asked: Asked, state: int) -> None:
        """Learn the answer to a question, if it is not known, from a state that asks it."""
        question = asked if isinstance(asked, int) else self._wide.setdefault(asked, self._questions)
        if question == self._questions:
            self._questions += 1
            self.answer = _room(self.answer, self._questions, _ASK)
        if self.answer[question] != _ASK:
            return
        answer = self.product.answer(self.task, state)
        local = (state >> self.field.shift) & self.field.mask
        for delta, _ in answer:
            self.moves[local, (state + delta >> self.field.shift) & self.field.mask] = None
        if not answer:
            self.waits[local] = None
        rows = [(_difference(state, delta, len(self.deltas)), finding) for delta, finding in answer]
        self.news.append((asked, question, rows))
        self._enter(question, rows)

    def catch_up(self, news: list[News]) -> None:
        """Take over what another process has learned."""
        for asked, question, rows in news:
            if not isinstance(asked, int):
                self._wide[asked] = question
            self.answer = _room(self.answer, question + 1, _ASK)
            self._enter(question, rows)

    def _enter(self, question: int, rows: list[Row]) -> None:
        if not rows:
            self.answer[question] = 0
            return
        number, self._answers = self._answers, self._answers + 1
        self.first, self.outcomes = _room(self.first, number + 1), _room(self.outcomes, number + 1)
        self.first[number], self.outcomes[number] = len(self.findings), len(rows)
        self.choices += len(rows) > 1
        for delta, finding in rows:
            row = len(self.findings)
            self.findings.append(finding)
            self.flags += finding is not None
            self.flagged = _room(self.flagged, row + 1)
            self.flagged[row] = finding is not None
            self.deltas = [_room(column, row + 1) for column in self.deltas]
            for column, part in zip(self.deltas, delta, strict=True):
                column[row] = part
        self.answer[question] = number

    def widen(self, words: int) -> None:
        while len(self.deltas) < words:
            self.deltas.append(np.zeros(len(self.flagged), np.uint64))


@attrs.frozen
class _Outcome:
    """What came of the steps out of one chunk, but for the states themselves."""

    transitions: int
    stuck: Index
    deadlocked: Index
    tops: Index
    flags: list[Flag]


class _Group:
    """States of a chunk in which one task stands before an operation with the same footprint, and its steps there."""

    def __init__(self, table: _Table, states: Index, local: Index, words: list[U64], number: int) -> None:
        self.table, self.states, self._local, self._fields = table, states, local, table.shapes[number]
        self._here = [word.take(states) for word in words]
        self.before: list[Index] = []
        self.after: list[list[U64]] = []
        self.flags: list[tuple[int, int, Finding]] = []
        self.able: Index = _NONE

    def asks(self) -> list[tuple[Asked, int]]:
        """What nobody has asked before, each with a state that asks it."""
        values = [numbers_of(field, self._here) for field in self._fields]
        question = self.table.questions(self._local, values, self._fields)
        unknown = np.flatnonzero(self.table.answer.take(question) == _ASK)
        if not _is_wide(self._fields):
            asked, first = np.unique(question[unknown], return_index=True)
            return [(int(q), _joined(self._here, int(unknown[at]))) for q, at in zip(asked, first, strict=True)]
        wide = np.stack([self._local, *values]).astype(np.int64)[:, unknown]
        asked, first = np.unique(wide, axis=1, return_index=True)
        return [
            (tuple(column), _joined(self._here, int(unknown[at])))
            for column, at in zip(asked.T.tolist(), first, strict=True)
        ]

    def take(self) -> bool:
        """Take all steps, if all that they ask has been answered."""
        table = self.table
        values = [numbers_of(field, self._here) for field in self._fields]
        answer = table.answer.take(table.questions(self._local, values, self._fields))
        able = np.flatnonzero(answer)
        if len(able) < len(answer):
            answer = answer.take(able)
        if len(answer) and answer.min() == _ASK:
            return False
        self.able = self.states.take(able)
        if len(able):
            self._step(self.able, [word.take(able) for word in self._here], answer)
        self._here.clear()
        return True

    def _step(self, states: Index, here: list[U64], answer: npt.NDArray[np.int32]) -> None:
        table = self.table
        row, left = table.first.take(answer), table.outcomes.take(answer)
        for outcome in count():
            self.before.append(states)
            self.after.append([word + column.take(row) for word, column in zip(here, table.deltas, strict=True)])
            if table.flags:
                flagged = np.flatnonzero(table.flagged.take(row))
                for shown, at in zip(*np.unique(row[flagged], return_index=True), strict=True):
                    finding = table.findings[shown]
                    if finding is not None:
                        self.flags.append((int(states[flagged[at]]), outcome, finding))
            more = np.flatnonzero(left > 1) if table.choices else _NONE
            if not len(more):
                return
            states, here = states[more], [word[more] for word in here]
            row, left = row[more] + 1, left[more] - 1


class _Steps:
    """All steps out of one chunk of a level."""

    batch: Batch

    def __init__(self, words: list[U64], low: int) -> None:
        self.low, self.words = low, words
        self.alone = np.ones(len(words[0]), np.bool_)
        self.done = np.ones(len(words[0]), np.bool_)
        self._groups: list[_Group] = []
        self.unknown: list[_Group] = []
        self.taken: Counter[str] = Counter()
        self.flags: list[Flag] = []

    def take(self, table: _Table, running: Mask | None) -> None:
        """Let one task take its steps, in the states that are `running` (None: all of them)."""
        local = numbers_of(table.field, self.words).view(np.int64)
        shape = table.shape.take(local)
        if not table.daemon:
            self.done &= shape == 0
        if running is not None:
            shape = np.where(running, shape, 0)
            self.done |= ~running
        order = np.argsort(shape.astype(np.uint8) if len(table.shapes) < 1 << 8 else shape, kind="stable")
        ends = np.cumsum(np.bincount(shape, minlength=len(table.shapes)))
        for number in np.flatnonzero(np.diff(ends, prepend=0)):
            if number:
                states = order[ends[number - 1] : ends[number]]
                group = _Group(table, states, local.take(states), self.words, int(number))
                self._groups.append(group)
                if not group.take():
                    self.unknown.append(group)

    def asks(self) -> list[Ask]:
        """What nobody has asked before."""
        return [(group.table.place, asked, state) for group in self.unknown for asked, state in group.asks()]

    def close(self) -> None:
        """Take what steps are left, and make all of them candidates."""
        for group in self.unknown:
            group.take()
        before, after = [_NONE], [[_NO_WORDS] for _ in self.words]
        for group in self._groups:
            self.taken[group.table.task] += sum(map(len, group.before))
            self.alone[group.able] = False
            before += group.before
            for step in group.after:
                for mine, theirs in zip(after, step, strict=True):
                    mine.append(theirs)
            self.flags += [
                Flag(state + self.low, group.table.task, outcome, finding) for state, outcome, finding in group.flags
            ]
        self._groups.clear()
        self.unknown.clear()
        self.batch = Batch([np.concatenate(parts) for parts in after], np.concatenate(before) + self.low)

    def outcome(self, numbers: U32, *, tops: bool) -> _Outcome:
        """What came of it, once the numbers of the candidates are known."""
        return _Outcome(
            len(self.batch.from_),
            np.flatnonzero(self.alone) + self.low,
            np.flatnonzero(self.alone & ~self.done) + self.low,
            self._tops(numbers) if tops else _NONE,
            self.flags,
        )

    def _tops(self, numbers: U32) -> Index:
        top = ~self.alone
        above = np.flatnonzero(numbers.take(self.batch.of()) > self.batch.from_)
        top[self.batch.from_.take(above) - self.low] = False
        return np.flatnonzero(top) + self.low


class _Scratch:
    """What a crew writes about its candidates for all to see."""

    def __init__(self) -> None:
        self.hashed, self.before = reserved(np.uint64), reserved(np.int64)
        self.number, self.new = reserved(np.uint32), reserved(np.bool_)

    def put(self, visited: Visited, batch: Batch, start: int) -> None:
        visited.write(batch, start)
        self.hashed[start : start + len(batch)] = batch.hashed
        self.before[start : start + len(batch)] = batch.before


def _joined(words: list[U64], i: int) -> int:
    return sum(int(word[i]) << WORD * number for number, word in enumerate(words))


class Frontier:
    """An exploration, level by level, by `jobs` processes.

    `flags` has the first transition that shows each finding, `stuck` the numbers of states in which nobody can step,
    `deadlocked` of those in which a task that should finish has not, and `tops` of those that step, but only to states
    with numbers no higher than their own. `moves` has, per task, from which of its local states it has been seen to
    step to which, and `waits` in which it has been seen to wait. `stop` is asked before every chunk of a level, with
    the bytes that its states may take; once it says so, the exploration is over, and `unexpanded` states are left. It
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
        self.visited.keep(Batch([np.zeros(1, np.uint64) for _ in range(product.words)], np.zeros(1, np.int64)))
        self.transitions = 0
        self.flags: dict[Finding, Flag] = {}
        self.stuck: list[Index] = []
        self.deadlocked: list[Index] = []
        self.tops: list[Index] = []
        self.moves: dict[str, Moves] = {task.name: {} for task in product.scenario.tasks}
        self.waits: dict[str, Locals] = {task.name: {} for task in product.scenario.tasks}
        self._tables = self._new_tables()
        self._scratch = _Scratch()
        self._crew: Crew | None = None
        self._era = self._told = 0

    def _new_tables(self) -> list[_Table]:
        tasks = enumerate(self.product.scenario.tasks)
        return [_Table(self.product, i, self.moves[task.name], self.waits[task.name]) for i, task in tasks]

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
        """Take all steps out of the rest of this level; False if that is not to be, or finds no room."""
        while self.at < self.level.stop:
            upto = min(self.level.stop, self.at + self._most)
            chunks = [range(at, min(upto, at + _CHUNK)) for at in range(self.at, upto, _CHUNK)]
            if self._stop(self.visited.growth(self._most * len(self._tables))) or not self._expand(chunks):
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
        self._note(steps.outcome(self.visited.keep(steps.batch), tops=self._want_tops))
        return True

    def _together(self, chunks: list[range]) -> bool:
        """The same by a crew, which learns, writes, looks up and settles phase by phase."""
        self._meet()
        if self.visited.grow(self.visited.count + 2 * sum(map(len, chunks))):
            self._crew_now().say(None)
        crew, scratch = self._crew_now(), self._scratch
        for asks in self._in_turn(chunks, crew.say((chunks, self.visited.count, self._tail(), self._news()))):
            self._learn(asks)
        sizes = self._in_turn(chunks, crew.say(self._news()))
        *starts, size = [0, *accumulate(sizes)]
        if size > self.visited.room:
            return False
        if self.visited.grow(self.visited.count + size):
            self._crew_now().say(None)
            return self._together(chunks)
        scratch.new[:size] = False
        crew.say(starts)
        crew.say(size)
        kept = self.visited.count_in(scratch.new[:size], scratch.number)
        outcomes = crew.say(None)
        self.visited.move(kept, scratch.before[:size])
        for outcome in self._in_turn(chunks, outcomes):
            self._note(outcome)
        return True

    def _crew_now(self) -> Crew:
        """The crew, or a new one where the old one would not see what has become of the arrays."""
        if self._crew is None or self._era != self.visited.era:
            self.dismiss()
            self._tail()
            self._news()
            self._crew, self._era = Crew(self._jobs, self._share), self.visited.era
        return self._crew

    def dismiss(self) -> None:
        """Let the crew go, if there is one."""
        if self._crew is not None:
            self._crew.dismiss()
            self._crew = None

    def _tail(self) -> list[Deed]:
        """What has been numbered since the last time."""
        told, self._told = self._told, len(self.product.log)
        return self.product.log[told:]

    def _news(self) -> list[list[News]]:
        """What has been learned since the last time, by task."""
        news = [list(table.news) for table in self._tables]
        for table in self._tables:
            table.news.clear()
        return news

    def _catch_up(self, tail: list[Deed], news: list[list[News]]) -> None:
        """In another process: number and learn what this one has."""
        self.product.again([*self.product.log, *tail], self._look)
        self._meet()
        for table, more in zip(self._tables, news, strict=True):
            table.catch_up(more)

    def _look(self, state: int) -> None:
        for prop in self.product.scenario.properties:
            prop.holds(lambda cell: self.product.cell(state, cell))

    def _in_turn(self, chunks: list[range], said: list[list[Any]]) -> list[Any]:
        """What each of a crew has said of its chunks, in the order of chunks."""
        return [said[i % self._jobs][i // self._jobs] for i in range(len(chunks))]

    def _share(self, number: int) -> Work:
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

    def _learn(self, asks: list[Ask]) -> None:
        for task, asked, state in asks:
            self._tables[task].ask(asked, state)

    def _note(self, outcome: _Outcome) -> None:
        self.transitions += outcome.transitions
        self.stuck.append(outcome.stuck)
        self.deadlocked.append(outcome.deadlocked)
        self.tops.append(outcome.tops)
        for flag in outcome.flags:
            self.flags.setdefault(flag.finding, flag)

    def _learned(self, chunk: range) -> _Steps:
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
        """Give every local state so far its place in the tables, and every state the words that this takes."""
        for table in self._tables:
            if table.is_behind:
                table.meet()
        self.visited.widen(self.product.words)
        for table in self._tables:
            table.widen(self.product.words)

    def _steps(self, chunk: range) -> _Steps:
        return self._steps_from([word[chunk.start : chunk.stop] for word in self.visited.words], chunk.start)

    def _steps_from(self, words: list[U64], low: int) -> _Steps:
        steps = _Steps(words, low)
        halted = self.product.field(HALTED)
        running = numbers_of(halted, steps.words) == 0 if len(halted.values) > 1 else None
        for table in self._tables:
            steps.take(table, running)
        return steps

    def edges(self, numbers: Index) -> Edges:
        """All steps out of some states, once every state has been visited."""
        self._meet()
        steps = self._steps_from([word.take(numbers) for word in self.visited.words], 0)
        self._learn(steps.asks())
        steps.close()
        task = np.repeat(np.arange(len(self._tables)), [steps.taken[table.task] for table in self._tables])
        return Edges(steps.batch.from_, task, self.visited.find(steps.batch.words).take(steps.batch.of()))

    def _lay_out_anew(self, layout: tuple[tuple[int, int], ...]) -> None:
        """Give every field the bits it wants, and every state so far the new form."""
        product, visited = self.product, self.visited
        product.layout()
        words = [np.zeros(visited.count, np.uint64) for _ in range(product.words)]
        for field, (shift, bits) in zip(product.fields, layout, strict=False):  # what came since is 0 everywhere
            was = visited.words[shift // WORD][: visited.count] >> np.uint64(shift % WORD)
            words[field.shift // WORD] |= (was & np.uint64((1 << bits) - 1)) << np.uint64(field.shift % WORD)
        visited.replace(words)
        self._tables = self._new_tables()

    def way(self, number: int) -> list[int]:
        """The numbers of the states on a shortest way to a state, from the first one on."""
        way = [number]
        while way[-1]:
            way.append(int(self.visited.before[way[-1]]))
        return way[::-1]

    def deadlocked_once(self) -> list[int]:
        """Of the deadlocked states that came since the last call, one for each way in which the tasks stand."""
        numbers = np.concatenate([*self.deadlocked, np.zeros(0, np.int64)])
        self.deadlocked.clear()
        if not len(numbers):
            return []
        words = [word.take(numbers) for word in self.visited.words]
        standing = np.stack([numbers_of(table.field, words) for table in self._tables])
        first: Index = np.sort(np.unique(standing, axis=1, return_index=True)[1])
        return [int(number) for number in numbers.take(first)]
