"""The series in another reading, which was never merged."""

from __future__ import annotations

import attrs

from sim.engine.model.routines import routine
from sim.kvm.errno import Errno
from sim.kvm.kvm_main import dunder
from sim.kvm.mmu_page import MmuPage
from sim.kvm.spte import Kind, Spte
from sim.kvm.versions.v7_2 import Series


@attrs.frozen(eq=False)
class InTurn(Series):
    """The series as the mail of 7 April 2026 reads it: the children (2.1),
    *then* the external PTE (2.2). What was merged, and every version before it, is the other form.

    What 2.2 would be for a nonleaf SPTE no source has; here it is what the dispatcher makes of any
    old present SPTE.
    """

    VERSION = "in-turn"

    @routine
    @dunder
    async def _handle_changed_spte(
        self, sp: MmuPage, gfn: str, old_spte: Spte, new_spte: Spte, level: int, shared: bool
    ) -> Errno | None:
        ret = await Series._handle_changed_spte(self, sp, gfn, old_spte, new_spte, level, shared)  # noqa: SLF001 - super()
        if ret or old_spte.kind is not Kind.NONLEAF or old_spte == new_spte or not sp.is_mirror:
            return ret
        return await self.set_external_spte(gfn, old_spte, new_spte, level)
