"""A run as text: time downwards, a lane a task, kernel and module functions where they are entered."""

from __future__ import annotations

import textwrap

import attrs

from sim.engine.automata import LocalState
from sim.engine.replay import walk
from sim.engine.scenario import Scenario
from sim.engine.schedule import Schedule
from sim.engine.world import Run, Step
from sim.view.report import going_round_lines

_NARROWEST_LANE = 30


@attrs.frozen
class Moment:
    """A step, and the functions its task was in, outermost first."""

    step: Step
    calls: tuple[str, ...]


def moments(schedule: Schedule, scenario: Scenario, *, loose: bool = False) -> tuple[Run, tuple[Moment, ...]]:
    """Walk a schedule and note where each step was taken. Raises Drift where it does not fit."""
    seen: list[Moment] = []

    def watch(step: Step, local: LocalState) -> None:
        seen.append(Moment(step, tuple(call for call in local.calls if _is_theirs(call))))

    return walk(schedule, scenario, loose=loose, watch=watch), tuple(seen)


def timeline(schedule: Schedule, run: Run, seen: tuple[Moment, ...], width: int) -> str:
    """The text, at most `width` columns where lanes fit side by side; else with the task's name before each step."""
    names = [task.name for task in run.scenario.tasks if any(m.step.task == task.name for m in seen)]
    digits = len(str(len(seen)))
    lane = (width - digits - 2) // max(1, len(names))
    lines = [f"{schedule.scenario}  {schedule.model}", ""]
    if lane >= _NARROWEST_LANE:
        lines += _lanes(names, seen, digits, lane)
    else:
        lines += _list(names, seen, digits, width)
    lines += ["", *(f"==> {finding.kind} in {finding.where}" for finding in run.findings)]
    if not run.findings:
        lines.append("==> clean")
    lines += going_round_lines(run)
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _entered(before: tuple[str, ...], now: tuple[str, ...]) -> tuple[str, ...]:
    """The functions that a task has entered since its last step."""
    same = 0
    while same < min(len(before), len(now)) and before[same] == now[same]:
        same += 1
    return now[same:]


def _is_theirs(call: str) -> bool:
    """Whether a function has a name in the kernel or the module; one underscore marks a helper of ours."""
    return not call.startswith("_") or call.startswith("__")


def _said(step: Step) -> str:
    saw = "" if step.result is None else f" -> {step.saw}"
    mark = "  <==" if step.finding else ""
    return f"{step.point}{saw}{mark}"


def _lanes(names: list[str], seen: tuple[Moment, ...], digits: int, lane: int) -> list[str]:
    head = " " * (digits + 2)
    lines = [
        head + "".join(f"{name:<{lane}}" for name in names),
        head + "".join(f"{'=' * len(name):<{lane}}" for name in names),
    ]
    stacks: dict[str, tuple[str, ...]] = {}
    for number, moment in enumerate(seen, 1):
        task = moment.step.task
        left = lane * names.index(task)
        entered = _entered(stacks.get(task, ()), moment.calls)
        stacks[task] = moment.calls
        said = textwrap.wrap(_said(moment.step), lane - 3, subsequent_indent="  ", break_on_hyphens=False)
        lines += [head + " " * left + f"{name}()" for name in entered]
        lines += [
            (f"{number:>{digits}}  " if i == 0 else head) + " " * left + "  " + text for i, text in enumerate(said)
        ]
    return lines


def _list(names: list[str], seen: tuple[Moment, ...], digits: int, width: int) -> list[str]:
    task = max(map(len, names), default=0)
    lines = []
    indent = " " * (digits + task + 4)
    for number, moment in enumerate(seen, 1):
        where = f"{moment.calls[-1]}: " if moment.calls else ""
        text = f"{number:>{digits}}  {moment.step.task:<{task}}  {where}{_said(moment.step)}"
        lines += textwrap.wrap(text, width, subsequent_indent=indent, break_on_hyphens=False)
    return lines
