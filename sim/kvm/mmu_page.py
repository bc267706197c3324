"""struct kvm_mmu_page: page-table pages, the SPTEs in them,
and how long they live (arch/x86/kvm/mmu/mmu_internal.h).

A page that can be freed in a scenario has a `life`. It ends in two steps, as in the kernel:
call_rcu() notes who is in an RCU read-side section, and the callback frees the page once each of
those has left. Every access to an SPTE of such a page looks, in the same step, whether it has been
freed: that is a use-after-free, in the function that did it. So does a read of `external_spt`, the
one field of the structure that is read after its page was unlinked. Where no page of a scenario can
be freed, rcu_read_lock() is no step.

Pages come from caches that hold one page for each task that may need one (`tdp_mmu_alloc_sp()`), so
no task links two.
"""

from __future__ import annotations

from collections.abc import Awaitable, Container
from enum import Enum
from typing import Any

import attrs

from sim.engine.model.cells import Cell
from sim.engine.model.operations import (
    BLOCKED,
    Access,
    Finding,
    Operation,
    Outcome,
    cmpxchg,
    load,
    store,
    write,
    xchg,
)
from sim.kvm.spte import Spte


class Stage(Enum):
    LIVE = 0
    ZAPPED = 1
    FREED = 2


@attrs.frozen(cache_hash=True)
class Life:
    """Where a page stands, and, once it is zapped,
    the readers that its grace period still waits for.
    """

    stage: Stage = Stage.LIVE
    readers: tuple[str, ...] = ()

    def __str__(self) -> str:
        return (
            f"{self.stage.name} after {' '.join(self.readers)}" if self.readers else self.stage.name
        )


@attrs.frozen
class _Lives:
    tasks: tuple[str, ...]

    def __contains__(self, life: object) -> bool:
        return isinstance(life, Life) and _is_some(life.readers, self.tasks)


@attrs.frozen
class _Readers:
    tasks: tuple[str, ...]

    def __contains__(self, readers: object) -> bool:
        return isinstance(readers, tuple) and _is_some(readers, self.tasks)


def _is_some(readers: tuple[object, ...], tasks: Container[object]) -> bool:
    return list(readers) == sorted(dict.fromkeys(map(str, readers))) and all(
        reader in tasks for reader in readers
    )


@attrs.frozen(eq=False)
class MmuPage:
    """A page table: its SPTEs by gfn (above 4K several gfns have one),
    and the page it lends the S-EPT.
    """

    number: int
    level: int
    sptes: tuple[tuple[str, Cell[Spte]], ...]
    is_mirror: bool
    external_spt: int = 0
    life: Cell[Life] | None = None

    def cell(self, gfn: str) -> Cell[Spte]:
        return next(cell for name, cell in self.sptes if name == gfn)

    def first(self, gfn: str) -> str:
        """The first gfn of the SPTE that maps one."""
        return next(name for name, cell in self.sptes if cell is self.cell(gfn))

    def read(self, gfn: str, where: str) -> Operation[Spte]:
        return self._alive(load(self.cell(gfn)), where)

    def write(self, gfn: str, new: Spte, where: str) -> Operation[None]:
        return self._alive(store(self.cell(gfn), new), where)

    def xchg(self, gfn: str, new: Spte, where: str) -> Operation[Spte]:
        return self._alive(xchg(self.cell(gfn), new), where)

    def cmpxchg(self, gfn: str, old: Spte, new: Spte, where: str) -> Operation[Spte]:
        return self._alive(cmpxchg(self.cell(gfn), old, new), where)

    def read_external_spt(self, where: str) -> Awaitable[int]:
        """A read of the structure itself; no step where the page cannot be freed."""
        if self.life is None:
            return _known(self.external_spt)
        name = f"{self.life.name.removesuffix('.life')}.external_spt.load"
        return Operation(name, (self.life,), _read_field, (where, self.external_spt))

    def _alive(self, operation: Operation[Any], where: str) -> Operation[Any]:
        if self.life is None:
            return operation
        return operation.with_effect(_touch, (operation.effect, where, operation.args), self.life)


async def _known(number: int) -> int:
    return number


def _read_field(_task: str, values: tuple[Life], where: str, number: int) -> tuple[Outcome, ...]:
    (life,) = values
    freed = Finding("use-after-free", where) if life.stage is Stage.FREED else None
    return (Outcome(number, values, (Access.READ,), freed),)


def _touch(
    task: str, values: tuple[Spte, Life], effect: Any, where: str, args: tuple[object, ...]
) -> tuple[Outcome, ...]:
    spte, life = values
    freed = Finding("use-after-free", where) if life.stage is Stage.FREED else None
    return tuple(
        Outcome(one.result, (*one.values, life), (*one.access, Access.READ), freed)
        for one in effect(task, (spte,), *args)
    )


@attrs.frozen(cache_hash=True)
class TdpIter:
    """struct tdp_iter, where a walk stands: gfn, level, the snapshot of the SPTE,
    and the page it is in.
    """

    gfn: str
    level: int
    old_spte: Spte
    sp: MmuPage


def life(name: str, tasks: tuple[str, ...]) -> Cell[Life]:
    return Cell(f"{name}.life", Life(), _Lives(tasks))


def _lock(task: str, values: tuple[tuple[str, ...]]) -> tuple[Outcome, ...]:
    return write(None, tuple(sorted((*values[0], task))))


def _unlock(task: str, values: tuple[Any, ...]) -> tuple[Outcome, ...]:
    readers, *lives = values
    left = (Life(life.stage, _without(task, life.readers)) for life in lives)
    return write(None, _without(task, readers), *left)


def _without(task: str, readers: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(reader for reader in readers if reader != task)


def _call(_task: str, values: tuple[Life, tuple[str, ...]]) -> tuple[Outcome, ...]:
    _, readers = values
    return (Outcome(None, (Life(Stage.ZAPPED, readers), readers), (Access.WRITE, Access.READ)),)


def _callback(_task: str, values: tuple[Life]) -> tuple[Outcome, ...]:
    (life,) = values
    return write(None, Life(Stage.FREED)) if life == Life(Stage.ZAPPED) else BLOCKED


@attrs.frozen(eq=False)
class Rcu:
    """Who is in a read-side section, and the pages that may have to wait for them."""

    readers: Cell[tuple[str, ...]]
    pages: tuple[MmuPage, ...]

    @classmethod
    def build(cls, tasks: tuple[str, ...], pages: tuple[MmuPage, ...]) -> Rcu:
        return cls(Cell("rcu.readers", (), _Readers(tasks)), pages)

    def read_lock(self) -> Operation[None]:
        return Operation("rcu.read_lock", (self.readers,), _lock)

    def read_unlock(self) -> Operation[None]:
        lives = tuple(page.life for page in self.pages if page.life is not None)
        return Operation("rcu.read_unlock", (self.readers, *lives), _unlock)

    def call_rcu(self, life: Cell[Life]) -> Operation[None]:
        return Operation("call_rcu", (life, self.readers), _call)

    def callback(self, life: Cell[Life]) -> Operation[None]:
        """tdp_mmu.c:tdp_mmu_free_sp_rcu_callback(), after a grace period."""
        return Operation("tdp_mmu_free_sp_rcu_callback", (life,), _callback)
