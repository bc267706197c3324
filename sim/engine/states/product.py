"""The product executor: what each task may do in a state of all of them.

**What it rests on.** A task is a function from what it has seen to what it does next. So where a
task stands can be named by what it has seen, and two states with equal cells and equal names have
the same future: nothing else is shared, and nobody can look at anything else. Naming by the whole
history is plainly sound, and wasteful: a name never comes back. A routine
(`sim.engine.model.routines`) forgets what it saw when it returns. Take two histories that differ
only in that. Their frames on the stack are the same calls with the same arguments, each has seen
the same since it was entered, and a routine is a function of just that; by induction over the rest
of the run they do the same, see the same, and change the same cells. So they may be one state, and
no run is gained or lost by it. Each premise is checked where it could break, and refused with the
line at fault: what goes in and out of a routine is immutable, its code is a function of its
arguments (no closure, no mutable global), it does the same whenever it is run again, and one that
is given up performs nothing. `merge=False` keeps the whole history, and the tests compare the two.

**Whom it follows, and where it leaves them.** Spin's collapse compression numbers the parts of a
state and keeps each part once; so do we, but a part is found by running the model and needs no
declared type, and what is kept per state are the numbers themselves. LTSmin learns a transition
once per *short* state, the variables that it touches, and applies it to every state that agrees on
them; the answers here are that, with footprints that come from the operation at hand, and applied
to thousands of states in one array step in place of one by one. LTSmin goes on to decision diagrams
over the learned relation; the tables would serve that too, but a breadth-first list gives shortest
witnesses and its numbering. dejafu and loom drive real concurrent code through its schedules, one
run at a time, and prune with partial orders; that keeps final states and loses states in between,
and it is there that our properties live. So we take from them the thread that is code, and not the
search.

**How.** A state of the product is what every cell holds and where every task stands. Cells, values
and local states are numbered in the order in which they are found, each gets a field of bits, and a
state is the integer made of all fields. Then a task's next step depends on its own field and its
operation's footprint alone, and is a difference to add to the state.

The first time a question is asked, the operation's effect is computed and the task's coroutine is
run once (`sim.engine.run.automata`); nothing of the model runs after that.
`sim.engine.states.frontier` asks for thousands of states at a time. A state is kept as itself. No
hash stands in for it, so none can collide.

No field lies across a 64-bit boundary. A cell that is found late needs no repacking: its field is
added above the others, where every state so far has 0, the number of a cell's first value. A field
that runs out of numbers does: `Widen` is raised, and `layout` lays out all fields anew.

Whatever gave a number to something is noted in `log`. Doing it again gives the same numbers, so an
exploration that goes on in another process (`sim.search.exploring.checkpoint`) needs no value and
no local state to be stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from typing import Any, TypeVar, cast

import attrs

from sim.engine.model.cells import Cell, OneOf
from sim.engine.model.errors import EngineError
from sim.engine.model.operations import HALTED, Finding, Outcome
from sim.engine.model.scenario import Scenario
from sim.engine.model.values import key_of
from sim.engine.run.automata import Automata, LocalState

V = TypeVar("V")

WORD = 64


class Widen(Exception):
    """A field has run out of numbers; lay out all fields anew."""


@attrs.define(eq=False)
class NumbersGiven:
    """How many numbers have been given, and by how many bits a field grows that has given all."""

    count: int = 0
    more_bits: int = 4


@attrs.define(eq=False)
class Field:
    """The bits of a state that number one thing's values, in the order in which they were found."""

    values: list[Any]
    bits: int
    tally: NumbersGiven = attrs.field(factory=NumbersGiven)
    key_of: Callable[[Any], object] = key_of
    """What a value is looked up by: two values with one key have one number."""
    shift: int = 0
    index: dict[object, int] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.index = {self.key_of(value): i for i, value in enumerate(self.values)}

    @property
    def mask(self) -> int:
        return (1 << self.bits) - 1

    def value_in(self, state: int) -> Any:
        return self.values[(state >> self.shift) & self.mask]

    def interned(self, value: Any) -> int:
        key = self.key_of(value)
        number = self.index.get(key)
        if number is None:
            number = self.index[key] = len(self.values)
            self.tally.count += 1
            self.values.append(value)
        if number > self.mask:
            self.bits += self.tally.more_bits
            raise Widen
        return number

    @property
    def needed(self) -> int:
        """The bits that number the values so far."""
        return max(1, (len(self.values) - 1).bit_length())


_BITS = 3
"""Of a cell's field in the beginning, where its domain does not say that fewer are enough."""


def _bits_for(cell: Cell[Any]) -> int:
    """The bits that a cell's field begins with."""
    if not isinstance(cell.domain, OneOf):
        return _BITS
    return min(_BITS, max(1, (len(cell.domain.values) - 1).bit_length()))


def _itself(local: LocalState) -> LocalState:
    """A local state is looked up by itself."""
    return local


LogEntry = tuple[str, str, int]
"""What gave numbers: `layout`, `pack`, a task's `footprint` at a local state, its `answer` in a
state, a `look` at a state."""

Answer = tuple[tuple[int, Finding | None], ...]
"""What a task may do: per outcome, what to add to the state and what it shows."""


class Product:
    """The states of a scenario, one step at a time from each."""

    def __init__(self, scenario: Scenario, automata: Automata | None = None) -> None:
        self.scenario = scenario
        self._automata = automata or Automata()
        starts = {task.name: self._automata.start(task.name, task.call) for task in scenario.tasks}
        self._tally = NumbersGiven()
        self._locals = {
            name: Field([start], 8, self._tally, _itself) for name, start in starts.items()
        }
        self._cells: dict[Cell[Any], Field] = {}
        self._names: dict[str, Cell[Any]] = {}
        self._top = 0
        self.log: list[LogEntry] = []
        self.field(HALTED)
        self.layout()

    def layout(self) -> int:
        """Lay the fields out anew and give the first state, which is always 0."""
        self.log.append(("layout", "", 0))
        self._top = 0
        for field in self.fields:
            self._place(field)
        self._answers: dict[str, dict[tuple[int, int], Answer]] = {
            name: {} for name in self._locals
        }
        self._asked: dict[str, dict[int, int]] = {name: {} for name in self._locals}
        return 0

    @property
    def is_packed(self) -> bool:
        """Whether `pack` has been called."""
        return self._tally.more_bits == 1

    def pack(self) -> bool:
        """Lay the fields out with the bits that they need and no more, if that takes a word from
        a state; whether it did. From then on a field grows by a bit.
        """
        self._tally.more_bits = 1
        top = 0
        for field in self.fields:
            top += (WORD - top % WORD) * (top % WORD + field.needed > WORD) + field.needed
        packs = -(-top // WORD) < self.words
        if packs:
            for field in self.fields:
                field.bits = field.needed
            self.layout()
            self.log.pop()
        self.log.append(("pack", "", 0))
        return packs

    @property
    def fields(self) -> tuple[Field, ...]:
        """Every field, in the order in which they are laid out."""
        return (*self._locals.values(), *self._cells.values())

    def _place(self, field: Field) -> None:
        if self._top % WORD + field.bits > WORD:
            self._top += WORD - self._top % WORD
        field.shift = self._top
        self._top += field.bits

    @property
    def fields_now(self) -> tuple[tuple[int, int], ...]:
        """Shift and bits of every field, as laid out."""
        return tuple((field.shift, field.bits) for field in self.fields)

    @property
    def words(self) -> int:
        """64-bit words of a state."""
        return -(-self._top // WORD)

    def field(self, cell: Cell[Any]) -> Field:
        field = self._cells.get(cell)
        if field is None:
            if self._names.setdefault(cell.name, cell) is not cell:
                raise EngineError(f"two cells are named {cell.name}")
            field = self._cells[cell] = Field([cell.initial], _bits_for(cell), self._tally)
            self._tally.count += 1
            self._place(field)
        return field

    @contextmanager
    def noting(self, deed: str, task: str, of: int) -> Iterator[None]:
        """Note in the log what is done here, if it gives a number to anything."""
        before = self._tally.count
        try:
            yield
        finally:
            if self._tally.count != before:
                self.log.append((deed, task, of))

    def replay_log(self, log: Iterable[LogEntry], look: Callable[[int], object]) -> None:
        """Do what another one has noted, and so number everything as it did.

        `look` looks at a state's cells.
        """
        for deed, task, of in islice(log, len(self.log), None):
            with suppress(Widen):
                match deed:
                    case "layout":
                        self.layout()
                    case "pack":
                        self.pack()
                    case "footprint":
                        self.footprint(task, of)
                    case "answer":
                        self.answer(task, of)
                    case "look":
                        look(of)

    @property
    def cells(self) -> tuple[Cell[Any], ...]:
        """The cells that were found, in order of name."""
        return tuple(sorted(self._cells, key=str))

    def cell(self, state: int, cell: Cell[V]) -> V:
        return cast("V", self.field(cell).value_in(state))

    def local(self, state: int, task: str) -> LocalState:
        return cast("LocalState", self._locals[task].value_in(state))

    def halted(self, state: int) -> bool:
        return self.cell(state, HALTED)

    def local_field(self, task: str) -> Field:
        return self._locals[task]

    def footprint(self, task: str, local: int) -> tuple[Field, ...] | None:
        """The fields that the operation of a task's local state, by number, looks at.

        None if it has finished.
        """
        operation = self._locals[task].values[local].operation
        with self.noting("footprint", task, local):
            return (
                None if operation is None else tuple(self.field(cell) for cell in operation.cells)
            )

    def answer(self, task: str, state: int) -> Answer:
        """What `task` may do in `state`; empty while it must wait, or once it has finished."""
        if self.halted(state):
            return ()
        local = self._locals[task]
        number = (state >> local.shift) & local.mask
        mask = self._asked[task].get(number)
        if mask is None:
            fields = self.footprint(task, number) or ()
            mask = self._asked[task][number] = sum(field.mask << field.shift for field in fields)
        asked, answers = state & mask, self._answers[task]
        answer = answers.get((number, asked))
        if answer is None:
            with self.noting("answer", task, state):
                answer = answers[number, asked] = self._ask(task, state)
        return answer

    def outcomes(self, task: str, state: int) -> tuple[Outcome, ...]:
        """The outcomes behind `answer`, in the same order."""
        operation = self.local(state, task).operation
        if operation is None or self.halted(state):
            return ()
        return operation.outcomes(task, tuple(self.cell(state, cell) for cell in operation.cells))

    def _ask(self, task: str, state: int) -> Answer:
        local = self.local(state, task)
        operation = local.operation
        answer = []
        for outcome in self.outcomes(task, state):
            assert operation is not None  # noqa: S101 - a finished task has no outcomes
            operation.check_result(outcome)
            after = self._automata.step(task, local, outcome.result)
            delta = self._difference(self._locals[task], state, after)
            for cell, value in zip(operation.cells, outcome.values, strict=True):
                cell.check(value)
                delta += self._difference(self.field(cell), state, value)
            answer.append((delta, outcome.finding))
        return tuple(answer)

    @staticmethod
    def _difference(field: Field, state: int, value: object) -> int:
        return (field.interned(value) - ((state >> field.shift) & field.mask)) << field.shift
