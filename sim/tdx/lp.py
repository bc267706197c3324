"""A logical processor's interrupts, as far as a kick needs them.

An IPI that finds interrupts enabled is taken at once (its handler only acknowledges); one that
finds them disabled stays pending until they are enabled, or makes the guest exit at its next
instruction boundary.
"""

from __future__ import annotations

from enum import Enum

from sim.engine.model.cells import Cell, members
from sim.engine.model.operations import BLOCKED, Operation, Outcome, read, write


class Irq(Enum):
    ENABLED = 0
    DISABLED = 1
    PENDING = 2


def irq(name: str) -> Cell[Irq]:
    return Cell(name, Irq.ENABLED, members(Irq))


def _disable(_task: str, _values: tuple[Irq]) -> tuple[Outcome, ...]:
    return write(None, Irq.DISABLED)


def _enable(_task: str, _values: tuple[Irq]) -> tuple[Outcome, ...]:
    return write(None, Irq.ENABLED)


def _send(_task: str, values: tuple[Irq]) -> tuple[Outcome, ...]:
    return write(None, Irq.ENABLED if values[0] is Irq.ENABLED else Irq.PENDING)


def _pending(_task: str, values: tuple[Irq]) -> tuple[Outcome, ...]:
    return read(values[0] is Irq.PENDING, values)


def _acknowledged(_task: str, values: tuple[Irq]) -> tuple[Outcome, ...]:
    return BLOCKED if values[0] is Irq.PENDING else read(None, values)


def local_irq_disable(lp: Cell[Irq]) -> Operation[None]:
    return Operation(f"{lp.name}.disable", (lp,), _disable)


def local_irq_enable(lp: Cell[Irq]) -> Operation[None]:
    """Enable, and take what is pending."""
    return Operation(f"{lp.name}.enable", (lp,), _enable)


def send_ipi(lp: Cell[Irq]) -> Operation[None]:
    return Operation(f"{lp.name}.ipi", (lp,), _send)


def interrupt_pending(lp: Cell[Irq]) -> Operation[bool]:
    """What the processor looks at between two guest instructions."""
    return Operation(f"{lp.name}.pending", (lp,), _pending)


def wait_for_ack(lp: Cell[Irq]) -> Operation[None]:
    """smp_call_function_many(wait=true): block until the handler has run."""
    return Operation(f"{lp.name}.wait_for_ack", (lp,), _acknowledged)
