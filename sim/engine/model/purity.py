"""What a routine may depend on beside its arguments: nothing that can change.

State outside of cells would be shared without the engine knowing, and would outlive the state that
it belongs to. What can be seen of it in a routine's code is refused when the routine is first
called: a global that can change or is assigned to, an attribute or an item of a global that is set,
a source of chance or of time. The plain functions and methods that a routine calls by name are
looked through in the same way. So is a handler that would catch the engine's own word that a task
is given up.

What cannot be seen so is for the determinism check (`sim.engine.run.automata`), which catches most
of the rest; what neither sees, `docs/engine.md` lists.
"""

from __future__ import annotations

import ast
import builtins
import dataclasses
import dis
import inspect
import linecache
import re
import sysconfig
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from functools import cache, cached_property, partial
from operator import attrgetter, itemgetter, methodcaller
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    GenericAlias,
    MappingProxyType,
    ModuleType,
    UnionType,
)
from typing import Any, TypeVar

import attrs

from sim.engine.model.cells import Cell
from sim.engine.model.errors import RuleError, place_of_code
from sim.engine.model.values import problem_of

_CHANCE = frozenset({"datetime", "random", "secrets", "time", "trio", "uuid"})
"""Modules whose functions say something else each time, or wait for what is no cell."""

_BUILTINS = frozenset({"delattr", "globals", "hash", "id", "input", "open", "setattr", "vars"})
"""Builtins that change something, or depend on the process that runs."""

_IMMUTABLE = (
    *(
        float,
        complex,
        int,
        str,
        bytes,
        range,
        slice,
        type(Ellipsis),
        Enum,
        Fraction,
        Decimal,
        timedelta,
    ),
    *(re.Pattern, TypeVar, GenericAlias, UnionType, attrgetter, itemgetter, methodcaller, Cell),
    *(FunctionType, BuiltinFunctionType, type),
)
"""What is no value of a model and yet never changes."""

_INSTEAD = MappingProxyType({"dict": "types.MappingProxyType", "list": "tuple", "set": "frozenset"})

_SETTING = frozenset(
    dis.opmap[name] for name in ("STORE_ATTR", "DELETE_ATTR", "STORE_SUBSCR", "DELETE_SUBSCR")
)
_ASSIGNING = frozenset({"STORE_GLOBAL", "DELETE_GLOBAL"})
_HANDLING = dis.opmap["PUSH_EXC_INFO"]
_LIBRARIES = tuple(
    sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")
)

Body = Callable[..., Any]


def refuse_hidden_state(body: Body, owner: type | None) -> None:
    """Raise RuleError for a routine that depends on more than its arguments,
    or may not be given up.

    `owner` is the class whose method it is called as, if it is one.
    """
    _check(body, body, owner, {})
    for code in _codes(body.__code__):
        if _HANDLING in code.co_code[::2]:
            _refuse_catching_all(body)


def _check(body: Body, function: Body, owner: type | None, seen: dict[Body, None]) -> None:
    """Check a function that `body` is, or calls, and all that it calls in turn."""
    if function in seen:
        return
    seen[function] = None
    names = dict[str, None]()
    for code in _codes(function.__code__):
        _check_assignments(body, function, code)
        names.update(dict.fromkeys(code.co_names))
    loaded: frozenset[str] | None = None
    for name in names:
        for method in _own_functions(owner, name, function):
            _check(body, method, owner, seen)
        if name in function.__globals__:
            found = function.__globals__[name]
            reason = _reason_against(found)
            if isinstance(found, ModuleType) and reason is None and _is_ours(found):
                _check_module(body, function, found, names, seen)
        elif name in _BUILTINS and hasattr(builtins, name):
            found, reason = None, f"{name}(), which does more than compute"
        else:
            continue
        if reason is not None:
            loaded = loaded if loaded is not None else _loaded(function.__code__)
            if name in loaded:
                _refuse(
                    body,
                    function,
                    f"uses {reason}" if found is None else f"uses the global {name}, {reason}",
                )
        inner = _function_in(found)
        if inner is not None:
            _check(body, inner, None, seen)


def _check_module(
    body: Body, function: Body, module: ModuleType, names: dict[str, None], seen: dict[Body, None]
) -> None:
    """Check what a function may use of a module of the model's:
    whatever there has a name that it uses.
    """
    for name in names:
        found = vars(module).get(name)
        if found is None:
            continue
        reason = _reason_against(found)
        if reason is not None and not isinstance(found, ModuleType):
            _refuse(body, function, f"uses {module.__name__}.{name}, {reason}")
        inner = _function_in(found)
        if inner is not None:
            _check(body, inner, None, seen)


def _own_functions(owner: type | None, name: str, function: Body) -> Iterator[Body]:
    """The plain functions that a class calls by a name: a method, a class's or a static one,
    a property's.
    """
    if owner is None:
        return
    found = inspect.getattr_static(owner, name, None)
    if isinstance(found, (classmethod, staticmethod, cached_property, property)):
        found = (
            getattr(found, "__func__", None)
            or getattr(found, "func", None)
            or getattr(found, "fget", None)
        )
    inner = _function_in(found)
    if inner is not None and name in _names_of_self(function.__code__):
        yield inner


@cache
def _names_of_self(code: CodeType) -> frozenset[str]:
    """The attributes that a method takes of its first argument,
    or of the class that this is an object of.
    """
    found, before = set[str](), None
    own = code.co_varnames[:1]
    for this in dis.get_instructions(code):
        if (
            before is not None
            and before.argval in own
            and this.opname in {"LOAD_ATTR", "LOAD_METHOD"}
        ):
            found.add(str(this.argval))
        before = this
    return frozenset(found)


def _check_assignments(body: Body, function: Body, code: CodeType) -> None:
    ops = code.co_code[::2]
    if dis.opmap["IMPORT_NAME"] in ops:
        for instruction in dis.get_instructions(code):
            if (
                instruction.opname == "IMPORT_NAME"
                and str(instruction.argval).partition(".")[0] in _CHANCE
            ):
                _refuse(
                    body, function, f"imports {instruction.argval}, a source of chance, or of time"
                )
    if dis.opmap["STORE_DEREF"] in ops and function.__closure__:
        for instruction in dis.get_instructions(code):
            if (
                instruction.opname == "STORE_DEREF"
                and instruction.argval in function.__code__.co_freevars
            ):
                _refuse(body, function, f"assigns to {instruction.argval}, which is not its own")
    for default in function.__defaults__ or ():
        part = _changing_part(default)
        if part is not None and function is not body:
            _refuse(body, function, f"has a default, a {part}, which can change")
    if any(dis.opmap[name] in ops for name in _ASSIGNING):
        name = next(i.argval for i in dis.get_instructions(code) if i.opname in _ASSIGNING)
        _refuse(body, function, f"assigns to the global {name}")
    if not _SETTING.isdisjoint(ops):
        name = _set_outside(function, is_routine=function is body)
        if name is not None:
            _refuse(body, function, f"sets something in {name}, which is no variable of its own")


def _refuse(body: Body, function: Body, what: str) -> None:
    via = "" if function is body else f" by way of {function.__name__}()"
    message = f"{body.__name__}{via} {what}: what tasks share is kept in cells"
    raise RuleError(place_of_code(body.__code__), message)


def _codes(code: CodeType) -> Iterator[CodeType]:
    """A function's code, and that of the comprehensions and functions in it."""
    yield code
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from _codes(const)


def _loaded(code: CodeType) -> frozenset[str]:
    """The globals that code reads; `co_names` has names of attributes as well."""
    loads = ("LOAD_GLOBAL", "LOAD_NAME")
    return frozenset(
        i.argval for one in _codes(code) for i in dis.get_instructions(one) if i.opname in loads
    )


def _function_in(found: object) -> FunctionType | None:
    """The plain function of a model that something is, or wraps.

    None for the engine's, a library's, and routines.
    """
    if hasattr(found, "__is_routine__"):
        return None  # it is looked through when it is called
    inner = inspect.unwrap(found) if callable(found) and hasattr(found, "__wrapped__") else found
    if not isinstance(inner, FunctionType) or str(inner.__module__).startswith("sim.engine."):
        return None
    return None if inner.__code__.co_filename.startswith((*_LIBRARIES, "<")) else inner


def _is_ours(module: ModuleType) -> bool:
    """Whether a module is a model's, and not the engine's or a library's."""
    file = getattr(module, "__file__", None)
    return (
        file is not None
        and not file.startswith(_LIBRARIES)
        and not module.__name__.startswith("sim.engine.")
    )


def _reason_against(found: object) -> str | None:
    """Why a routine may not use a global; None if it may."""
    if isinstance(found, ModuleType):
        return (
            "a source of chance, or of time"
            if found.__name__.partition(".")[0] in _CHANCE
            else None
        )
    if isinstance(found, type):
        return f"which is {found.__module__}'s" if found.__module__ in _CHANCE else None
    if isinstance(found, (FunctionType, BuiltinFunctionType)) or hasattr(found, "cache_info"):
        module = str(getattr(found, "__module__", None)).partition(".")[0]
        owner = getattr(found, "__self__", None)
        module = (
            type(owner).__module__
            if not isinstance(owner, (type(None), ModuleType, type))
            else module
        )
        return f"which is {module}'s" if module in _CHANCE else None
    part = _changing_part(found)
    if part is None:
        return None
    instead = _INSTEAD.get(part)
    return f"a {part}, which can change" + (f" (a {instead} cannot)" if instead else "")


def _changing_part(found: object) -> str | None:
    """The type of something in a global that can change; None where nothing can."""
    if (
        isinstance(found, _IMMUTABLE)
        or type(found).__module__ == "typing"
        or problem_of(found) is None
    ):
        return None
    inner: Iterable[object]
    if isinstance(found, (tuple, frozenset)):
        inner = found
    elif isinstance(found, MappingProxyType):
        inner = found.values()
    elif isinstance(found, partial):
        inner = (found.func, *found.args, *found.keywords.values())
    elif attrs.has(type(found)) and _is_frozen(type(found)):
        inner = [getattr(found, field.name) for field in attrs.fields(type(found))]  # type: ignore[arg-type]
    elif dataclasses.is_dataclass(found) and getattr(found, "__dataclass_params__").frozen:  # noqa: B009 - in no stub
        inner = [getattr(found, field.name) for field in dataclasses.fields(found)]
    else:
        return type(found).__name__
    return next((part for item in inner if (part := _changing_part(item)) is not None), None)


def _is_frozen(cls: type) -> bool:
    decorated = next(base for base in cls.__mro__ if "__attrs_attrs__" in vars(base))
    return attrs.inspect(decorated).is_frozen


@cache
def _tree(file: str) -> ast.Module | None:
    try:
        return ast.parse("".join(linecache.getlines(file)))
    except SyntaxError:
        return None


def _definition(function: Body) -> ast.AST | None:
    """The text of a function, parsed; None where there is no text."""
    code = function.__code__
    tree = _tree(code.co_filename)
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == code.co_name:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            if first == code.co_firstlineno:
                return node
    return None


def _set_outside(function: Body, *, is_routine: bool) -> str | None:
    """A name that is not a function's own, of which it sets a part.

    The arguments of a routine are not.
    """
    definition = _definition(function)
    own = {
        name
        for code in _codes(function.__code__)
        for name in (*code.co_varnames, *code.co_cellvars)
    }
    if is_routine:
        own.difference_update(function.__code__.co_varnames[: function.__code__.co_argcount])
    for node in ast.walk(definition) if definition is not None else ():
        if isinstance(node, (ast.Attribute, ast.Subscript)) and isinstance(
            node.ctx, (ast.Store, ast.Del)
        ):
            root: ast.expr = node
            while isinstance(root, (ast.Attribute, ast.Subscript)):
                root = root.value
            if isinstance(root, ast.Name) and root.id not in own:
                return root.id
    return None


def _refuse_catching_all(body: Body) -> None:
    """Refuse a handler of every exception that does not raise it again:
    a task must be free to be given up.
    """
    definition = _definition(body)
    for node in ast.walk(definition) if definition is not None else ():
        if not isinstance(node, ast.ExceptHandler) or not _is_for_all(node.type):
            continue
        if not any(isinstance(inner, ast.Raise) for part in node.body for inner in ast.walk(part)):
            raise RuleError(
                place_of_code(body.__code__, node.lineno),
                f"{body.__name__} catches every exception, the engine's own too: catch "
                "Exception, or raise it again",
            )


def _is_for_all(caught: ast.expr | None) -> bool:
    if caught is None:
        return True
    names = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(isinstance(name, ast.Name) and name.id == "BaseException" for name in names)
