"""A run as Chrome's trace events, which Perfetto opens: a track a task,
and a track a lock and holder.

A step is a millisecond long. A function lasts from its task's first step in it to the last one, so
spans nest.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sim.analysis.holds import holds
from sim.analysis.moments import Moment
from sim.engine.run.schedule import Schedule
from sim.view.runs.formats import Drawing

STEP = 1000
"""How long a step is, in microseconds."""

_TASKS, _LOCKS = 1, 2
_FIRST = 10
"""The first track's number: Perfetto takes thread 0 for the main thread,
whose number is that of its process."""

Event = dict[str, Any]


def draw(drawing: Drawing) -> str:
    """The view."""
    return json.dumps(perfetto(drawing.schedule, drawing.seen), indent=2) + "\n"


def perfetto(schedule: Schedule, seen: tuple[Moment, ...]) -> dict[str, Any]:
    """The object to write as JSON."""
    names = list(dict.fromkeys(moment.step.task for moment in seen))
    held = list(holds(seen))
    tracks = list(dict.fromkeys((hold.lock, hold.task) for hold in held))
    events = [
        _named("process_name", _TASKS, 0, "tasks"),
        _named("process_name", _LOCKS, 0, "locks"),
    ]
    events += [
        _named("thread_name", _TASKS, number, name) for number, name in enumerate(names, _FIRST)
    ]
    events += [
        _named("thread_name", _LOCKS, n, f"{lock} {task}")
        for n, (lock, task) in enumerate(tracks, _FIRST)
    ]
    for number, name in enumerate(names, _FIRST):
        events += _of_task(
            number, [(i, moment) for i, moment in enumerate(seen) if moment.step.task == name]
        )
    for hold in held:
        track = tracks.index((hold.lock, hold.task)) + _FIRST
        events.append(_span(hold.how, _LOCKS, track, hold.begin, min(hold.end + 1, len(seen))))
    return {
        "traceEvents": events,
        "otherData": {"scenario": schedule.scenario, "model": schedule.model},
    }


def _named(what: str, process: int, track: int, name: str) -> Event:
    return {"ph": "M", "name": what, "pid": process, "tid": track, "args": {"name": name}}


def _span(name: str, process: int, track: int, begin: int, end: int, **args: str) -> Event:
    return {
        "ph": "X",
        "name": name,
        "pid": process,
        "tid": track,
        "ts": begin * STEP,
        "dur": (end - begin) * STEP,
        "args": args,
    }


def _of_task(track: int, mine: list[tuple[int, Moment]]) -> Iterator[Event]:
    """Functions around steps; a finding is an instant."""
    inside: list[tuple[str, int]] = []
    last = 0
    for number, moment in mine:
        same = 0
        while same < min(len(inside), len(moment.calls)) and inside[same][0] == moment.calls[same]:
            same += 1
        yield from (_span(name, _TASKS, track, begin, last) for name, begin in inside[same:])
        inside[same:] = [(name, number) for name in moment.calls[same:]]
        last = number + 1
        yield _span(moment.step.point, _TASKS, track, number, last, saw=moment.step.saw)
        if moment.step.finding is not None:
            yield {
                "ph": "i",
                "s": "g",
                "name": str(moment.step.finding),
                "pid": _TASKS,
                "tid": track,
                "ts": number * STEP,
            }
    yield from (_span(name, _TASKS, track, begin, last) for name, begin in inside)
