"""The diagram that goes into a mail or a changelog.

Two columns as kernel developers draw them: tasks side by side, time downwards, functions where they
are entered, lettered steps, and of those only the ones that the finding hangs on. One sentence of
consequence, and the line that replays it. Three tasks are three columns while they fit; where they
do not, steps are numbered, and each says whose it is.
"""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterator

from sim.analysis.moments import Moment, causes_of
from sim.engine.model.operations import Finding
from sim.engine.run.schedule import Schedule
from sim.engine.run.world import Run
from sim.kvm.kvm_main import BUGGED
from sim.view.runs.formats import Drawing
from sim.view.words import fitted

WIDTH = 75
_MARGIN = 2
_NARROWEST = 34
_NESTED = 2


def draw(drawing: Drawing) -> str:
    """The view."""
    return commit(drawing.file, drawing.schedule, drawing.run, drawing.seen)


def commit(name: str, schedule: Schedule, run: Run, seen: tuple[Moment, ...]) -> str:
    """The text, at most 75 columns wide. `name` is the file that the schedule is in."""
    fired = [
        (number, moment.step.finding)
        for number, moment in enumerate(seen)
        if moment.step.finding is not None
    ]
    last, finding = len(seen) - 1, run.findings[-1] if run.findings else None
    if fired and run.lasso is None and fired[-1][1] == finding:
        last = fired[-1][0]
    kept = causes_of(seen, last)
    tasks = [
        task.name
        for task in run.scenario.tasks
        if any(seen[number].step.task == task.name for number in kept)
    ]
    width = (WIDTH - _MARGIN) // max(1, len(tasks))
    lettered = width >= _NARROWEST
    lines = list(_columns(tasks, seen, kept, width) if lettered else _listed(seen, kept))
    fires = next((i for i, number in enumerate(kept) if seen[number].step.finding == finding), None)
    at = (
        ""
        if fires is None or len(kept) == 1
        else f"({_letter(fires)})"
        if lettered
        else f"{fires + 1}"
    )
    sentence = _consequence(finding, at)
    return "\n".join(
        [
            *(line.rstrip() for line in lines),
            "",
            *textwrap.wrap(sentence, WIDTH),
            *textwrap.wrap(
                f"{schedule.scenario}, model {schedule.model}, {len(kept)} of {len(seen)} steps.",
                WIDTH,
            ),
            "",
            _command(name),
            "",
        ]
    )


def _letter(count: int) -> str:
    """(A) to (Z), and then (AA)."""
    high, low = divmod(count, 26)
    return (_letter(high - 1) if high else "") + chr(ord("A") + low)


def _command(path: str) -> str:
    """What replays the file, on lines that fit a mail.

    The shell joins a word that a backslash breaks at the end of a line; what follows must not be
    indented.
    """
    lines, before, chunk = list[str](), "  tdpsim replay ", ""
    path = f"./{path}" if path.startswith("-") else path
    for piece in re.findall(r"[^/.+]{1,60}[/.+]*|[/.+]+", path):
        if len(f"{before}{shlex.quote(chunk + piece)}") >= WIDTH:
            lines.append(f"{before}{shlex.quote(chunk)}\\")
            before = chunk = ""
        chunk += piece
    return "\n".join([*lines, f"{before}{shlex.quote(chunk)}"])


def _said(moment: Moment) -> str:
    if moment.step.finding is not None and moment.step.point.endswith(
        f".{moment.step.finding.kind}"
    ):
        return (
            f"{moment.step.finding.kind}()"
            if moment.step.finding.kind != "lockdep"
            else "lockdep_assert_held"
        )
    saw = "" if moment.step.result is None else f" -> {moment.step.saw}"
    return f"{moment.step.point}{saw}"


def _columns(
    tasks: list[str], seen: tuple[Moment, ...], kept: list[int], width: int
) -> Iterator[str]:
    margin = " " * _MARGIN
    yield margin + "".join(f"{task:<{width}}" for task in tasks)
    yield margin + "".join(f"{'=' * len(task):<{width}}" for task in tasks)
    within: dict[str, tuple[str, ...]] = {}
    for count, number in enumerate(kept):
        moment = seen[number]
        left = margin + " " * (width * tasks.index(moment.step.task))
        inner = moment.calls[-_NESTED:]
        if within.get(moment.step.task) != inner:
            for depth, call in enumerate(inner):
                yield left + "  " * depth + fitted(f"{call}()", width - 2 * depth - 1)
        within[moment.step.task] = inner
        mark = f"({_letter(count)}) "
        text = textwrap.wrap(
            _said(moment), width - len(mark) - 3, break_on_hyphens=False, subsequent_indent="  "
        )
        for i, line in enumerate(text):
            yield left + "  " + (mark if i == 0 else " " * len(mark)) + line


def _listed(seen: tuple[Moment, ...], kept: list[int]) -> Iterator[str]:
    task = max(len(seen[number].step.task) for number in kept)
    digits = len(str(len(kept)))
    for count, number in enumerate(kept, 1):
        moment = seen[number]
        where = f"{moment.calls[-1]}(): " if moment.calls else ""
        head = f"  {count:>{digits}}. {moment.step.task + ':':<{task + 1}} "
        yield from textwrap.wrap(
            where + _said(moment),
            WIDTH,
            initial_indent=head,
            subsequent_indent=" " * (len(head) + 2),
            break_on_hyphens=False,
        )


_VERBS = {
    "KVM_BUG_ON": "the KVM_BUG_ON() in {where}() fires",
    "TDX_BUG_ON": "the TDX_BUG_ON() in {where}() fires",
    "WARN": "the WARN_ON_ONCE() in {where}() fires",
    "BUG": "{where}() calls BUG()",
    "lockdep": "the lockdep assertion in {where}() does not hold",
    "use-after-free": "{where}() reads a page table that was freed",
    "livelock": "{where} goes on for ever and gets nowhere",
    "starvation": "{where} may go on for ever",
    "deadlock": "nobody can step: {where}",
}


def consequence(run: Run, seen: tuple[Moment, ...]) -> str:
    """One sentence: what comes of a run."""
    finding = run.findings[-1] if run.findings else None
    fires = next(
        (i for i, moment in enumerate(seen, 1) if moment.step.finding == finding and finding), None
    )
    return _consequence(finding, f"step {fires}" if fires else "")


def _consequence(finding: Finding | None, at: str) -> str:
    if finding is None:
        return "Nothing is found."
    said = _VERBS.get(finding.kind, f"{finding.kind}: {finding.where} does not hold").format(
        where=finding.where
    )
    causes = [cause for cause in finding.causes if cause != BUGGED]
    because = f", because of {' and '.join(causes)}" if causes else ""
    text = f"{f'At {at} ' if at else ''}{said}{because}."
    if BUGGED in finding.causes:
        text += " The VM is bugged by then, so a log shows nothing of it."
    return text[0].upper() + text[1:]
