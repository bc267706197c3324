"""Checkers that are a Python module: this project's own, and the ports to other people's packages.

`python -m MODULE VCPUS LIMIT` prints a JSON object; with `--met`, one with the valuations.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import attrs

from tests.bench.install import SITE, python_package
from tests.bench.measure import Ran, run
from tests.bench.peer import Met, Size, Trouble, Valuation, Verdict

ROOT = Path(__file__).parents[2]


@attrs.frozen
class Program:
    """A module of the bench that is a checker, and the package that it needs, if any,
    with its version.
    """

    name: str
    module: str
    limit: float
    package: tuple[str, str] | None = None

    def install(self) -> str:
        python = f"Python {sys.version.split()[0]}"
        if self.package is None:
            return f"this tree; {python}; breadth first, one thread"
        python_package(*self.package)
        return f"{self.package[1]}; {python}; breadth first"

    def check(self, size: Size, states: int) -> Verdict:
        ran, said = self.ask(size)
        return Verdict(
            clean=said["clean"],
            states=said["states"],
            transitions=said["transitions"],
            exploring=said["seconds"],
            command=ran.seconds,
            peak=ran.peak,
        )

    def met(self, size: Size) -> Met:
        _, said = self.ask(size, "--met")
        return Met(said["states"], frozenset(Valuation(*valuation) for valuation in said["met"]))

    def ask(self, size: Size, *options: str) -> tuple[Ran, dict[str, Any]]:
        """Run it, and read what it says."""
        path = {"PYTHONPATH": str(SITE)} if self.package else {}
        command = [sys.executable, "-m", self.module, str(size.vcpus), str(size.limit), *options]
        ran = run(command, limit=self.limit, cwd=ROOT, env=path)
        try:
            said = json.loads(ran.output)
        except ValueError:
            raise Trouble(
                f"{self.module} did not print JSON: {ran.output.strip()[-200:]}"
            ) from None
        if not isinstance(said, dict):
            raise Trouble(f"{self.module} printed no JSON object")
        return ran, said
