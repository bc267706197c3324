"""Every recipe, by name.

A scenario is added with a file here that has its Recipe, and that Recipe in `_EVERY`. A path
through KVM needs no file: it is a Caller in `sim.scenarios.callers`.
"""

from __future__ import annotations

import difflib

from sim.base.errors import UsageError
from sim.scenarios import callers, storms, transitions
from sim.scenarios.recipe import Recipe

_EVERY: tuple[Recipe, ...] = (
    *transitions.RECIPES,
    *callers.RECIPES,
    storms.STORM,
)

LIBRARY = {recipe.name: recipe for recipe in _EVERY}


def recipe_named(name: str) -> Recipe:
    """Raises UsageError, with what was probably meant."""
    recipe = LIBRARY.get(name)
    if recipe is None:
        near = difflib.get_close_matches(name, LIBRARY, n=1)
        hint = f"did you mean {near[0]}?" if near else "`tdpsim list` shows what there is"
        raise UsageError(f"no scenario is named {name!r}; {hint}")
    return recipe
