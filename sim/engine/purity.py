"""What a routine may depend on beside its arguments: nothing that can change.

State outside of cells would be shared without the engine knowing, and would outlive the state that it belongs to. What
can be seen of it in a routine's code is refused when the routine is first called: a global that can change or is
assigned to, an attribute or an item of a global that is set, a source of chance or of time. The plain functions and
methods that a routine calls by name are looked through in the same way. So is a handler that would catch the engine's
own word that a task is given up.

What cannot be seen so is for the determinism check (`sim.engine.automata`), which catches most of the rest; what
neither sees, `docs/engine.md` lists.
"""

from __future__ import annotations

import ast
import builtins
import dis
import linecache
import re
import sysconfig
from collections.abc import Callable, Iterator
from functools import cache
from types import BuiltinFunctionType, CodeType, FunctionType, GenericAlias, MappingProxyType, ModuleType
from typing import Any, TypeVar

from sim.engine.cells import Cell
from sim.engine.errors import RuleError, place_of_code
from sim.engine.values import problem_of

_CHANCE = frozenset({"datetime", "random", "secrets", "time", "trio", "uuid"})
"""Modules whose functions say something else each time, or wait for what is no cell."""

_BUILTINS = frozenset({"delattr", "globals", "hash", "id", "input", "open", "setattr", "vars"})
"""Builtins that change something, or depend on the process that runs."""

_IMMUTABLE = (float, complex, frozenset, range, slice, re.Pattern, MappingProxyType, TypeVar, GenericAlias, Cell)
"""What is no value of a model and yet never changes."""

_INSTEAD = MappingProxyType({"dict": "types.MappingProxyType", "list": "tuple", "set": "frozenset"})

_SETTING = frozenset(dis.opmap[name] for name in ("STORE_ATTR", "DELETE_ATTR", "STORE_SUBSCR", "DELETE_SUBSCR"))
_ASSIGNING = frozenset({"STORE_GLOBAL", "DELETE_GLOBAL"})
_HANDLING = dis.opmap["PUSH_EXC_INFO"]
_LIBRARIES = tuple(sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib"))

Body = Callable[..., Any]


def refuse_hidden_state(body: Body, owner: type | None) -> None:
    """Raise RuleError for a routine that depends on more than its arguments, or may not be given up.

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
        method = getattr(owner, name, None)
        if isinstance(method, FunctionType) and _is_of_a_model(method):
            _check(body, method, owner, seen)
        if name in function.__globals__:
            found = function.__globals__[name]
            reason = _reason_against(found)
        elif name in _BUILTINS and hasattr(builtins, name):
            found, reason = None, f"{name}(), which does more than compute"
        else:
            continue
        if reason is not None:
            loaded = loaded if loaded is not None else _loaded(function.__code__)
            if name in loaded:
                _refuse(body, function, f"uses {reason}" if found is None else f"uses the global {name}, {reason}")
        if isinstance(found, FunctionType) and _is_of_a_model(found):
            _check(body, found, None, seen)


def _check_assignments(body: Body, function: Body, code: CodeType) -> None:
    ops = code.co_code[::2]
    if any(dis.opmap[name] in ops for name in _ASSIGNING):
        name = next(i.argval for i in dis.get_instructions(code) if i.opname in _ASSIGNING)
        _refuse(body, function, f"assigns to the global {name}")
    if not _SETTING.isdisjoint(ops):
        name = _set_outside(function)
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
    return frozenset(i.argval for one in _codes(code) for i in dis.get_instructions(one) if i.opname in loads)


def _is_of_a_model(function: FunctionType) -> bool:
    """Whether a function is somebody's model, and not the engine's, a library's, or a routine."""
    if hasattr(function, "__wrapped__") or function.__module__.startswith("sim.engine."):
        return False
    return not function.__code__.co_filename.startswith((*_LIBRARIES, "<"))


def _reason_against(found: object) -> str | None:
    """Why a routine may not use a global; None if it may."""
    if isinstance(found, ModuleType):
        return "a source of chance, or of time" if found.__name__.partition(".")[0] in _CHANCE else None
    if isinstance(found, (type, *_IMMUTABLE)) or _is_of_typing(found):
        return None
    if isinstance(found, (FunctionType, BuiltinFunctionType)) or hasattr(found, "cache_info"):
        module = str(getattr(found, "__module__", None)).partition(".")[0]
        owner = getattr(found, "__self__", None)
        module = type(owner).__module__ if not isinstance(owner, (type(None), ModuleType, type)) else module
        return f"which is {module}'s" if module in _CHANCE else None
    problem = problem_of(found)
    if problem is None:
        return None
    instead = _INSTEAD.get(problem.type)
    return f"a {problem.type}, which can change" + (f" (a {instead} cannot)" if instead else "")


def _is_of_typing(found: object) -> bool:
    return type(found).__module__ in {"typing", "types"}


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


def _set_outside(function: Body) -> str | None:
    """A name that is not the function's own, of which it sets an attribute or an item."""
    definition = _definition(function)
    own = {name for code in _codes(function.__code__) for name in (*code.co_varnames, *code.co_cellvars)}
    for node in ast.walk(definition) if definition is not None else ():
        if isinstance(node, (ast.Attribute, ast.Subscript)) and isinstance(node.ctx, (ast.Store, ast.Del)):
            root: ast.expr = node
            while isinstance(root, (ast.Attribute, ast.Subscript)):
                root = root.value
            if isinstance(root, ast.Name) and root.id not in own:
                return root.id
    return None


def _refuse_catching_all(body: Body) -> None:
    """Refuse a handler of every exception that does not raise it again: a task must be free to be given up."""
    definition = _definition(body)
    for node in ast.walk(definition) if definition is not None else ():
        if isinstance(node, ast.ExceptHandler) and _is_for_all(node.type) and not isinstance(node.body[-1], ast.Raise):
            raise RuleError(
                place_of_code(body.__code__, node.lineno),
                f"{body.__name__} catches every exception, the engine's own too: catch Exception, or raise it again",
            )


def _is_for_all(caught: ast.expr | None) -> bool:
    if caught is None:
        return True
    names = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(isinstance(name, ast.Name) and name.id == "BaseException" for name in names)
