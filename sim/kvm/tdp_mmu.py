"""arch/x86/kvm/mmu/tdp_mmu.c, v6.19, on a mirror root or a direct one.

Left out: levels above 2M (the root of a scenario is the table of its 2M SPTEs), accessed and dirty
bits (so a store never has to be an exchange to keep them), `nx_huge_page_disallowed`, and the list
of pages.
"""

from __future__ import annotations

from enum import Enum

import attrs

from sim.engine.model.operations import Operation, Outcome, add, bug, write
from sim.engine.model.routines import Again, Done, repeat, routine
from sim.kvm.errno import EBUSY, Errno
from sim.kvm.kvm_main import caller, dunder, part_of
from sim.kvm.mmu_page import MmuPage, TdpIter
from sim.kvm.spte import (
    FROZEN_SPTE,
    PG_LEVEL_2M,
    PG_LEVEL_4K,
    Kind,
    Spte,
    is_unexpected_np,
    leaf_pfn_changed,
    make_nonleaf_spte,
    make_spte,
)
from sim.kvm.tdx_sept import TdxSept


class RetPf(Enum):
    """RET_PF_*: what a page fault comes to."""

    RETRY = 1
    FIXED = 5
    SPURIOUS = 6


@attrs.frozen(cache_hash=True)
class Fault:
    """struct kvm_page_fault: who faults, on which gfn,
    and whether a guest says that it accepts 4K only.
    """

    vcpu: str
    gfn: str
    accepts_4k: bool = False
    max_level: int = PG_LEVEL_2M
    """What the folio behind the gfn has room for."""
    root: int = 0
    """Which of `Kvm.roots` the vCPU has loaded."""


def _fill(_task: str, _values: tuple[Spte, ...], *sptes: Spte) -> tuple[Outcome, ...]:
    return write(None, *sptes)


def _add_up_to(_task: str, values: tuple[int], amount: int, most: int) -> tuple[Outcome, ...]:
    total = values[0] + amount
    return add(None, total) if -most <= total <= most else write(None, values[0])


@attrs.frozen(eq=False)
class TdpMmu(TdxSept):
    """tdp_mmu.c."""

    def kvm_tdp_mmu_read_spte(self, sp: MmuPage, gfn: str) -> Operation[Spte]:
        return sp.read(gfn, caller())

    def kvm_tdp_mmu_write_spte(self, sp: MmuPage, gfn: str, new_spte: Spte) -> Operation[None]:
        return sp.write(gfn, new_spte, caller())

    def kvm_tdp_mmu_write_spte_atomic(
        self, sp: MmuPage, gfn: str, new_spte: Spte
    ) -> Operation[Spte]:
        return sp.xchg(gfn, new_spte, caller())

    @routine
    @part_of("try_cmpxchg64")
    async def _loses_cmpxchg(self, iter: TdpIter, new_spte: Spte) -> bool:
        """!try_cmpxchg64(): whether the SPTE was another one than the walk has seen,
        or is said to have been.
        """
        if await self.should_fail("cmpxchg"):
            return True
        return await iter.sp.cmpxchg(iter.gfn, iter.old_spte, new_spte, caller()) != iter.old_spte

    @routine
    async def set_external_spte_present(self, iter: TdpIter, new_spte: Spte) -> Errno | None:
        """Freeze, map in the S-EPT, and only then let the new SPTE be seen;
        or restore the old one.
        """
        was_present = iter.old_spte.is_shadow_present
        await self.KVM_BUG_ON(was_present)  # and goes on
        await self.lockdep_assert_held()
        freezes = "freeze" not in self.without
        if await self._loses_cmpxchg(iter, FROZEN_SPTE if freezes else new_spte):
            return EBUSY()
        if new_spte.is_last(iter.level):
            ret = await self.tdx_sept_set_private_spte(iter.gfn, iter.level, new_spte)
        else:
            external_spt = self.spte_to_child_sp(new_spte).external_spt  # get_external_spt()
            await self.KVM_BUG_ON(not external_spt)
            ret = await self.tdx_sept_link_private_spt(iter.gfn, iter.level, external_spt)
        if not ret:
            if freezes:
                await self.kvm_tdp_mmu_write_spte(iter.sp, iter.gfn, new_spte)
        elif "restore" not in self.without:
            await self.kvm_tdp_mmu_write_spte(iter.sp, iter.gfn, iter.old_spte)
        return ret

    @routine
    @dunder
    async def _tdp_mmu_set_spte_atomic(self, iter: TdpIter, new_spte: Spte) -> Errno | None:
        """The new SPTE is not FROZEN, as everywhere here."""
        await self.WARN_ON_ONCE(iter.old_spte.is_frozen)
        if iter.sp.is_mirror:
            if await self.KVM_BUG_ON(not new_spte.is_shadow_present):
                return EBUSY()
            return await self.set_external_spte_present(iter, new_spte)
        return EBUSY() if await self._loses_cmpxchg(iter, new_spte) else None

    @routine
    async def tdp_mmu_set_spte_atomic(self, iter: TdpIter, new_spte: Spte) -> Errno | None:
        """Change an SPTE under mmu_lock held for read. -EBUSY: somebody else did,
        or the TDX module was busy.
        """
        await self.lockdep_assert_held_read()
        ret = await self._tdp_mmu_set_spte_atomic(iter, new_spte)
        if ret:
            return ret
        await self.handle_changed_spte(iter.sp, iter.gfn, iter.old_spte, new_spte, iter.level, True)
        return None

    @routine
    async def tdp_mmu_set_spte(
        self, sp: MmuPage, gfn: str, old_spte: Spte, new_spte: Spte, level: int
    ) -> Spte:
        """Change an SPTE under mmu_lock held for write: the SPTE first, without freezing,
        the S-EPT last.
        """
        await self.lockdep_assert_held_write()
        await self.WARN_ON_ONCE(old_spte.is_frozen or new_spte.is_frozen)
        await self.kvm_tdp_mmu_write_spte(sp, gfn, new_spte)
        await self.handle_changed_spte(sp, gfn, old_spte, new_spte, level, False)
        if sp.is_mirror:
            await self.KVM_BUG_ON(new_spte.is_shadow_present)  # and goes on
            await self.remove_external_spte(gfn, old_spte, level)
        return old_spte

    @routine
    async def remove_external_spte(self, gfn: str, old_spte: Spte, level: int) -> None:
        """No look at presence: at 4K, a non-present SPTE is "last" too."""
        if not old_spte.is_last(level):
            return
        await self.lockdep_assert_held_write()
        await self.tdx_sept_remove_private_spte(gfn, level, old_spte)

    @routine
    async def handle_changed_spte(
        self, sp: MmuPage, gfn: str, old_spte: Spte, new_spte: Spte, level: int, shared: bool
    ) -> None:
        """The TDP MMU's bookkeeping for a change; no external operation in this version,
        and nothing to return.
        """
        if leaf_pfn_changed(old_spte, new_spte, level):
            await bug("handle_changed_spte")
        if old_spte == new_spte:
            return
        await self.trace_kvm_tdp_mmu_spte_changed(old_spte, new_spte, level, shared)
        if not old_spte.is_shadow_present and not new_spte.is_shadow_present:
            await self.WARN_ON_ONCE(is_unexpected_np(old_spte, new_spte))
            return
        await self.kvm_update_page_stats(old_spte, new_spte, level)
        if old_spte.kind is Kind.NONLEAF:
            await self.WARN_ON_ONCE(new_spte.kind is Kind.NONLEAF)  # pfn_changed
            await self.handle_removed_pt(self.spte_to_child_sp(old_spte), shared)

    @routine
    async def kvm_update_page_stats(self, old_spte: Spte, new_spte: Spte, level: int) -> None:
        """mmu.h: pages_4k and pages_2m count the leafs."""
        was_leaf, is_leaf = old_spte.kind is Kind.LEAF, new_spte.kind is Kind.LEAF
        if was_leaf != is_leaf:
            await self.kvm_account(level, 1 if is_leaf else -1)

    def kvm_account(self, level: int, amount: int) -> Operation[None]:
        """Add to the number of leafs at a level.

        The kernel's counter goes on for ever, this one stops at its ends.
        """
        stat = self.stats[level - 1]
        return Operation(f"{stat.name}.add", (stat,), _add_up_to, (amount, 2 * len(self.pfns)))

    @routine
    async def handle_removed_pt(self, sp: MmuPage, shared: bool) -> None:
        """Empty a page table that has been unlinked: each SPTE frozen, and then for good;
        give up its S-EPT page.
        """
        for gfn, _ in sp.sptes:
            old_spte = await self._freeze_child(sp, gfn, shared)
            if not shared and not old_spte.is_shadow_present:
                continue
            await self.handle_changed_spte(sp, gfn, old_spte, FROZEN_SPTE, sp.level, shared)
            if sp.is_mirror:
                await self.KVM_BUG_ON(shared)  # and goes on
                await self.remove_external_spte(gfn, old_spte, sp.level)
        if sp.is_mirror:
            await self.WARN_ON_ONCE(await self.tdx_sept_free_private_spt(sp) is not None)
        await self.call_rcu(sp)

    @routine
    @part_of("handle_removed_pt")
    async def _freeze_child(self, sp: MmuPage, gfn: str, shared: bool) -> Spte:
        """In handle_removed_pt(): what the SPTE was.

        Under the write lock, one that is not present is left alone.
        """
        if shared:
            return await repeat(self._cpu_relax, sp, gfn)
        old_spte = await self.kvm_tdp_mmu_read_spte(sp, gfn)
        if old_spte.is_shadow_present:
            await self.kvm_tdp_mmu_write_spte(sp, gfn, FROZEN_SPTE)
        return old_spte

    @routine
    @part_of("handle_removed_pt")
    async def _cpu_relax(self, sp: MmuPage, gfn: str) -> Again | Done[Spte]:
        """handle_removed_pt()'s loop under the read lock:
        whoever else has frozen the SPTE stores to it first.
        """
        old_spte = await self.kvm_tdp_mmu_write_spte_atomic(sp, gfn, FROZEN_SPTE)
        return Again(sp, gfn) if old_spte.is_frozen else Done(old_spte)

    @routine
    async def call_rcu(self, sp: MmuPage) -> None:
        """How handle_removed_pt() ends; its callback is tdp_mmu_free_sp_rcu_callback()."""
        if self.rcu and sp.life:
            await self.rcu.call_rcu(sp.life)

    @routine
    async def tdp_mmu_link_sp(self, iter: TdpIter, sp: MmuPage, shared: bool) -> Errno | None:
        """Make the SPTE point to a page table."""
        spte = make_nonleaf_spte(sp.number)
        if shared:
            return await self.tdp_mmu_set_spte_atomic(iter, spte)
        await self.tdp_mmu_set_spte(iter.sp, iter.gfn, iter.old_spte, spte, iter.level)
        return None

    @routine
    async def tdp_mmu_split_huge_page(
        self, iter: TdpIter, sp: MmuPage, shared: bool
    ) -> Errno | None:
        """Fill a page table with the small pages of a large one, which nobody sees yet,
        and link it in its place.
        """
        small = tuple(make_spte(iter.old_spte.pfn + i) for i in range(len(sp.sptes)))
        await Operation(
            f"{sp.cell(iter.gfn).name}.fill", tuple(cell for _, cell in sp.sptes), _fill, small
        )
        ret = await self.tdp_mmu_link_sp(iter, sp, shared)
        if not ret:
            await self.kvm_account(sp.level, len(sp.sptes))
        return ret

    def tdp_mmu_alloc_sp(self, vcpu: str) -> MmuPage:
        """A page from the vCPU's cache, its S-EPT page with it."""
        return next(sp for name, sp in self.caches if name == vcpu)

    @routine
    async def tdp_mmu_map_handle_target_level(self, iter: TdpIter) -> RetPf:
        """Whatever error comes back, also -EIO, is RET_PF_RETRY."""
        pfn = self.gfn_to_pfn(iter.sp.first(iter.gfn))
        if iter.old_spte.kind is Kind.LEAF:
            await self.WARN_ON_ONCE(iter.old_spte.pfn != pfn)
            return RetPf.SPURIOUS
        new_spte = make_spte(pfn)
        if await self.tdp_mmu_set_spte_atomic(iter, new_spte):
            return RetPf.RETRY
        return RetPf.FIXED

    @routine
    async def kvm_tdp_mmu_map(self, fault: Fault) -> RetPf:
        """Walk to the goal level and map there; link the page tables on the way."""
        await self.rcu_read_lock()
        ret = await self._map(fault)
        await self.rcu_read_unlock()
        return ret

    @routine
    @part_of("kvm_tdp_mmu_map")
    async def _map(self, fault: Fault) -> RetPf:
        """What kvm_tdp_mmu_map() does under RCU.

        A step down re-reads the SPTE it steps down from (tdp_iter.c).
        """
        gfn, root = fault.gfn, self.roots[fault.root]
        iter = TdpIter(gfn, PG_LEVEL_2M, await self.kvm_tdp_mmu_read_spte(root, gfn), root)
        if iter.old_spte.is_frozen:
            return RetPf.RETRY
        if self.kvm_mmu_hugepage_adjust(fault, iter.old_spte) == PG_LEVEL_2M:
            return await self.tdp_mmu_map_handle_target_level(iter)
        if iter.old_spte.kind is not Kind.NONLEAF:
            sp = self.tdp_mmu_alloc_sp(fault.vcpu)
            if iter.old_spte.is_shadow_present:
                await self.KVM_BUG_ON(root.is_mirror)  # and goes on
                r = await self.tdp_mmu_split_huge_page(iter, sp, True)
            else:
                r = await self.tdp_mmu_link_sp(iter, sp, True)
            if r:
                return RetPf.RETRY  # tdp_mmu_free_sp()
        old_spte = await self.kvm_tdp_mmu_read_spte(root, gfn)
        if old_spte.kind is not Kind.NONLEAF:
            return RetPf.RETRY
        sp = self.spte_to_child_sp(old_spte)
        iter = TdpIter(gfn, PG_LEVEL_4K, await self.kvm_tdp_mmu_read_spte(sp, gfn), sp)
        if iter.old_spte.is_frozen:
            return RetPf.RETRY
        return await self.tdp_mmu_map_handle_target_level(iter)

    def kvm_mmu_hugepage_adjust(self, fault: Fault, old_spte: Spte) -> int:
        """mmu_internal.h declares it, mmu.c defines it: `Mmu`, which stands above this class."""
        raise NotImplementedError
