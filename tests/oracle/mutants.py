"""What the oracle notices: `python -m tests.oracle.mutants --seed 1`.

A mutant is one patch to the engine: a piece of text that stands in a file exactly once, and what
stands there in its place. It is applied to a copy of the tree, where the oracle compares program
after program until it notices. Whoever moves the code that a mutant patches is told so at once
(`tests/oracle/test_mutants.py`), and gives it a new place.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TextIO

import attrs

ROOT = Path(__file__).resolve().parents[2]
MOST = 500
"""Programs within which a mutant must be noticed."""

_NOTICED = re.compile(
    r"^noticed by program (?P<number>\d+), the (?P<nth>\d+)-th: (?P<name>[^\n]*)", re.MULTILINE
)


@attrs.frozen
class Mutant:
    """One patch to the engine; `what` it makes wrong."""

    name: str
    what: str
    file: str
    old: str
    new: str

    def mutated(self, text: str) -> str:
        """The text of its file with the patch. Raises ValueError where that does not fit."""
        times = text.count(self.old)
        if times != 1:
            raise ValueError(
                f"{self.name}: {self.file} has this {times} times, not once: {self.old!r}"
            )
        return text.replace(self.old, self.new)


MUTANTS = (
    Mutant(
        "watching",
        "only the first cell that properties read is watched",
        "sim/search/exploring/properties.py",
        "            self._cells[cell] = None\n",
        "            self._cells.update({} if self._cells else {cell: None})\n",
    ),
    Mutant(
        "commuting",
        "a write and an addition may change places",
        "sim/engine/model/commuting.py",
        "(Access.ADD, Access.ADD)}",
        "(Access.ADD, Access.ADD), (Access.ADD, Access.WRITE)}",
    ),
    Mutant(
        "fairness",
        "every loop is taken for fair",
        "sim/search/exploring/cycles.py",
        "self.is_fair &= served[:size]",
        "self.is_fair |= served[:size]",
    ),
    Mutant(
        "odds",
        "a walk is uniform among steps, and not among tasks first",
        "sim/search/counting/interleavings.py",
        "tasks * self._choices.take(self.kind)",
        "tasks + self._choices.take(self.kind) - 1",
    ),
    Mutant(
        "merging",
        "frames that have seen 1 and 2 are one local state",
        "sim/engine/run/automata.py",
        "key = (outcome, kept)",
        "key = (Returned(1) if outcome == Returned(2) else outcome, kept)",
    ),
    Mutant(
        "widening",
        "fields that are laid out anew keep three bits",
        "sim/engine/states/frontier.py",
        "(1 << min(bits, field.bits)) - 1,",
        "(1 << min(bits, 3)) - 1,",
    ),
    Mutant(
        "waiting",
        "what an operation on two cells may do is remembered by the first one alone",
        "sim/engine/states/product.py",
        "sum(field.mask << field.shift for field in fields)",
        "sum(field.mask << field.shift for field in fields[:1])",
    ),
    Mutant(
        "daemons",
        "a daemon that waits is taken for stuck",
        "sim/engine/run/journal.py",
        "if op is not None and not daemons[task]",
        "if op is not None",
    ),
    Mutant(
        "resuming",
        "a level that was cut off begins from its start again",
        "sim/search/exploring/checkpoint.py",
        'low, high, frontier.at = of["level"]',
        'low, high, _ = of["level"]\n    frontier.at = low',
    ),
    Mutant(
        "parallel",
        "several threads count where a new state was reached from in another chunk",
        "sim/engine/states/frontier.py",
        "visited.settle(batch, number, span, steps.low, first, final)",
        "visited.settle(batch, number, span, every[0].low, first, final)",
    ),
    Mutant(
        "outcomes",
        "a choice among three has two outcomes",
        "sim/engine/states/loops.c",
        "				if (rest.outcomes > 1)\n",
        "				if (rest.outcomes > 2)\n",
    ),
)


def _oracle(tree: Path, *asked: str) -> str:
    """What the oracle prints about the engine of a tree.

    Raises RuntimeError where it fails itself.
    """
    ran = subprocess.run(
        [sys.executable, "-m", "tests.oracle", *asked, "--jobs", "1", "--stop"],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode and not _NOTICED.search(ran.stdout):
        raise RuntimeError(f"the oracle itself failed\n{ran.stdout}{ran.stderr}")
    return ran.stdout


def noticed(mutant: Mutant, seed: int, most: int, folder: Path) -> tuple[int, str] | None:
    """After how many programs the oracle notices a mutant, and by what; None if it does not.

    Raises RuntimeError where the same program shows something of the engine as it is: that says
    nothing of the mutant.
    """
    tree = folder / mutant.name
    shutil.copytree(ROOT / "sim", tree / "sim", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(
        ROOT / "tests" / "oracle",
        tree / "tests" / "oracle",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    shutil.copy(ROOT / "tests" / "__init__.py", tree / "tests" / "__init__.py")
    patched = tree / mutant.file
    patched.write_text(mutant.mutated(patched.read_text(encoding="utf-8")), encoding="utf-8")
    found = _NOTICED.search(_oracle(tree, "--number", str(most), "--seed", str(seed)))
    if found is None:
        return None
    without = _NOTICED.search(_oracle(ROOT, "--only", found["number"], "--seed", str(seed)))
    if without is not None:
        raise RuntimeError(
            f"program {found['number']} shows something without the mutant: {without['name']}"
        )
    return int(found["nth"]), found["name"]


def main(arguments: list[str] | None = None, out: TextIO = sys.stdout) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.oracle.mutants", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--most", type=int, default=MOST, help="programs each (default: %(default)s)"
    )
    parser.add_argument("names", nargs="*", help="these mutants and no others")
    asked = parser.parse_args(arguments)
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        for mutant in MUTANTS:
            if asked.names and mutant.name not in asked.names:
                continue
            began = time.monotonic()
            found = noticed(mutant, asked.seed, asked.most, Path(folder))
            after = (
                "not noticed"
                if found is None
                else f"noticed after {found[0]:3} programs, by {found[1]}"
            )
            print(
                f"{mutant.name:10} {after} ({time.monotonic() - began:.0f} s): {mutant.what}",
                file=out,
                flush=True,
            )
            missed += found is None
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
