"""mmu_lock: who gets in, who queues, and that a writer is not starved."""

from __future__ import annotations

import pytest

from sim.engine.model.cells import BOOL, Cell
from sim.engine.model.operations import store
from sim.engine.model.routines import Again, Done, repeat, routine
from sim.engine.model.scenario import Look, Property, Scenario, Task
from sim.kvm.mmu_lock import READ, WRITE, MmuLock, RwState, _lock, _take
from sim.search.explore import explore


@routine
async def hold(lock: MmuLock, mode: str, inside: Cell[bool]) -> None:
    await (lock.write_lock() if mode == WRITE else lock.read_lock())
    await store(inside, True)
    await store(inside, False)
    await (lock.write_unlock() if mode == WRITE else lock.read_unlock())


@pytest.mark.parametrize("unfair", [False, True], ids=["fair", "unfair"])
@pytest.mark.parametrize("modes", [(READ, READ, WRITE), (WRITE, WRITE, READ), (READ, READ, READ)])
def test_a_writer_is_alone_and_readers_are_not(modes: tuple[str, ...], unfair: bool) -> None:
    names = tuple(f"t{i}" for i in range(len(modes)))
    lock = MmuLock.build(names, unfair=unfair)
    inside = [Cell(f"{name}.inside", initial=False, domain=BOOL) for name in names]

    def alone(look: Look) -> bool:
        within = [mode for mode, cell in zip(modes, inside, strict=True) if look(cell)]
        return WRITE not in within or len(within) == 1

    def never_two(look: Look) -> bool:
        return sum(look(cell) for cell in inside) < 2

    tasks = tuple(Task(n, hold(lock, m, i)) for n, m, i in zip(names, modes, inside, strict=True))
    properties = (
        Property.whole("alone", "divergence", alone),
        Property.whole("never-two", "divergence", never_two),
    )
    found = {found.finding.where for found in explore(Scenario("lock", tasks, properties)).found}
    assert found == ({"never-two"} if modes.count(READ) > 1 else set())


@routine
async def read_again(lock: MmuLock) -> Again | Done[None]:
    await lock.read_lock()
    await lock.read_unlock()
    return Again(lock)


@routine
async def read_for_ever(lock: MmuLock) -> None:
    await repeat(read_again, lock)


def test_a_waiting_writer_keeps_new_readers_out() -> None:
    lock = MmuLock.build(("t0", "t1", "w"))
    queued = RwState(readers=("t0",), queue=(("w", WRITE),))
    (outcome,) = lock.step("read_lock", _lock, READ).outcomes("t1", (queued,))
    assert outcome.values == (RwState(readers=("t0",), queue=(("w", WRITE), ("t1", READ))),)
    assert lock.step("write_lock_slowpath", _take, WRITE).outcomes("w", (queued,)) == ()


def test_a_waiting_reader_keeps_new_writers_out_and_no_reader() -> None:
    lock = MmuLock.build(("t0", "t1", "w"))
    freed = RwState(queue=(("t0", READ),))
    (outcome,) = lock.step("read_lock", _lock, READ).outcomes("t1", (freed,))
    assert outcome.values == (RwState(readers=("t1",), queue=(("t0", READ),)),)
    (outcome,) = lock.step("write_lock", _lock, WRITE).outcomes("w", (freed,))
    assert outcome.values == (RwState(queue=(("t0", READ), ("w", WRITE))),)


def test_endless_readers_end_no_exploration() -> None:
    lock = MmuLock.build(("t0", "w"))
    done = Cell("w.inside", initial=False, domain=BOOL)
    tasks = (Task("t0", read_for_ever(lock), daemon=True), Task("w", hold(lock, WRITE, done)))
    exploration = explore(Scenario("lock", tasks))
    assert exploration.clean
    assert exploration.states < 100
