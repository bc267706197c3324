"""Completion status codes: a class, the operand it is about, and (ours) who brought it about.

Source: include/auto_gen/tdx_error_codes_defs.h; `api_error_with_operand_id` in
include/tdx_api_defs.h.
"""

from __future__ import annotations

from enum import Enum

import attrs


class Code(Enum):
    TDX_SUCCESS = 0
    TDX_OPERAND_BUSY = 0x8000020000000000
    TDX_PREVIOUS_TLB_EPOCH_BUSY = 0x8000020100000000
    TDX_OPERAND_BUSY_HOST_PRIORITY = 0x8000020400000000
    TDX_HOST_PRIORITY_BUSY_TIMEOUT = 0x9000020500000000
    TDX_INTERRUPTED_BUSY = 0x8000020600000000
    TDX_INTERRUPTED_RESTARTABLE = 0x8000000400000000
    TDX_PAGE_METADATA_INCORRECT = 0xC000030000000000
    TDX_OP_STATE_INCORRECT = 0xC000060800000000
    TDX_LIFECYCLE_STATE_INCORRECT = 0xC000060700000000
    TDX_EPT_WALK_FAILED = 0xC0000B0000000000
    TDX_GPA_RANGE_NOT_BLOCKED = 0xC0000B0600000000
    TDX_GPA_RANGE_ALREADY_BLOCKED = 0x00000B0700000000
    TDX_TLB_TRACKING_NOT_DONE = 0xC0000B0800000000
    TDX_PAGE_ALREADY_ACCEPTED = 0x00000B0A00000000
    TDX_PAGE_SIZE_MISMATCH = 0xC0000B0B00000000
    TDX_EPT_ENTRY_STATE_INCORRECT = 0xC0000B0D00000000
    TDX_EPT_PAGE_NOT_FREE = 0xC0000B0E00000000


class Operand(Enum):
    RCX = 1
    RDX = 2
    R8 = 8
    TDR = 128
    SEPT_TREE = 146
    TD_EPOCH = 169
    OP_STATE = 172


@attrs.frozen(cache_hash=True)
class Status:
    """What a leaf returns.

    `causes` is not the module's: it says what stood in the way, for whoever reads a finding.
    """

    code: Code
    operand: Operand | None = None
    causes: tuple[str, ...] = ()

    @property
    def value(self) -> int:
        """The number in RAX."""
        return self.code.value | (self.operand.value if self.operand else 0)

    def __bool__(self) -> bool:
        """True unless it is TDX_SUCCESS, as C tests it."""
        return self.code is not Code.TDX_SUCCESS

    def __str__(self) -> str:
        return f"{self.code.name}|{self.operand.name}" if self.operand else self.code.name


SUCCESS = Status(Code.TDX_SUCCESS)


def tdx_operand_busy(status: Status) -> bool:
    """arch/x86/kvm/vmx/tdx.c: the class alone, whatever the operand."""
    return status.code is Code.TDX_OPERAND_BUSY
