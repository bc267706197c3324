"""What the engine refuses, with the place at fault."""

from __future__ import annotations

import sys
from types import CodeType, CoroutineType

import attrs


@attrs.frozen
class Place:
    """A line of a model: where a rule was broken, or where a task stands."""

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} in {self.function}"


def place_of_code(code: CodeType, line: int | None = None) -> Place:
    """Where `code` is defined, or its line `line`; the file is named from its package on, never from the root."""
    parts = code.co_filename.replace("\\", "/").split("/")
    top = next((i for i, part in enumerate(parts) if part in {"sim", "tests", "examples"}), len(parts) - 1)
    return Place("/".join(parts[top:]), line or code.co_firstlineno, code.co_qualname)


def place_of(coroutine: CoroutineType[object, object, object]) -> Place:
    """The innermost line of the model at which a suspended coroutine stands."""
    while isinstance(coroutine.cr_await, CoroutineType):
        coroutine = coroutine.cr_await
    frame = coroutine.cr_frame
    return place_of_code(coroutine.cr_code, frame.f_lineno if frame else None)


def place_of_caller() -> Place:
    """The line of the model from which the engine was entered, on the running stack."""
    frame = sys._getframe(1)  # noqa: SLF001 - the only way to the running line
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("sim.engine."):
        frame = frame.f_back
    return place_of_code(frame.f_code, frame.f_lineno)


class EngineError(Exception):
    """The model broke a rule of the engine; the verdict is void."""


class RuleError(EngineError):
    """A routine broke one of the rules that keep merged local states sound."""

    def __init__(self, place: Place | None, message: str) -> None:
        super().__init__(f"{place}: {message}" if place else message)
        self.place = place


class DomainError(EngineError):
    """A value outside its cell's domain."""


class TaskDied(EngineError):
    """An exception left a task."""


class Deserted(Exception):
    """A process of a crew (`sim.engine.crew`) is gone; what was under way has to be done again."""
