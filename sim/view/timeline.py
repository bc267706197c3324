"""A run as text: time downwards, a lane a task, kernel and module functions where they are entered."""

from __future__ import annotations

import textwrap

from sim.engine.schedule import Schedule
from sim.engine.world import Run, Step
from sim.view.report import going_round_lines
from sim.view.slice import Moment

_NARROWEST_LANE = 30


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
