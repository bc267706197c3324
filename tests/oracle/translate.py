"""A program of the oracle's language as a model: the same meaning, told in the engine's words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from sim.engine.model.cells import Cell, one_of
from sim.engine.model.operations import (
    BLOCKED,
    Access,
    Finding,
    Operation,
    Outcome,
    add,
    atomic_add,
    bug,
    choose,
    cmpxchg,
    fetch_add,
    load,
    progress,
    read,
    report,
    step,
    store,
    wait,
    write,
    xchg,
)
from sim.engine.model.routines import Again, Done, repeat, routine
from sim.engine.model.scenario import Look, Property, Scenario, Task
from tests.oracle.language import PUT, Block, Expression, Program, PropertyOf, Statement

Values = tuple[Any, ...]
Outcomes = tuple[Outcome, ...]


class Trouble(Exception):
    """What `raise` raises."""


@attrs.frozen(eq=False)
class Memory:
    """The variables of one program."""

    cells: tuple[Cell[int], ...]
    mutexes: tuple[Cell[str], ...]
    rwlocks: tuple[Cell[int], ...]


@attrs.define
class Registers:
    """Those of one frame."""

    acc: int
    kept: int = 0


def _weak(_task: str, values: Values, old: int, new: int) -> Outcomes:
    return (*write(1, new), *read(0, values)) if values[0] == old else read(0, values)


def _bump(_task: str, values: Values, modulus: int) -> Outcomes:
    return write(None, (values[0] + 1) % modulus)


def _move(_task: str, values: Values) -> Outcomes:
    return write(None, 0, values[0])


def _copy(_task: str, values: Values) -> Outcomes:
    return (Outcome(None, (values[0], values[0]), (Access.READ, Access.WRITE)),)


def _dcas(_task: str, values: Values, one: int, other: int, new: int) -> Outcomes:
    return write(1, new, new) if values == (one, other) else read(0, values)


def _tally(_task: str, values: Values, wanted: int) -> Outcomes:
    if values[0] != wanted:
        return read(None, values)
    return (Outcome(None, (values[0], values[1] + 1), (Access.READ, Access.ADD)),)


def _sum(_task: str, values: Values) -> Outcomes:
    return read(sum(values), values)


def _is(_task: str, values: Values, wanted: int) -> Outcomes:
    return read(None, values) if values[0] == wanted else BLOCKED


def _same(one: int, other: int) -> bool:
    return one == other


def _differ(one: int, other: int) -> bool:
    return one != other


def _sum2(one: int, other: int) -> bool:
    return one + other >= 2


def _condition(how: str) -> Callable[[int, int], bool]:
    return _same if how == "same" else _differ if how == "differ" else _sum2


def _try(task: str, values: Values) -> Outcomes:
    return read(0, values) if values[0] else write(1, task)


def _lock(task: str, values: Values) -> Outcomes:
    return BLOCKED if values[0] else write(None, task)


def _unlock(task: str, values: Values) -> Outcomes:
    return write(None, "") if values[0] == task else read(None, values)


def _read_lock(_task: str, values: Values) -> Outcomes:
    return BLOCKED if values[0] < 0 else add(None, values[0] + 1)


def _try_read(_task: str, values: Values) -> Outcomes:
    return read(0, values) if values[0] < 0 else add(1, values[0] + 1)


def _read_unlock(_task: str, values: Values) -> Outcomes:
    return add(None, values[0] - 1)


def _write_lock(_task: str, values: Values) -> Outcomes:
    return BLOCKED if values[0] else write(None, -1)


def _try_write(_task: str, values: Values) -> Outcomes:
    return read(0, values) if values[0] else write(1, -1)


def _write_unlock(_task: str, _values: Values) -> Outcomes:
    return write(None, 0)


def _on_rwlock(memory: Memory, kind: str, w: int) -> Operation[Any]:
    cells = (memory.rwlocks[w],)
    match kind:
        case "read_lock":
            return Operation(f"w{w}.read_lock", cells, _read_lock)
        case "if_read":
            return Operation(f"w{w}.try_read", cells, _try_read)
        case "read_unlock":
            return Operation(f"w{w}.read_unlock", cells, _read_unlock)
        case "write_lock":
            return Operation(f"w{w}.write_lock", cells, _write_lock)
        case "if_write":
            return Operation(f"w{w}.try_write", cells, _try_write)
        case "write_unlock":
            return Operation(f"w{w}.write_unlock", cells, _write_unlock)
    raise ValueError(kind)


def _on_mutex(memory: Memory, kind: str, m: int) -> Operation[Any]:
    effect = _try if kind == "try" else _lock if kind == "lock" else _unlock
    return Operation(f"m{m}.{kind}", (memory.mutexes[m],), effect)


def _on_two(
    memory: Memory, kind: str, c: int, d: int, effect: Callable[..., Outcomes], *args: object
) -> Operation[Any]:
    return Operation(f"c{c}+c{d}.{kind}", (memory.cells[c], memory.cells[d]), effect, args)


async def _run(memory: Memory, here: Registers, block: Block) -> Statement | None:
    """Run a block within a frame; what it is left by, `return` or `again`, or None at its end."""
    for statement in block:
        way = await _one(memory, here, statement)
        if way is not None:
            return way
    return None


async def _one(memory: Memory, here: Registers, statement: Statement) -> Statement | None:
    match statement:
        case "if", v, then, other:
            return await _run(memory, here, then if here.acc == v else other)
        case "if_lock", m, inner:
            here.acc = await _on_mutex(memory, "try", m)
            return await _inside(memory, here, inner, ("unlock", m))
        case ("if_read" | "if_write") as kind, w, inner:
            here.acc = await _on_rwlock(memory, kind, w)
            return await _inside(memory, here, inner, (f"{kind[3:]}_unlock", w))
        case "call", inner, v:
            here.acc = await called(memory, inner, here.acc if v is None else v)
        case ("times" | "until") as kind, v, carry, inner:
            here.acc = await repeat(
                turn, memory, kind, v, carry, inner, 0, here.acc if carry else 0
            )
        case "forever", carry, inner:
            here.acc = await repeat(
                turn, memory, "forever", None, carry, inner, 0, here.acc if carry else 0
            )
        case "guard", inner, handler:
            try:
                return await _run(memory, here, inner)
            except Trouble as trouble:
                here.acc = 10 + trouble.args[0]
            return await _run(memory, here, handler)
        case "finally", inner, last:
            try:
                way = await _run(memory, here, inner)
            finally:
                await _run(memory, here, last)
            return way
        case "raise", k:
            raise Trouble(k)
        case ("return", _) | ("again",):
            return statement
        case ("give",):
            return "return", here.acc
        case ("keep",):
            here.kept = here.acc
        case ("recall",):
            here.acc = here.kept
        case _:
            await _operate(memory, here, statement)
    return None


async def _inside(
    memory: Memory, here: Registers, inner: Block, undo: Statement
) -> Statement | None:
    """The block of a lock that was tried, if it was got."""
    if here.acc != 1:
        return None
    way = await _run(memory, here, inner)
    if way is None:
        await _operate(memory, here, undo)
    return way


async def _operate(memory: Memory, here: Registers, statement: Statement) -> None:
    cells = memory.cells
    match statement:
        case ("step",):
            await step("step")
        case ("progress",):
            await progress("progress")
        case "load", c:
            here.acc = await load(cells[c])
        case "store", c, v:
            await store(cells[c], v)
        case "put", c:
            await store(cells[c], here.acc % PUT)
        case "xchg", c, v:
            here.acc = await xchg(cells[c], v)
        case "cas", c, old, new:
            here.acc = await cmpxchg(cells[c], old, new)
        case "weak", c, old, new:
            here.acc = await Operation(f"c{c}.weak", (cells[c],), _weak, (old, new), choice=True)
        case "fetch_add", c, n:
            here.acc = await fetch_add(cells[c], n)
        case "add", c, n:
            await atomic_add(cells[c], n)
        case "bump", c, m:
            await Operation(f"c{c}.bump", (cells[c],), _bump, (m,))
        case "move", c, d:
            await _on_two(memory, "move", c, d, _move)
        case "copy", c, d:
            await _on_two(memory, "copy", c, d, _copy)
        case "dcas", c, d, x, y, v:
            here.acc = await _on_two(memory, "dcas", c, d, _dcas, x, y, v)
        case "tally", c, v, d:
            await _on_two(memory, "tally", c, d, _tally, v)
        case "sum", *several:
            name = "+".join(f"c{c}" for c in several)
            here.acc = await Operation(f"{name}.sum", tuple(cells[c] for c in several), _sum)
        case "wait", c, v:
            await Operation(f"c{c}.wait", (cells[c],), _is, (v,))
        case "wait2", how, c, d:
            await wait(f"c{c}+c{d}.wait2", _condition(how), cells[c], cells[d])
        case "choose", *values:
            here.acc = await choose("any", tuple(values))
        case "report", kind, where, why:
            await report(kind, where, (why,) if why else ())
        case "bug", where:
            await bug(where)
        case "try", m:
            here.acc = await _on_mutex(memory, "try", m)
        case ("lock" | "unlock") as kind, m:
            await _on_mutex(memory, kind, m)
        case kind, w:
            await _on_rwlock(memory, kind, w)


@routine
async def main(memory: Memory, block: Block) -> None:
    await _run(memory, Registers(0), block)


@routine
async def called(memory: Memory, block: Block, given: int) -> int:
    here = Registers(given)
    way = await _run(memory, here, block)
    return int(way[1]) if way is not None and way[0] == "return" else here.acc


@routine
async def turn(
    memory: Memory, kind: str, v: int | None, carry: int, block: Block, number: int, given: int
) -> Again | Done[int]:
    here = Registers(given)
    way = await _run(memory, here, block)
    if way is not None and way[0] == "return":
        return Done(way[1])
    if kind == "until" and way is None and here.acc == v:
        return Done(here.acc)
    if kind == "times":
        number += 1
        if number == v:
            return Done(here.acc)
    return Again(memory, kind, v, carry, block, number, here.acc if carry else 0)


def _said(cells: tuple[Cell[int], ...], expression: Expression, look: Look) -> bool:
    match expression:
        case "is", c, v:
            return bool(look(cells[c]) == v)
        case "at_most", c, v:
            return bool(look(cells[c]) <= v)
        case "not", inner:
            return not _said(cells, inner, look)
        case "and", *inner:
            return all(_said(cells, one, look) for one in inner)
        case "or", *inner:
            return any(_said(cells, one, look) for one in inner)
        case "pick", c, cases, other:
            held = look(cells[c])
            return _said(cells, next((then for v, then in cases if v == held), other), look)
    raise ValueError(expression)


def _stage(
    cells: tuple[Cell[int], ...], of: Values, stage: int, bad: int
) -> Callable[[Look, Any], object]:
    """One part of a staged property: it is told a sum, and says a larger one."""

    def part(look: Look, said: Any) -> object:
        total = said[1] if said else 0
        total += look(cells[of[(stage + total) % len(of)]])
        return ("so far", total) if stage + 1 < len(of) else total != bad

    return part


def _property(memory: Memory, one: PropertyOf) -> Property:
    if one.rule[0] == "whole":
        return Property.whole(
            one.name, one.kind, lambda look: _said(memory.cells, one.rule[1], look)
        )
    _, of, bad = one.rule
    return Property(
        one.name, one.kind, tuple(_stage(memory.cells, of, stage, bad) for stage in range(len(of)))
    )


def scenario(program: Program) -> Scenario:
    """A program as a scenario: task by task, cell by cell."""
    names = ("", *(task.name for task in program.tasks))
    memory = Memory(
        tuple(Cell(f"c{i}", 0, range(-99, 300)) for i in range(program.cells)),
        tuple(Cell(f"m{i}", "", one_of(names)) for i in range(program.mutexes)),
        tuple(Cell(f"w{i}", 0, range(-1, 20)) for i in range(program.rwlocks)),
    )
    return Scenario(
        "oracle",
        tuple(Task(task.name, main(memory, task.block), task.daemon) for task in program.tasks),
        tuple(_property(memory, one) for one in program.properties),
    )


def told(finding: Finding) -> tuple[str, str, tuple[str, ...]]:
    """A finding as the machine tells it."""
    return finding.kind, finding.where, finding.causes
