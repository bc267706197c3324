"""Workers on other machines: batches as tasks of dask.distributed,
behind the interface of `sim.campaign.local_workers`.

Dask's client runs an event loop in a thread of its own. What blocks is called in a thread; that a
task is done is told by that loop to trio. The scheduler does what it is there for: a task whose
worker has gone is given to another one. A worker that hangs is restarted by its nanny, a process
that dask starts for each worker.

A worker that has another tdpsim would answer another question, so each call says which one it is.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import CancelledError
from functools import partial
from typing import Any, TypeVar

import attrs
import trio

from sim.base.errors import UsageError
from sim.campaign.errors import Lost, NoWorkersError
from sim.campaign.jobs import Foreign, checked

T = TypeVar("T")
_ANSWER = 20.0
_LOOK = 2.0


@attrs.frozen(eq=False)
class Cluster:
    """The workers of a scheduler, however many there are at a time."""

    address: str
    slots: trio.CapacityLimiter
    _client: Any

    async def call(self, patience: float, function: Callable[..., T], /, *args: Any) -> T:
        model = args[0].model()
        with self._words():
            future = self._client.submit(checked, model, function, *args, pure=False)
        try:
            await self._done(future, patience)
            result: T = await trio.to_thread.run_sync(future.result, abandon_on_cancel=True)
        except Foreign as error:
            raise NoWorkersError(
                f"a worker at {self.address} has another tdpsim: {error}"
            ) from None
        except (Exception, CancelledError) as error:
            if isinstance(error, Lost | NoWorkersError):
                raise
            if self._client.status != "running":
                raise self._gone() from None
            raise Lost(f"{type(error).__name__}: {error}") from None
        else:
            return result
        finally:
            future.release()

    async def _done(self, future: Any, patience: float) -> None:
        """Wait for it; and where it takes too long while somebody is at it, end whoever that is."""
        done, token = trio.Event(), trio.lowlevel.current_trio_token()

        def tell(_future: object) -> None:
            with contextlib.suppress(trio.RunFinishedError):
                token.run_sync_soon(done.set)

        future.add_done_callback(tell)
        while True:
            with trio.move_on_after(patience):
                await done.wait()
                return
            with self._words():
                at = await trio.to_thread.run_sync(self._client.processing)
            working = [worker for worker, keys in at.items() if future.key in keys]
            if working:
                await trio.to_thread.run_sync(partial(self._end, future, working))
                raise Lost(f"it took longer than {patience:.0f} s")

    def _end(self, future: Any, working: list[str]) -> None:
        """Cancel the task, so that no other worker gets it, and restart the workers that run it."""
        # without a nanny nobody can be ended; then that worker is lost
        with contextlib.suppress(Exception):
            future.cancel(force=True)
            self._client.restart_workers(working, timeout=_ANSWER)

    def _gone(self) -> NoWorkersError:
        return NoWorkersError(
            f"the scheduler at {self.address} is gone; --resume goes on from here"
        )

    @contextlib.contextmanager
    def _words(self) -> Iterator[None]:
        """Raise NoWorkersError where the scheduler itself does not answer.

        The client may learn of that only later, so its status is not asked.
        """
        try:
            yield
        except (OSError, CancelledError, RuntimeError):
            raise self._gone() from None

    async def look(self) -> None:
        """Keep as many calls under way as there are threads, for ever.

        One where nobody is there yet.
        """
        while True:
            with self._words():
                threads = await trio.to_thread.run_sync(self._client.nthreads)
            self.slots.total_tokens = max(1, sum(threads.values()))
            await trio.sleep(_LOOK)


@contextlib.asynccontextmanager
async def connected(address: str) -> AsyncIterator[Cluster]:
    """The workers of the scheduler at an address.

    Raises UsageError where the extra is missing, or NoWorkersError.
    """
    try:
        from distributed import Client  # noqa: PLC0415 - an extra
    except ImportError:
        raise UsageError(
            "--cluster needs dask.distributed: pip install 'tdpsim[cluster]'"
        ) from None
    for name in [
        name for name in logging.root.manager.loggerDict if name.startswith("distributed")
    ]:
        # what goes wrong is told in our words
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        client = await trio.to_thread.run_sync(
            lambda: Client(address, timeout=_ANSWER, set_as_default=False)
        )
    except (OSError, ValueError) as error:
        raise NoWorkersError(f"no scheduler answers at {address}: {error}") from None
    cluster = Cluster(address, trio.CapacityLimiter(1), client)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(cluster.look)
            yield cluster
            nursery.cancel_scope.cancel()
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(lambda: client.close(timeout=_LOOK))
