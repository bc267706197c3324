"""A scenario's digest moves with what its steps do, and with nothing else."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

import sim
from sim.engine.model.source import spelled

PACKAGE = Path(sim.__file__).parent
PRINTS = """
from sim.scenarios.library import LIBRARY
for name, recipe in LIBRARY.items():
    print(name, recipe.scenario({}).digest)
"""

CODE = """
from sim.engine.model.operations import load

async def f(x: int) -> bool:
    'Reads.'
    if await load(x):
        return True
    return False
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("'Reads.'", "'Looks, and says what it saw.'"),
        ("x: int", "x"),
        (" -> bool", ""),
        ("import load", "import load, store"),
        ("    return False", "\n    # otherwise\n    return   False"),
    ],
)
def test_words_are_not_spelled(old: str, new: str) -> None:
    assert spelled(ast.parse(CODE.replace(old, new))) == spelled(ast.parse(CODE))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("True", "None"),
        ("load(x)", "load(y)"),
        ("return False", "return not x"),
        ("async def", "def"),
    ],
)
def test_steps_are_spelled(old: str, new: str) -> None:
    changed = CODE.replace(old, new).replace("await ", "" if old == "async def" else "await ")
    assert spelled(ast.parse(changed)) != spelled(ast.parse(CODE))


NESTED = """
def shown(x, width, unit):
    return f"{x:{width}}" f"a{x!r:>{width}.{unit}}b" "c" f"{'' if x else f'{x:{width}d}'}{x:}"
"""


def test_every_python_spells_nested_format_specs_alike() -> None:
    """3.11, 3.12 and 3.13 cut the text of f-strings in three ways."""
    text = spelled(ast.parse(NESTED))
    assert sha256(text.encode()).hexdigest()[:8] == "e289b9ba"


@pytest.fixture(scope="module")
def digests() -> dict[str, str]:
    return said(PACKAGE.parent)


def said(tree: Path) -> dict[str, str]:
    """The digest of every scenario, as a process says it that imports this tree."""
    run = [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(tree)!r}); {PRINTS}"]
    out = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    return dict(line.split() for line in out.splitlines())


def replaced(tree: Path, name: str, old: str, new: str) -> None:
    """Change the one file of the model in which `old` stands."""
    (path,) = (path for path in (tree / "sim").rglob(name) if old in path.read_text())
    path.write_text(path.read_text().replace(old, new))


def move_a_file(tree: Path) -> None:
    """sim/kvm/tdp_mmu.py gets another name and another folder."""
    (tree / "sim" / "kvm" / "deep").mkdir()
    (tree / "sim" / "kvm" / "deep" / "__init__.py").touch()
    (tree / "sim" / "kvm" / "tdp_mmu.py").rename(tree / "sim" / "kvm" / "deep" / "aaa.py")
    for path in (tree / "sim").rglob("*.py"):
        path.write_text(re.sub(r"\bsim\.kvm\.tdp_mmu\b", "sim.kvm.deep.aaa", path.read_text()))


def rename_every_file_of_the_module(tree: Path) -> None:
    names = [path.stem for path in (tree / "sim" / "tdx").glob("*.py") if path.stem != "__init__"]
    for name in names:
        path = tree / "sim" / "tdx" / f"{name}.py"
        path.rename(path.with_stem(f"z_{name}"))
    for path in (tree / "sim").rglob("*.py"):
        text = re.sub(rf"\bsim\.tdx\.({'|'.join(names)})\b", r"sim.tdx.z_\1", path.read_text())
        path.write_text(text)


def add_comments(tree: Path) -> None:
    for room in ("kvm", "tdx", "scenarios", "engine"):
        for path in (tree / "sim" / room).rglob("*.py"):
            text = path.read_text().replace("\n\n\n", "\n\n\n# Said again.\n\n\n")
            path.write_text(re.sub(r'^"""', '"""Also: ', text))


def reverse_the_definitions(tree: Path) -> None:
    """The functions of a file stand in another order."""
    path = tree / "sim" / "tdx" / "locks.py"
    parts = re.split(r"\n\n\n(?=(?:async )?def )", path.read_text())
    assert len(parts) > 4
    path.write_text("\n\n\n".join([parts[0], *reversed(parts[1:])]) + "\n")


def add_a_scenario(tree: Path) -> None:
    replaced(
        tree,
        "callers.py",
        "CALLERS = (\n",
        "CALLERS = (\n    Caller('new', 'x', 'y', _faults, ('f1', 'f2'), (S.FREE, S.NL_MAPPED)),\n",
    )


def add_a_leaf(tree: Path) -> None:
    """A method of the module that nobody calls, and a lock for it."""
    text = (
        "    @routine\n    async def tdh_mem_new(self, gfn: str) -> int:\n        return "
        "len(gfn)\n\n"
    )
    replaced(tree, "tdh_mem.py", "    @routine\n    async def tdh_mem_track(", text + TRACK)


PUNCH = "    async def kvm_gmem_punch_hole(self, gfns: tuple[str, ...], task: str) -> None:\n"
TRACK = "    @routine\n    async def tdh_mem_track("


@pytest.mark.parametrize(
    "change",
    [
        move_a_file,
        rename_every_file_of_the_module,
        add_comments,
        reverse_the_definitions,
        add_a_scenario,
        add_a_leaf,
    ],
    ids=lambda change: change.__name__,
)
def test_what_no_step_can_tell_moves_no_digest(
    tmp_path: Path, digests: dict[str, str], change: Callable[[Path], None]
) -> None:
    shutil.copytree(PACKAGE, tmp_path / "sim", ignore=shutil.ignore_patterns("__pycache__"))
    change(tmp_path)
    after = said(tmp_path)
    assert set(digests) <= set(after)
    assert {name: after[name] for name in digests} == digests


@pytest.mark.parametrize(
    ("old", "new", "moves", "stays"),
    [
        (
            "STEPPING_EPF_THRESHOLD = 6",
            "STEPPING_EPF_THRESHOLD = 7",
            {"np-to-leaf-shared", "storm"},
            {"fault"},
        ),
        (
            "def _release(task: str, values: tuple[Sharex], mode: Mode)",
            "def _release(task: str, values: tuple[Sharex], mode: Mode = Mode.SHARED)",
            {"np-to-leaf-shared", "fault", "storm", "teardown"},
            set(),
        ),
        (
            PUNCH,
            f"{PUNCH}        await step('more')\n",
            {"punch-hole", "punch-hole-4k", "storm"},
            {"fault", "np-to-leaf-shared"},
        ),
        (
            'programs=(("v1", ((Instruction.ACCEPT, "A"),)),)',
            'programs=(("v1", ((Instruction.ACCEPT_2M, "A"),)),)',
            {"accept-4k"},
            {"fault", "storm"},
        ),
    ],
)
def test_what_a_step_does_moves_the_digests_of_those_that_take_it(
    tmp_path: Path, digests: dict[str, str], old: str, new: str, moves: set[str], stays: set[str]
) -> None:
    shutil.copytree(PACKAGE, tmp_path / "sim", ignore=shutil.ignore_patterns("__pycache__"))
    replaced(tmp_path, "*.py", old, new)
    after = said(tmp_path)
    moved = {name for name in digests if after[name] != digests[name]}
    assert moved >= moves
    assert not moved & stays


MODEL = """
from sim.engine.model.cells import Cell
from sim.engine.model.operations import load, store
from sim.engine.model.routines import routine
from sim.engine.model.scenario import Property, Scenario, Task
from helping import LIMIT, twice

CELL = Cell("x", 0, range(LIMIT))
SMALL = Property.whole("small", "large", lambda look: look(CELL) < LIMIT)

@routine
async def work():
    await store(CELL, twice(await load(CELL)))

def unused():
    return 1

print(Scenario("own", (Task("a", work()),), (SMALL,)).digest)
"""
HELPING = """
LIMIT = 8
def twice(x):
    return 2 * x
def unused():
    return 2
"""


@pytest.mark.parametrize(
    ("old", "new", "moves"),
    [
        ("return 1", "return 3", False),
        ("return 2\n", "return 4\n", False),
        ("2 * x", "3 * x", True),
        ("LIMIT = 8", "LIMIT = 9", True),
        ("look(CELL) <", "look(CELL) <=", True),
        ('Cell("x", 0', 'Cell("x", 1', True),
    ],
)
def test_a_model_of_ones_own_has_a_digest_of_its_files(
    tmp_path: Path, old: str, new: str, moves: bool
) -> None:
    def digest(change: Callable[[str], str]) -> str:
        (tmp_path / "model.py").write_text(change(MODEL))
        (tmp_path / "helping.py").write_text(change(HELPING))
        run = [sys.executable, "-B", str(tmp_path / "model.py")]
        return subprocess.run(run, capture_output=True, text=True, check=True).stdout

    assert (digest(lambda text: text.replace(old, new)) != digest(str)) is moves


WAYS = """
import operator
import sys
from enum import Enum
from sim.engine.model.cells import Cell
from sim.engine.model.operations import load, store
from sim.engine.model.routines import routine
from sim.engine.model.scenario import Property, Scenario, Task
from helping import *
from helping import near
from other import far

CELL = Cell("x", 0, range(99))
WATCHED = {Cell("y", 0, range(9)), Cell("z", 0, range(9)), Cell("a", 0, range(9))}

if sys.maxsize > 5:
    def chosen(x):
        return x + 1

match [1, 2]:
    case [captured, *_]:
        pass

try:
    import tkinter_is_not_there
except ImportError as missing:
    pass

class Kind(Enum):
    A = 1

    @classmethod
    def _missing_(cls, value):
        return cls.A

class Pair:
    def _get(self):
        return 3

    def held(self):
        return 4

    value = property(_get)
    other = held

def two():
    return 2

def outer(n):
    import helping_late
    from helping_late import late
    def inner(k):
        return inner(k - 1) if k else len(sys.argv) + late()
    return inner

class Slotted:
    __slots__ = ("gone", "kept")

    def __init__(self):
        self.kept = 7

def matched(pair):
    match pair:
        case Pair(value=5):
            return 1
    return 2

READS = {"x": lambda look: look(CELL) < 50, "y": lambda look: look(CELL) < 51}
PROPERTIES = tuple(Property.whole(name, "large", READS[name]) for name in ("x",))

@routine
async def work(step=two()):
    pair = Pair()
    x = starred(near(1) + far(1)) + chosen(pair.value) + pair.other() + Kind(7).value + captured
    x += operator.attrgetter("deep.late_field")(pair) if x > 10**6 else 0
    await store(CELL, (lambda two=two: two())() + x % 7 + matched(pair))

def every(cells, helper, slotted):
    return lambda look: all(look(cell) < slotted.kept + 2 * bool(helper) for cell in cells)

TASK = Task("a", work())
PROPERTIES += (Property.whole("every", "large", every(WATCHED, outer(1), Slotted())),)
print(Scenario("own", (TASK,), PROPERTIES).digest)
"""
NEAR = "def near(x):\n    return x + 1\ndef far(x):\n    return x + 2\n"
FAR = "def far(x):\n    return x + 3\ndef near(x):\n    return x + 4\n"
FILES = {
    "model.py": WAYS,
    "helping.py": NEAR + "def starred(x):\n    return x * 1\n",
    "other.py": FAR,
    "helping_late.py": "def late():\n    return 1\n",
}


def written(tree: Path, old: str = "", new: str = "") -> list[str]:
    """The files, with one text replaced wherever it stands; and the command that runs them."""
    assert any(old in text for text in FILES.values())
    for name, text in FILES.items():
        (tree / name).write_text(text.replace(old, new) if old else text)
    return [sys.executable, "-B", "model.py"]


def printed(tree: Path, command: list[str]) -> str:
    root = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    run = subprocess.run(command, cwd=tree, env=root, capture_output=True, text=True, check=True)
    return run.stdout


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("x * 1", "x * 2"),  # imported by a star
        ("return x + 1\n\nmatch", "return x + 8\n\nmatch"),  # defined under an `if`
        ("match [1, 2]", "match [3, 2]"),  # bound by a pattern
        ("return cls.A", "return cls(1)"),  # called by Enum
        ("return 3", "return 5"),  # called by a property
        ("return 4", "return 6"),  # called by another name
        ("return 1\n    return 2", "return 3\n    return 2"),  # in a pattern
        ("def late():\n    return 1", "def late():\n    return 2"),  # imported when called
        ("self.kept = 7", "self.kept = 8"),  # held in a slot
        ("(CELL) < 50", "(CELL) < 49"),  # a lambda among several on its line
        ('in ("x",)', 'in ("y",)'),  # another one
        ("def two():\n    return 2", "def two():\n    return 3"),  # what a default is made with
        ("import near\nfrom other import far", "import far\nfrom other import near"),
        ('Cell("z", 0', 'Cell("z", 1'),  # a member of a set
    ],
)
def test_every_way_to_reach_code_moves_the_digest(tmp_path: Path, old: str, new: str) -> None:
    before = printed(tmp_path, written(tmp_path))
    assert printed(tmp_path, written(tmp_path, old, new)) != before


def test_a_digest_is_the_same_in_every_process(tmp_path: Path) -> None:
    """Sets are in the order of addresses; a module has another name when it is run with -m."""
    command = written(tmp_path)
    ways = [command] * 4 + [[*command[:2], "-m", "model"]]
    assert len({printed(tmp_path, way) for way in ways}) == 1
    debugged = printed(tmp_path, [*command[:2], "-m", "pdb", "-c", "c", "-c", "q", "model.py"])
    assert printed(tmp_path, command).strip() in debugged


def test_a_model_without_a_text_is_refused_in_one_line(tmp_path: Path) -> None:
    written(tmp_path)
    run = subprocess.run(
        [sys.executable, "-B", "-"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
        input=WAYS,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stderr.splitlines()[-1].endswith("was not read from a file; put it into one")
