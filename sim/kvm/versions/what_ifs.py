"""Kernels that nobody has posted, to try what a mail asks for.

The mail of 7 April 2026 closes with a condition: if atomic zaps are ever allowed on a mirror root,
zapping the S-EPT must not be able to fail. Two additions that could make it so, each on top of the
series:

* `Retries`: a SEAMCALL that is BUSY is called again until it is not, with every vCPU out of the
  guest;
* `Serialised`: a lock per TD around the external operation of every SPTE, so that no two SEAMCALLs
  of the host meet.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

from sim.engine.model.cells import Cell
from sim.engine.model.operations import store
from sim.engine.model.routines import Again, Call, Done, repeat, routine
from sim.kvm.errno import Errno
from sim.kvm.kvm_main import Request
from sim.kvm.mutex import Mutex, lock, mutex, unlock
from sim.kvm.spte import Spte
from sim.kvm.versions.v7_2 import Series
from sim.tdx.status import Status, tdx_operand_busy


@attrs.frozen(eq=False)
class Retries(Series):
    """Retry for as long as it takes."""

    VERSION = "retries"

    @routine
    async def tdh_do_no_vcpus(self, seamcall: Callable[..., Call[Status]], *args: object) -> Status:
        await self.lockdep_assert_held_write()
        err = await seamcall(*args)
        if tdx_operand_busy(err):
            await store(self.wait_for_sept_zap, True)
            await self.kvm_make_all_cpus_request(Request.OUTSIDE_GUEST_MODE)
            err = await repeat(self._until_free, seamcall(*args))
            await store(self.wait_for_sept_zap, False)
        return err

    @routine
    async def _until_free(self, seamcall: Call[Status]) -> Again | Done[Status]:
        err = await seamcall
        return Again(seamcall) if tdx_operand_busy(err) else Done(err)


@attrs.frozen(eq=False)
class Serialised(Series):
    """One external operation at a time."""

    VERSION = "serialised"

    sept_lock: Cell[Mutex] = attrs.field(factory=lambda: mutex("sept_lock"))

    @routine
    async def set_external_spte(
        self, gfn: str, old_spte: Spte, new_spte: Spte, level: int
    ) -> Errno | None:
        """The dispatcher, with the lock around it."""
        await lock(self.sept_lock)
        ret = await Series.set_external_spte(self, gfn, old_spte, new_spte, level)
        await unlock(self.sept_lock)
        return ret
