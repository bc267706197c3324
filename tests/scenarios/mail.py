"""The table of the mail (KVM list, 7 April 2026), as it has it.

An oracle: nothing under `sim` can read this.
"""

from __future__ import annotations

from sim.scenarios.transitions import Row

VALID = {
    1: "Y",
    2: "Y",
    3: "Y",
    4: "Y",
    5: "N",
    6: "N",
    7: "Y",
    8: "Y",
    9: "Y",
    10: "N",
    11: "Y",
    12: "Y",
    13: "Y",
    14: "Y",
}
MIRROR = {
    1: "Y",
    2: "N",
    3: "Y",
    4: "N",
    5: "N",
    6: "X",
    7: "N",
    8: "Y",
    9: "N",
    10: "X",
    11: "N",
    12: "Y",
    13: "N",
    14: "Y",
}
HIT = {
    1: "N",
    2: "Y",
    3: "N",
    4: "Y",
    5: "N",
    6: "N",
    7: "N",
    8: "N",
    9: "Y",
    10: "N",
    11: "N",
    12: "N",
    13: "Y",
    14: "N",
}
"""X: either. Row 9 has one Y for both lock modes, and 5 and 10 a WARN and no hit."""

ARGUED = {
    ("hit", 9, False): (
        "The mail has one answer for both lock modes. Under the write lock no other vCPU maps "
        "beside v0, so the second "
        "SEAMCALL of each kick-and-retry succeeds: in the if/else form nothing that is handled "
        "fails. "
        "`--flip kernel` makes it a hit, always."
    ),
    ("hit", 10, True): (
        "The mail compares the WARN alone, with nothing mapped below. It takes two vCPUs to "
        "fault there meanwhile: one "
        "maps a page, so that there is something to remove, and the other one's "
        "TDH.MEM.PAGE.AUG makes the removal "
        "BUSY twice. The kick does not stop a vCPU that is in its fault handler."
    ),
}
"""Cells that running answers otherwise, by column, row and lock mode, and why."""

LIVE_TD = (
    "rows 9, 10 and 13 (no cell, but the mail's reason (d)): the TD is live, so its key is "
    "assigned, and the KVM_BUG_ON() in tdx_sept_free_private_spt() fires in every run, in both "
    "lock modes. It comes before TDH.PHYMEM.PAGE.RECLAIM, whose failure the mail has as a "
    "TDX_BUG_ON(): that is never reached. (Nor would it bug the VM: __tdx_reclaim_page() gives it "
    "none.)"
)
"""A difference that is in no column: tests/scenarios/test_table.py derives it."""


def says(column: dict[int, str], row: Row, derived: bool) -> bool:
    """Whether the mail's column agrees with what was derived for a row."""
    return column[row.number] in {"X", "NY"[derived]}
