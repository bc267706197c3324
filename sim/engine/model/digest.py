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

What is reached is found in the text of the files that were imported. Not seen are: what is done to
an object or a class when a module is imported, other than by a statement that binds its name; names
that are put together at run time; what a decorator of another package makes of a function; what an
object of C holds (a deque, a compiled pattern); methods of classes that are defined in functions.
"""

from __future__ import annotations

import gc
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from enum import Enum
from functools import cache, partial
from hashlib import sha256
from importlib import import_module
from importlib.util import find_spec
from inspect import unwrap
from types import BuiltinFunctionType, CellType, FunctionType, MethodType, ModuleType
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
        self._texts: dict[NamedPlace, bytes] = {}
        """For each name that was followed, a digest of the text that it stands for."""
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
        said = str(inner.__qualname__)
        self._packages.add(module.partition(".")[0])
        if name == "<lambda>" and module in sys.modules and self._is_followed(module):
            file = source_file(sys.modules[module])
            name = file.name_at(inner.__code__.co_firstlineno) or name
            said = file.lambda_text(inner.__code__)
        self._follow(NamedPlace(module, name))
        for method in methods:
            self._mention(method)
        return said

    def digests(self) -> list[bytes]:
        """Of each piece of code, sorted: neither files nor their order matter.

        The digest of a piece covers the text that its names stand for: in two files one name may
        stand for two things.
        """
        found = set[bytes]()
        while self._to_go:
            code = self._to_go.pop()
            meant = sorted((place.name, self._follow(place)) for place in code.places)
            found.add(sha256(code.digest + repr(meant).encode()).digest())
            for word in code.words:
                self._mention(word)
        return sorted(found)

    def _mention(self, word: str) -> None:
        self._words.add(word)
        self._to_go += self._waiting.pop(word, ())

    def _follow(self, place: NamedPlace) -> bytes:
        """Reach what a name stands for, and give a digest of its own text."""
        if place not in self._texts:
            self._texts[place] = b""  # for names that stand for each other
            self._texts[place] = self._reach(place) if self._is_followed(place.module) else b""
        return self._texts[place]

    def _reach(self, place: NamedPlace) -> bytes:
        module = sys.modules.get(place.module) or import_module(place.module)
        file = source_file(module)
        found = file.definition(place.name)
        if found is None:
            return b"".join(sorted(map(self._follow, file.imported(place.name))))
        for name, method in found.methods:
            if name in self._words:
                self._to_go.append(method)
            else:
                self._waiting.setdefault(name, []).append(method)
        if place.module in _WORDS and isinstance(vars(module).get(place.name), type):
            return sha256(f"class {place.name}".encode()).digest()
        self._to_go += found.code
        return sha256(b"".join(code.digest for code in found.code)).digest()

    def _is_followed(self, module: str) -> bool:
        top = module.partition(".")[0]
        if top == _OURS:
            return not f"{module}.".startswith(f"{_ENGINE}.") or module in _WORDS
        file = _file_of(module)
        return file is not None and (top in self._packages or not file.startswith(_installed()))


@cache
def _file_of(module: str) -> str | None:
    """Where a module lies, imported or not; None for one that is built in, or not there.

    None for those of the standard library, which lie where Python does.
    """
    if module in sys.modules:
        file: str | None = getattr(sys.modules[module], "__file__", None)
    else:
        try:
            spec = find_spec(module)
        except (ImportError, ValueError):
            return None
        file = spec.origin if spec is not None and spec.has_location else None
    library = sysconfig.get_path("stdlib")
    packages = sysconfig.get_path("purelib")
    if file is not None and file.startswith(library) and not file.startswith(packages):
        return None
    return file


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
            return "{" + ",".join(sorted(map(self.text, self._in_order(value)))) + "}"
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
            owner = value.__self__
            of = "" if owner is None or isinstance(owner, ModuleType) else self.text(owner)
            return f"{of}.{value.__qualname__}"
        if isinstance(value, ModuleType):
            return "module"
        if isinstance(value, (type, FunctionType)):
            return self._function_or_class(value)
        return self._object(value)

    def _in_order(self, members: Iterable[object]) -> list[object]:
        """The members of a set, by how each reads alone: their order in it is by their address."""
        return sorted(members, key=lambda member: _ValueTexts(self._reached).text(member))

    def _function_or_class(self, value: type | FunctionType) -> str:
        inner = unwrap(value) if isinstance(value, FunctionType) else value
        held = [
            *(getattr(inner, "__defaults__", None) or ()),
            *(getattr(inner, "__kwdefaults__", None) or {}).items(),
            *(map(_content, getattr(inner, "__closure__", None) or ())),
        ]
        if not held:
            return self._reached.note(value)
        if id(inner) in self._numbers:  # one that calls itself, or was met before
            return f"#{self._numbers[id(inner)]}"
        number = self._number(inner)
        return f"{self._reached.note(value)}{number}{self.text(held)}"

    def _number(self, value: object) -> str:
        self._kept.append(value)
        return f"#{self._numbers.setdefault(id(value), len(self._numbers))}"

    def _object(self, value: Any) -> str:
        cls: type[object] = type(value)
        has_identity = cls.__eq__ is object.__eq__
        if has_identity and id(value) in self._numbers:
            return f"#{self._numbers[id(value)]}"
        number = self._number(value) if has_identity else ""
        fields = (
            {field.name: field for field in attrs.fields(cls)}
            if attrs.has(cls)
            else _attributes(value)
        )
        inside = ",".join(f"{name}={self.text(getattr(value, name, None))}" for name in fields)
        return f"{self._reached.note(cls)}{number}({inside})"


def _content(cell: CellType) -> object:
    """What a function's local name stands for in a function inside; None before it is bound."""
    try:
        content: object = cell.cell_contents
    except ValueError:
        return None
    return content


def _attributes(value: object) -> list[str]:
    """The attributes of an object that is no attrs class's, in its dictionary and in slots."""
    slots = [name for cls in type(value).__mro__ for name in vars(cls).get("__slots__", ())]
    names = {*getattr(value, "__dict__", ()), *(name for name in slots if hasattr(value, name))}
    return sorted(names - {"__dict__", "__weakref__"})


def digest_of(tasks: Iterable[Task], properties: Iterable[Property]) -> str:
    """Eight hexadecimal digits of what these tasks do and these properties ask."""
    collects = gc.isenabled()
    gc.disable()  # there are a great many nodes, and none of them is garbage
    try:
        return _digest_of(tasks, properties)
    finally:
        if collects:
            gc.enable()


def _digest_of(tasks: Iterable[Task], properties: Iterable[Property]) -> str:
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
