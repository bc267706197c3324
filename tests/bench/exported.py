"""`python -m tests.bench.exported`: scenarios exported as Promela, counted by Spin and by us.

Spin has the learned automata alone, and no code of ours. Status 1 says that the two disagree.
"""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path

from rich.console import Console

from sim.engine.states.frontier import Frontier
from sim.engine.states.product import Product
from sim.scenarios.library import recipe_named
from sim.search.explore import explore
from sim.search.exporting.promela import promela
from tests.bench.install import program, program_of_root, scratch
from tests.bench.measure import run

MACROS = ("-DSAFETY", "-DNOREDUCE", "-DMEMLIM=16000")
ASKED: tuple[tuple[str, dict[str, str]], ...] = (
    ("np-to-leaf-exclusive", {}),
    ("leaf-to-np-exclusive", {}),
    ("atomic-zap", {}),
    ("fault-on-one-gfn", {}),
)
LIMIT = 1800.0


def counted_by_spin(text: str, states: int) -> tuple[int, bool, float]:
    """How many states there are, whether there is an error, and states a second by pan's clock."""
    where = scratch("exported")
    (where / "model.pml").write_text(text, encoding="utf-8")
    bits = max(16, states.bit_length())
    compiled: list[str | Path] = [program_of_root("gcc", "gcc"), "-O2", *MACROS, "-opan", "pan.c"]
    commands: list[list[str | Path]] = [
        [program("spin", "spin"), "-a", "model.pml"],
        compiled,
        [where / "pan", "-m10000000", f"-w{bits}", "-c0"],
    ]
    said = [run(command, limit=LIMIT, cwd=where) for command in commands][-1].output
    stored = re.search(r"([\d.e+]+) states, stored", said)
    clock = re.search(r"elapsed time ([\d.e+]+)", said)
    if stored is None or clock is None or "Search not completed" in said:
        raise SystemExit(f"pan has not seen everything:\n{said}")
    count = int(float(stored[1]))
    return count, "errors: 0" not in said, count / max(0.01, float(clock[1]))


def main() -> int:
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    agree, out = True, Console(highlight=False, markup=False, soft_wrap=True)
    out.print(f"{'scenario':26}{'states':>12}{'Spin':>12}  verdict  states/s: ours, Spin's")
    for name, given in ASKED:
        scenario = recipe_named(name).scenario(given)
        begun = time.perf_counter()
        done = explore(scenario, liveness=False)
        ours = done.states / (time.perf_counter() - begun)
        frontier = Frontier(Product(scenario), want_tops=False)
        for _ in frontier.levels():
            pass
        states, is_wrong, theirs = counted_by_spin(promela(frontier, "model.pml"), done.states)
        same = states == done.states and is_wrong == bool(done.found)
        agree &= same
        out.print(
            f"{name:26}{done.states:12,}{states:12,}  {'same' if same else 'OTHER':7}  "
            f"{ours:,.0f}, {theirs:,.0f}: {ours / theirs:.2f} x"
        )
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
