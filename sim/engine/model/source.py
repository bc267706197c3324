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
from types import CodeType, ModuleType
from typing import NamedTuple

import attrs

_UNSAID = {"annotation", "returns", "type_comment", "type_params", "kind", "ctx"}
"""Fields of syntax trees that decide nothing."""

_FIELDS: dict[type[ast.AST], tuple[str, ...]] = {}
"""The other fields of each kind of node, once it was met."""

_SCOPES = (
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.Lambda,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
)
_CLOSED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef, ast.Constant)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_BODIES = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def spelled(node: object) -> str:
    """A syntax tree as text, without what decides nothing: the same under every Python."""
    pieces = list[str]()
    _spell(node, pieces.append)
    return "".join(pieces)


def _spell(node: object, say: Callable[[str], None]) -> None:
    if isinstance(node, list):
        say("[")
        for number, part in enumerate(node):
            if number:
                say(",")
            _spell(part, say)
        say("]")
        return
    if not isinstance(node, ast.AST):
        say(repr(node))
        return
    say(type(node).__name__)
    before = "("
    for name in _said_fields(type(node)):
        value = getattr(node, name, None)
        if name == "body" and isinstance(node, _BODIES):
            value = [part for part in node.body if not _is_unsaid(part)]
        elif name == "values" and isinstance(node, ast.JoinedStr):
            value = _pieces(node)
        elif name == "format_spec" and isinstance(value, ast.JoinedStr) and not _pieces(value):
            continue
        if value is not None and value != []:
            say(f"{before}{name}=")
            before = ","
            _spell(value, say)
    say("()" if before == "(" else ")")


def _said_fields(kind: type[ast.AST]) -> tuple[str, ...]:
    known = _FIELDS.get(kind)
    if known is None:
        known = _FIELDS[kind] = tuple(name for name in kind._fields if name not in _UNSAID)
    return known


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


class NoSourceError(Exception):
    """A model has no text: it was typed at a prompt, piped in, or given to `python -c`."""


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
        self._imports: dict[str, list[tuple[str, str | None]]] = {}
        """Local name -> modules, and the name in each; None for the module itself.

        Functions may import one name from several places: all of them count.
        """
        self._stars: list[str] = []
        """Modules from which everything is imported."""
        self._definitions: dict[str, Definition] = {}
        self._tree = tree = ast.parse(_text(module))
        package = self.name if hasattr(module, "__path__") else self.name.rpartition(".")[0]
        for node in _statements(tree):
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
            module = alias.name if alias.asname else first
            self._imports.setdefault(alias.asname or first, []).append((module, None))

    def _note_import_from(self, node: ast.ImportFrom, package: str) -> None:
        parts = package.split(".") if node.level else []
        above = parts[: len(parts) - (node.level - 1)] if node.level else []
        module = ".".join([*above, *([node.module] if node.module else [])])
        for alias in node.names:
            if alias.name == "*":
                self._stars.append(module)
            else:
                known = self._imports.setdefault(alias.asname or alias.name, [])
                known.append((module, alias.name))

    def definition(self, name: str) -> Definition | None:
        """What a name stands for; None for one that this file does not define."""
        if name in self._statements and name not in self._definitions:
            self._definitions[name] = self._define(name)
        return self._definitions.get(name)

    def imported(self, name: str) -> Iterator[NamedPlace]:
        """Where a name comes from that this file imports."""
        for module, inside in self._imports.get(name, ()):
            if inside is not None:
                yield NamedPlace(module, inside)
        for module in self._stars:
            if name in vars(sys.modules.get(module, object)):
                yield NamedPlace(module, name)

    def name_at(self, line: int) -> str | None:
        """A name that the statement on this line binds, for a lambda, which has none of its own."""
        for name, statements in self._statements.items():
            if any(node.lineno <= line <= (node.end_lineno or 0) for node in statements):
                return name
        return None

    def lambda_text(self, code: CodeType) -> str:
        """A lambda as text, empty where none stands there.

        Of several on one line it is the innermost that has all columns of the code's steps in it.
        """
        line = code.co_firstlineno
        columns = [column for at, _, column, _ in code.co_positions() if at == line and column]
        here = [
            node
            for node in ast.walk(self._tree)
            if isinstance(node, ast.Lambda)
            and node.lineno == line
            and all(node.col_offset < column for column in columns)
            and (node.end_lineno != line or max(columns, default=0) < (node.end_col_offset or 0))
        ]
        return spelled(max(here, key=lambda node: node.col_offset)) if here else ""

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
        for part in _mentions(node):
            if isinstance(part, ast.Name):
                places |= dict.fromkeys(self._place(part.id))
                if isinstance(node, ast.ClassDef):
                    words.add(part.id)  # `other_name = method`, or `property(_get)`
            elif isinstance(part, ast.Attribute):
                words.add(part.attr)
                places |= dict.fromkeys(self._place_in_module(part))
            elif isinstance(part, ast.Constant) and isinstance(part.value, str):
                words |= {part.value, *part.value.split(".")}
            elif isinstance(part, ast.MatchClass):
                words |= set(part.kwd_attrs)
            elif isinstance(part, ast.ImportFrom):
                places |= dict.fromkeys(
                    place for alias in part.names for place in self.imported(alias.name)
                )
        digest = sha256((owner + spelled(node)).encode()).digest()
        return CodePiece(digest, tuple(places), frozenset(words))

    def _place(self, name: str) -> Iterator[NamedPlace]:
        if name in self._statements:
            yield NamedPlace(self.name, name)
        yield from self.imported(name)

    def _place_in_module(self, node: ast.Attribute) -> Iterator[NamedPlace]:
        """Where `module.name` comes from."""
        chain, inner = [node.attr], node.value
        while isinstance(inner, ast.Attribute):
            chain.append(inner.attr)
            inner = inner.value
        if isinstance(inner, ast.Name):
            for module, inside in self._imports.get(inner.id, ()):
                path = [module, *([inside] if inside else []), *reversed(chain)]
                if ".".join(path[:-1]) in sys.modules:
                    yield NamedPlace(".".join(path[:-1]), path[-1])


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Every statement below a node, in functions and classes as well."""
    to_go = [node]
    while to_go:
        here = to_go.pop()
        yield here
        for name in ("body", "orelse", "finalbody", "handlers", "cases"):
            below = getattr(here, name, ())
            to_go += below if isinstance(below, list) else ()


def _bound(statement: ast.AST) -> Iterator[str]:
    """The names that a statement at module level binds, or changes an attribute of."""
    yield from _bindings(statement)
    for node in _in_scope(statement):
        if isinstance(node, (ast.Attribute, ast.Subscript)) and isinstance(node.ctx, ast.Store):
            inner: ast.expr = node
            while isinstance(inner, (ast.Attribute, ast.Subscript)):
                inner = inner.value
            if isinstance(inner, ast.Name):
                yield inner.id


def _bindings(node: ast.AST) -> Iterator[str]:
    """The names that a node binds in the scope that it stands in, but for imports."""
    for part in _in_scope(node):
        match part:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.ClassDef(name=name) | ast.ExceptHandler(name=str(name)):
                yield name
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield name
            case ast.MatchMapping(rest=str(name)) | ast.Name(id=name, ctx=ast.Store()):
                yield name


def _in_scope(node: ast.AST) -> Iterator[ast.AST]:
    """A node and those below it that bind names where it stands.

    Not those inside of functions and classes; of comprehensions the walrus alone.
    """
    to_go = [node]
    while to_go:
        here = to_go.pop()
        if isinstance(here, _COMPREHENSIONS):
            yield from (one.target for one in ast.walk(here) if isinstance(one, ast.NamedExpr))
            continue
        yield here
        if not isinstance(here, _CLOSED):
            to_go += _below(here)


def _is_hook(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a method may be called without its name: by Python, or by attrs for a field."""
    is_special = node.name.startswith("_") and node.name.endswith("_")  # __init__, _missing_
    return is_special or any(isinstance(one, ast.Attribute) for one in node.decorator_list)


def _mentions(node: ast.AST) -> Iterator[ast.AST]:
    """A syntax tree's nodes without those that decide nothing, and without names that are local.

    Imports in functions are among them.
    """
    to_go: list[tuple[ast.AST, frozenset[str]]] = [(node, frozenset())]
    while to_go:
        here, hidden = to_go.pop()
        if isinstance(here, ast.Name):
            if here.id not in hidden:
                yield here
            continue
        yield here
        if isinstance(here, _SCOPES):
            inside, outside = _scopes(here)
            mine = hidden | _locals(here)
            to_go += [(part, mine) for part in inside]
            to_go += [(part, hidden) for part in outside]
        else:
            to_go += [(part, hidden) for part in _below(here)]


def _scopes(node: ast.AST) -> tuple[list[ast.AST], list[ast.AST]]:
    """The nodes right below one: those in a scope of its own, and those in the scope around it."""
    if isinstance(node, ast.Lambda):
        return [node.body, *_arguments(node.args)], _defaults(node.args)
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return list[ast.AST](node.body), [*node.decorator_list, *_defaults(node.args)]
    if isinstance(node, _COMPREHENSIONS):
        first = node.generators[0].iter
        every = [part for part in _below(node) if not isinstance(part, ast.comprehension)]
        rest = [part for one in node.generators for part in _below(one) if part is not first]
        return [*every, *rest], [first]
    raise TypeError(node)


def _below(node: ast.AST) -> list[ast.AST]:
    """The nodes right below one that decide something."""
    found = list[ast.AST]()
    for name in _said_fields(type(node)):
        value = getattr(node, name, None)
        parts = value if isinstance(value, list) else [value]
        found += [part for part in parts if isinstance(part, ast.AST)]
    return found


def _arguments(args: ast.arguments) -> list[ast.arg]:
    several = [one for one in (args.vararg, args.kwarg) if one is not None]
    return [*args.posonlyargs, *args.args, *args.kwonlyargs, *several]


def _defaults(args: ast.arguments) -> list[ast.AST]:
    return [*args.defaults, *(one for one in args.kw_defaults if one is not None)]


def _locals(node: ast.AST) -> frozenset[str]:
    """The names that are a function's own, or a comprehension's; its imports are not among them."""
    if isinstance(node, _COMPREHENSIONS):
        return frozenset(name for one in node.generators for name in _bindings(one.target))
    if not isinstance(node, _FUNCTIONS):
        return frozenset()
    names = {one.arg for one in _arguments(node.args)}
    shared = set[str]()
    for statement in [node.body] if isinstance(node, ast.Lambda) else node.body:
        names.update(_bindings(statement))
        for part in _statements(statement):
            if isinstance(part, (ast.Global, ast.Nonlocal)):
                shared.update(part.names)
    return frozenset(names - shared)


def _text(module: ModuleType) -> str:
    spec = getattr(module, "__spec__", None)  # None for a script, and missing under a debugger
    loader = getattr(spec, "loader", None)
    get_source: Callable[[str], str | None] | None = getattr(loader, "get_source", None)
    found = get_source(spec.name) if spec and get_source is not None else None
    found = found or "".join(linecache.getlines(getattr(module, "__file__", None) or ""))
    if not found and module.__name__ == "__main__":
        raise NoSourceError(
            "a scenario's digest is of the text of its model, and this one was not read from a "
            "file; put it into one"
        )
    return found


@cache
def source_file(module: ModuleType) -> SourceFile:
    """The module's text, read and taken apart once."""
    return SourceFile(module)
