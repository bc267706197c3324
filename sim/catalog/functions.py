"""The functions of the kernel and of the module that the model has,
by the names under which a timeline shows them.
"""

from __future__ import annotations

import inspect
import pkgutil
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from types import FunctionType, ModuleType

from sim import kvm, scenarios, tdx


@cache
def functions() -> dict[str, tuple[FunctionType, ...]]:
    """Each routine by its name, in every version that there is:
    what can stand on a task's stack.
    """
    found: dict[str, list[FunctionType]] = {}
    for module in _modules():
        for function in _defined_in(module):
            mine = found.setdefault(function.__name__, [])
            if inspect.iscoroutinefunction(function) and function not in mine:
                mine.append(function)
    return {name: tuple(of) for name, of in found.items() if of}


def function_named(name: str) -> tuple[FunctionType, ...]:
    """Those of that name, with or without `()`.

    A leaf also as the module spells it, such as TDH.MEM.PAGE.AUG.
    """
    plain = name.removesuffix("()")
    if plain.startswith(("TDH.", "TDG.")):
        plain = plain.lower().replace(".", "_")
    return functions().get(plain, ())


def leafs() -> dict[str, str]:
    """What is said of each leaf of the module, by the name that it has there."""
    leafs = (name for name in sorted(functions()) if re.match(r"td[hg]_(mem|phymem|vp)_", name))
    return {
        name.upper().replace("_", "."): "\n".join(map(said_of, functions()[name])) for name in leafs
    }


def said_of(function: FunctionType) -> str:
    """The first paragraph of its docstring, and the file in which it is modelled."""
    doc = " ".join((inspect.getdoc(function) or "").partition("\n\n")[0].split())
    place = f"Modelled in {function.__module__.replace('.', '/')}.py"
    return (
        f"{doc}\n{place}."
        if doc
        else f"{place}; it is one with the kernel's or the module's of that name."
    )


def _modules() -> Iterator[ModuleType]:
    for package in (kvm, tdx, scenarios):
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            yield import_module(info.name)


def _defined_in(module: ModuleType) -> Iterator[FunctionType]:
    for thing in vars(module).values():
        if inspect.isclass(thing) and thing.__module__ == module.__name__:
            yield from (
                _plain(one) for one in vars(thing).values() if isinstance(one, FunctionType)
            )
        elif isinstance(thing, FunctionType) and thing.__module__ == module.__name__:
            yield _plain(thing)


def _plain(function: FunctionType) -> FunctionType:
    """The function that a routine was made of."""
    inner = inspect.unwrap(function)
    return inner if isinstance(inner, FunctionType) else function
