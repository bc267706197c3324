"""Spin on `protocol.pml`: generate a checker, compile it, run it depth first.

`-DNOREDUCE` takes partial-order reduction out, which the properties here would not survive. The
hash table gets no fewer slots than there are states. More of them, `-O3`, `-DSFH` or bits for bytes
made nothing faster. Of a cold run of few states, gcc takes most, so that `-O0` is over sooner.
"""

from __future__ import annotations

import math
import os
import re
from pathlib import Path

import attrs

from tests.bench.install import program, program_of_root, scratch
from tests.bench.measure import Ran, run
from tests.bench.peer import Met, Size, Trouble, Valuation, Verdict

SOURCE = Path(__file__).with_name("protocol.pml")
COMPILE = ("-DSAFETY", "-DNOREDUCE")
DEEPEST = 1_000_000
SPTE = ("NP", "FROZEN", "LEAF")
SEPT = ("FREE", "PENDING", "MAPPED", "BLOCKED")
_TELLING = 0.1
"""Seconds below which pan's clock, which has hundredths, says too little."""


@attrs.define
class Spin:
    """Spin 6.5.2 and gcc."""

    limit: float
    name: str = "Spin"
    optimise: str = "-O2"
    _spin: Path = Path("spin")
    _cc: Path = Path("gcc")

    def install(self) -> str:
        self._spin = program("spin", "spin")
        self._cc = program_of_root("gcc", "gcc")
        spin = run([self._spin, "-V"], limit=self.limit, cwd=scratch("spin"))
        gcc = run([self._cc, "-dumpfullversion"], limit=self.limit, cwd=scratch("spin"))
        settings = " ".join((gcc.output.strip(), self.optimise, *COMPILE))
        return (
            f"{spin.output.strip().removeprefix('Spin Version ')}; gcc {settings}; pan depth first"
        )

    def check(self, size: Size, states: int) -> Verdict:
        runs, pan = self._run(size, states)
        stored, matched = (_count(pan.output, word) for word in ("stored", "matched"))
        clock = _number(pan.output, r"elapsed time ([\d.e+]+)")
        return Verdict(
            clean="errors: 0" in pan.output,
            states=stored,
            transitions=stored + matched,
            exploring=clock if clock >= _TELLING else pan.seconds,
            command=sum(ran.seconds for ran in runs),
            peak=max(ran.peak for ran in runs),
        )

    def met(self, size: Size) -> Met:
        _, pan = self._run(size, 1 << 20, "-DVALUATIONS")
        lines = re.findall(r"^valuation (.*)$", pan.output, re.MULTILINE)
        return Met(
            _count(pan.output, "stored"),
            frozenset(_valuation(*map(int, line.split())) for line in lines),
        )

    def _run(self, size: Size, states: int, *macros: str) -> tuple[list[Ran], Ran]:
        where = scratch("spin")
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20
        macros = (f"-DN={size.vcpus}", f"-DLIMIT={size.limit}", *macros)
        bits = max(16, math.ceil(math.log2(max(1, states))))
        commands: list[list[str | Path]] = [
            [self._spin, *macros, "-a", SOURCE],
            [self._cc, self.optimise, *COMPILE, f"-DMEMLIM={memory}", "-o", "pan", "pan.c"],
            [where / "pan", f"-m{DEEPEST}", f"-w{bits}"],
        ]
        runs = [run(command, limit=self.limit, cwd=where) for command in commands]
        for words in ("max search depth too small", "reached -DMEMLIM", "Search not completed"):
            if words in runs[-1].output:
                raise Trouble(f"pan has not seen everything: {words}")
        return runs, runs[-1]


def _number(text: str, pattern: str) -> float:
    found = re.search(pattern, text)
    if found is None:
        raise Trouble(f"pan said nothing like {pattern!r}")
    return float(found[1])


def _count(text: str, word: str) -> int:
    return int(_number(text, rf"([\d.e+]+) states, {word}"))


def _valuation(
    mmu_lock: int, spte: int, sept: int, tree: int, entry: int, zapping: int, inside: int
) -> Valuation:
    return Valuation(mmu_lock, SPTE[spte], SEPT[sept], tree, bool(entry), bool(zapping), inside)
