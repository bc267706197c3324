"""Worker processes on this machine, behind one small interface,
which `sim.campaign.dask_workers` has too.

The processes are trio-parallel's. They are spawned and not forked: a fork would copy the threads'
locks of whatever library has started threads, and a process that has run for a day is not to be
copied each time a worker is replaced.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol, TypeVar

import attrs
import trio
import trio_parallel

from sim.campaign import process as worker_process
from sim.campaign.errors import Lost, NoWorkersError
from sim.campaign.jobs import Foreign, checked, ready
from sim.campaign.question import CampaignSpec

T = TypeVar("T")
_GRACE = 5.0
_START = 120.0
"""Seconds for a process to start and to load what it needs;
what it is called for is not charged with them."""


class Workers(Protocol):
    """Whoever does the work."""

    @property
    def slots(self) -> trio.CapacityLimiter:
        """How many calls are worth having under way; whoever calls takes one."""
        ...

    async def call(self, patience: float, function: Callable[..., T], /, *args: object) -> T:
        """Call it in a process of its own, which is killed after so many seconds. Raises Lost."""
        ...


@attrs.frozen(eq=False)
class Pool:
    """So many worker processes here."""

    slots: trio.CapacityLimiter
    _context: trio_parallel.WorkerContext
    _unlimited: trio.CapacityLimiter = attrs.field(
        factory=lambda: trio.CapacityLimiter(float("inf"))
    )

    async def call(self, patience: float, function: Callable[..., T], /, *args: Any) -> T:
        try:
            if not self._context.statistics().idle_workers:
                await self._within(_START, ready)
            if args and isinstance(args[0], CampaignSpec):  # asked of this program, and of no other
                return await self._within(patience, checked, args[0].model(), function, *args)
            return await self._within(patience, function, *args)
        except trio.TooSlowError:
            raise Lost(f"it took longer than {patience:.0f} s") from None
        except trio_parallel.BrokenWorkerError as error:
            raise Lost(f"its worker died{_how(error)}") from None
        except Foreign as error:
            raise NoWorkersError(
                f"tdpsim has changed since this began: {error}; --resume with it as it was, or "
                "another --store"
            ) from None
        except Exception as error:  # noqa: BLE001 - whatever a worker raises, the others go on
            raise Lost(f"{type(error).__name__}: {error}") from None

    async def _within(self, seconds: float, function: Callable[..., T], /, *args: object) -> T:
        with trio.fail_after(seconds):
            result: T = await self._context.run_sync(
                function, *args, kill_on_cancel=True, limiter=self._unlimited
            )
        return result


def _how(error: trio_parallel.BrokenWorkerError) -> str:
    status = getattr(error.args[-1], "exitcode", None)
    if status is None:
        return ""
    return f" of signal {-status}" if status < 0 else f" with exit status {status}"


@contextlib.asynccontextmanager
async def pool(jobs: int) -> AsyncIterator[Pool]:
    """`jobs` processes, for as long as this is open.

    They are started when they are first needed.
    """
    manager = trio_parallel.open_worker_context(
        init=worker_process.begin, retire=worker_process.is_spent, grace_period=_GRACE
    )
    context = await manager.__aenter__()
    try:
        yield Pool(trio.CapacityLimiter(jobs), context)
    finally:
        # one that was killed while it had nothing to do
        with contextlib.suppress(trio_parallel.BrokenWorkerError):
            await manager.__aexit__(None, None, None)
