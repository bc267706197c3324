"""`protocol.py` for detangle: `python -m tests.bench.stateless VCPUS LIMIT SECONDS`,
with detangle on the path.

detangle runs asyncio tasks in one order after another and remembers no state. Retries here have no
bound, so there is no last order: it gets a budget of seconds, and decides nothing. Tasks go on at
`asyncio.sleep(0)`; one that has to wait does so on a future, and looks again after the next step.
Orders are drawn at random: detangle's other strategies let one task retry for ever what another
one's unlock would end, and report that as a bug.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from importlib import import_module

EXCLUSIVE = -1


class World:
    """The seven cells, and what tasks do to them. `met` has every valuation, and outlives a run."""

    def __init__(self, limit: int, met: set[tuple[object, ...]]) -> None:
        self.mmu_lock, self.spte, self.sept, self.tree = 0, "NP", "FREE", 0
        self.entry, self.zapping, self.inside = False, False, 0
        self.limit, self.met, self.steps = limit, met, 0
        self._waiting: list[asyncio.Future[None]] = []
        self.look()

    def look(self) -> None:
        now = (
            self.mmu_lock,
            self.spte,
            self.sept,
            self.tree,
            self.entry,
            self.zapping,
            self.inside,
        )
        self.met.add(now)

    def holds(self) -> bool:
        backed = self.spte != "LEAF" or self.sept in {"PENDING", "MAPPED"}
        return backed and (self.spte != "FROZEN" or self.mmu_lock != EXCLUSIVE)

    async def step(self, when: Callable[[], bool] | None = None) -> None:
        """Let others run, then wait for the condition.

        What follows until the next call is one step.
        """
        self._stepped()
        await asyncio.sleep(0)
        while when is not None and not when():
            future = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            await future
        self.steps += 1

    def _stepped(self) -> None:
        self.look()
        for future in self._waiting:
            future.set_result(None)
        self._waiting.clear()

    async def enter(self) -> None:
        await self.step(lambda: not self.zapping)
        self.inside += 1

    async def exit(self) -> None:
        await self.step()
        self.inside -= 1

    async def try_shared(self) -> bool:
        await self.step()
        if self.tree == EXCLUSIVE:
            return False
        self.tree += 1
        return True

    async def put_shared(self) -> None:
        await self.step()
        self.tree -= 1

    async def try_exclusive(self) -> bool:
        await self.step()
        if self.tree:
            return False
        self.tree = EXCLUSIVE
        return True

    async def put_exclusive(self) -> None:
        await self.step()
        self.tree = 0

    async def take_entry(self) -> bool:
        await self.step()
        held, self.entry = self.entry, True
        return not held

    async def put_entry(self) -> None:
        await self.step()
        self.entry = False

    async def aug(self) -> bool:
        if not await self.try_shared():
            return False
        taken = await self.take_entry()
        if taken:
            await self.step()
            assert self.sept == "FREE", "TDX_BUG_ON tdh_mem_page_aug"
            self.sept = "PENDING"
            await self.put_entry()
        await self.put_shared()
        return taken

    async def map(self) -> bool:
        await self.step()
        if self.spte != "NP":
            return self.spte == "LEAF"
        await self.step()
        if self.spte != "NP":
            return False
        self.spte = "FROZEN"
        mapped = await self.aug()
        await self.step()
        self.spte = "LEAF" if mapped else "NP"
        return mapped

    async def fault(self) -> None:
        faults, mapped = 0, False
        while not mapped:
            await self.enter()
            if faults == self.limit:
                if not await self.try_exclusive():
                    await self.exit()
                    continue
                await self.put_exclusive()
            await self.exit()
            await self.step(lambda: self.mmu_lock != EXCLUSIVE)
            self.mmu_lock += 1
            mapped = await self.map()
            await self.step()
            self.mmu_lock -= 1
            faults = min(faults + 1, self.limit)

    async def tdg_mem_page_accept(self) -> str | None:
        if not await self.try_shared():
            return None
        found = None
        if await self.take_entry():
            await self.step()
            found = self.sept
            self.sept = "MAPPED" if found == "PENDING" else found
            await self.put_entry()
        await self.put_shared()
        return found

    async def accepting_vcpu(self) -> None:
        await self.fault()
        found = None
        while found not in {"PENDING", "MAPPED"}:
            await self.enter()
            found = await self.tdg_mem_page_accept()
            await self.exit()
            if found in {"FREE", "BLOCKED"}:
                await self.fault()
        self._stepped()

    async def vcpu(self) -> None:
        await self.fault()
        self._stepped()

    async def exclusively(self, after: str) -> bool:
        if not await self.try_exclusive():
            return False
        assert await self.take_entry(), "BUG an entry lock was held beside the exclusive tree"
        await self.step()
        self.sept = after
        await self.put_entry()
        await self.put_exclusive()
        return True

    async def do_no_vcpus(self, after: str) -> None:
        if await self.exclusively(after):
            return
        await self.step()
        self.zapping = True
        await self.step(lambda: self.inside == 0)
        assert await self.exclusively(after), "TDX_BUG_ON tdh_do_no_vcpus"
        await self.step()
        self.zapping = False

    async def zapper(self) -> None:
        await self.step(lambda: self.mmu_lock == 0)
        self.mmu_lock = EXCLUSIVE
        await self.step()
        if self.spte == "LEAF":
            await self.step()
            self.spte = "NP"
            await self.do_no_vcpus("BLOCKED")
            await self.do_no_vcpus("FREE")
        await self.step()
        self.mmu_lock = 0
        self._stepped()


def main(vcpus: int, limit: int, budget: float) -> dict[str, object]:
    detangle = import_module("detangle")
    met: set[tuple[object, ...]] = set()
    steps = 0

    async def once() -> None:
        nonlocal steps
        world = World(limit, met)
        detangle.invariant(world.holds)
        vcpu_tasks = [world.vcpu() for _ in range(vcpus - 1)]
        await asyncio.gather(world.accepting_vcpu(), *vcpu_tasks, world.zapper())
        steps += world.steps

    started = time.perf_counter()
    stats = detangle.explore(
        once, runs=sys.maxsize, strategy="random", seed=1, max_duration=budget, database=False
    )
    seconds = time.perf_counter() - started
    return {
        "schedules": stats.runs,
        "distinct": stats.distinct_schedules,
        "steps": steps,
        "seconds": seconds,
        "exhausted": stats.exhausted,
        "met": sorted(met),
    }


if __name__ == "__main__":
    json.dump(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])), sys.stdout)
