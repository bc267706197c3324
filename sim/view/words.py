"""Text that has to fit, and how a step is said."""

from __future__ import annotations

from sim.engine.world import Step

TURNED_AWAY = "red"


def fitted(text: str, width: int) -> str:
    """The text, or its two ends where it is too long."""
    if len(text) <= width:
        return text
    half = (width - 3) // 2
    return f"{text[: width - 3 - half]}...{text[len(text) - half :]}"


def step_said(step: Step) -> str:
    """Where its task stood, what that saw, and a mark if it shows a finding."""
    saw = "" if step.result is None else f" -> {step.saw}"
    mark = "  <==" if step.finding else ""
    return f"{step.point}{saw}{mark}"


def step_style(step: Step) -> str:
    """Red, where a task was turned away or something is found."""
    return TURNED_AWAY if step.finding or step.saw.startswith("busy") else ""
