"""Between a model and what runs it: what an executor puts behind `await`,
and what was made to be awaited and was not.

What is made to be awaited and then is not would do nothing, in silence. It is refused (`Ledger`).
"""

from __future__ import annotations

import weakref
from collections.abc import Generator
from contextvars import ContextVar
from functools import partial
from types import CodeType
from typing import Any, Protocol

import attrs

from sim.engine.model.errors import RuleError, calling_line, place_of_code


@attrs.frozen
class _Made:
    """Something that was made to be awaited: its name, the line,
    and a reference that tells when it is freed.
    """

    name: str
    line: tuple[CodeType, int]
    ref: weakref.ref[object]


class Ledger:
    """What a model has made to be awaited, an operation or a call, until it is.

    What is not awaited is noticed when the routine returns that made it, and before that when it is
    freed, which it is at once where nobody keeps it. A routine that is left by an exception may
    leave things behind, and so may one that is given up.
    """

    def __init__(self) -> None:
        self.is_over = False
        self._made: dict[int, _Made] = {}
        self._freed: dict[int, object] = {}

    def note_made(self, thing: object, name: str, line: tuple[CodeType, int]) -> None:
        key = id(thing)
        if key in self._freed:
            self.notice()  # what had this id before
        # Being freed is noted without any Python code: Ctrl-C would be lost in it.
        self._made[key] = _Made(
            name, line, weakref.ref(thing, partial(self._freed.setdefault, key))
        )

    def notice(self) -> None:
        """Refuse what has been freed and was not awaited."""
        freed, made = list(self._freed), [self._made.pop(key, None) for key in self._freed]
        for key in freed:
            del self._freed[key]
        for one in made:
            if one is not None and not self.is_over:
                self._refuse(one)

    @staticmethod
    def _refuse(made: _Made) -> None:
        """Make a refusal, which notes itself where the model runs that is at fault."""
        RuleError(
            place_of_code(*made.line),
            f"{made.name} is not awaited, so it does nothing: write `await` before it",
        )

    def note_awaited(self, thing: object) -> None:
        self._made.pop(id(thing), None)

    def is_pending(self, thing: object) -> bool:
        """Whether it was made here and has not been awaited."""
        return id(thing) in self._made

    @property
    def pending(self) -> frozenset[int]:
        """What has been made and not awaited, by id."""
        return frozenset(self._made)

    def leave(self, before: frozenset[int], *, refusing: bool) -> None:
        """Leave a frame that began when `before` was pending:
        refuse what it has made and not awaited, or forget it.
        """
        if self.is_over:
            return
        if refusing:
            self.notice()
        for key in [key for key in self._made if key not in before]:
            made = self._made.pop(key)
            if refusing:
                self._refuse(made)


class Performer(Protocol):
    """What an executor puts behind `await`."""

    def note_made(self, thing: object, name: str, line: tuple[CodeType, int]) -> None: ...

    def note_awaited(self, thing: object) -> None: ...

    def is_pending(self, thing: object) -> bool: ...

    def leave(self, before: frozenset[int], *, refusing: bool) -> None: ...

    def notice(self) -> None: ...

    def operation(self, operation: Any) -> Generator[Any, Any, object]: ...

    def call(self, call: Any) -> Generator[Any, Any, object]: ...

    def loop(self, call: Any) -> Generator[Any, Any, object]: ...


PERFORMER: ContextVar[Performer] = ContextVar("performer")


def performer() -> Performer:
    try:
        return PERFORMER.get()
    except LookupError:
        raise RuntimeError(
            "a model runs inside an executor only (sim.engine.run.trio_executor or "
            "sim.engine.states.product)"
        ) from None


def is_running() -> bool:
    """Whether a model is being run by an executor, and not a scenario built."""
    return PERFORMER.get(None) is not None


def note_made(thing: object, name: str) -> None:
    """Note what is made while a model runs.

    A scenario that is built makes what somebody else awaits.
    """
    executor = PERFORMER.get(None)
    if executor is not None:
        executor.note_made(thing, name, calling_line())
