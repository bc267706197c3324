"""A type has a name of its own, so that a reader who looks for it finds one thing."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

import sim

ROOT = Path(sim.__file__).parent
TYPE = re.compile(r"_*[A-Z]\w*[a-z]\w*")
ARRAYS = {"U32", "U64", "Index", "Mask"}


def types(path: Path) -> set[str]:
    """The classes of a file, inner ones too,
    and the names that it gives to types at its top level.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, (ast.Subscript, ast.BinOp)):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return {name for name in found if TYPE.fullmatch(name)}


def test_no_two_types_have_one_name() -> None:
    """An underscore before it is no difference: both would be found where one is looked for."""
    places = defaultdict[str, list[str]](list)
    for path in sorted(ROOT.rglob("*.py")):
        for name in types(path):
            places[name.lstrip("_")].append(str(path.relative_to(ROOT)))
    assert {name: files for name, files in places.items() if len(files) > 1} == {}


def test_the_types_of_arrays_come_from_where_they_are_defined() -> None:
    """And from no module that uses them itself, such as that of the visited set."""
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module != "sim.engine.arrays":
                assert ARRAYS.isdisjoint(alias.name for alias in node.names), path
