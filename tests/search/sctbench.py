"""Programs that schedulers are measured by,
with a main() that starts the others one after the other and joins them.

From SCTBench (concurrent-software-benchmarks), a visible step each. Who is started one after the
other seldom runs side by side, and that is what makes these bugs rare.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from sim.engine.model.cells import BOOL, Cell, one_of
from sim.engine.model.operations import (
    BLOCKED,
    Operation,
    Outcome,
    load,
    report,
    store,
    wait,
    write,
)
from sim.engine.model.routines import Call, routine
from sim.engine.model.scenario import Scenario, Task

BUG = "BUG"


def _take(task: str, values: tuple[str]) -> tuple[Outcome, ...]:
    return BLOCKED if values[0] else write(None, task)


def lock(mutex: Cell[str]) -> Operation[None]:
    return Operation(f"{mutex.name}.lock", (mutex,), _take)


def unlock(mutex: Cell[str]) -> Operation[None]:
    return store(mutex, "")


def _is_true(value: bool) -> bool:
    return value


@routine
async def started(begin: Cell[bool], body: Call[None], end: Cell[bool]) -> None:
    """A thread: it waits until main() has created it, and says when it is done."""
    await wait(f"{begin.name}.wait", _is_true, begin)
    await body
    await store(end, new=True)


@routine
async def spawner(begins: tuple[Cell[bool], ...], ends: tuple[Cell[bool], ...]) -> None:
    """main(): pthread_create() for each of them, and then pthread_join()."""
    for begin in begins:
        await store(begin, new=True)
    for end in ends:
        await wait(f"{end.name}.join", _is_true, end)


def spawned(name: str, bodies: dict[str, Call[None]]) -> Scenario:
    """A scenario in which main() starts these, in order."""
    begins = tuple(Cell(f"{task}.created", initial=False, domain=BOOL) for task in bodies)
    ends = tuple(Cell(f"{task}.ended", initial=False, domain=BOOL) for task in bodies)
    threads = (
        Task(task, started(b, body, e))
        for (task, body), b, e in zip(bodies.items(), begins, ends, strict=True)
    )
    return Scenario(name, (Task("main", spawner(begins, ends)), *threads))


def _cell(name: str, *values: int) -> Cell[int]:
    return Cell(name, values[0], one_of(values))


@routine
async def setter(a: Cell[int], b: Cell[int]) -> None:
    await store(a, 1)
    await store(b, -1)


@routine
async def checker(a: Cell[int], b: Cell[int]) -> None:
    """`!((a == 0 && b == 0) || (a == 1 && b == -1))`"""
    if await load(a) == 0 and await load(b) == 0:
        return
    if await load(a) == 1 and await load(b) == -1:
        return
    await report(BUG, "checker")


def reorder(threads: int) -> Scenario:
    """All but one of so many threads set a and then b; the last one sees a set and b not."""
    a, b = _cell("a", 0, 1), _cell("b", 0, -1)
    setters = {f"s{i}": setter(a, b) for i in range(threads - 1)}
    return spawned(f"reorder_{threads}", {**setters, "check": checker(a, b)})


@routine
async def two_stage(a: tuple[Cell[str], Cell[int]], b: tuple[Cell[str], Cell[int]]) -> None:
    await lock(a[0])
    await store(a[1], 1)
    await unlock(a[0])
    await lock(b[0])
    await store(b[1], await load(a[1]) + 1)
    await unlock(b[0])


@routine
async def reader(a: tuple[Cell[str], Cell[int]], b: tuple[Cell[str], Cell[int]]) -> None:
    await lock(a[0])
    first = await load(a[1])
    await unlock(a[0])
    if first == 0:
        return
    await lock(b[0])
    second = await load(b[1])
    await unlock(b[0])
    if second != first + 1:
        await report(BUG, "reader")


def two_stages(threads: int) -> Scenario:
    """All but one of so many threads write in two stages; the last one reads between them."""
    tasks = ("main", *(f"w{i}" for i in range(threads - 1)), "read")
    mutex = partial(Cell, initial="", domain=one_of(("", *tasks)))
    a, b = (mutex("A"), _cell("data1", 0, 1)), (mutex("B"), _cell("data2", 0, 1, 2))
    writers = {f"w{i}": two_stage(a, b) for i in range(threads - 1)}
    return spawned(f"twostage_{threads}", {**writers, "read": reader(a, b)})


@routine
async def booking(mutex: Cell[str], balance: Cell[int], done: Cell[bool], amount: int) -> None:
    await lock(mutex)
    await store(balance, await load(balance) + amount)
    await store(done, new=True)
    await unlock(mutex)


@routine
async def check_result(
    mutex: Cell[str], balance: Cell[int], done: tuple[Cell[bool], Cell[bool]]
) -> None:
    """`if (deposit_done && withdraw_done) assert(balance == (x - y) - z)`,
    which is not what was booked.
    """
    await lock(mutex)
    if await load(done[0]) and await load(done[1]):
        await load(balance)
        await report(BUG, "check_result")
    await unlock(mutex)


def account() -> Scenario:
    """A check that fails once both bookings are done: it has to come last, and is started first."""
    mutex: Cell[Any] = Cell("mutex", "", one_of(("", "main", "check", "deposit", "withdraw")))
    balance = _cell("balance", 0, 1, -1)
    done = tuple(
        Cell(f"{what}_done", initial=False, domain=BOOL) for what in ("deposit", "withdraw")
    )
    return spawned(
        "account",
        {
            "check": check_result(mutex, balance, (done[0], done[1])),
            "deposit": booking(mutex, balance, done[0], 1),
            "withdraw": booking(mutex, balance, done[1], -1),
        },
    )


PUBLISHED = {
    "account": {"surw": "6", "pos": "4", "pct:3": "4", "walk": "18"},
    "reorder_3": {"surw": "7", "pos": "86", "pct:3": "185", "walk": "-"},
    "reorder_5": {"surw": "10", "pos": "2169", "pct:3": "647", "walk": "-"},
    "reorder_10": {"surw": "17", "pos": "-", "pct:3": "3225 (16)", "walk": "-"},
    "twostage_2": {"surw": "8", "pos": "15", "pct:3": "13", "walk": "464"},
}
"""Schedules to the first bug, of at most 10,000, mean of 20 repetitions,
as the SURW artifact has them; "-": never."""

PROGRAMS = (account(), reorder(3), reorder(5), reorder(10), two_stages(2))
"""Up to eleven tasks; reorder_20 and larger have more than run side by side."""
