"""What the engine refuses, with the place at fault."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import ContextVar
from types import CodeType, CoroutineType, FrameType
from typing import Any

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
    """Where `code` is defined, or its line `line`.

    The file is named from its package on, never from the root.
    """
    parts = code.co_filename.replace("\\", "/").split("/")
    top = next(
        (i for i, part in enumerate(parts) if part in {"sim", "tests", "examples"}), len(parts) - 1
    )
    return Place("/".join(parts[top:]), line or code.co_firstlineno, code.co_qualname)


def place_of(coroutine: CoroutineType[object, object, object]) -> Place:
    """The innermost line of the model at which a suspended coroutine stands."""
    while isinstance(coroutine.cr_await, CoroutineType):
        coroutine = coroutine.cr_await
    frame = coroutine.cr_frame
    return place_of_code(coroutine.cr_code, frame.f_lineno if frame else None)


def calling_line() -> tuple[CodeType, int]:
    """The line of the model from which the engine was entered, on the running stack: its code,
    and its number.
    """
    frame = sys._getframe(1)  # noqa: SLF001 - the only way to the running line
    while frame.f_back is not None and _is_of_the_engine(frame):
        frame = frame.f_back
    return frame.f_code, frame.f_lineno


_OF_THE_ENGINE: dict[str, bool] = {}
"""Whether a file's code is the engine's, or was generated for it;
asked at every operation that a model makes."""


def _is_of_the_engine(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    known = _OF_THE_ENGINE.get(file)
    if known is None:
        module = frame.f_globals.get("__name__", "")
        known = _OF_THE_ENGINE[file] = module.startswith("sim.engine.") or file.startswith(
            "<attrs generated"
        )
    return known


def place_of_caller() -> Place:
    """The place of `calling_line`."""
    return place_of_code(*calling_line())


REFUSALS: ContextVar[list[EngineError]] = ContextVar("refusals")
"""Where an executor keeps what was refused while a model ran in its context.

A model may catch whatever it likes, a refusal too. So each is noted where it is made, and the
executor raises it again as soon as it has control.
"""


class EngineError(Exception):
    """The model broke a rule of the engine; the verdict is void."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        refusals = REFUSALS.get(None)
        if refusals is not None:
            refusals.append(self)


class RuleError(EngineError):
    """A model broke one of the rules that keep merged states sound."""

    def __init__(self, place: Place | None, message: str) -> None:
        super().__init__(f"{place}: {message}" if place else message)
        self.place, self._message = place, message

    def __reduce__(self) -> tuple[type[RuleError], tuple[Place | None, str]]:
        """Pickle it as it was made: a worker process sends it home."""
        return type(self), (self.place, self._message)


def refuse_code(code: CodeType, message: str) -> RuleError:
    """The refusal of something that is defined by `code`."""
    return RuleError(place_of_code(code), message)


def refuse_function(function: Callable[..., Any], message: str) -> RuleError:
    """The refusal of a function, with the place of its first line where it has one."""
    code = getattr(function, "__code__", None)
    return RuleError(place_of_code(code) if code is not None else None, message)


class DomainError(EngineError):
    """A value outside its cell's domain."""


class TaskDied(EngineError):
    """An exception left a task."""
