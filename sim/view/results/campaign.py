"""A campaign in words: a line a minute, a line for each thing that happens,
and the screen to read in the morning.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sim.campaign.progress import (
    HOUR,
    CampaignEvent,
    CampaignProgress,
    ReplayedEvent,
    WitnessEvent,
    new_states,
)
from sim.campaign.records import StoreContents, TroubleEvent, Witness
from sim.campaign.seeds import END, Span
from sim.scenarios.library import recipe_named
from sim.scenarios.patch import PATCH
from sim.scenarios.recipe import KERNEL
from sim.search.fuzzing.batch import MOST, Sighting
from sim.view.numbers import number
from sim.view.results.report import finding_line, settings_line
from sim.view.words import as_argument

_MINUTE, _DAY = 60, 86_400


def duration(seconds: float) -> str:
    """Two units at most: 8.2 s, 3 min 20 s, 2 h 5 min, 3 d 4 h."""
    if seconds < _MINUTE:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    whole = int(seconds)
    if whole < HOUR:
        return f"{whole // 60} min {whole % 60} s"
    if whole < _DAY:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // _DAY} d {whole % _DAY // 3600} h"


def span(of: Span) -> str:
    """Seeds as one reads them."""
    return f"{of.first:,} on" if of.stop == END else f"{of.first:,} to {of.stop - 1:,}"


def headline(identity: dict[str, Any]) -> str:
    return f"{identity['scenario']}  {identity['model']}, strategy {identity['strategy']}"


def expected_line(expected: float | None) -> str:
    """What the next seed is good for.

    The number is an expectation; below 1 it bounds a probability.
    """
    if expected is None:
        return "nothing is known of the next seed"
    if expected >= 1:
        return f"the next seed is expected to show {expected:.3g} new states"
    return f"the next seed shows a new state with a probability of at most about {expected:.2g}"


def progress_line(now: CampaignProgress) -> str:
    """Off a terminal, once a minute."""
    totals, findings = now.contents.totals, sum(1 for _ in now.contents.groups())
    new = f"{number(now.new_states)} new in the last hour, the last {duration(now.last_new)} ago"
    parts = [
        f"{number(totals.seeds)} seeds{_of_all(now)}",
        f"{now.seeds_per_second:,.0f}/s",
        f"{now.steps_per_second:,.0f} steps/s",
        f"{findings} finding{'' if findings == 1 else 's'}",
        f"{states(now.contents)} states, {new}",
        expected_line(now.expected),
    ]
    return "; ".join([*parts, *([now.ending] if now.ending else [])])


def _of_all(now: CampaignProgress) -> str:
    if now.left is None:
        return ""
    return f" of {number(now.contents.totals.seeds + len(now.contents.troubles) + now.left)}"


def states(contents: StoreContents) -> str:
    about = "about " if contents.sketch.zeros else ""
    return about + number(contents.sketch.states)


def news_line(news: CampaignEvent) -> str:
    """One thing that happened."""
    match news:
        case WitnessEvent():
            return _found_line(news)
        case ReplayedEvent():
            return f"known: {_here(news.path)}: {news.what}"
        case TroubleEvent():
            return trouble_line(news)
    return news.text


def _found_line(found: WitnessEvent) -> str:
    witness = found.witness
    what = "shrunk" if witness.shrunk else "found"
    said = f"{what}: {finding_line(witness.finding)}; seed {witness.seed:#x}, {witness.steps} steps"
    if found.trouble:
        return f"{said}; {found.trouble}"
    return f"{said}, replayed: tdpsim replay {as_argument(_here(found.path))}"


def trouble_line(trouble: TroubleEvent) -> str:
    return f"seed {trouble.seed:#x} ({trouble.seed}) could not be run: {trouble.what}"


def _here(path: Path | str | None) -> str:
    """A path as one would type it here."""
    here = os.path.relpath(path or "")
    return str(path) if here.startswith(os.pardir) else here


def report(contents: StoreContents, store: Path) -> Iterator[str]:
    """What a campaign has come to, and how to go on with it.

    Files of witnesses are named from here.
    """
    identity, totals = contents.identity, contents.totals
    groups = list(contents.groups())
    yield headline(identity)
    yield settings_line(identity["parameters"].items(), tuple(identity["guards out"]))
    yield ""
    plural = "" if len(groups) == 1 else "s"
    found = f"{len(groups)} finding{plural}" if groups else "no finding"
    yield (
        f"{found} in {number(totals.seeds)} seeds, {number(totals.steps)} steps; digest "
        f"{totals.digest:016x}"
    )
    for i, ((kind, where), sightings, witness) in enumerate(groups, 1):
        yield f"  {i}. {kind} in {where}"
        for line in (*_cause_lines(sightings, totals.seeds), *_witness_lines(witness, store)):
            yield f"     {line}"
    if contents.troubles:
        yield (
            f"{len(contents.troubles)} seed{'' if len(contents.troubles) == 1 else 's'} not "
            "counted:"
        )
        yield from (f"  {trouble_line(trouble)}" for trouble in contents.troubles)
    if totals.cut:
        yield f"{number(totals.cut)} runs were cut after {identity['longest run']:,} steps"
    yield ""
    yield from _coverage_lines(contents)
    yield from _going_on(contents, store)


def _cause_lines(sightings: tuple[Sighting, ...], seeds: int) -> Iterator[str]:
    for one in sightings:
        cause = f"cause {', '.join(one.finding.causes)}: " if one.finding.causes else ""
        yield (
            f"{cause}{number(one.seeds)} seeds ({one.seeds / max(1, seeds):.2%}), the first of "
            f"them {one.seed:#x}"
        )


def _witness_lines(witness: Witness | None, store: Path) -> Iterator[str]:
    if witness is None:
        yield "no witness yet; --resume makes one"
        return
    shrunk = f", shrunk from {witness.found_with}" if witness.shrunk else ", not shrunk"
    replayed = (
        "replayed from its file under both executors" if witness.confirmed else "not replayed"
    )
    yield f"witness: seed {witness.seed:#x}, {witness.steps} steps{shrunk}; {replayed}"
    if witness.file and Path(witness.file).exists():
        yield f"tdpsim replay {as_argument(_here(witness.file))}"
    else:
        yield f"its file is not there; tdpsim status {_here(store)} --record DIR writes it"


def _coverage_lines(contents: StoreContents) -> Iterator[str]:
    totals = contents.totals
    expected = contents.sketch.lone / totals.seeds if totals.seeds else None
    yield f"{states(contents)} states seen; {expected_line(expected)}"
    if contents.minutes:
        last = contents.minutes[-1]
        ago = duration(max(0.0, time.time() - last.at))
        new = number(new_states(contents.minutes, last.states))
        yield f"{new} of them in its last hour; last written to {ago} ago"
    each = f"; {duration(totals.seconds)} of a worker's time" if totals.seconds else ""
    yield f"{number(totals.batches)} batch{'' if totals.batches == 1 else 'es'}{each}"


def _going_on(contents: StoreContents, store: Path) -> Iterator[str]:
    left = next(contents.left(), None)
    shard = f", shard {contents.shard}" if contents.shard.of > 1 else ""
    if left is None:
        yield f"seeds {span(contents.wanted)}{shard}: all done"
        return
    yield (
        f"seeds {span(contents.wanted)}{shard}: not all done; seed {left.first:,} is next. To "
        "go on:"
    )
    each = f"each of {_here(store)}/*.db by itself"
    yield f"  {each if store.is_dir() else go_on(contents, store)}"


def go_on(contents: StoreContents, store: Path) -> str:
    """The command that goes on with a store."""
    identity = contents.identity
    recipe = recipe_named(identity["scenario"])
    defaults = {param.name: param.default for param in recipe.params}
    said = [f"tdpsim fuzz {identity['scenario']}"]
    for name, value in recipe.translate(identity["parameters"]).items():
        if (name, value) == (KERNEL, PATCH):
            said.append("--patch FILE")
        elif value != defaults.get(name):
            said.append(f"--set {name}={value}")
    said += [f"--without {guard}" for guard in identity["guards out"]]
    said.append(f"--strategy {identity['strategy']}")
    if identity["longest run"] != MOST:
        said.append(f"--most {identity['longest run']}")
    if contents.shard.of > 1:
        said.append(f"--shard {contents.shard}")
    folders = dict.fromkeys(
        str(Path(witness.file).parent) for witness in contents.witnesses if witness.file
    )
    said += [
        f"--record {_here(folder)}"
        for folder in folders
        if Path(folder) != store.with_suffix(".findings")
    ]
    return " ".join([*said, f"--store {_here(store)}", "--resume"])
