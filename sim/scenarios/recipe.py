"""Recipes: how a name and a few settings become a scenario.

A schedule names a recipe and its settings and nothing else, so this is also the border that a
schedule from a stranger's mail cannot cross: what it says is looked up here, and never imported,
evaluated or opened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import attrs

from sim.base.errors import UsageError
from sim.engine.model.scenario import Scenario

if TYPE_CHECKING:
    from sim.scenarios.patch import Patch

KERNEL, ORDER = "kernel", "order"
"""The parameter that names the kernel, and what it was called before."""


@attrs.frozen
class Param:
    """A setting with a name, the values it may have, and what it means."""

    name: str
    values: tuple[str, ...]
    default: str
    doc: str
    words: Mapping[str, str] = attrs.field(factory=dict, hash=False)
    """Other words for some of the values. Settings hold the value."""
    formerly: Mapping[str, Mapping[str, str]] = attrs.field(factory=dict, hash=False)
    """The parameters that it was before,
    each with what their values are called now (`translated()`)."""


@attrs.frozen
class Guard:
    """A part of the kernel or the module that can be taken out, to see what it guards."""

    name: str
    doc: str
    place: str
    """Where in the sources it is."""


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


def translated(param: Param, given: Mapping[str, str]) -> Mapping[str, str]:
    """What `given` says of a parameter under the names that it had before, said under its own.

    `order` named the kernel before there was `kernel`. Where that was `after`, or nothing was said,
    `form` and `split` chose in some rows which one of those that came after; unless `zap` did, and
    that one it still chooses. Beside another `order` none of the three had a meaning.
    """
    old = {name: given[name] for name in param.formerly if name in given}
    if not old:
        return given
    if param.name in given:
        raise UsageError(f"{param.name} was called {' and '.join(old)}; give one of them")
    for name, value in old.items():
        known = param.formerly[name]
        if value not in known:
            raise UsageError(
                f"{name} cannot be {value!r}; it could be {', '.join(known)}, and is "
                f"{param.name} now"
            )
    order = old.pop(ORDER, "after")
    chosen = param.formerly[ORDER][order] if ORDER in param.formerly else param.default
    if order == "after" and given.get("zap", "fallible") == "fallible":
        for name, value in old.items():
            chosen = param.formerly[name][value]
    gone = {*param.formerly} if order == "after" else {*param.formerly, "zap"}
    kept = {name: value for name, value in given.items() if name not in gone}
    return {param.name: chosen, **kept}


@attrs.frozen
class Recipe:
    """A scenario by name."""

    name: str
    doc: str
    params: tuple[Param, ...]
    guards: tuple[Guard, ...]
    build: Callable[[Recipe, Settings], Scenario]
    place: str = ""
    """Where in the sources to look for what it is about."""

    def param(self, name: str) -> Param:
        """The parameter of that name. Raises StopIteration for a name that it does not have."""
        return next(param for param in self.params if param.name == name)

    def translate(self, given: Mapping[str, str]) -> dict[str, str]:
        """Parameters as a schedule, a store or a command line of any age has them,
        in today's words.

        Nothing is checked but what is old. Raises UsageError.
        """
        for param in self.params:
            try:
                given = translated(param, given)
            except UsageError as error:
                raise UsageError(f"{self.name}: {error}") from None
        words = {param.name: param.words for param in self.params}
        return {name: words.get(name, {}).get(value, value) for name, value in given.items()}

    def settings(
        self, given: Mapping[str, str], without: tuple[str, ...] = (), patch: Patch | None = None
    ) -> Settings:
        """Defaults, overridden by `given`, which may be in old words.

        Raises UsageError for a name or a value that does not exist.
        """
        known = {param.name: param for param in self.params}
        given = self.translate(given)
        for name, value in given.items():
            if name not in known:
                raise UsageError(
                    f"{self.name} has no parameter {name!r}; it has {', '.join(known)}"
                )
            if value not in known[name].values:
                choices = ", ".join(known[name].values)
                raise UsageError(f"{self.name}: {name} cannot be {value!r}; it can be {choices}")
        guards = [guard.name for guard in self.guards]
        for name in without:
            if name not in guards:
                raise UsageError(f"{self.name} has no guard {name!r}; it has {', '.join(guards)}")
        values = {name: given.get(name, param.default) for name, param in known.items()}
        return Settings(values, tuple(guard for guard in guards if guard in without), patch)

    def scenario(
        self, given: Mapping[str, str], without: tuple[str, ...] = (), patch: Patch | None = None
    ) -> Scenario:
        """Build it. Raises UsageError as `settings` does."""
        return self.build(self, self.settings(given, without, patch))
