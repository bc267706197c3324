"""tdpsim explain."""

from __future__ import annotations

import textwrap
from typing import Annotated

from cyclopts import Parameter

from sim.cli.options import JsonOption, console, print_json
from sim.cli.vocabulary import meanings
from sim.surveys.contention import meetings
from sim.tdx.releases import ONE_OF_EACH, release_named
from sim.view.results import json_values
from sim.view.results.contention import contention_lines

CONTENTION = "contention"


def explain_command(
    name: str,
    /,
    *,
    in_: Annotated[
        str | None,
        Parameter(
            name="--in", help="A scenario: what the name means there, such as zaps --in storm"
        ),
    ] = None,
    json: JsonOption = False,
) -> int:
    """Say in words what a name is: one of those that `tdpsim list` shows,
    or any word of a timeline.

    A parameter may mean several things; without --in, each of them is said, and in which scenarios.
    """
    if name == CONTENTION:
        return _contention(json=json)
    known = meanings(name, in_)
    if json:
        said = [{"name": one.name, "kind": one.kind, "text": one.text} for one in known]
        print_json(said if len(said) > 1 else said[0])
        return 0
    print("\n\n".join(f"{one.name} ({one.kind})\n\n{_filled(one.text)}" for one in known))
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
        print_json(
            {
                version: [json_values.of_meeting(meeting) for meeting in met]
                for version, met in measured.items()
            }
        )
    else:
        print("\n".join(contention_lines(measured)))
    return 0
