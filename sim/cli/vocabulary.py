"""Every name that can be asked for: those of the model,
and those that only the command line has.
"""

from __future__ import annotations

import difflib
import re

import attrs

from sim.base.errors import UsageError
from sim.catalog.functions import function_named, said_of
from sim.catalog.glossary import GLOSSARY, formerly, kernel_in, param_in, strategy_text
from sim.catalog.own_words import OWN_WORDS
from sim.catalog.words import WORDS
from sim.cli.commands import COMMANDS
from sim.scenarios.library import recipe_named
from sim.search.fuzzing.strategies import STRATEGIES
from sim.view.runs.formats import FORMATS, Format


def _format(entry: Format) -> str:
    saved = f" Usually saved as FILE{entry.suffix}." if entry.suffix else ""
    return f"{entry.doc} By tdpsim show --format {entry.name}.{saved}"


_VIEWS = {entry.name: _format(entry) for entry in FORMATS.values()}
_COMMANDS = {
    entry.name: f"{entry.doc} `tdpsim {entry.name} --help` has its options."
    for entry in COMMANDS.values()
}

VOCABULARY = {"commands": _COMMANDS, "views": _VIEWS, **GLOSSARY}
"""What `tdpsim list` lists: a sentence or more for each name of each kind."""


@attrs.frozen
class Meaning:
    """One thing that a name is."""

    name: str
    kind: str
    text: str


def meanings(name: str, scenario: str | None = None) -> list[Meaning]:
    """All that a name is, or all that it is in one scenario.

    Raises UsageError for a name that is nothing.
    """
    found = (
        _listed(name)
        or _former(name)
        or _of_a_form(name)
        or _function(name)
        or _point(name)
        or _in_another_case(name)
    )
    if not found:
        known = [word for words in VOCABULARY.values() for word in words]
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else "`tdpsim list` shows what there is"
        raise UsageError(f"nothing is named {name!r}; {hint}")
    return found if scenario is None else _within(found, scenario)


def _within(found: list[Meaning], scenario: str) -> list[Meaning]:
    """Parameters, and the mail's words for kernels, as this scenario has them."""
    recipe = recipe_named(scenario)
    here = []
    for meaning in found:
        text: str | None = meaning.text
        if meaning.kind == "parameters":
            text = param_in(meaning.name, scenario)
        elif meaning.kind == "kernels":
            text = kernel_in(meaning.name, scenario) or meaning.text
        if text is not None:
            here.append(attrs.evolve(meaning, text=text))
    if not here:
        known = ", ".join(param.name for param in recipe.params)
        raise UsageError(f"{scenario} has no parameter {found[0].name!r}; it has {known}")
    return here


def _listed(name: str) -> list[Meaning]:
    return [Meaning(name, kind, words[name]) for kind, words in VOCABULARY.items() if name in words]


def _former(name: str) -> list[Meaning]:
    text = formerly(name)
    return [Meaning(name, "former parameters", text)] if text else []


def _of_a_form(name: str) -> list[Meaning]:
    """A strategy with its number, or one of the words of one form: pct:3 as pct:D,
    sept[B] as sept[A].
    """
    strategies = (entry for entry in STRATEGIES.values() if re.fullmatch(entry.pattern, name))
    found = [Meaning(name, "strategies", strategy_text(entry)) for entry in strategies]
    kinds = (("words", WORDS), ("concepts", OWN_WORDS))
    return found + [
        Meaning(name, kind, GLOSSARY[kind][word.name])
        for kind, words in kinds
        for word in words
        if word.matches(name)
    ]


def _function(name: str) -> list[Meaning]:
    """A function of the kernel's or the module's, in every version that there is."""
    return [Meaning(name, "functions", said_of(function)) for function in function_named(name)]


def _point(name: str) -> list[Meaning]:
    """What a point is made of: a cell, a choice or a function, and what is done there."""
    place, _, operation = name.rpartition(".")
    if not place:
        return []
    where = _of_a_form(place) or _function(place)
    what = [
        one
        for one in _listed(operation) or _of_a_form(operation)
        if one.kind in {"words", "findings"}
    ]
    return where + what if where and what else []


def _in_another_case(name: str) -> list[Meaning]:
    alike = dict.fromkeys(
        word for words in VOCABULARY.values() for word in words if word.lower() == name.lower()
    )
    return [meaning for word in alike for meaning in _listed(word)]
