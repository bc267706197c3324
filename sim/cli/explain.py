"""tdpsim explain."""

from __future__ import annotations

import difflib
import textwrap

from sim.cli.options import Json, console, print_json
from sim.scenarios.glossary import GLOSSARY
from sim.scenarios.recipe import UsageError


def explain_command(name: str, /, *, json: Json = False) -> int:
    """Say in words what a scenario, parameter, guard, property, version or kind of finding is."""
    known = {word: (kind, text) for kind, words in GLOSSARY.items() for word, text in words.items()}
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else "`tdpsim list` shows what there is"
        raise UsageError(f"nothing is named {name!r}; {hint}")
    kind, text = known[name]
    if json:
        print_json({"name": name, "kind": kind, "text": text})
        return 0
    print(f"{name} ({kind})\n")
    for paragraph in text.split("\n"):
        print(textwrap.fill(paragraph, min(100, console().width), subsequent_indent="  " if "=" in paragraph else ""))
    return 0
