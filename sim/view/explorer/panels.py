"""What stands beside the lanes: the step, what can come of it, what the cells hold,
and what holds of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import count
from string import ascii_lowercase

from rich.text import Text

from sim.engine.model.cells import Cell
from sim.engine.model.operations import Finding
from sim.engine.model.values import spell
from sim.kvm.mmu_lock import RwState
from sim.kvm.spte import Spte
from sim.tdx.sept import SeptEntry
from sim.view.explorer.choices import Choice, Waiting
from sim.view.explorer.line import Line
from sim.view.explorer.moves import Move
from sim.view.numbers import probability
from sim.view.results.report import finding_line
from sim.view.words import TURNED_AWAY, step_said, step_style

_MATTERING = (RwState, Spte, SeptEntry)
_CHANGED = "bold yellow"
_ALWAYS = ("vm_bugged", "sept.tree")


def letters() -> Iterator[str]:
    """What findings are called for short."""
    for turn in count():
        for letter in ascii_lowercase:
            yield letter + str(turn or "")


def headline(explorer: Line, name: str) -> Text:
    """How far along, and on which line."""
    text = Text().append(f"step {explorer.at} of {len(explorer.line)}", "bold")
    if explorer.recorded:
        text.append(
            ", recorded"
            if explorer.is_recorded
            else f", a branch after step {explorer.shared} (r goes back)"
        )
    if explorer.lasso is not None and explorer.is_recorded:
        text.append(
            f"; from step {explorer.lasso.stem + 1} on it can go on for ever: {explorer.lasso.kind}"
        )
    return text.append(f"  {name}")


def here(explorer: Line) -> Text:
    """The step that was taken, what it changed and noticed, and what is found by it."""
    text, move = Text(), explorer.last
    if move is None:
        text.append("at the start", "dim")
    else:
        step, calls = move.moment.step, move.moment.calls
        text.append(f"{step.task} in {calls[-1]}(): " if calls else f"{step.task}: ")
        text.append(step_said(step), step_style(step) or "bold")
        for line in _about(explorer, move):
            text.append("\n  ").append_text(line)
    for finding in explorer.shows(explorer.at):
        text.append(f"\n  ==> {finding_line(finding)}", TURNED_AWAY)
    return text


def _about(explorer: Line, move: Move) -> Iterator[Text]:
    for one in move.touched:
        if one.now != one.was:
            yield Text(f"{one.cell.name}: {spell(one.was)} => {spell(one.now)}", _CHANGED)
    for number in move.moment.caused_by:
        other = explorer.line[number].moment.step
        yield Text(f"because of step {number + 1}, {other.task} {step_said(other)}")


def cells(explorer: Line) -> Text:
    """What cells hold that matter or have changed since the start.

    Those that the last step changed stand out.
    """
    touched = () if explorer.last is None else explorer.last.touched
    changed = {one.cell.name: one.was for one in touched if one.now != one.was}
    shown = sorted(
        (
            pair
            for pair in explorer.world.values.items()
            if _is_shown(*pair) or pair[0].name in changed
        ),
        key=_rank,
    )
    width = max((len(cell.name) for cell, _ in shown), default=0)
    text = Text()
    for cell, value in shown:
        is_new = cell.name in changed
        was = f"  (was {spell(changed[cell.name])})" if is_new else ""
        style = _CHANGED if is_new else "" if value != cell.initial else "dim"
        text.append(f"{'*' if is_new else ' '}{cell.name:<{width}}  {spell(value)}{was}\n", style)
    text.rstrip()
    return text


def _is_shown(cell: Cell[object], value: object) -> bool:
    return isinstance(cell.initial, _MATTERING) or cell.name in _ALWAYS or value != cell.initial


def _rank(pair: tuple[Cell[object], object]) -> tuple[int, str]:
    """mmu_lock and what else is always shown, the mirror, the S-EPT, and the rest; each by name."""
    cell, _ = pair
    if cell.name in _ALWAYS:
        return 0, cell.name
    return next(
        (i for i, kind in enumerate(_MATTERING) if isinstance(cell.initial, kind)), len(_MATTERING)
    ), cell.name


def properties(explorer: Line) -> Text:
    """Which properties hold and which do not, and what was found so far."""
    text = Text()
    for one in explorer.scenario.properties:
        holds = one.finding() not in explorer.broken
        text.append(
            f"{one.name} {'holds' if holds else 'DOES NOT HOLD'}\n", "" if holds else TURNED_AWAY
        )
    for at, finding in explorer.found:
        text.append(f"found at step {at}: {finding_line(finding)}\n", TURNED_AWAY)
    text.rstrip()
    return text


def ahead(findings: Iterable[Finding], odds: Iterable[Fraction], retries: int | None) -> Text:
    """How likely each finding is from here on, and what it is called for short."""
    most = (
        f"with at most {retries} {'retry' if retries == 1 else 'retries'}"
        if retries
        else "without retries"
    )
    bound = "" if retries is None else f", {most}"
    text = Text().append(f"a random walk from here finds{bound}\n", "dim")
    for letter, finding, chance in zip(letters(), findings, odds, strict=False):
        text.append(
            f"{letter} {probability(chance)}  {finding_line(finding)}\n", "" if chance else "dim"
        )
    text.rstrip()
    return text


def choice(
    number: int, one: Choice, odds: tuple[Fraction, ...], *, follows: bool, marked: bool
) -> Text:
    """One thing that can happen next: a line of what it is, and one of what it would change."""
    text = Text().append(
        f"{number:>2}{'>' if marked else ' '}", "bold reverse" if marked else "bold"
    )
    text.append(f"{one.step.task} ").append(step_said(one.step), step_style(one.step))
    if one.calls:
        text.append(f"  {one.calls[-1]}()", "dim")
    if follows:
        text.append("  (next)", "bold")
    if one.changes:
        changes = (
            f"{change.cell}: {spell(change.was)} => {spell(change.now)}" for change in one.changes
        )
        text.append("\n   " + ", ".join(changes), "dim")
    if odds:
        text.append(
            "\n   "
            + "  ".join(
                f"{letter} {probability(chance)}"
                for letter, chance in zip(letters(), odds, strict=False)
            )
        )
    return text


def waits(one: Waiting) -> Text:
    """Why a task cannot step, and since when what it waits for is so."""
    text = Text().append(f"   {one.task} waits at {one.point}", TURNED_AWAY)
    for cell in one.cells:
        text.append(f"\n   {cell.cell} is {spell(cell.value)}")
        if cell.since is not None:
            number, step = cell.since
            text.append(f", since step {number + 1}, {step.task} {step.point}")
    return text
