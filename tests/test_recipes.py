"""Each recipe of docs/contributing.md works, on a copy of the tree, with nothing but its blocks."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest

from sim.cli.vocabulary import VOCABULARY
from tests.engine.test_digest import said

pytestmark = pytest.mark.slow  # each follows a recipe on a copy of the tree: a minute for two cores

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "contributing.md"
COPIED = ("sim", "tests", "schedules", "docs", "examples", "pyproject.toml", "README.md")

RUNS = """
import contextlib, io, json, sys
sys.path.insert(0, sys.argv[1])
import sim
from sim.cli import main
assert sim.__file__.startswith(sys.argv[1])
said = []
for argv in json.loads(sys.argv[2]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(argv)
    said.append((int(status), out.getvalue(), err.getvalue()))
print(json.dumps(said))
"""
"""Several commands of the tree that is named first, in one process."""


@attrs.frozen
class Block:
    """Text that is a file, or goes into one after or before the first line with some other text."""

    file: str
    text: str
    after: str = ""
    before: str = ""

    def put(self, tree: Path) -> None:
        path = tree / self.file
        if not (self.after or self.before):
            assert not path.exists(), self.file
            path.write_text(self.text, encoding="utf-8")
            return
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        mark = self.after or self.before
        at = next(i for i, line in enumerate(lines) if mark in line) + bool(self.after)
        path.write_text("".join((*lines[:at], self.text, *lines[at:])), encoding="utf-8")


@attrs.frozen
class Told:
    """A recipe as the page has it: its blocks, and the commands at its end."""

    blocks: tuple[Block, ...]
    commands: tuple[tuple[str, ...], ...]

    def of_program(self, name: str) -> list[list[str]]:
        return [list(argv) for program, *argv in self.commands if program == name]


def _told(text: str) -> Told:
    blocks, commands = list[Block](), list[tuple[str, ...]]()
    for info, body in re.findall(r"^```(.*)\n((?s:.*?))^```$", text, re.MULTILINE):
        language, *settings = shlex.split(info)
        if language == "console":
            lines = body.replace("\\\n", " ").splitlines()
            commands += [tuple(shlex.split(line.removeprefix("$ "))) for line in lines]
        else:
            blocks.append(Block(text=body, **dict(one.split("=", 1) for one in settings)))
    return Told(tuple(blocks), tuple(commands))


TOLD = {
    title: _told(text)
    for title, text in re.findall(
        r"^## (.+)\n((?s:.*?))(?=^## |\Z)",
        PAGE.read_text(encoding="utf-8").partition("\n# Recipes\n")[2],
        re.MULTILINE,
    )
}
NEW: dict[str, tuple[str, tuple[str, ...]]] = {
    "A kernel": ("kernels", ("7.3",)),
    "A leaf of the module": ("leafs", ("TDH.MEM.PAGE.PEEK",)),
    "A strategy": ("strategies", ("sticky",)),
    "A view": ("views", ("markdown",)),
    "A command": ("commands", ("states",)),
    "A scenario": ("scenarios", ("two-zaps", "convert")),
    "A guard": ("guards", ("page-stats",)),
}
"""What each recipe adds: the kind under which it is listed, and the names."""


@attrs.frozen
class Grown:
    """A copy of the tree after a recipe."""

    title: str
    tree: Path

    @property
    def told(self) -> Told:
        return TOLD[self.title]

    def tdpsim(self, *commands: list[str]) -> list[tuple[int, str, str]]:
        """Status, stdout and stderr of each."""
        argv = [sys.executable, "-I", "-c", RUNS, str(self.tree), json.dumps(commands)]
        run = subprocess.run(argv, capture_output=True, text=True, check=True, cwd=self.tree)
        return [(status, out, err) for status, out, err in json.loads(run.stdout)]

    def python(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Python, where the copy is the current directory."""
        return subprocess.run(
            [sys.executable, *argv], capture_output=True, text=True, check=False, cwd=self.tree
        )


@pytest.fixture(scope="module")
def grown_trees(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Grown]:
    """The copies that were made so far."""
    return {}


def _copied(tree: Path) -> Path:
    """What the recipes, the command line and the tests need of this tree."""
    tree.mkdir(exist_ok=True)
    for name in COPIED:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, tree / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, tree / name)
    return tree


def _grown(title: str, known: dict[str, Grown], paths: pytest.TempPathFactory) -> Grown:
    if title not in known:
        tree = _copied(paths.mktemp("recipe"))
        for block in TOLD[title].blocks:
            block.put(tree)
        known[title] = Grown(title, tree)
    return known[title]


@pytest.fixture(params=NEW)
def grown(
    request: pytest.FixtureRequest,
    grown_trees: dict[str, Grown],
    tmp_path_factory: pytest.TempPathFactory,
) -> Grown:
    return _grown(request.param, grown_trees, tmp_path_factory)


@pytest.fixture(scope="module")
def digests() -> dict[str, str]:
    """Of every scenario, as the tree is."""
    return said(ROOT)


def test_the_page_has_these_recipes() -> None:
    assert list(TOLD) == list(NEW)


def test_the_page_is_no_wider_than_the_code() -> None:
    assert max(map(len, PAGE.read_text(encoding="utf-8").splitlines())) <= 100


def test_a_recipe_is_one_file_and_one_registry(grown: Grown) -> None:
    """A strategy that draws names its draws as well; a scenario's second half is the callers'."""
    more = {"A strategy": {"sim/engine/run/draws.py"}, "A scenario": {"sim/scenarios/callers.py"}}
    files = {block.file for block in grown.told.blocks if block.file.startswith("sim/")}
    assert len(files - more.get(grown.title, set())) == 2


def test_the_code_of_the_page_is_clean(grown: Grown) -> None:
    """As ruff has it, with this project's settings."""
    files = sorted({block.file for block in grown.told.blocks if block.file.endswith(".py")})
    for command in (["check", "--no-cache"], ["format", "--check", "--no-cache"]):
        run = grown.python("-m", "ruff", *command, *files)
        assert run.returncode == 0, run.stdout


def test_what_is_new_is_listed_and_nothing_else_is(grown: Grown) -> None:
    kind, names = NEW[grown.title]
    ((status, out, _),) = grown.tdpsim(["list", "--json"])
    assert status == 0
    listed = {one: set(words) for one, words in json.loads(out).items()}
    before = {one: set(words) for one, words in VOCABULARY.items()}
    parameters = {"zapped"} if grown.title == "A scenario" else set[str]()
    assert before[kind].isdisjoint(names)
    before["parameters"] |= parameters
    before[kind] |= set(names)
    assert listed == before


def test_every_command_of_the_page_does_what_it_is_for(grown: Grown) -> None:
    """It ends with 0, or with 1 for a finding, and without a complaint."""
    kind, names = NEW[grown.title]
    commands = grown.told.of_program("tdpsim")
    assert ["explain", names[0]] in commands
    for argv, (status, out, err) in zip(commands, grown.tdpsim(*commands), strict=True):
        assert status in {0, 1}, (argv, err)
        assert "tdpsim: " not in err
        if argv == ["explain", names[0]]:
            assert out.startswith(f"{names[0]} ({kind})\n")


@pytest.mark.parametrize("title", NEW)
def test_a_recipe_runs_a_test_that_it_writes_and_some_that_were_there(title: str) -> None:
    """The laws of the registries cover what is new without being touched."""
    named = {file for argv in TOLD[title].of_program("pytest") for file in _tests_of(argv)}
    written = {block.file for block in TOLD[title].blocks}
    assert named & written
    assert any((ROOT / file).exists() for file in named)


@pytest.mark.parametrize(
    ("title", "argv"),
    [(title, argv) for title, told in TOLD.items() for argv in told.of_program("pytest")],
    ids=lambda of: of if isinstance(of, str) else "",
)
def test_of_every_file_that_a_recipe_tests_something_passes(
    title: str,
    argv: list[str],
    grown_trees: dict[str, Grown],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    grown = _grown(title, grown_trees, tmp_path_factory)
    run = grown.python("-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", *argv)
    assert run.returncode == 0, run.stdout
    passed = re.findall(r"^PASSED ([^:\s]+)::", run.stdout, re.MULTILINE)
    assert set(passed) == set(_tests_of(argv))


def _tests_of(argv: list[str]) -> list[str]:
    """The files that a pytest command names."""
    return argv[: argv.index("-k")]


@pytest.mark.slow
def test_the_code_of_the_page_has_types(tmp_path: Path) -> None:
    """All recipes at once: they do not meet."""
    tree = _copied(tmp_path / "tree")
    for told in TOLD.values():
        for block in told.blocks:
            block.put(tree)
    command = [sys.executable, "-m", "mypy", "--no-incremental"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tree)
    assert run.returncode == 0, run.stdout


def test_no_digest_of_what_was_there_moves_but_by_a_step(
    grown: Grown, digests: dict[str, str]
) -> None:
    after = said(grown.tree)
    moved = {name for name, digest in digests.items() if after[name] != digest}
    assert after.keys() - digests.keys() == (
        set(NEW[grown.title][1]) if grown.title == "A scenario" else set()
    )
    if grown.title == "A guard":
        assert {"np-to-leaf-shared", "storm"} <= moved
    else:
        assert moved == set()


def of(
    title: str, known: dict[str, Grown], paths: pytest.TempPathFactory, *argv: str
) -> tuple[int, str]:
    """What a command says after a recipe."""
    ((status, out, _),) = _grown(title, known, paths).tdpsim(list(argv))
    return status, out


@pytest.fixture
def after(grown_trees: dict[str, Grown], tmp_path_factory: pytest.TempPathFactory) -> Any:
    def run(title: str, *argv: str) -> tuple[int, str]:
        return of(title, grown_trees, tmp_path_factory, *argv)

    return run


def test_the_new_kernels_check_fires_in_the_function_that_it_is_a_part_of(after: Any) -> None:
    alone = ("np-to-leaf-exclusive", "--set", "contenders=none", "--no-count")
    status, out = after("A kernel", "explore", *alone, "--set", "kernel=7.3", "--json")
    assert status == 1
    assert [(one["kind"], one["where"]) for one in json.loads(out)["findings"]] == [
        ("KVM_BUG_ON", "tdp_mmu_set_spte")
    ]
    assert after("A kernel", "explore", *alone)[0] == 0


MEETS = """
import json, sys
sys.path.insert(0, sys.argv[1])
from sim.surveys.contention import meeting, relations
from sim.tdx.leafs import LEAFS
from sim.tdx.releases import Module_1_5_01
from tests.scenarios.test_contention import LOCKS, expected, operands
leafs = {leaf.name: leaf for leaf in LEAFS}
said = []
for other in ("TDH.MEM.RANGE.BLOCK", "TDH.MEM.TRACK", "TDH.MEM.PAGE.PEEK"):
    one, two = leafs["TDH.MEM.PAGE.PEEK"], leafs[other]
    for relation, *on in relations(one, two):
        met = meeting(Module_1_5_01, one, two, relation, tuple(on))
        typed = expected(one.name, two.name, relation, LOCKS)
        said.append((other, relation.name, sorted(operands(met.busy_one)), sorted(typed)))
print(json.dumps(said))
"""


def test_the_new_leafs_locks_are_measured_to_be_those_that_were_typed_in(
    grown_trees: dict[str, Grown], tmp_path_factory: pytest.TempPathFactory
) -> None:
    grown = _grown("A leaf of the module", grown_trees, tmp_path_factory)
    run = grown.python("-I", "-c", MEETS, str(grown.tree))
    assert run.returncode == 0, run.stderr
    met = {(other, how): (got, typed) for other, how, got, typed in json.loads(run.stdout)}
    assert all(measured == typed for measured, typed in met.values())
    assert {pair: measured for pair, (measured, _) in met.items()} == {
        ("TDH.MEM.RANGE.BLOCK", "SAME"): ["SEPT_TREE"],
        ("TDH.MEM.RANGE.BLOCK", "OTHER"): ["SEPT_TREE"],
        ("TDH.MEM.TRACK", "TD"): [],
        ("TDH.MEM.PAGE.PEEK", "SAME"): ["RCX"],
        ("TDH.MEM.PAGE.PEEK", "OTHER"): [],
    }


def test_the_new_view_draws_what_a_run_has_recorded(after: Any) -> None:
    after("A view", "run", "np-to-leaf-exclusive", "--seed", "3", "--record", "again.toml")
    status, out = after("A view", "show", "again.toml", "--format", "markdown")
    assert (status, out.splitlines()[0]) == (0, "| step | task | function | point | saw |")


def test_the_new_command_is_in_the_help_of_all(after: Any) -> None:
    assert re.search(r"states +How many states a scenario has\.", after("A command", "--help")[1])


def test_the_parameter_of_the_new_scenario_is_said_to_be_its_own(after: Any) -> None:
    out = " ".join(after("A scenario", "explain", "zapped")[1].split())
    assert out.endswith("One of both, one; both by default. In two-zaps.")


@pytest.mark.parametrize("name", NEW["A scenario"][1])
def test_the_new_scenario_is_explored(after: Any, name: str) -> None:
    status, out = after("A scenario", "explore", name, "--no-count", "--json")
    assert status == 0
    assert json.loads(out)["verdict"] == "clean"


def test_without_the_new_guard_something_else_is_found(after: Any) -> None:
    alone = ("explore", "np-to-leaf-shared", "--set", "contenders=none", "--no-count", "--json")
    found = []
    for without in ((), ("--without", "page-stats")):
        out = json.loads(after("A guard", *alone, *without)[1])
        found.append([(one["kind"], one["where"]) for one in out["findings"]])
    assert found == [[], [("divergence", "stats-are-leafs")]]


def test_a_block_that_has_no_place_fails(tmp_path: Path) -> None:
    """What a recipe relies on is there, or its test says so."""
    (tmp_path / "a.py").write_text("one\ntwo\n")
    Block("a.py", "more\n", after="one").put(tmp_path)
    Block("a.py", "most\n", before="one").put(tmp_path)
    assert (tmp_path / "a.py").read_text() == "most\none\nmore\ntwo\n"
    with pytest.raises(StopIteration):
        Block("a.py", "more\n", after="three").put(tmp_path)
