"""Text that has to fit, and how a step is said."""

from __future__ import annotations

import re
import shlex
import textwrap
from pathlib import Path

from sim.engine.run.world import Step

TURNED_AWAY = "red"


def fitted(text: str, width: int) -> str:
    """The text, or its two ends where it is too long."""
    if len(text) <= width:
        return text
    half = (width - 3) // 2
    return f"{text[: width - 3 - half]}...{text[len(text) - half :]}"


def as_argument(path: Path | str) -> str:
    """A path as a command takes it: quoted where a shell would part it, and never an option."""
    return shlex.quote(f"./{path}" if str(path).startswith("-") else str(path))


def wrapped(text: str, width: int) -> list[str]:
    """Lines of at most `width` columns.

    A word that is longer than a line goes on to the next one after a dot.
    """
    parted = re.sub(rf"\S{{{width - 2},}}", lambda word: _parted(word[0], width - 2), text)
    return textwrap.wrap(parted, width, subsequent_indent="  ", break_on_hyphens=False)


def _parted(word: str, width: int) -> str:
    dot = word.rfind(".", 0, width) + 1
    return (
        f"{word[:dot]} {_parted(word[dot:], width)}"
        if len(word) > width and 0 < dot < len(word)
        else word
    )


def step_said(step: Step, source: str = "") -> str:
    """Where its task stood, what that saw, what it hangs on, and a mark if it shows a finding."""
    saw = "" if step.result is None else f" -> {step.saw}"
    mark = "  <==" if step.finding else ""
    return f"{step.point}{saw}{source}{mark}"


def step_style(step: Step) -> str:
    """Red, where a task was turned away or something is found."""
    return TURNED_AWAY if step.finding or step.saw.startswith("busy") else ""
