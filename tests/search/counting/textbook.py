"""Programs whose interleavings and classes are known,
from papers and from other checkers' own tests.

One visible operation a step. The names are those under which GenMC, Nidhugg and Concuerror keep
them.
"""

from __future__ import annotations

from sim.engine.model.cells import BOOL, Cell
from sim.engine.model.operations import (
    BLOCKED,
    Operation,
    Outcome,
    cmpxchg,
    fetch_add,
    load,
    read,
    report,
    store,
    write,
)
from sim.engine.model.routines import Again, Call, Done, repeat, routine
from sim.engine.model.scenario import Scenario, Task

Number = Cell[int]
Numbers = tuple[Number, ...]
Lock = Cell[bool]


def number(name: str) -> Number:
    return Cell(name, 0, range(1000))


def numbers(name: str, count: int) -> Numbers:
    return tuple(number(f"{name}{i}") for i in range(count))


def locks(name: str, count: int) -> tuple[Lock, ...]:
    return tuple(Cell(f"{name}{i}", initial=False, domain=BOOL) for i in range(count))


def tasks(name: str, *calls: Call[None]) -> Scenario:
    return Scenario(name, tuple(Task(f"t{i:02}", call) for i, call in enumerate(calls)))


def _take(_task: str, values: tuple[bool]) -> tuple[Outcome, ...]:
    return BLOCKED if values[0] else write(None, True)


def _try(_task: str, values: tuple[bool]) -> tuple[Outcome, ...]:
    return read(False, values) if values[0] else write(True, True)


def _drop(_task: str, _values: tuple[bool]) -> tuple[Outcome, ...]:
    return write(None, False)


def lock(cell: Lock) -> Operation[None]:
    return Operation(f"{cell.name}.lock", (cell,), _take)


def try_lock(cell: Lock) -> Operation[bool]:
    return Operation(f"{cell.name}.try", (cell,), _try)


def unlock(cell: Lock) -> Operation[None]:
    return Operation(f"{cell.name}.unlock", (cell,), _drop)


@routine
async def put(cell: Number, value: int) -> None:
    await store(cell, value)


@routine
async def get(*cells: Number) -> None:
    for cell in cells:
        await load(cell)


def readers(n: int, *, private: bool = False) -> Scenario:
    """One writer, n readers; each reader may first read a cell of its own."""
    x, own = number("x"), numbers("own", n)
    reading = (get(own[i], x) if private else get(x) for i in range(n))
    return tasks("readers", put(x, 1), *reading)


@routine
async def find_zero(a: Numbers, i: int) -> Again | Done[int]:
    return Done(i) if await load(a[i]) == 0 else Again(a, i - 1)


@routine
async def last_zero(a: Numbers) -> None:
    await repeat(find_zero, a, len(a) - 1)


@routine
async def succeed(before: Number, here: Number) -> None:
    await store(here, await load(before) + 1)


def lastzero(n: int) -> Scenario:
    a = numbers("a", n + 1)
    return tasks("lastzero", last_zero(a), *(succeed(a[j - 1], a[j]) for j in range(1, n + 1)))


@routine
async def insert(table: Numbers, h: int, w: int) -> Again | Done[None]:
    if await cmpxchg(table[h], 0, w) == 0:
        return Done(None)
    return Again(table, (h + 1) % 128, w)


@routine
async def index(table: Numbers, t: int) -> None:
    for i in range(4):
        w = i * 11 + t
        await repeat(insert, table, w * 7 % 128, w)


def indexer(n: int) -> Scenario:
    table = numbers("table", 128)
    return tasks("indexer", *(index(table, t) for t in range(n)))


@routine
async def claim_block(
    inode: Number, locked: tuple[Lock, ...], busy: Numbers, b: int
) -> Again | Done[None]:
    await lock(locked[b])
    if await load(busy[b]) == 0:
        await store(busy[b], 1)
        await store(inode, b + 1)
        await unlock(locked[b])
        return Done(None)
    await unlock(locked[b])
    return Again(inode, locked, busy, (b + 1) % 26)


@routine
async def create(
    mine: Lock, inode: Number, locked: tuple[Lock, ...], busy: Numbers, i: int
) -> None:
    await lock(mine)
    if await load(inode) == 0:
        await repeat(claim_block, inode, locked, busy, 2 * i % 26)
    await unlock(mine)


def filesystem(n: int) -> Scenario:
    inode, inode_lock = numbers("inode", 32), locks("inode_lock", 32)
    busy, locked = numbers("busy", 26), locks("block_lock", 26)
    creating = (create(inode_lock[t % 32], inode[t % 32], locked, busy, t % 32) for t in range(n))
    return tasks("filesystem", *creating)


@routine
async def popl_r(y: Number, z: Number) -> None:
    if await load(y) == 0:
        await store(z, 1)


@routine
async def popl_s(x: Number, y: Number, z: Number) -> None:
    if await load(z) == 1 and await load(y) == 0:
        await store(x, 2)


def popl14() -> Scenario:
    """The example of "Optimal dynamic partial order reduction", POPL 2014."""
    x, y, z = number("x"), number("y"), number("z")
    return tasks("popl14", put(x, 1), put(y, 1), popl_r(y, z), popl_s(x, y, z))


@routine
async def fibonacci(first: Number, second: Number, to: Number, times: int) -> None:
    for _ in range(times):
        a = await load(first)
        await store(to, a + await load(second))


def fib_bench(n: int, *, reader: bool = True) -> Scenario:
    x, y = (Cell(name, 1, range(1000)) for name in "xy")
    two = (
        (fibonacci(x, y, x, n), fibonacci(x, y, y, n))
        if reader
        else (fibonacci(x, y, x, n), fibonacci(y, x, y, n))
    )
    return tasks("fib_bench", *two, *([get(x, y)] if reader else []))


@routine
async def add_one(*cells: Number) -> None:
    for cell in cells:
        await fetch_add(cell, 1)


def ainc(n: int) -> Scenario:
    x = number("x")
    return tasks("ainc", *(add_one(x) for _ in range(n)))


def binc(n: int) -> Scenario:
    x, y = number("x"), number("y")
    return tasks("binc", *(add_one(x, y) for _ in range(n)))


@routine
async def increment(x: Number) -> None:
    await store(x, await load(x) + 1)


def inc(n: int) -> Scenario:
    x = number("x")
    return tasks("inc", *(increment(x) for _ in range(n)))


@routine
async def locked_increment(m: Lock, x: Number) -> None:
    await lock(m)
    await store(x, await load(x) + 1)
    await unlock(m)


def lockinc(n: int) -> Scenario:
    (m,), x = locks("m", 1), number("x")
    return tasks("lockinc", *(locked_increment(m, x) for _ in range(n)))


@routine
async def cas_and_write(x: Number, i: int) -> None:
    await cmpxchg(x, 0, 1)
    await store(x, i + 3)


def casw(n: int) -> Scenario:
    x = number("x")
    return tasks("casw", *(cas_and_write(x, i) for i in range(n)))


@routine
async def dine(first: Lock, second: Lock) -> None:
    await lock(first)
    await lock(second)
    await unlock(second)
    await unlock(first)


def philosophers(n: int) -> Scenario:
    fork = locks("fork", n)
    return tasks("philosophers", *(dine(fork[i], fork[(i + 1) % n]) for i in range(n)))


@routine
async def try_increment(m: Lock, x: Number, tries: int) -> None:
    for _ in range(tries):
        if await try_lock(m):
            await store(x, await load(x) + 1)
            await unlock(m)
            return


def trylock(n: int, *, tries: int = 1) -> Scenario:
    (m,), x = locks("m", 1), number("x")
    return tasks("trylock", *(try_increment(m, x, tries) for _ in range(n)))


@routine
async def steps(own: Number, count: int) -> None:
    for value in range(count):
        await store(own, value)


def apart(*lengths: int) -> Scenario:
    """Tasks that take so many steps each, and never meet."""
    return tasks("apart", *(steps(number(f"own{i}"), length) for i, length in enumerate(lengths)))


@routine
async def long_way(own: Number, x: Number, count: int) -> None:
    for value in range(count):
        await store(own, value)
    await store(x, 1)


@routine
async def look_once(x: Number) -> None:
    if await load(x) == 1:
        await report("WARN", "look_once")


def late(k: int) -> Scenario:
    """A finding if the second task, which could begin at once,
    lets the first one take k steps and one more.
    """
    x = number("x")
    return tasks("late", long_way(number("own"), x, k), look_once(x))
