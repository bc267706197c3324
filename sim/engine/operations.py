"""Operations: the only way a task touches a cell, and the only place where it can be interrupted.

An operation is data: the point where the task stands, the cells it touches (its footprint), and a pure function from
the footprint's values to what may come of it. Several outcomes are a choice; none means that the operation must wait. A
task stops *before* its operation: whoever schedules sees what each task is about to do, and on what.

An outcome says per cell how it was touched. READ and READ commute, and so do ADD and ADD (readers of a rwlock, the
count of a shared try-lock); everything else is dependent, whether or not the written value differs.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextvars import ContextVar
from enum import Enum
from typing import Any, Generic, Protocol, TypeVar, cast

import attrs

from sim.engine.cells import BOOL, Cell
from sim.engine.values import spell

R = TypeVar("R")
V = TypeVar("V")


class Access(Enum):
    """How an operation touched a cell."""

    READ = "r"
    WRITE = "w"
    ADD = "+"


@attrs.frozen
class Finding:
    """Something that should not be: its kind, the function it fired in, and what brought it about."""

    kind: str
    where: str
    causes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind} {self.where}"


@attrs.frozen
class Outcome:
    """One thing that may come of an operation: its result, the footprint's new values, and how each was touched."""

    result: object
    values: tuple[object, ...]
    access: tuple[Access, ...]
    finding: Finding | None = None


def read(result: object, values: tuple[object, ...]) -> tuple[Outcome, ...]:
    """One outcome that changes nothing."""
    return (Outcome(result, values, (Access.READ,) * len(values)),)


def write(result: object, *values: object) -> tuple[Outcome, ...]:
    """One outcome that writes every cell of the footprint."""
    return (Outcome(result, values, (Access.WRITE,) * len(values)),)


def add(result: object, *values: object) -> tuple[Outcome, ...]:
    """One outcome that adds to every cell of the footprint, in a way that commutes with other additions."""
    return (Outcome(result, values, (Access.ADD,) * len(values)),)


BLOCKED: tuple[Outcome, ...] = ()


@attrs.frozen(cache_hash=True)
class Operation(Generic[R]):
    """An atomic step, to be awaited.

    `effect(task, values, *args)` gives the outcomes. `choice` marks a data choice: its outcomes are interleavings of
    their own, and a schedule records which one was taken. `progress` says that who takes it has got somewhere.
    """

    point: str
    cells: tuple[Cell[Any], ...]
    effect: Callable[..., tuple[Outcome, ...]] = attrs.field(repr=False)
    args: tuple[object, ...] = ()
    choice: bool = False
    progress: bool = False

    def __attrs_post_init__(self) -> None:
        if len(self.cells) > 1 and len(dict.fromkeys(self.cells)) < len(self.cells):
            raise ValueError(f"{self.point}: a footprint names each cell once")

    def outcomes(self, task: str, values: tuple[object, ...]) -> tuple[Outcome, ...]:
        """What may come of it for `task` where the footprint holds `values`; empty while it must wait."""
        return self.effect(task, values, *self.args)

    def __await__(self) -> Generator[Any, Any, R]:
        return cast("R", (yield from performer().operation(self)))


class Performer(Protocol):
    """What an executor puts behind `await`."""

    def operation(self, operation: Operation[Any]) -> Generator[Any, Any, object]: ...

    def call(self, call: Any) -> Generator[Any, Any, object]: ...

    def loop(self, call: Any) -> Generator[Any, Any, object]: ...


PERFORMER: ContextVar[Performer] = ContextVar("performer")


def performer() -> Performer:
    try:
        return PERFORMER.get()
    except LookupError:
        raise RuntimeError("a model runs inside an executor only (sim.engine.live or sim.engine.product)") from None


def _load(_task: str, values: tuple[object, ...]) -> tuple[Outcome, ...]:
    return read(values[0], values)


def _store(_task: str, _values: tuple[object, ...], new: object) -> tuple[Outcome, ...]:
    return write(None, new)


def _cmpxchg(_task: str, values: tuple[object, ...], old: object, new: object) -> tuple[Outcome, ...]:
    return write(values[0], new) if values[0] == old else read(values[0], values)


def _xchg(_task: str, values: tuple[object, ...], new: object) -> tuple[Outcome, ...]:
    return write(values[0], new)


def _fetch_add(_task: str, values: tuple[int, ...], amount: int) -> tuple[Outcome, ...]:
    return write(values[0], values[0] + amount)


def _add(_task: str, values: tuple[int, ...], amount: int) -> tuple[Outcome, ...]:
    return add(None, values[0] + amount)


def _wait(_task: str, values: tuple[object, ...], condition: Callable[..., bool]) -> tuple[Outcome, ...]:
    return read(None, values) if condition(*values) else BLOCKED


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
    """Block until `condition(*values of cells)` holds; `condition` is a module-level function."""
    return Operation(what, cells, _wait, (condition,))


def choose(what: str, values: tuple[V, ...]) -> Operation[V]:
    """Take any of `values`, each an interleaving of its own. Their spellings must differ.

    Raises ValueError for no values, or two that a schedule could not tell apart.
    """
    spellings = [spell(value) for value in values]
    if not values or len(dict.fromkeys(spellings)) < len(values):
        raise ValueError(f"{what}: a choice needs values with different spellings, got {spellings}")
    return Operation(f"{what}.choose", (), _choose, values, choice=True)


def step(what: str) -> Operation[None]:
    """Time passes, and others may run; nothing shared is touched."""
    return Operation(what, (), _step)


def progress(what: str) -> Operation[None]:
    """A step that says that its task has got somewhere: what it has done is no retry. Nothing shared is touched."""
    return Operation(what, (), _step, progress=True)


def report(kind: str, where: str, causes: tuple[str, ...] = ()) -> Operation[None]:
    """A step that is a finding and changes nothing."""
    return Operation(f"{where}.{kind}", (), _report, (Finding(kind, where, causes),))


HALTED: Cell[bool] = Cell("halted", initial=False, domain=BOOL)


def bug(where: str) -> Operation[None]:
    """BUG(): a finding after which no task takes another step."""
    return Operation(f"{where}.BUG", (HALTED,), _bug, (Finding("BUG", where),))
