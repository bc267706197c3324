"""tdpsim explain."""

from __future__ import annotations

import difflib
import textwrap

from sim.cli.options import Json, console, print_json
from sim.scenarios.contention import meetings
from sim.scenarios.glossary import GLOSSARY
from sim.scenarios.recipe import UsageError
from sim.tdx.releases import ONE_OF_EACH, release_named
from sim.view import contract
from sim.view.contention import contention_lines

CONTENTION = "contention"


def explain_command(name: str, /, *, json: Json = False) -> int:
    """Say in words what a scenario, parameter, guard, property, version or kind of finding is."""
    if name == CONTENTION:
        return _contention(json=json)
    known: dict[str, list[tuple[str, str]]] = {}
    for kind, words in GLOSSARY.items():
        for word, text in words.items():
            known.setdefault(word, []).append((kind, text))
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else "`tdpsim list` shows what there is"
        raise UsageError(f"nothing is named {name!r}; {hint}")
    if json:
        said = [{"name": name, "kind": kind, "text": text} for kind, text in known[name]]
        print_json(said if len(said) > 1 else said[0])
        return 0
    print("\n\n".join(f"{name} ({kind})\n\n{_filled(text)}" for kind, text in known[name]))
    return 0


def _filled(text: str) -> str:
    width = min(100, console().width)
    return "\n".join(
        textwrap.fill(paragraph, width, subsequent_indent="  " if "=" in paragraph else "")
        for paragraph in text.split("\n")
    )


def _contention(*, json: bool) -> int:
    """Run every pair of leafs against each other; this takes some seconds."""
    measured = {version: list(meetings(release_named(version))) for version in ONE_OF_EACH}  # type: ignore[arg-type] # a class is hashable
    if json:
        print_json({version: [contract.of_meeting(meeting) for meeting in met] for version, met in measured.items()})
    else:
        print("\n".join(contention_lines(measured)))
    return 0
