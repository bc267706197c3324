"""Text that has to fit."""

from __future__ import annotations


def fitted(text: str, width: int) -> str:
    """The text, or its two ends where it is too long."""
    if len(text) <= width:
        return text
    half = (width - 3) // 2
    return f"{text[: width - 3 - half]}...{text[len(text) - half :]}"
