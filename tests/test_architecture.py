"""docs/architecture.md names every file, draws the floors as they are,
and its journeys pass only functions that exist.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

import sim
from tests.test_layers import ARROWS, allowed

ROOT = Path(sim.__file__).parent
TEXT = (ROOT.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
_, PICTURE, _ = TEXT.split("```")
PLACES = re.findall(r"`((?:\w+/)*\w+\.py)(?:: ([\w.]+))?`", TEXT)
"""The files that it names, below `sim/`, each with the name in it that is meant, or none."""
LISTED = re.findall(r"^\* `([\w/]+\.py)`: ", TEXT.partition("## Every file")[2], re.MULTILINE)


def section(title: str) -> str:
    return TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def is_empty(path: Path) -> bool:
    """Whether a package's file has nothing but a docstring."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return path.name == "__init__.py" and all(
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in body
    )


@cache
def names_in(file: str) -> frozenset[str]:
    """What a file defines at its top level, and the methods and properties of its classes."""
    names = set[str]()
    for node in ast.parse((ROOT / file).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {
                f"{node.name}.{inner.name}"
                for inner in node.body
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef)
            }
    return frozenset(names)


def floors() -> dict[str, int]:
    """The floor of each room in the picture, from the top: a cell begins with its room's name."""
    found, floor = dict[str, int](), 0
    for line in PICTURE.strip().splitlines():
        if line.startswith("+"):
            floor += 1
        else:
            cells = (cell for cell in line.strip("|").split("|"))
            found |= {word[1]: floor for cell in cells if (word := re.match(r" (\w+) ", cell))}
    return found


def test_it_says_one_sentence_of_every_file() -> None:
    files = [path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py") if not is_empty(path)]
    assert sorted(files) == sorted(LISTED)


def test_a_file_stands_under_the_room_that_it_lies_in() -> None:
    parts = re.split(r"^### (.*)$", section("Every file"), flags=re.MULTILINE)[1:]
    for title, text in zip(parts[::2], parts[1::2], strict=True):
        folder = title.partition(":")[0]
        for file in re.findall(r"^\* `([\w/]+\.py)`", text, re.MULTILINE):
            where = file.rpartition("/")[0]
            assert where in {folder, f"{folder}/strategies"} or (folder, where) == (
                "The front door",
                "",
            )


@pytest.mark.parametrize(("file", "name"), sorted({*PLACES}))
def test_what_it_names_exists(file: str, name: str) -> None:
    if file.startswith("tests/"):
        assert (ROOT.parent / file).is_file()
    else:
        assert (ROOT / file).is_file()
        assert not name or name in names_in(file)


def test_each_folder_that_it_names_exists() -> None:
    for folder in re.findall(r"`((?:\w+/)+)`", section("Where do I go for ...")):
        assert (ROOT / folder).is_dir()


def test_there_are_five_journeys_and_each_step_is_a_function() -> None:
    journeys = re.split(r"^### ", section("Five journeys"), flags=re.MULTILINE)[1:]
    assert len(journeys) == 5
    for journey in journeys:
        steps = re.findall(r"^(?:\d+\.| +\*) (.*)$", journey, re.MULTILINE)
        assert len(steps) > 7
        assert [step for step in steps if not re.match(r"`[\w/]+\.py: [\w.]+`", step)] == []


def test_the_picture_has_every_room_and_no_arrow_goes_up() -> None:
    floor = floors()
    assert set(floor) == {room.partition(".")[0] for room in ARROWS}
    up = defaultdict[str, set[str]](set)
    for own in ARROWS:
        for other in allowed(own):
            one, below = own.partition(".")[0], other.partition(".")[0]
            if one != below and floor[one] >= floor[below]:
                up[one].add(below)
    assert dict(up) == {}


def test_it_fits_into_a_hundred_columns() -> None:
    assert [line for line in TEXT.splitlines() if len(line) > 100] == []
