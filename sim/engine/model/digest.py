"""The digest of a scenario: eight hexadecimal digits that tell whether a schedule was recorded
with this model.

It covers what decides what a step does, and nothing else:

* the values that the scenario was built from: its cells with their first values and domains, the
  arguments of its tasks, what its properties are asked about. How they were built does not matter;
* the code that its tasks and properties can reach: functions, classes and constants, by name, from
  file to file. Of a class, the methods whose name some reached code mentions.

So it does not move with comments, docstrings, annotations and imports, with the names and order of
files, with code that the scenario does not reach, or with the version of Python. Of the engine it
covers what the operations do to cells. How runs are searched and replayed is left to the engine's
own tests.

What is reached is found in the text of the files that were imported. Attributes that are set from
outside a class, and names that are put together at run time, are not seen.
"""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterable, Mapping
from enum import Enum
from functools import cache, partial
from hashlib import sha256
from importlib import import_module
from inspect import unwrap
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any

import attrs

from sim.engine.model.cells import Cell
from sim.engine.model.operations import Operation
from sim.engine.model.source import CodePiece, NamedPlace, source_file
from sim.engine.model.values import is_same

if TYPE_CHECKING:
    from sim.engine.model.scenario import Property, Task

_OURS = __name__.partition(".")[0]
_ENGINE = f"{_OURS}.engine"
_WORDS = {Cell.__module__, Operation.__module__, is_same.__module__}
"""Files of the engine whose functions decide what a step does;
of their classes the name is enough."""


@cache
def _installed() -> tuple[str, ...]:
    """Where packages lie that are no part of a model, unless the model itself is one of them."""
    kinds = ("stdlib", "platstdlib", "purelib", "platlib")
    return tuple({sysconfig.get_path(kind) for kind in kinds})


class _Reached:
    """The code that can be reached from what was noted."""

    def __init__(self) -> None:
        self._digests: set[bytes] = set()
        self._places: set[NamedPlace] = set()
        self._words: set[str] = set()
        self._waiting: dict[str, list[CodePiece]] = {}
        """Methods of classes that were reached, by name, until that is mentioned."""
        self._to_go: list[CodePiece] = []
        """Code that was reached and has not been looked through."""
        self._packages: set[str] = {_OURS}
        """Packages of the model, wherever they are installed."""

    def note(self, named: Any) -> str:
        """Follow a function or class that the scenario holds, and give its name."""
        inner = unwrap(named)
        module: str = getattr(inner, "__module__", None) or ""
        name, *methods = inner.__qualname__.split(".")
        self._packages.add(module.partition(".")[0])
        if name == "<lambda>" and module in sys.modules:
            name = source_file(sys.modules[module]).name_at(inner.__code__.co_firstlineno) or name
        self._follow(NamedPlace(module, name))
        for method in methods:
            self._mention(method)
        return str(inner.__qualname__)

    def digests(self) -> list[bytes]:
        """Of each piece of code, sorted: neither files nor their order matter."""
        while self._to_go:
            code = self._to_go.pop()
            self._digests.add(code.digest)
            for place in code.places:
                self._follow(place)
            for word in code.words:
                self._mention(word)
        return sorted(self._digests)

    def _mention(self, word: str) -> None:
        self._words.add(word)
        self._to_go += self._waiting.pop(word, ())

    def _follow(self, place: NamedPlace) -> None:
        if place in self._places or not self._is_followed(place.module):
            return
        self._places.add(place)
        module = sys.modules.get(place.module) or import_module(place.module)
        if place.module in _WORDS and isinstance(vars(module).get(place.name), type):
            self._digests.add(sha256(f"class {place.name}".encode()).digest())
            return
        file = source_file(module)
        found = file.definition(place.name)
        if found is None:
            elsewhere = file.imported(place.name)
            if elsewhere is not None:
                self._follow(elsewhere)
            return
        self._to_go += found.code
        for name, method in found.methods:
            if name in self._words:
                self._to_go.append(method)
            else:
                self._waiting.setdefault(name, []).append(method)

    def _is_followed(self, module: str) -> bool:
        top = module.partition(".")[0]
        if top == _OURS:
            return not f"{module}.".startswith(f"{_ENGINE}.") or module in _WORDS
        if top in sys.stdlib_module_names and top != "__main__":
            return False
        file = getattr(sys.modules.get(module), "__file__", None)
        if file is None:
            return False
        return top in self._packages or not file.startswith(_installed())


class _ValueTexts:
    """The values that a scenario holds, as text.

    Objects that are compared by identity are numbered as they come, and written out once.
    """

    def __init__(self, reached: _Reached) -> None:
        self._reached = reached
        self._numbers: dict[int, int] = {}
        self._kept: list[object] = []
        """What is numbered, so that no other object gets its id."""

    def text(self, value: Any) -> str:
        """A value, with all that is in it the first time that it comes."""
        if isinstance(value, Enum):
            return f"{self._reached.note(type(value))}.{value.name}"
        if value is None or isinstance(value, (bool, int, float, str, bytes, range)):
            return repr(value)
        if isinstance(value, (tuple, list)):
            return "(" + ",".join(map(self.text, value)) + ")"
        if isinstance(value, (set, frozenset)):
            return "{" + ",".join(sorted(map(self.text, value))) + "}"
        if isinstance(value, Mapping):
            return (
                "{"
                + ",".join(f"{self.text(key)}:{self.text(item)}" for key, item in value.items())
                + "}"
            )
        if isinstance(value, MethodType):
            return f"{self.text(value.__self__)}.{self._reached.note(value.__func__)}"
        if isinstance(value, partial):
            return f"partial({self.text(value.func)},{self.text(value.args)},{self.text(value.keywords)})"
        if isinstance(value, BuiltinFunctionType):
            return value.__qualname__
        if isinstance(value, (type, FunctionType)):
            return self._function_or_class(value)
        return self._object(value)

    def _function_or_class(self, value: type | FunctionType) -> str:
        closed = (
            getattr(
                unwrap(value) if isinstance(value, FunctionType) else value, "__closure__", None
            )
            or ()
        )
        inside = self.text(tuple(cell.cell_contents for cell in closed)) if closed else ""
        return self._reached.note(value) + inside

    def _object(self, value: Any) -> str:
        cls: type[object] = type(value)
        has_identity = cls.__eq__ is object.__eq__
        if has_identity and id(value) in self._numbers:
            return f"#{self._numbers[id(value)]}"
        number = ""
        if has_identity:
            self._kept.append(value)
            number = f"#{self._numbers.setdefault(id(value), len(self._numbers))}"
        fields = (
            {field.name: field for field in attrs.fields(cls)}
            if attrs.has(cls)
            else _attributes(value)
        )
        inside = ",".join(f"{name}={self.text(getattr(value, name))}" for name in fields)
        return f"{self._reached.note(cls)}{number}({inside})"


def _attributes(value: object) -> list[str]:
    """The attributes of an object that is no attrs class's, in its dictionary and in slots."""
    slots = [name for cls in type(value).__mro__ for name in vars(cls).get("__slots__", ())]
    names = {*getattr(value, "__dict__", ()), *(name for name in slots if hasattr(value, name))}
    return sorted(names - {"__dict__", "__weakref__"})


def digest_of(tasks: Iterable[Task], properties: Iterable[Property]) -> str:
    """Eight hexadecimal digits of what these tasks do and these properties ask."""
    reached = _Reached()
    values = _ValueTexts(reached)
    said = (
        [(task.name, task.call.body, task.call.args, task.daemon) for task in tasks],
        [(asked.name, asked.kind, asked.parts) for asked in properties],
    )
    seen = sha256(values.text(said).encode())
    for digest in reached.digests():
        seen.update(digest)
    return seen.hexdigest()[:8]
