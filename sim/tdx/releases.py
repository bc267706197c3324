"""Releases of the module, in five families: each a class that overrides what it changed,
on top of the one before.

What the families differ in, as far as this model has it:

| | 1.5.01 | 1.5.05 | 1.5.20 | 1.5.28 | 1.5.34 |
|---|---|---|---|---|---|
| UNBLOCK, not tracked: operand | SEPT_TREE | RCX | RCX | RCX | RCX |
| the zero-step filter takes the tree | exclusive | exclusive | shared | shared | shared |
| it keeps a #VE guest out for a PENDING page | yes | yes | no | as before it | as before it |
| the commit of an entry | erases TDHP | erases it | keeps it | keeps it | keeps it |
| DEMOTE ends on | a host interrupt | the same | that, or the tree's host priority | neither | neither |
| ACCEPT's `is_leaf` is | of the walk | of the walk | of the walk | under the lock | under the lock |
| a guest's entry lock | TDEL, then TDHP | the same | the same | the same | TDHP, then TDEL |

The two lines of releases, 1.5 and 2.0, went through the same changes.

A release is added with a line in `RELEASES`; one that answers as none before it, with a class as
well.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from sim.engine.model.cells import Cell
from sim.engine.model.operations import load
from sim.engine.model.routines import routine
from sim.tdx.locks import Mode
from sim.tdx.module import TdxModule
from sim.tdx.sept import SeptEntry, bts_tdel
from sim.tdx.status import Operand
from sim.tdx.tdg_mem import Accepted


@attrs.frozen(eq=False)
class Module_1_5_01(TdxModule):
    """The public release (tag TDX_1.5.01): zero-step takes the tree exclusively,
    commits erase TDHP.
    """

    VERSION = "1.5.01"


@attrs.frozen(eq=False)
class Module_1_5_05(Module_1_5_01):
    """As 1.5.01, but that UNBLOCK names RCX where it says that tracking is not done."""

    VERSION = "1.5.05"
    UNTRACKED_UNBLOCK = Operand.RCX


@attrs.frozen(eq=False)
class Module_1_5_20(Module_1_5_05):
    """Zero-step takes the tree shared and lets a #VE guest in for a PENDING page, commits keep TDHP,
    and DEMOTE gives way to hosts that the tree turned away.

    Of the zero-step filter's look at #VE in later releases nothing was read: as here.
    """

    VERSION = "1.5.20"
    STEPPING_TREE_MODE = Mode.SHARED
    KEEPS_TDHP = True
    LETS_IN_FOR_VE = True
    DEMOTE_FEELS_TREE_HP = True


@attrs.frozen(eq=False)
class Module_1_5_28(Module_1_5_20):
    """Nothing interrupts DEMOTE in a TD without nested VMs,
    and ACCEPT looks at the entry under its lock.

    From this release and from 2.0.16 on KVM has pages of 2M for a TD.
    """

    VERSION = "1.5.28"
    STALE_IS_LEAF = False
    DEMOTE_IS_INTERRUPTED = False
    DEMOTE_FEELS_TREE_HP = False


@attrs.frozen(eq=False)
class Module_1_5_34(Module_1_5_28):
    """A guest looks at TDHP before it takes TDEL."""

    VERSION = "1.5.34"

    @routine
    async def sept_lock_acquire_guest(self, entry: Cell[SeptEntry], leaf: str) -> Accepted | None:
        """Looks at TDHP before it touches TDEL, and not again."""
        if "entry-lock" in self.without:
            return None
        if (await load(entry)).tdhp:
            return Accepted.BUSY_HOST_PRIORITY
        return Accepted.BUSY if await bts_tdel(entry, leaf) else None


@attrs.frozen
class Release:
    """A release by name, the family whose answers it gives, and how that is known."""

    version: str
    family: type[TdxModule]
    known: str = ""
    """Empty where its source was read in full."""


_READ_IN_PART, _NEIGHBOURS = "read in part", "by its neighbours"

RELEASES = (
    Release("1.5.01", Module_1_5_01),
    Release("1.5.05", Module_1_5_05),
    Release("1.5.06", Module_1_5_05),
    Release("1.5.08", Module_1_5_05),
    Release("1.5.09", Module_1_5_05),
    Release("1.5.13", Module_1_5_05),
    Release("1.5.16", Module_1_5_05),
    Release("1.5.20", Module_1_5_20),
    Release("1.5.24", Module_1_5_20),
    Release("1.5.25", Module_1_5_20),
    Release("1.5.28", Module_1_5_28, _READ_IN_PART),
    Release("1.5.34", Module_1_5_34, _READ_IN_PART),
    Release("2.0.02", Module_1_5_05, _READ_IN_PART),
    Release("2.0.04", Module_1_5_05, _NEIGHBOURS),
    Release("2.0.08", Module_1_5_05, _READ_IN_PART),
    Release("2.0.12", Module_1_5_20, _READ_IN_PART),
    Release("2.0.14", Module_1_5_20, _READ_IN_PART),
    Release("2.0.16", Module_1_5_28, _READ_IN_PART),
    Release("2.0.18", Module_1_5_34, _READ_IN_PART),
)

FAMILIES = tuple(dict.fromkeys(release.family for release in RELEASES))
"""In the order of their first releases."""

_USUAL = ("1.5.01", "1.5.28", "2.0.08", "2.0.14", "1.5.34")


def _one_of_each() -> Iterator[str]:
    """The usual ones, and of a family that has none of them its first."""
    yield from _USUAL
    for family in FAMILIES:
        versions = [release.version for release in RELEASES if release.family is family]
        if not {*versions} & {*_USUAL}:
            yield versions[0]


ONE_OF_EACH = tuple(_one_of_each())
"""A release of every family, for what is asked of all of them."""


def release_named(version: str) -> type[TdxModule]:
    """The family that a release belongs to."""
    return next(release.family for release in RELEASES if version == release.version)
