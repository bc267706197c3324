"""Files and names of this project that pages and docstrings mention exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

from sim.catalog.own_words import OWN_WORDS
from sim.catalog.words import Word

ROOT = Path(__file__).parents[1]
HELD_ELSEWHERE = {
    "transitions.md",  # generated: its source is looked at
    "words.md",  # so is this
    "contributing.md",  # names files to be made; tests/test_recipes.py follows it
}
PAGES = [
    ROOT / "README.md",
    *(page for page in sorted((ROOT / "docs").glob("*.md")) if page.name not in HELD_ELSEWHERE),
]
SOURCES = sorted(file for room in ("sim", "examples") for file in (ROOT / room).rglob("*.py"))
OTHERS = [ROOT / "tests" / "docs.py"]

PATH = re.compile(r"(?<![\w/.-])(?:sim|tests|docs|examples|schedules)/[\w./*+-]*\w")
"""A path from the root of the project; a star stands for anything."""
DOTTED = re.compile(r"(?<![\w./])sim(?:\.[A-Za-z_]\w*)+")
NO_PATHS = {
    "schedules/s",  # a rate
    "sim/cli/NAME.py",  # stands for many
}


def exists(name: str) -> bool:
    """Whether a dotted name is a module, or something in one."""
    parts = name.split(".")
    for size in range(len(parts), 0, -1):
        path = ROOT.joinpath(*parts[:size])
        if path.is_dir() or path.with_suffix(".py").is_file():
            found: object = import_module(".".join(parts[:size]))
            for part in parts[size:]:
                found = getattr(found, part, None)
            return found is not None
    return False


@pytest.mark.parametrize(
    "file", [*PAGES, *SOURCES, *OTHERS], ids=lambda file: str(file.relative_to(ROOT))
)
def test_what_a_file_mentions_exists(file: Path) -> None:
    """Paths from the root, and names from `sim.` on, in text, comments and docstrings."""
    text = file.read_text(encoding="utf-8").replace("\\\n", "")
    paths = {*PATH.findall(text)} - NO_PATHS
    assert [path for path in sorted(paths) if not any(ROOT.glob(path))] == []
    assert [name for name in sorted({*DOTTED.findall(text)}) if not exists(name)] == []


@pytest.mark.parametrize("name", ["sim.engine.run.replay.Nobody", "sim.nowhere", "sim.kvm.x87"])
def test_a_name_that_does_not_exist_is_noticed(name: str) -> None:
    assert not exists(name)


@cache
def attributes(file: str) -> frozenset[str]:
    """Functions and classes of a file, and what its classes have:
    methods, fields, and attributes that a method sets.
    """
    names = set[str]()
    for node in ast.parse((ROOT / file).read_text(encoding="utf-8")).body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{own}" for inner in ast.walk(node) for own in _own(inner)}
    return frozenset(names)


def _own(node: ast.AST) -> set[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return {name}
        case ast.AnnAssign(target=ast.Name(id=name)):
            return {name}
        case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()):
            return {name}
    return set()


@pytest.mark.parametrize("word", OWN_WORDS, ids=lambda word: word.name)
def test_a_word_of_tdpsim_stands_where_it_says(word: Word) -> None:
    file, _, name = word.place.partition(": ")
    assert name in attributes(file)


PLAIN_NAMES = re.compile(r"`([A-Z]\w*[a-z]\w*)(?:\(.*?\))?`")


@cache
def types_and_tests() -> str:
    files = [*SOURCES, *sorted((ROOT / "tests").rglob("*.py"))]
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_type_that_a_page_names_is_called_so(page: Path) -> None:
    """What stands in backquotes like a type of Python's or ours."""
    for name in {*PLAIN_NAMES.findall(page.read_text(encoding="utf-8"))}:
        assert re.search(rf"\b{name}\b", types_and_tests()), name
