"""A little language, run three ways.

Programs are data. `interpret` runs one as a model, in whatever executor awaits it. `Naive` runs the
same program as a plain transition system over tuples: it knows no coroutines, no operations and no
cells, and is the oracle.

Statements, with one register per task:
  (load c) (put c) (store c v) (xchg c v) (cas c old new) (add c n)    cells 0..N-1; put stores the register
  (lock m) (unlock m) (try m)    locks; try sets the register to 1 or 0
  (wait c v) (choose v...)       block until c == v; set the register to any v
  (report v)                     a finding, if the register is v
  (if v block) (call block)      call runs the block as a routine of its own
  (repeat v block)               run the block, turn after turn, until the register is v
  (guard block) (raise)          raise leaves the innermost guard, with the register + 10
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
from hypothesis import strategies as st

from sim.engine.model.cells import Cell, one_of
from sim.engine.model.operations import (
    BLOCKED,
    Operation,
    Outcome,
    atomic_add,
    choose,
    cmpxchg,
    load,
    read,
    report,
    store,
    wait,
    write,
    xchg,
)
from sim.engine.model.routines import Again, Done, repeat, routine
from sim.engine.model.scenario import Scenario, Task

Block = tuple[Any, ...]
CELLS, LOCKS = 2, 2
TASKS = ("p", "q", "r")


class MiniError(Exception):
    """What (raise) raises."""


def _take(task: str, values: tuple[str]) -> tuple[Outcome, ...]:
    return BLOCKED if values[0] else write(None, task)


def _try(task: str, values: tuple[str]) -> tuple[Outcome, ...]:
    return read(0, values) if values[0] else write(1, task)


def _drop(task: str, values: tuple[str]) -> tuple[Outcome, ...]:
    return write(None, "") if values[0] == task else read(None, values)


def _is(value: int) -> Any:
    return {0: _is_0, 1: _is_1, 2: _is_2}[value]


def _is_0(value: int) -> bool:
    return value == 0


def _is_1(value: int) -> bool:
    return value == 1


def _is_2(value: int) -> bool:
    return value == 2


@attrs.frozen(eq=False)
class Memory:
    """The cells of one program."""

    cells: tuple[Cell[int], ...]
    locks: tuple[Cell[str], ...]

    @classmethod
    def build(cls) -> Memory:
        return cls(
            tuple(Cell(f"c{i}", 0, range(-20, 40)) for i in range(CELLS)),
            tuple(Cell(f"m{i}", "", one_of(("", *TASKS))) for i in range(LOCKS)),
        )


@routine
async def interpret(memory: Memory, block: Block, reg: int) -> int:
    for statement in block:
        match statement:
            case ("load", c):
                reg = await load(memory.cells[c])
            case ("put", c):
                await store(memory.cells[c], reg)
            case ("store", c, v):
                await store(memory.cells[c], v)
            case ("xchg", c, v):
                reg = await xchg(memory.cells[c], v)
            case ("cas", c, old, new):
                reg = await cmpxchg(memory.cells[c], old, new)
            case ("add", c, n):
                await atomic_add(memory.cells[c], n)
            case ("lock", m):
                await Operation(f"m{m}.lock", (memory.locks[m],), _take)
            case ("unlock", m):
                await Operation(f"m{m}.unlock", (memory.locks[m],), _drop)
            case ("try", m):
                reg = await Operation(f"m{m}.try", (memory.locks[m],), _try)
            case ("wait", c, v):
                await wait(f"c{c}.wait", _is(v), memory.cells[c])
            case ("choose", *values):
                reg = await choose("any", tuple(values))
            case ("report", v):
                if reg == v:
                    await report("WARN", "here")
            case ("if", v, inner):
                if reg == v:
                    reg = await interpret(memory, inner, reg)
            case ("call", inner):
                reg = await interpret(memory, inner, reg)
            case ("repeat", v, inner):
                reg = await repeat(turn, memory, v, inner, reg)
            case ("guard", inner):
                try:
                    reg = await interpret(memory, inner, reg)
                except MiniError as error:
                    reg = error.args[0]
            case ("raise",):
                raise MiniError(reg + 10)
    return reg


@routine
async def turn(memory: Memory, until: int, block: Block, reg: int) -> Again | Done[int]:
    reg = await interpret(memory, block, reg)
    return Done(reg) if reg == until else Again(memory, until, block, reg)


def scenario(programs: tuple[Block, ...]) -> Scenario:
    memory = Memory.build()
    tasks = (
        Task(name, interpret(memory, block, 0))
        for name, block in zip(TASKS, programs, strict=False)
    )
    return Scenario("mini", tuple(tasks))


@attrs.frozen
class Config:
    """A state of the oracle: cells, locks, and per task its register and what it has left to do."""

    cells: tuple[int, ...]
    locks: tuple[str, ...]
    tasks: tuple[tuple[int, tuple[Any, ...]], ...]


Label = tuple[str, str, str]


class Naive:
    """The oracle: a transition system written down from the language's meaning alone.

    `retries` bounds the turns of a loop that begin with a register that an earlier one of its turns
    began with; who would take one more has nothing left to do but ("gave up",), which is no
    statement.
    """

    def __init__(self, programs: tuple[Block, ...], retries: int | None = None) -> None:
        self._retries = retries
        self.names = TASKS[: len(programs)]
        tasks = tuple(self._settle(0, (("seq", block, 0),)) for block in programs)
        self.first = Config((0,) * CELLS, ("",) * LOCKS, tasks)

    def _settle(self, reg: int, todo: tuple[Any, ...]) -> tuple[int, tuple[Any, ...]]:
        """Do what nobody else can see, up to the next statement that somebody can."""
        while todo:
            *rest, top = todo
            if top[0] == "loop":
                _, until, inner, began, retried = top
                if reg == until:
                    todo = tuple(rest)
                    continue
                if self._retries is not None:
                    began, retried = (*began, reg), retried + (reg in began)
                    if retried > self._retries:
                        return reg, (("gave up",),)
                todo = (*rest, ("loop", until, inner, began, retried), ("seq", inner, 0))
                continue
            if top[0] == "guard":
                todo = tuple(rest)
                continue
            _, block, i = top
            if i == len(block):
                todo = tuple(rest)
                continue
            after = (*rest, ("seq", block, i + 1))
            match block[i]:
                case ("if", v, inner):
                    todo = (*after, ("seq", inner, 0)) if reg == v else after
                case ("call", inner):
                    todo = (*after, ("seq", inner, 0))
                case ("repeat", v, inner):
                    began = () if self._retries is None else (reg,)
                    todo = (*after, ("loop", v, inner, began, 0), ("seq", inner, 0))
                case ("guard", inner):
                    todo = (*after, ("guard",), ("seq", inner, 0))
                case ("raise",):
                    while after[-1][0] != "guard":
                        after = after[:-1]
                    reg, todo = reg + 10, after[:-1]
                case ("report", v) if reg != v:
                    todo = after
                case _:
                    return reg, todo
        return reg, ()

    def steps(self, config: Config) -> Iterator[tuple[Label, Config]]:
        for i, (reg, todo) in enumerate(config.tasks):
            if todo and todo[-1][0] == "seq":
                _, block, at = todo[-1]
                after = (*todo[:-1], ("seq", block, at + 1))
                yield from self._steps(config, i, reg, block[at], after)

    def _steps(
        self, config: Config, i: int, reg: int, statement: Any, after: Any
    ) -> Iterator[tuple[Label, Config]]:
        me = self.names[i]

        def to(
            point: str, saw: object, reg: int, cell: Any = None, lock: Any = None
        ) -> tuple[Label, Config]:
            cells, locks, tasks = list(config.cells), list(config.locks), list(config.tasks)
            if cell:
                cells[cell[0]] = cell[1]
            if lock:
                locks[lock[0]] = lock[1]
            tasks[i] = self._settle(reg, after)
            return (me, point, "-" if saw is None else str(saw)), Config(
                tuple(cells), tuple(locks), tuple(tasks)
            )

        match statement:
            case ("load", c):
                yield to(f"c{c}.load", config.cells[c], config.cells[c])
            case ("put", c):
                yield to(f"c{c}.store", None, reg, cell=(c, reg))
            case ("store", c, v):
                yield to(f"c{c}.store", None, reg, cell=(c, v))
            case ("xchg", c, v):
                yield to(f"c{c}.xchg", config.cells[c], config.cells[c], cell=(c, v))
            case ("cas", c, old, new):
                was = config.cells[c]
                yield to(f"c{c}.cmpxchg", was, was, cell=(c, new if was == old else was))
            case ("add", c, n):
                yield to(f"c{c}.add", None, reg, cell=(c, config.cells[c] + n))
            case ("lock", m):
                if not config.locks[m]:
                    yield to(f"m{m}.lock", None, reg, lock=(m, me))
            case ("unlock", m):
                yield to(
                    f"m{m}.unlock",
                    None,
                    reg,
                    lock=(m, "" if config.locks[m] == me else config.locks[m]),
                )
            case ("try", m):
                free = not config.locks[m]
                yield to(
                    f"m{m}.try", int(free), int(free), lock=(m, me if free else config.locks[m])
                )
            case ("wait", c, v):
                if config.cells[c] == v:
                    yield to(f"c{c}.wait", None, reg)
            case ("choose", *values):
                for value in values:
                    yield to("any.choose", value, value)
            case ("report", _):
                yield to("here.WARN", None, reg)

    def view(self, config: Config) -> tuple[tuple[int, ...], tuple[str, ...], tuple[bool, ...]]:
        """What can be compared: cells, locks, and which tasks have finished."""
        return config.cells, config.locks, tuple(not todo for _, todo in config.tasks)


_value = st.integers(0, 2)
_cell = st.integers(0, CELLS - 1)
_lock = st.integers(0, LOCKS - 1)


def _tuples(*parts: Any) -> Any:
    return st.tuples(*(st.just(p) if isinstance(p, str) else p for p in parts))


_visible = st.one_of(
    _tuples("load", _cell),
    _tuples("put", _cell),
    _tuples("store", _cell, _value),
    _tuples("xchg", _cell, _value),
    _tuples("cas", _cell, _value, _value),
    _tuples("lock", _lock),
    _tuples("unlock", _lock),
    _tuples("try", _lock),
    _tuples("wait", _cell, _value),
    st.sampled_from([("choose", 0, 1), ("choose", 0, 1, 2), ("choose", 2, 0)]),
    _tuples("report", _value),
)
_looping = st.sampled_from([("load", 0), ("load", 1), ("try", 0), ("xchg", 0, 1), ("choose", 0, 1)])


def _block(inner: Any, most: int = 3) -> Any:
    return st.lists(inner, max_size=most).map(tuple)


_statement = st.recursive(
    _visible,
    lambda inner: st.one_of(
        _tuples("if", _value, _block(inner, 2)),
        _tuples("call", _block(inner, 2)),
        st.builds(
            lambda v, first, rest: ("repeat", v, (*rest, first)),
            _value,
            _looping,
            _block(_visible, 1),
        ),
        _tuples("guard", st.builds(lambda block: (*block, ("raise",)), _block(inner, 2))),
    ),
    max_leaves=4,
)
programs = st.lists(
    _block(st.one_of(_statement, _tuples("add", _cell, st.integers(-1, 1)))), min_size=1, max_size=3
).map(tuple)
