"""Text that has to fit."""

from __future__ import annotations

import re
import textwrap


def fitted(text: str, width: int) -> str:
    """The text, or its two ends where it is too long."""
    if len(text) <= width:
        return text
    half = (width - 3) // 2
    return f"{text[: width - 3 - half]}...{text[len(text) - half :]}"


def wrapped(text: str, width: int) -> list[str]:
    """Lines of at most `width` columns; a word that is longer than a line goes on to the next one after a dot."""
    parted = re.sub(rf"\S{{{width - 2},}}", lambda word: _parted(word[0], width - 2), text)
    return textwrap.wrap(parted, width, subsequent_indent="  ", break_on_hyphens=False)


def _parted(word: str, width: int) -> str:
    dot = word.rfind(".", 0, width) + 1
    return f"{word[:dot]} {_parted(word[dot:], width)}" if len(word) > width and 0 < dot < len(word) else word
