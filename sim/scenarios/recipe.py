"""Recipes: how a name and a few settings become a scenario.

A schedule names a recipe and its settings and nothing else, so this is also the border that a schedule from a
stranger's mail cannot cross: what it says is looked up here, and never imported, evaluated or opened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import attrs

from sim.engine.scenario import Scenario

if TYPE_CHECKING:
    from sim.scenarios.patch import Patch


class UsageError(Exception):
    """Something that was asked for does not exist; the message says what does."""


@attrs.frozen
class Param:
    """A setting with a name, the values it may have, and what it means."""

    name: str
    values: tuple[str, ...]
    default: str
    doc: str


@attrs.frozen
class Guard:
    """A part of the kernel or the module that can be taken out, to see what it guards."""

    name: str
    doc: str


@attrs.frozen
class Settings:
    """Values for every parameter of a recipe, and the guards that are out."""

    values: Mapping[str, str]
    without: tuple[str, ...] = ()
    patch: Patch | None = None
    """The kernel from a file, where there is one."""

    def __getitem__(self, name: str) -> str:
        return self.values[name]

    def get(self, name: str) -> str | None:
        """None where the recipe has no such parameter."""
        return self.values.get(name)


@attrs.frozen
class Recipe:
    """A scenario by name."""

    name: str
    doc: str
    params: tuple[Param, ...]
    guards: tuple[Guard, ...]
    build: Callable[[Recipe, Settings], Scenario]

    def param(self, name: str) -> Param:
        """The parameter of that name. Raises StopIteration for a name that it does not have."""
        return next(param for param in self.params if param.name == name)

    def settings(self, given: Mapping[str, str], without: tuple[str, ...] = (), patch: Patch | None = None) -> Settings:
        """Defaults, overridden by `given`. Raises UsageError for a name or a value that does not exist."""
        known = {param.name: param for param in self.params}
        for name, value in given.items():
            if name not in known:
                raise UsageError(f"{self.name} has no parameter {name!r}; it has {', '.join(known)}")
            if value not in known[name].values:
                choices = ", ".join(known[name].values)
                raise UsageError(f"{self.name}: {name} cannot be {value!r}; it can be {choices}")
        guards = [guard.name for guard in self.guards]
        for name in without:
            if name not in guards:
                raise UsageError(f"{self.name} has no guard {name!r}; it has {', '.join(guards)}")
        values = {name: given.get(name, param.default) for name, param in known.items()}
        return Settings(values, tuple(guard for guard in guards if guard in without), patch)

    def scenario(self, given: Mapping[str, str], without: tuple[str, ...] = (), patch: Patch | None = None) -> Scenario:
        """Build it. Raises UsageError as `settings` does."""
        return self.build(self, self.settings(given, without, patch))
