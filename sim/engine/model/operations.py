"""Operations: the only way a task touches a cell, and the only place where it can be interrupted.

An operation is data: the point where the task stands, the cells it touches (its footprint), and a
pure function from the footprint's values to what may come of it. Several outcomes are a choice;
none means that the operation must wait. A task stops *before* its operation: whoever schedules sees
what each task is about to do, and on what.

An outcome says per cell how it was touched. READ and READ commute, and so do ADD and ADD (readers
of a rwlock, the count of a shared try-lock); everything else is dependent, whether or not the
written value differs. What an outcome says is checked where it is given: a READ that changes its
cell is refused, and so are two outcomes of an operation that is no `choice`. That two ADDs commute
is checked where they meet (`sim.engine.states.adds`).
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from enum import Enum
from typing import Any, Generic, TypeVar, cast

import attrs

from sim.engine.model.cells import BOOL, Cell
from sim.engine.model.errors import (
    EngineError,
    RuleError,
    place_of_caller,
    refuse_function,
)
from sim.engine.model.performing import is_running, note_made, performer
from sim.engine.model.values import BY_KEY, is_same, key_of, part_of_class, problem_of, short, spell

R = TypeVar("R")
V = TypeVar("V")


class Access(Enum):
    """How an operation touched a cell."""

    READ = "r"
    WRITE = "w"
    ADD = "+"


@attrs.frozen
class Finding:
    """Something that should not be: its kind, the function it fired in,
    and what brought it about.
    """

    kind: str
    where: str
    causes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind} {self.where}"


@attrs.frozen
class Outcome:
    """One thing that may come of an operation: its result, the footprint's new values,
    and how each was touched.
    """

    result: object = attrs.field(eq=key_of)
    values: tuple[object, ...] = attrs.field(eq=key_of)
    access: tuple[Access, ...]
    finding: Finding | None = None


def read(result: object, values: tuple[object, ...]) -> tuple[Outcome, ...]:
    """One outcome that changes nothing."""
    return (Outcome(result, values, (Access.READ,) * len(values)),)


def write(result: object, *values: object) -> tuple[Outcome, ...]:
    """One outcome that writes every cell of the footprint."""
    return (Outcome(result, values, (Access.WRITE,) * len(values)),)


def add(result: object, *values: object) -> tuple[Outcome, ...]:
    """One outcome that adds to every cell of the footprint,
    in a way that commutes with other additions.
    """
    return (Outcome(result, values, (Access.ADD,) * len(values)),)


BLOCKED: tuple[Outcome, ...] = ()


@attrs.frozen(cache_hash=True)
class Operation(Generic[R]):
    """An atomic step, to be awaited.

    `effect(task, values, *args)` gives the outcomes. `choice` marks a data choice: its outcomes are
    interleavings of their own, and a schedule records which one was taken. `progress` says that who
    takes it has got somewhere.
    """

    point: str
    cells: tuple[Cell[Any], ...]
    effect: Callable[..., tuple[Outcome, ...]] = attrs.field(repr=False)
    args: tuple[object, ...] = attrs.field(default=(), eq=False, metadata=BY_KEY)
    choice: bool = False
    progress: bool = False
    _key: object = attrs.field(init=False, repr=False)

    @_key.default
    def _key_of_args(self) -> object:
        return key_of(self.args)

    def __attrs_post_init__(self) -> None:
        if type(self.cells) is not tuple or not all(isinstance(cell, Cell) for cell in self.cells):
            raise RuleError(
                place_of_caller(),
                f"{self.point}: a footprint is a tuple of cells, got {short(self.cells)}",
            )
        if len(self.cells) > 1 and len(dict.fromkeys(self.cells)) < len(self.cells):
            raise RuleError(place_of_caller(), f"{self.point}: a footprint names each cell once")
        note_made(self, self.point)

    def outcomes(self, task: str, values: tuple[object, ...]) -> tuple[Outcome, ...]:
        """What may come of it for `task` where the footprint holds `values`.

        Empty while it must wait.

        Raises RuleError for an effect that fails, or says of itself what is not so.
        """
        try:
            found = self.effect(task, values, *self.args)
        except EngineError:
            raise
        except Exception as error:
            raise self._refusal(f"raised {type(error).__name__}: {error}") from error
        if found:
            self._check(found, values)
        elif found != ():
            raise self._refusal(f"gave {short(found)}: an effect gives a tuple of outcomes")
        return found

    def _check(self, found: tuple[Outcome, ...], values: tuple[object, ...]) -> None:
        """Refuse outcomes that do not fit the footprint,
        or contradict what they say of their access.
        """
        if type(found) is not tuple:
            raise self._refusal(
                f"gave a {type(found).__name__}: an effect gives a tuple of outcomes"
            )
        if len(found) > 1 and not self.choice:
            raise self._refusal(
                f"gave {len(found)} outcomes: only an operation with choice=True may"
            )
        for outcome in found:
            if type(outcome) is not Outcome or type(outcome.values) is not tuple:
                raise self._refusal(
                    f"gave {short(outcome)}: an outcome has a result, and tuples of values and "
                    "access"
                )
            if any(type(access) is not Access for access in outcome.access):
                raise self._refusal(
                    f"gave {short(outcome.access)} for access: READ, WRITE or ADD for each cell"
                )
            if not len(outcome.values) == len(outcome.access) == len(values):
                raise self._refusal(
                    f"gave {len(outcome.values)} values and {len(outcome.access)} kinds of access "
                    f"for a footprint of {len(values)} cells"
                )
            for cell, access, before, after in zip(
                self.cells, outcome.access, values, outcome.values, strict=True
            ):
                if access is Access.READ and after is not before and not is_same(before, after):
                    raise self._refusal(f"says that it reads {cell.name}, and changes it")

    def argument_problem(self) -> str | None:
        """Why its arguments, or its effect, are no values; None if they are."""
        problem = problem_of(self.effect)
        if problem is not None:
            return f"{self.point} has an effect{problem}"
        for i, arg in enumerate(self.args):
            problem = problem_of(arg)
            if problem is not None:
                return f"{self.point} is given argument {i}{problem}"
        inner = part_of_class(self.args, AWAITABLE)
        return (
            f"{self.point} is given {inner} itself, not its result: write `await` before it"
            if inner
            else None
        )

    def check_result(self, outcome: Outcome) -> None:
        """Refuse an outcome that happens and that gives, or leaves in a cell, what is no value."""
        problem = problem_of(outcome.result)
        if problem is not None:
            raise self._refusal(f"gives a result{problem}")
        inner = part_of_class((outcome.result, outcome.values), AWAITABLE)
        if inner is not None:
            raise self._refusal(f"gives {inner} itself, not its result")
        for cell, value in zip(self.cells, outcome.values, strict=True):
            problem = problem_of(value)
            if problem is not None:
                raise self._refusal(f"puts something into {cell.name}{problem}")

    def with_effect(
        self,
        effect: Callable[..., tuple[Outcome, ...]],
        args: tuple[object, ...],
        *cells: Cell[Any],
    ) -> Operation[R]:
        """A step at the same point with another effect, which also touches these cells.

        Awaited in place of this.
        """
        if is_running():
            performer().note_awaited(self)
        return attrs.evolve(self, cells=(*self.cells, *cells), effect=effect, args=args)

    def _refusal(self, message: str) -> RuleError:
        return refuse_function(self.effect, f"the effect of {self.point} {message}")

    def __str__(self) -> str:
        return self.point

    def __await__(self) -> Generator[Any, Any, R]:
        ledger = performer()
        ledger.note_awaited(self)
        return cast("R", (yield from ledger.operation(self)))


AWAITABLE: tuple[type, ...] = (Operation,)
"""Classes of what is to be awaited, and is no value that an operation may carry;
`sim.engine.model.routines` has its own."""


def _load(_task: str, values: tuple[object, ...]) -> tuple[Outcome, ...]:
    return read(values[0], values)


def _store(_task: str, _values: tuple[object, ...], new: object) -> tuple[Outcome, ...]:
    return write(None, new)


def _cmpxchg(
    _task: str, values: tuple[object, ...], old: object, new: object
) -> tuple[Outcome, ...]:
    return write(values[0], new) if is_same(values[0], old) else read(values[0], values)


def _xchg(_task: str, values: tuple[object, ...], new: object) -> tuple[Outcome, ...]:
    return write(values[0], new)


def _fetch_add(_task: str, values: tuple[int, ...], amount: int) -> tuple[Outcome, ...]:
    return write(values[0], values[0] + amount)


def _add(_task: str, values: tuple[int, ...], amount: int) -> tuple[Outcome, ...]:
    return add(None, values[0] + amount)


def _wait(
    _task: str, values: tuple[object, ...], condition: Callable[..., bool]
) -> tuple[Outcome, ...]:
    try:
        holds = condition(*values)
    except Exception as error:
        raise refuse_function(
            condition, f"the condition of a wait raised {type(error).__name__}: {error}"
        ) from error
    if type(holds) is not bool:
        raise refuse_function(
            condition, f"the condition of a wait gives True or False, this gave {short(holds)}"
        )
    return read(None, values) if holds else BLOCKED


def _choose(_task: str, _values: tuple[object, ...], *values: object) -> tuple[Outcome, ...]:
    return tuple(Outcome(value, (), ()) for value in values)


def _step(_task: str, _values: tuple[()]) -> tuple[Outcome, ...]:
    return read(None, ())


def _report(_task: str, values: tuple[object, ...], finding: Finding) -> tuple[Outcome, ...]:
    return (Outcome(None, values, (), finding),)


def _bug(_task: str, _values: tuple[object, ...], finding: Finding) -> tuple[Outcome, ...]:
    return (Outcome(None, (True,), (Access.WRITE,), finding),)


def load(cell: Cell[V]) -> Operation[V]:
    """Read a cell."""
    return Operation(f"{cell.name}.load", (cell,), _load)


def store(cell: Cell[V], new: V) -> Operation[None]:
    """Write a cell, whatever it holds."""
    return Operation(f"{cell.name}.store", (cell,), _store, (new,))


def cmpxchg(cell: Cell[V], old: V, new: V) -> Operation[V]:
    """Write `new` if the cell holds `old`. Gives what the cell held, as the instruction does."""
    return Operation(f"{cell.name}.cmpxchg", (cell,), _cmpxchg, (old, new))


def xchg(cell: Cell[V], new: V) -> Operation[V]:
    """Write `new` and give what the cell held."""
    return Operation(f"{cell.name}.xchg", (cell,), _xchg, (new,))


def fetch_add(cell: Cell[int], amount: int) -> Operation[int]:
    """Add and give what the cell held: ordered against every other access."""
    return Operation(f"{cell.name}.fetch_add", (cell,), _fetch_add, (amount,))


def atomic_add(cell: Cell[int], amount: int) -> Operation[None]:
    """Add without looking: commutes with other additions."""
    return Operation(f"{cell.name}.add", (cell,), _add, (amount,))


def wait(what: str, condition: Callable[..., bool], *cells: Cell[Any]) -> Operation[None]:
    """Block until `condition(*values of cells)` is True.

    `condition` is a module-level function that gives a bool.
    """
    return Operation(what, cells, _wait, (condition,))


def choose(what: str, values: tuple[V, ...]) -> Operation[V]:
    """Take any of `values`, each an interleaving of its own. Their spellings must differ.

    Raises RuleError for no values, or two that a schedule could not tell apart.
    """
    spellings = [spell(value) for value in values]
    if not values or len(dict.fromkeys(spellings)) < len(values):
        message = f"{what}: a choice needs values with different spellings, got {short(spellings)}"
        raise RuleError(place_of_caller(), message)
    for text in spellings:
        if not text.isprintable() or text != text.strip() or not text:
            raise RuleError(
                place_of_caller(),
                f"{what}: {text!r} is no choice that a schedule can write on a line",
            )
    return Operation(f"{what}.choose", (), _choose, values, choice=True)


def step(what: str) -> Operation[None]:
    """Time passes, and others may run; nothing shared is touched."""
    return Operation(what, (), _step)


def progress(what: str) -> Operation[None]:
    """A step that says that its task has got somewhere: what it has done is no retry.

    Nothing shared is touched.
    """
    return Operation(what, (), _step, progress=True)


def report(kind: str, where: str, causes: tuple[str, ...] = ()) -> Operation[None]:
    """A step that is a finding and changes nothing."""
    return Operation(f"{where}.{kind}", (), _report, (Finding(kind, where, causes),))


HALTED: Cell[bool] = Cell("halted", initial=False, domain=BOOL)


def bug(where: str) -> Operation[None]:
    """BUG(): a finding after which no task takes another step."""
    return halt(where, "BUG")


def halt(where: str, kind: str = "halt") -> Operation[None]:
    """A finding of this kind, after which no task takes another step."""
    return Operation(f"{where}.{kind}", (HALTED,), _bug, (Finding(kind, where),))
