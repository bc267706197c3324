"""The TDX module: all of its leafs, joined. `sim.tdx.releases` has what each release changed."""

from __future__ import annotations

import attrs

from sim.tdx.tdh_mem import TdhMem
from sim.tdx.tdh_sept import TdhSept
from sim.tdx.vp_enter import VpEnter


@attrs.frozen(eq=False)
class TdxModule(TdhMem, TdhSept, VpEnter):
    """All that a host can call, and what a guest can.

    A release is a subclass that overrides what it changed.
    """
