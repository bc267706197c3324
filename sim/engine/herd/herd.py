"""Thousands of runs side by side, a step of each at a time.

The product executor for those who want runs and no states: where `sim.engine.states.frontier` keeps
what it has seen, a herd forgets. A run is a column (a *slot*): where each task stands, what each
cell holds, and what each task could do now. A step of all of them is some seventy array operations,
whatever the model. Three things keep it at that.

* Who can do what is not asked anew: a task's answer stays until a cell of its footprint changes.
  Who looks at which cell is kept per cell and slot (`_looking`), as Linux keeps wait queues; a step
  asks again for the task that took it, and for those who were looking at what it changed. That is a
  tenth of them or so.
* A property is evaluated where a step has changed what it reads, by following what it read before.
* A slot whose run has ended takes the next seed at once, so that the herd is full until the seeds
  run out.

Runs share nothing, and chance is a function of (seed, step): a run is the same in a herd of one.

Whose turn it is, a strategy says (`sim.search.fuzzing.strategies`), for all slots at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from sim.engine.arrays import U64, Index, Mask
from sim.engine.herd import dice_many
from sim.engine.herd.tries import ASK, BROKEN, Tries
from sim.engine.model.errors import EngineError
from sim.engine.model.operations import HALTED, Finding
from sim.engine.run.journal import deadlock

WIDTH = 1 << 13
"""Slots. More would leave the processor's cache, fewer be dominated by the interpreter."""

WIDEST = 16
"""Tasks, at most: every set of them has a place in a table."""


class Chooser(Protocol):
    """Says for each slot whose turn it is, among those that can step."""

    def begin(self, herd: Herd, slots: Index) -> None:
        """New runs begin in these slots."""

    def choose(self, herd: Herd, slots: Index) -> Index:
        """A task, by number, for each of these slots."""

    def outcome(self, herd: Herd, slots: Index, count: Index) -> Index:
        """For some of them, which outcome of so many."""

    def moved(self, herd: Herd, slots: Index, task: Index, row: Index, retry: Mask) -> None:
        """Tasks have taken their steps, and some have only begun the same turn of a loop again."""


class Watcher(Protocol):
    """Is told what the runs come to."""

    def begun(self, herd: Herd, slots: Index) -> None:
        """New runs are about to begin in these slots."""

    def stepped(self, herd: Herd, row: Index) -> None:
        """Every one of `herd.slots` has taken a step."""

    def shown(self, herd: Herd, slots: Index, finding: Index) -> None:
        """Findings, by number, in some slots."""

    def ended(self, herd: Herd, slots: Index) -> None:
        """The runs in these slots are over, or `herd.most` steps long."""


class Herd:
    """Runs of a scenario, each cut after `most` steps.

    `slots` are those in use. What there is one of per run is to be looked up by slot: `seed`,
    `step` (how many have been taken), `run` and `state` (fingerprints), and `able`, the set of
    tasks that can step, a bit each. A chooser draws by `below` and `bits`, with draws of its own
    (`sim.engine.run.draws`), and may play another seed's (`draw_as`).
    """

    def __init__(self, answers: Tries, most: int, width: int = WIDTH) -> None:
        tasks = len(answers.tasks)
        if tasks > WIDEST:
            raise EngineError(
                f"{answers.scenario.name} has {tasks} tasks; {WIDEST} can be run side by side"
            )
        self.answers, self.most, self.width = answers, most, width
        self.slots = np.arange(0)
        self.seed, self.run, self.state, self._drawing = (
            np.zeros(width, np.uint64) for _ in range(4)
        )
        self.step, self.able = np.zeros(width, np.int64), np.zeros(width, np.int64)
        self.local, self.op, self.answer = (np.zeros(tasks * width, np.int64) for _ in range(3))
        self.held, self._looking = (np.zeros(width, np.int64) for _ in range(2))
        self._size, self._nth = _members(tasks)

    def size_of(self, sets: Index) -> Index:
        """How many tasks are in sets of them."""
        return self._size.take(sets)

    def member(self, sets: Index, nth: Index) -> Index:
        """The task at a place in a set, in the scenario's order."""
        return self._nth.take(sets * len(self.answers.tasks) + nth)

    def below(self, n: Index, slots: Index, draw: int) -> Index:
        """`dice.below` for the seeds and steps of some slots."""
        step = self.step.take(slots).view(np.uint64)
        drawn: Index = dice_many.below(
            n.view(np.uint64), self._drawing.take(slots), step, draw
        ).view(np.int64)
        return drawn

    def draw_as(self, slots: Index, drawing: U64) -> None:
        """Draw in some slots as other seeds do, until this is called again:
        each as `dice_many.seeded` has it.
        """
        self._drawing[slots] = drawing

    def bits(self, slots: Index, draw: int) -> Index:
        """63 random bits for the seeds and steps of some slots."""
        step = self.step.take(slots).view(np.uint64)
        drawn: Index = (dice_many.bits(self._drawing.take(slots), step, draw) >> np.uint64(1)).view(
            np.int64
        )
        return drawn

    def runs(self, seeds: U64, chooser: Chooser, watcher: Watcher) -> None:
        """Run all seeds."""
        self.slots = np.arange(min(self.width, len(seeds)))
        begun = self._fill(self.slots, seeds, chooser, watcher)
        # all runs begin alike: nobody can step in any of them
        is_over = not self.able[:begun].any()
        while len(self.slots):
            over = self.slots if is_over else self._step(chooser, watcher)
            if not len(over):
                continue
            watcher.ended(self, over)
            again = self._fill(over, seeds[begun:], chooser, watcher)
            begun += again
            if again < len(over):
                gone = np.zeros(self.width, np.bool_)
                gone[over[again:]] = True
                self.slots = self.slots[~gone.take(self.slots)]

    def _fill(self, slots: Index, seeds: U64, chooser: Chooser, watcher: Watcher) -> int:
        """Begin runs in slots, as many as there are seeds for."""
        taken = slots[: len(seeds)]
        if len(taken):
            self._begin(taken, seeds[: len(taken)], watcher)
            chooser.begin(self, taken)
        return len(taken)

    def _begin(self, slots: Index, seeds: U64, watcher: Watcher) -> None:
        answers, width = self.answers, self.width
        self._make_room()
        self.seed[slots], self.step[slots], self.run[slots] = seeds, 0, dice_many.mixed(seeds)
        watcher.begun(self, slots)
        self._drawing[slots], self.state[slots], self.able[slots] = (
            dice_many.seeded(seeds),
            answers.first_state,
            0,
        )
        for cells in (self.held, self._looking):
            cells.reshape(-1, width)[:, slots] = 0
        for task, (local, answer) in enumerate(
            zip(answers.start, answers.first_answers, strict=True)
        ):
            op, at = int(answers.op.of[local]), task * width + slots
            self.local[at], self.op[at], self.answer[at] = local, op, answer
            self.able[slots] |= (answer > 0) << task
            for level in range(int(answers.size.of[op])):
                self._looking[int(answers.foot[level].of[op]) * width + slots] |= 1 << task
        for prop in answers.broken:
            watcher.shown(self, slots, np.full(len(slots), answers.asked.finding[prop]))

    def _step(self, chooser: Chooser, watcher: Watcher) -> Index:
        """Take a step in every slot that is in use; those whose runs are over by it."""
        answers, slots, width = self.answers, self.slots, self.width
        task = chooser.choose(self, slots)
        at = task * width + slots
        answer = self.answer.take(at)
        row = answers.first.of.take(answer)
        count = answers.count.of.take(answer)
        many = (count > 1).nonzero()[0]
        if len(many):
            row[many] += chooser.outcome(self, slots.take(many), count.take(many))
        edge, before = self._go(at, row), self.op.take(at)
        local = answers.to.of.take(edge)
        op = answers.op.of.take(local)
        self.local[at], self.op[at] = local, op
        woken = self._change(row)
        self._look_elsewhere(before, op, task)
        self.step[slots] += 1
        self.run[slots] = dice_many.mixed(self.run.take(slots) ^ answers.print.of.take(row))
        self.state[slots] += answers.worth.of.take(row) + answers.moving.of.take(edge)
        self._ask(task, slots)
        self._ask_others(woken & ~(1 << task), slots)
        chooser.moved(self, slots, task, row, answers.retry.of.take(edge))
        self._show(row, watcher)
        watcher.stepped(self, row)
        over: Index = slots[(self.able.take(slots) == 0) | (self.step.take(slots) >= self.most)]
        return over

    def _go(self, at: Index, row: Index) -> Index:
        """The edges by which tasks leave their local states."""
        answers = self.answers
        local, result = self.local.take(at), answers.result.of.take(row)
        edge: Index = answers.after.take(answers.base.of.take(local) + result)
        while len(missing := (edge == ASK).nonzero()[0]):
            pairs = zip(local.take(missing).tolist(), row.take(missing).tolist(), strict=True)
            for one, by in dict.fromkeys(pairs):
                answers.go(one, by)
            self._make_room()
            edge = answers.after.take(answers.base.of.take(local) + result)
        return edge

    def _change(self, row: Index) -> Index:
        """Write what rows change; the tasks that were looking at it."""
        answers, woken = self.answers, np.zeros(len(row), np.int64)
        changes = answers.changes.of.take(row)
        for j in range(len(answers.cell)):
            which = (changes > j).nonzero()[0]
            if not len(which):
                break
            rows = row.take(which)
            at = answers.cell[j].of.take(rows) * self.width + self.slots.take(which)
            self.held[at] = answers.value[j].of.take(rows)
            woken[which] |= self._looking.take(at)
        return woken

    def _look_elsewhere(self, before: Index, after: Index, task: Index) -> None:
        """Note at which cells tasks look no more, and at which they do now:
        those of their operations.
        """
        answers, bit = self.answers, 1 << task
        for op, begins in ((before, False), (after, True)):
            size = answers.size.of.take(op)
            for level, foot in enumerate(answers.foot):
                which = None if level == 0 else (size > level).nonzero()[0]
                if which is not None and not len(which):
                    break
                of, slots = (
                    (op, self.slots) if which is None else (op.take(which), self.slots.take(which))
                )
                own = bit if which is None else bit.take(which)
                at = foot.of.take(of) * self.width + slots
                self._looking[at] = (
                    self._looking.take(at) | own if begins else self._looking.take(at) & ~own
                )

    def _ask_others(self, woken: Index, slots: Index) -> None:
        which = woken.nonzero()[0]
        woken = woken.take(which)
        for task in range(len(self.answers.tasks)):
            of = which[(woken >> task) & 1 == 1]
            if len(of):
                self._ask(np.full(len(of), task), slots.take(of))

    def _ask(self, task: Index, slots: Index) -> None:
        """Look up what tasks could do now, and note whether that is anything."""
        at = task * self.width + slots
        op = self.op.take(at)
        answer = self._follow(op, slots)
        while len(missing := (answer == ASK).nonzero()[0]):
            self._learn(op.take(missing), slots.take(missing))
            answer = self._follow(op, slots)
        self.answer[at] = answer
        able = self.able.take(slots) & ~(1 << task)
        self.able[slots] = able | ((answer > 0).astype(np.int64) << task)

    def _follow(self, op: Index, slots: Index) -> Index:
        """The answers to what operations ask, or ASK."""
        answers, width = self.answers, self.width
        value = self.held.take(answers.foot[0].of.take(op) * width + slots)
        answer = answers.child.take(answers.node.of.take(op) + value)
        deep = (answers.size.of.take(op) > 1).nonzero()[0]
        level = 1
        while len(deep):
            deep = deep[answer.take(deep) != ASK]
            of = op.take(deep)
            value = self.held.take(answers.foot[level].of.take(of) * width + slots.take(deep))
            answer[deep] = answers.child.take(answer.take(deep) + value)
            level += 1
            deep = deep[answers.size.of.take(of) > level]
        return answer

    def _learn(self, op: Index, slots: Index) -> None:
        """Learn what nobody has asked before."""
        answers, width = self.answers, self.width
        known: dict[tuple[int, tuple[int, ...]], None] = {}
        for one, slot in zip(op.tolist(), slots.tolist(), strict=True):
            foot = (int(answers.foot[level].of[one]) for level in range(int(answers.size.of[one])))
            known[one, tuple(int(self.held[cell * width + slot]) for cell in foot)] = None
        for one, numbers in known:
            answers.follow(one, numbers)
        self._make_room()

    def _make_room(self) -> None:
        """A row for every cell that has been met; all hold their first values."""
        cells = len(self.answers.cells)
        if len(self.held) < cells * self.width:
            fresh = np.zeros(2 * cells * self.width - len(self.held), np.int64)
            self.held, self._looking = (
                np.concatenate([old, fresh]) for old in (self.held, self._looking)
            )

    def _show(self, row: Index, watcher: Watcher) -> None:
        """Say what steps have shown, and which properties hold no more.

        After BUG(), nobody steps.
        """
        answers = self.answers
        shows = answers.shows.of.take(row)
        which = shows.nonzero()[0]
        if len(which):
            watcher.shown(self, self.slots.take(which), shows.take(which))
            self.able[self.slots.take(which[answers.halts.of.take(row.take(which))])] = 0
        which = answers.watched.of.take(row).nonzero()[0]
        if len(which):
            self._evaluate(
                self.slots.take(which), answers.watched.of.take(row.take(which)), watcher
            )

    def _evaluate(self, looked: Index, read: Index, watcher: Watcher) -> None:
        """Say in which slots properties do not hold,
        of those that read what has changed there, a bit each.
        """
        asked = self.answers.asked
        parts = [looked[(read >> prop) & 1 == 1] for prop in range(len(asked.of))]
        prop, slots = np.repeat(np.arange(len(parts)), list(map(len, parts))), np.concatenate(parts)
        while len(slots):
            unknown, places, broken = self._follow_look(prop, slots)
            if len(broken):
                watcher.shown(self, slots.take(broken), asked.finding.take(prop.take(broken)))
            prop, slots = prop.take(unknown), slots.take(unknown)
            for first in np.unique(places, return_index=True)[1].tolist():
                self._look(int(prop[first]), int(slots[first]))

    def _follow_look(self, prop: Index, slots: Index) -> tuple[Index, Index, Index]:
        """Of properties in slots, those that are not known, at which place each,
        and those that do not hold.

        What is not known at one place is one question.
        """
        answers, asked = self.answers, self.answers.asked
        unknown, places, broken = list[Index](), list[Index](), list[Index]()
        pair, node = np.arange(len(slots)), asked.root.take(prop)
        while len(pair):
            place = asked.base.of.take(node) + self.held.take(
                asked.cell.of.take(node) * self.width + slots
            )
            node = answers.child.take(place)
            on = node > BROKEN
            if not on.all():
                missing = node == ASK
                unknown.append(pair[missing])
                places.append(place[missing])
                broken.append(pair[node == BROKEN])
                node, slots, pair = node[on], slots[on], pair[on]
        return np.concatenate(unknown), np.concatenate(places), np.concatenate(broken)

    def _look(self, prop: int, slot: int) -> None:
        """Learn whether a property holds in a slot."""
        cells = len(self.answers.cells)
        self.answers.look(prop, self.held.reshape(-1, self.width)[:cells, slot].tolist())
        self._make_room()

    def deadlocked(self, slots: Index) -> Iterator[tuple[int, Finding]]:
        """Of runs that are over, those in which somebody should go on and cannot,
        and the finding that this is.
        """
        stuck = np.zeros(len(slots), np.bool_)
        answers, at = (
            self.answers,
            [task * self.width + slots for task in range(len(self.answers.tasks))],
        )
        for place, task in zip(at, answers.tasks, strict=True):
            stuck |= ~answers.done.of.take(self.local.take(place)) & (not task.daemon)
        stuck &= (self.able.take(slots) == 0) & ~self._halted(slots)
        for i in stuck.nonzero()[0].tolist():
            standing = {
                task.name: answers.locals[int(self.local[place[i]])][1].operation
                for place, task in zip(at, answers.tasks, strict=True)
            }
            finding = deadlock(answers.scenario, standing)
            if finding is not None:
                yield int(slots[i]), finding

    def _halted(self, slots: Index) -> Mask:
        return self.held.take(self.answers.number_of(HALTED) * self.width + slots) > 0


def _members(tasks: int) -> tuple[Index, Index]:
    """For every set of tasks how many there are in it, and which is the first,
    the second, and so on.
    """
    sets = np.arange(1 << tasks)
    sizes = np.bitwise_count(sets).astype(np.int64)
    nth = np.zeros((1 << tasks, max(1, tasks)), np.int64)
    seen = np.zeros(1 << tasks, np.int64)
    for task in range(tasks):
        has = ((sets >> task) & 1).nonzero()[0]
        nth[has, seen[has]] = task
        seen[has] += 1
    return sizes, nth.reshape(-1)
