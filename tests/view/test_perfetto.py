"""What Perfetto opens: spans that nest, on a track a task and a track a lock and holder."""

from __future__ import annotations

import json
from itertools import combinations
from typing import Literal

import attrs
import cattrs
import pytest

from sim.analysis.moments import moments
from sim.catalog.schedules import shipped
from sim.engine.run.schedule import parse
from sim.scenarios.library import recipe_named
from sim.view.runs.perfetto import STEP, Event, perfetto

SCHEDULES = shipped()
ROW_2 = "np-to-leaf-exclusive.7.2+1.5.01.KVM_BUG_ON.handle_changed_spte.zero-step.toml"


def events(name: str) -> tuple[list[Event], int]:
    schedule = parse(SCHEDULES[name].read_bytes())
    _, seen = moments(
        schedule, recipe_named(schedule.scenario).scenario(schedule.params, schedule.without)
    )
    written = json.dumps(perfetto(schedule, seen))
    return json.loads(written)["traceEvents"], len(seen)


@attrs.frozen
class Name:
    name: str


@attrs.frozen
class Metadata:
    """Names a process or a thread."""

    ph: Literal["M"]
    name: Literal["process_name", "thread_name"]
    pid: int
    tid: int
    args: Name


@attrs.frozen
class Complete:
    """A span: its begin and how long it is, in microseconds."""

    ph: Literal["X"]
    name: str
    pid: int
    tid: int
    ts: int
    dur: int = attrs.field(validator=attrs.validators.gt(0))
    args: dict[str, str]


@attrs.frozen
class Instant:
    """A moment, of everything (g), a process or a thread."""

    ph: Literal["i"]
    s: Literal["g", "p", "t"]
    name: str
    pid: int
    tid: int
    ts: int


@pytest.mark.parametrize("name", sorted(SCHEDULES)[::8])
def test_events_have_the_fields_that_their_phase_has(name: str) -> None:
    """As the Trace Event Format has them: what it lets out, we do, and what it does not name,
    we do not write.
    """
    converter = cattrs.Converter(forbid_extra_keys=True, prefer_attrib_converters=True)
    converter.register_structure_hook(int, strictly)
    converter.register_structure_hook(str, strictly)
    kinds: dict[str, type] = {"M": Metadata, "X": Complete, "i": Instant}
    for event in events(name)[0]:
        converter.structure(event, kinds[event["ph"]])


def strictly(value: object, kind: type) -> object:
    assert type(value) is kind
    return value


@pytest.mark.parametrize("name", sorted(SCHEDULES)[::8])
def test_each_track_is_one_to_perfetto(name: str) -> None:
    """Which takes thread 0 of a process for its main thread,
    that with the number of the process.
    """
    found, _ = events(name)
    named = [(e["pid"], e["tid"] or e["pid"]) for e in found if e["name"] == "thread_name"]
    assert len(dict.fromkeys(named)) == len(named)
    assert {key for key in tracks(found) if key not in named} == set()
    assert all(tid != pid for pid, tid in named)


def tracks(found: list[Event]) -> dict[tuple[int, int], list[Event]]:
    by: dict[tuple[int, int], list[Event]] = {}
    for event in found:
        if event["ph"] == "X":
            by.setdefault((event["pid"], event["tid"]), []).append(event)
    return by


@pytest.mark.parametrize("name", sorted(SCHEDULES)[::8])
def test_spans_nest_and_every_step_is_one(name: str) -> None:
    found, steps = events(name)
    by = tracks(found)
    for spans in by.values():
        for one, two in combinations([(span["ts"], span["ts"] + span["dur"]) for span in spans], 2):
            apart = one[1] <= two[0] or two[1] <= one[0]
            assert (
                apart
                or one[0] <= two[0] <= two[1] <= one[1]
                or two[0] <= one[0] <= one[1] <= two[1]
            )
    taken = [
        span
        for (process, _), spans in by.items()
        if process == 1
        for span in spans
        if "saw" in span["args"]
    ]
    assert sorted(span["ts"] for span in taken) == [STEP * i for i in range(steps)]


def test_locks_are_held_from_the_step_that_takes_them_to_the_one_that_gives_them_back() -> None:
    found, steps = events(ROW_2)
    names = {(e["pid"], e["tid"]): e["args"]["name"] for e in found if e["name"] == "thread_name"}
    held = {names[track]: spans for track, spans in tracks(found).items() if track[0] == 2}
    (tree,) = held["sept.tree v1"]
    assert (tree["name"], tree["ts"], tree["ts"] + tree["dur"]) == (
        "TDH.VP.ENTER",
        12 * STEP,
        steps * STEP,
    )
    (lock,) = held["mmu_lock v0"]
    assert (lock["name"], lock["ts"]) == ("write", 13 * STEP)
    assert [e["name"] for e in found if e["ph"] == "i"] == ["KVM_BUG_ON handle_changed_spte"]
