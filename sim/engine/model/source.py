"""The text of a model's files, taken apart: what each name at module level stands for,
and what that mentions.

Used for digests (`sim.engine.model.digest`). Pieces of code are compared by their syntax trees
without what decides nothing: comments, docstrings, annotations and imports.
"""

from __future__ import annotations

import ast
import linecache
import sys
from collections.abc import Callable, Iterator
from functools import cache
from hashlib import sha256
from types import ModuleType
from typing import NamedTuple

import attrs

_UNSAID = {"annotation", "returns", "type_comment", "type_params", "kind", "ctx"}
"""Fields of syntax trees that decide nothing."""

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_BODIES = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def spelled(node: object) -> str:
    """A syntax tree as text, without what decides nothing: the same under every Python."""
    if isinstance(node, list):
        return "[" + ",".join(map(spelled, node)) + "]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = {name: value for name, value in ast.iter_fields(node) if name not in _UNSAID}
    if isinstance(node, _BODIES):
        fields["body"] = [part for part in node.body if not _is_unsaid(part)]
    if isinstance(node, ast.JoinedStr):
        fields["values"] = _pieces(node)
    if isinstance(node, ast.FormattedValue) and isinstance(node.format_spec, ast.JoinedStr):
        fields["format_spec"] = node.format_spec if _pieces(node.format_spec) else None
    said = (
        f"{name}={spelled(value)}"
        for name, value in fields.items()
        if value is not None and value != []
    )
    return f"{type(node).__name__}({','.join(said)})"


def _is_unsaid(node: ast.AST) -> bool:
    """Imports, and texts that stand for themselves."""
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return True
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _pieces(node: ast.JoinedStr) -> list[ast.expr | str]:
    """The pieces of an f-string, with neighbouring texts joined.

    Pythons differ in how they cut the text, and in whether they leave empty pieces of it.
    """
    pieces: list[ast.expr | str] = []
    for value in node.values:
        if not isinstance(value, ast.Constant):
            pieces.append(value)
        elif pieces and isinstance(pieces[-1], str):
            pieces[-1] += str(value.value)
        else:
            pieces.append(str(value.value))
    return [piece for piece in pieces if piece]


class NamedPlace(NamedTuple):
    """A name at the top level of a module."""

    module: str
    name: str


@attrs.frozen
class CodePiece:
    """A piece of code: a function, a method, a constant, or a class without its methods."""

    digest: bytes
    places: tuple[NamedPlace, ...]
    """The names at module level that it mentions."""
    words: frozenset[str]
    """The attributes and texts that it mentions: the methods that it may call."""


@attrs.frozen
class Definition:
    """What a name at module level stands for."""

    code: tuple[CodePiece, ...]
    methods: tuple[tuple[str, CodePiece], ...] = ()
    """Of a class: the methods that Python does not call by itself, by name."""


class SourceFile:
    """The text of an imported module."""

    def __init__(self, module: ModuleType) -> None:
        self.name = module.__name__
        self._statements: dict[str, list[ast.stmt]] = {}
        """The statements that bind a name at module level, or change an attribute of it."""
        self._imports: dict[str, tuple[str, str | None]] = {}
        """Local name -> module, and the name in it; None for the module itself."""
        self._definitions: dict[str, Definition] = {}
        tree = ast.parse(_text(module))
        package = self.name if hasattr(module, "__path__") else self.name.rpartition(".")[0]
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                self._note_import(node)
            elif isinstance(node, ast.ImportFrom):
                self._note_import_from(node, package)
        for statement in tree.body:
            if not _is_unsaid(statement):
                for name in _bound(statement):
                    self._statements.setdefault(name, []).append(statement)

    def _note_import(self, node: ast.Import) -> None:
        for alias in node.names:
            first = alias.name.partition(".")[0]
            self._imports[alias.asname or first] = (alias.name if alias.asname else first, None)

    def _note_import_from(self, node: ast.ImportFrom, package: str) -> None:
        parts = package.split(".") if node.level else []
        above = parts[: len(parts) - (node.level - 1)] if node.level else []
        module = ".".join([*above, *([node.module] if node.module else [])])
        for alias in node.names:
            self._imports[alias.asname or alias.name] = (module, alias.name)

    def definition(self, name: str) -> Definition | None:
        """What a name stands for; None for one that this file does not define."""
        if name in self._statements and name not in self._definitions:
            self._definitions[name] = self._define(name)
        return self._definitions.get(name)

    def imported(self, name: str) -> NamedPlace | None:
        """Where a name comes from that this file imports."""
        module, inside = self._imports.get(name, ("", None))
        return NamedPlace(module, inside) if module and inside is not None else None

    def name_at(self, line: int) -> str | None:
        """A name that the statement on this line binds, for a lambda, which has none of its own."""
        for name, statements in self._statements.items():
            if any(node.lineno <= line <= (node.end_lineno or 0) for node in statements):
                return name
        return None

    def _define(self, name: str) -> Definition:
        code, methods = list[CodePiece](), list[tuple[str, CodePiece]]()
        for node in self._statements[name]:
            if not isinstance(node, ast.ClassDef):
                code.append(self._code(node))
                continue
            own = [
                part
                for part in node.body
                if isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef)) and not _is_hook(part)
            ]
            rest = [part for part in node.body if part not in own]
            bare = ast.ClassDef(name, node.bases, node.keywords, rest, node.decorator_list)
            code.append(self._code(bare))
            methods += [(part.name, self._code(part, f"{name}.")) for part in own]
        return Definition(tuple(code), tuple(methods))

    def _code(self, node: ast.stmt, owner: str = "") -> CodePiece:
        places, words = dict[NamedPlace, None](), set[str]()
        for part in _mentions(node, frozenset()):
            if isinstance(part, ast.Name):
                places |= dict.fromkeys(self._place(part.id))
            elif isinstance(part, ast.Attribute):
                words.add(part.attr)
                places |= dict.fromkeys(self._place_in_module(part))
            elif isinstance(part, ast.Constant) and isinstance(part.value, str):
                words.add(part.value)
        digest = sha256((owner + spelled(node)).encode()).digest()
        return CodePiece(digest, tuple(places), frozenset(words))

    def _place(self, name: str) -> Iterator[NamedPlace]:
        if name in self._statements:
            yield NamedPlace(self.name, name)
        found = self.imported(name)
        if found is not None:
            yield found

    def _place_in_module(self, node: ast.Attribute) -> Iterator[NamedPlace]:
        """Where `module.name` comes from."""
        chain, inner = [node.attr], node.value
        while isinstance(inner, ast.Attribute):
            chain.append(inner.attr)
            inner = inner.value
        if isinstance(inner, ast.Name) and inner.id in self._imports:
            module, inside = self._imports[inner.id]
            path = [module, *([inside] if inside else []), *reversed(chain)]
            if ".".join(path[:-1]) in sys.modules:
                yield NamedPlace(".".join(path[:-1]), path[-1])


def _bound(statement: ast.stmt) -> Iterator[str]:
    """The names that a statement at module level binds, or changes an attribute of."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield statement.name
        return
    for node in _in_scope(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, (ast.Attribute, ast.Subscript)) and isinstance(node.ctx, ast.Store):
            inner: ast.expr = node
            while isinstance(inner, (ast.Attribute, ast.Subscript)):
                inner = inner.value
            if isinstance(inner, ast.Name):
                yield inner.id


def _is_hook(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a method may be called without its name: by Python, or by attrs for a field."""
    is_special = node.name.startswith("__") and node.name.endswith("__")
    return is_special or any(isinstance(one, ast.Attribute) for one in node.decorator_list)


def _in_scope(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes below one that bind names where it stands:
    not those in functions or comprehensions.
    """
    for part in ast.iter_child_nodes(node):
        yield part
        if not isinstance(part, (*_FUNCTIONS, *_COMPREHENSIONS, ast.ClassDef)):
            yield from _in_scope(part)


def _locals_of(node: ast.AST) -> Iterator[str]:
    """The names that are a function's own, or a comprehension's."""
    for part in _in_scope(node):
        if isinstance(part, ast.arg):
            yield part.arg
        elif isinstance(part, ast.arguments):
            yield from (one.arg for one in ast.walk(part) if isinstance(one, ast.arg))
        elif isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            yield part.id


def _mentions(node: ast.AST, hidden: frozenset[str]) -> Iterator[ast.AST]:
    """A syntax tree's nodes without those that decide nothing, and without names in `hidden`,
    which are local.
    """
    if isinstance(node, (*_FUNCTIONS, *_COMPREHENSIONS)):
        hidden |= frozenset(_locals_of(node))
    if not (isinstance(node, ast.Name) and node.id in hidden):
        yield node
    for name, value in ast.iter_fields(node):
        if name not in _UNSAID:
            for part in value if isinstance(value, list) else [value]:
                if isinstance(part, ast.AST) and not _is_unsaid(part):
                    yield from _mentions(part, hidden)


def _text(module: ModuleType) -> str:
    loader = module.__spec__.loader if module.__spec__ else None
    get_source: Callable[[str], str | None] | None = getattr(loader, "get_source", None)
    if get_source is not None:
        return get_source(module.__name__) or ""
    return "".join(linecache.getlines(getattr(module, "__file__", None) or ""))


@cache
def source_file(module: ModuleType) -> SourceFile:
    """The module's text, read and taken apart once."""
    return SourceFile(module)
