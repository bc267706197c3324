"""Scenarios: tasks, properties, and the name under which a schedule can ask for them again."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import cached_property, partial
from typing import Any, Protocol, TypeVar

import attrs

from sim.engine.model.cells import Cell
from sim.engine.model.digest import digest_of
from sim.engine.model.errors import EngineError, RuleError, place_of_caller, refuse_function
from sim.engine.model.operations import Finding
from sim.engine.model.routines import Call
from sim.engine.model.values import problem_of, short

V = TypeVar("V")


MOST_TASKS = 250
"""Tasks of a scenario: a task's number has a byte where there are steps by the million."""


class ScenarioError(EngineError):
    """Tasks that are no scenario."""


@attrs.frozen
class Task:
    """A simulated thread. A daemon need not finish: an idle one is no deadlock."""

    name: str
    call: Call[Any] = attrs.field()
    daemon: bool = False

    @call.validator
    def _is_a_call(self, _attribute: object, value: object) -> None:
        if isinstance(value, Coroutine):
            value.close()
        if not isinstance(value, Call):
            what = getattr(value, "__qualname__", repr(value))
            raise RuleError(
                place_of_caller(),
                f"task {self.name} is given {what}: a task is a call of a @routine, as `work()`",
            )


class Look(Protocol):
    """How a property reads a cell; what it reads is watched."""

    def __call__(self, cell: Cell[V], /) -> V: ...


Part = Callable[[Look, Any], object]
"""Reads cells through the first argument and nothing else;
which ones may depend on what it has read.

The second is what the part before it said, None for the first. True is that the property holds,
whatever comes after, False that it does not. Any other value is for the next part. The last part
gives a bool; if it is one of several, None too, which says that it has found nothing against it.
"""


def _whole(holds: Callable[[Look], bool], look: Look, _: object) -> bool:
    return holds(look)


@attrs.frozen(eq=False)
class Property:
    """A predicate over cells. Where it does not hold, that is a finding of kind `kind` at `name`.

    What is asked of many things one after the other has a part for each: what is known of a part is
    known of it beside whatever the others see (`sim.engine.herd.tries`).
    """

    name: str
    kind: str
    parts: tuple[Part, ...] = attrs.field(validator=attrs.validators.min_len(1))

    @classmethod
    def whole(cls, name: str, kind: str, holds: Callable[[Look], bool]) -> Property:
        """One that is asked in one go."""
        return cls(name, kind, (partial(_whole, holds),))

    def ask(self, number: int, look: Look, said: object) -> object:
        """What a part says, by its number from 0 on, after the one before it has `said`.

        Raises RuleError for a part that fails, or gives what is no answer.
        """
        part = self.parts[number]
        try:
            answer = part(look, said)
        except EngineError:
            raise
        except Exception as error:
            raise self._refusal(part, f"raised {type(error).__name__}: {error}") from error
        if type(answer) is bool:
            return answer
        is_last, is_whole = number == len(self.parts) - 1, len(self.parts) == 1
        if is_last and (is_whole or answer is not None):
            raise self._refusal(part, f"gave {short(answer)}: a property gives True or False")
        problem = problem_of(answer)
        if problem is not None:
            raise self._refusal(part, f"hands something on{problem}")
        return answer

    def _refusal(self, part: Part, message: str) -> RuleError:
        while isinstance(part, partial):
            part = part.args[0] if part.func is _whole else part.func
        return refuse_function(part, f"property {self.name} {message}")

    def holds(self, look: Look) -> bool:
        """Whether it holds where cells are read by `look`."""
        said: object = None
        for number in range(len(self.parts)):
            said = self.ask(number, look, said)
            if isinstance(said, bool):
                return said
        return True

    def finding(self) -> Finding:
        return Finding(self.kind, self.name)


@attrs.frozen(eq=False)
class Scenario:
    """A question: these tasks, from these first values, with these properties."""

    name: str
    tasks: tuple[Task, ...]
    properties: tuple[Property, ...] = ()
    model: str = ""
    """What the tasks run, in the words of whoever asks: for KVM, `kernel+module`."""
    params: tuple[tuple[str, str], ...] = ()
    without: tuple[str, ...] = ()
    not_covered: tuple[str, ...] = ()

    def __attrs_post_init__(self) -> None:
        if not 0 < len(self.tasks) <= MOST_TASKS:
            raise ScenarioError(
                f"{self.name} has {len(self.tasks)} tasks: a scenario has 1 to {MOST_TASKS}"
            )
        names = [task.name for task in self.tasks]
        if len(dict.fromkeys(names)) < len(names):
            raise ScenarioError(f"{self.name}: two tasks have one name: {', '.join(names)}")

    @cached_property
    def digest(self) -> str:
        """Eight hexadecimal digits of all that decides what its steps do
        (`sim.engine.model.digest`).
        """
        return digest_of(self.tasks, self.properties)

    @property
    def full_model(self) -> str:
        """The model's name as a schedule has it: the words, and the digest."""
        return f"{self.model} {self.digest}".lstrip()
