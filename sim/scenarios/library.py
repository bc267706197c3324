"""Every recipe, by name."""

from __future__ import annotations

import difflib

from sim.base.errors import UsageError
from sim.scenarios import callers, storms, transitions
from sim.scenarios.recipe import Recipe

LIBRARY = {recipe.name: recipe for recipe in (*transitions.RECIPES, *callers.RECIPES, storms.STORM)}


def recipe_named(name: str) -> Recipe:
    """Raises UsageError, with what was probably meant."""
    recipe = LIBRARY.get(name)
    if recipe is None:
        near = difflib.get_close_matches(name, LIBRARY, n=1)
        hint = f"did you mean {near[0]}?" if near else "`tdpsim list` shows what there is"
        raise UsageError(f"no scenario is named {name!r}; {hint}")
    return recipe
