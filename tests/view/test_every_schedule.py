"""Every schedule that is shipped, as `tdpsim show` draws it: at four widths,
with and without Unicode and colour.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Literal

import pytest
from rich.console import Console
from rich.text import Text

from sim.analysis.moments import moments
from sim.catalog.schedules import shipped
from sim.engine.run.schedule import Recorded, Schedule, parse
from sim.scenarios.library import recipe_named
from sim.view.runs.lanes import ASCII, Lanes, Marks
from sim.view.runs.timeline import timeline

SCHEDULES = shipped()
WIDTHS = (60, 80, 120, 200)
_ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
_LANES = 2
"""The line on which lanes begin, with the names of their tasks."""


def numbered(lines: list[str]) -> list[list[str]]:
    """The lines of each step, beginning with the one that has its number."""
    steps: list[list[str]] = []
    for line in lines:
        match = re.match(r" *(\d+)[ ·.] ", line)
        if match:
            assert int(match[1]) == len(steps) + 1
            steps.append([])
        if steps:
            steps[-1].append(line)
    return steps


def expected(recorded: Recorded) -> str:
    return recorded.point if recorded.saw == "-" else f"{recorded.point} -> {recorded.saw}"


def same(pieces: list[str], text: str, room: int) -> bool:
    """Whether pieces are a text that was wrapped: between words, where each of them fits."""
    if all(len(word) <= room for word in text.split()):
        return " ".join(piece.strip() for piece in pieces).split() == text.split()
    return "".join("".join(pieces).split()) == "".join(text.split())


def check_lanes(lines: list[str], schedule: Schedule, lanes: Lanes, marks: Marks) -> None:
    """Each task's steps stand in its lane, what it held at the lane's edge,
    and nothing in any other.
    """
    left = next(iter(lanes.places.values()))[0]

    def parts(line: str) -> Iterator[tuple[str, str, str]]:
        """What is at the edge of each lane, and inside."""
        for task, (begin, text, end) in lanes.places.items():
            yield task, line[begin:text], line[text:end].rstrip()

    bars = {marks.shared, marks.exclusive, marks.frozen, " "}
    for line in lines:
        assert all(set(edge) <= bars for _, edge, _ in parts(line))
        assert re.fullmatch(rf" *(\d+[ {marks.free}])? *", line[:left])
    for line in lines[2:]:
        assert len([inside for _, _, inside in parts(line) if inside]) == 1
    for recorded, drawn in zip(schedule.steps, numbered(lines), strict=True):
        mine = [
            inside for line in drawn for task, _, inside in parts(line) if task == recorded.task
        ]
        pieces = [mine[0], *(inside for inside in mine[1:] if inside.startswith("    "))]
        assert mine[0].startswith("  ")
        _, text, end = lanes.places[recorded.task]
        whole = bare(" ".join(pieces))
        assert same(pieces if whole is None else [whole], expected(recorded), end - text - 5), (
            pieces,
            recorded,
        )


def bare(text: str) -> str | None:
    """What was said of a step without what it hangs on and shows, if that is there."""
    said = re.sub(r"\s+(<==|(<-|←)[\d,]+)(?=\s|$)", "", text)
    return said if said != text else None


def check_list(lines: list[str], schedule: Schedule, tasks: list[str], digits: int) -> None:
    """Each step says whose it is, and what does not fit goes on below where it began."""
    widest = max(map(len, tasks))
    indent = digits + 2 + widest + 2
    for recorded, drawn in zip(schedule.steps, numbered(lines), strict=True):
        assert drawn[0][digits + 2 : indent].strip() == recorded.task
        assert all(line[:indent].strip() == "" for line in drawn[1:])
        text = " ".join(line[indent:] for line in drawn)
        assert "".join((bare(text) or text).split()).endswith("".join(expected(recorded).split()))


def printed(lines: list[Text], width: int, *, color: bool) -> str:
    system: Literal["truecolor"] | None = "truecolor" if color else None
    screen = Console(
        file=io.StringIO(), width=width, force_terminal=color, color_system=system, highlight=False
    )
    for line in lines:
        screen.print(line, soft_wrap=True)
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue()


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_nothing_is_cut_wrongly_and_nothing_overlaps(name: str) -> None:
    schedule = parse(SCHEDULES[name].read_bytes())
    scenario = recipe_named(schedule.scenario).scenario(schedule.params, schedule.without)
    run, seen = moments(schedule, scenario)
    stepping = {step.task for step in schedule.steps}
    tasks = [task.name for task in scenario.tasks if task.name in stepping]
    digits = len(str(len(seen)))
    for width in WIDTHS:
        for marks in (Marks(), ASCII):  # colour and none differ in nothing that depends on these
            drawn = timeline(schedule, run, seen, width, marks=marks)
            lines = [line.plain for line in drawn]
            assert max(map(len, lines)) <= width
            assert marks is not ASCII or all(map(str.isascii, lines))
            if marks is not ASCII:
                plain = "".join(f"{line}\n" for line in lines)
                assert printed(drawn, width, color=False) == plain
                assert _ESCAPE.sub("", printed(drawn, width, color=True)) == plain
            body = lines[_LANES : lines.index("", _LANES)]
            lanes = Lanes(tasks, seen, digits + 1, width, marks)
            if lanes.fits:
                check_lanes(body, schedule, lanes, marks)
            else:
                check_list(body, schedule, tasks, digits)
