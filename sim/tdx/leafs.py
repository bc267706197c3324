"""Every leaf of the module, and how it is called: what is measured of all leafs,
and tested of all of them, reads this.

A leaf is added as a method of its group (`sim.tdx.tdh_mem` and its siblings), and with a line in
`LEAFS`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from sim.engine.model.routines import Call
from sim.tdx.lp import irq
from sim.tdx.module import TdxModule
from sim.tdx.sept import SeptState
from sim.tdx.vp_enter import Guest
from sim.tdx.zero_step import Tdvps

S = SeptState


@attrs.frozen
class Operands:
    """The gfn and the page that a task calls its leaf with."""

    gfn: str
    pfn: int


@attrs.frozen
class Leaf:
    """A leaf, how it is called, the level of its entry (None: it has none),
    and the states it goes all the way in.
    """

    name: str
    call: Callable[[TdxModule, str, Operands], Call[Any]]
    level: int | None = None
    wants: tuple[SeptState, ...] = ()
    page: bool = False
    """Whether it is given a page that is no part of the TD yet."""


def _enter(*logged: str) -> Callable[[TdxModule, str, Operands], Call[Any]]:
    def call(module: TdxModule, task: str, _operands: Operands) -> Call[Any]:
        return module.tdh_vp_enter(
            Guest(task, (), irq(f"{task}.lp")), Tdvps(last_epf_gpa_list=logged)
        )

    return call


LEAFS: tuple[Leaf, ...] = (
    Leaf(
        "TDH.MEM.SEPT.ADD",
        lambda m, _, on: m.tdh_mem_sept_add(on.gfn, 1, on.pfn),
        1,
        (S.FREE,),
        page=True,
    ),
    Leaf(
        "TDH.MEM.SEPT.REMOVE", lambda m, _, on: m.tdh_mem_sept_remove(on.gfn, 1), 1, (S.NL_BLOCKED,)
    ),
    Leaf("TDH.MEM.SEPT.RD", lambda m, _, on: m.tdh_mem_sept_rd(on.gfn), 0, (S.MAPPED,)),
    Leaf(
        "TDH.MEM.PAGE.ADD",
        lambda m, _, on: m.tdh_mem_page_add(on.gfn, on.pfn),
        0,
        (S.FREE,),
        page=True,
    ),
    Leaf(
        "TDH.MEM.PAGE.AUG",
        lambda m, _, on: m.tdh_mem_page_aug(on.gfn, on.pfn),
        0,
        (S.FREE,),
        page=True,
    ),
    Leaf(
        "TDH.MEM.PAGE.AUG 2M",
        lambda m, _, on: m.tdh_mem_page_aug(on.gfn, on.pfn, 1),
        1,
        (S.FREE,),
        page=True,
    ),
    Leaf("TDH.MEM.PAGE.REMOVE", lambda m, _, on: m.tdh_mem_page_remove(on.gfn), 0, (S.BLOCKED,)),
    Leaf(
        "TDH.MEM.PAGE.REMOVE 2M",
        lambda m, _, on: m.tdh_mem_page_remove(on.gfn, 1),
        1,
        (S.BLOCKED,),
    ),
    Leaf(
        "TDH.MEM.PAGE.DEMOTE",
        lambda m, _, on: m.tdh_mem_page_demote(on.gfn, 1, on.pfn),
        1,
        (S.BLOCKED,),
        page=True,
    ),
    Leaf("TDH.MEM.RANGE.BLOCK", lambda m, _, on: m.tdh_mem_range_block(on.gfn), 0, (S.MAPPED,)),
    Leaf(
        "TDH.MEM.RANGE.BLOCK 2M",
        lambda m, _, on: m.tdh_mem_range_block(on.gfn, 1),
        1,
        (S.NL_MAPPED, S.MAPPED),
    ),
    Leaf(
        "TDH.MEM.RANGE.UNBLOCK", lambda m, _, on: m.tdh_mem_range_unblock(on.gfn), 0, (S.BLOCKED,)
    ),
    Leaf("TDH.MEM.TRACK", lambda m, _task, _on: m.tdh_mem_track()),
    Leaf("TDH.PHYMEM.PAGE.WBINVD", lambda m, _, on: m.tdh_phymem_page_wbinvd(on.pfn), page=True),
    Leaf("TDH.PHYMEM.PAGE.RECLAIM", lambda m, _, on: m.tdh_phymem_page_reclaim(on.pfn), page=True),
    Leaf("TDH.VP.ENTER", _enter()),
    Leaf("TDH.VP.ENTER zero-step", _enter("A")),
    Leaf("TDG.MEM.PAGE.ACCEPT", lambda m, _, on: m.tdg_mem_page_accept(on.gfn), 0, (S.PENDING,)),
    Leaf(
        "TDG.MEM.PAGE.ACCEPT 2M", lambda m, _, on: m.tdg_mem_page_accept(on.gfn, 1), 1, (S.PENDING,)
    ),
    Leaf("TDG.MEM.PAGE.ATTR.RD", lambda m, _, on: m.tdg_mem_page_attr_rd(on.gfn), 0, (S.MAPPED,)),
    Leaf("TDG.MEM.PAGE.ATTR.WR", lambda m, _, on: m.tdg_mem_page_attr_wr(on.gfn), 0, (S.MAPPED,)),
)
