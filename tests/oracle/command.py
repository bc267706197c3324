"""Compare the engine with the oracle over many random programs:
`python -m tests.oracle --number 5000 --seed 1`.

Says how far it is once in a while, and in the end how much of what it has tried. The first mismatch
of each kind is made small and shown as a program, with the command that runs it alone. The status
is 1 if there was any.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from multiprocessing import get_context
from typing import TextIO

import attrs

from tests.oracle.compare import Mismatch, compared
from tests.oracle.generate import SMALL, program_of
from tests.oracle.language import text_of
from tests.oracle.minimise import minimise, mismatch_of

EVERY = 30.0
"""Seconds between two lines that say how far it is."""

FULL = 5000

NEEDED = {
    "array search, one thread, several chunks": 500,
    "more than 8,192 states": 300,
    "properties that read by what they have read": 1000,
    "of these at the end of a run": 500,
    **{
        f"{what}, {by}, several chunks": 200
        for what in ("the watch widens inside a level", "a field widens", "a state gains a word")
        for by in ("one thread", "several threads")
    },
}
"""What a run of so many programs has to have tried so often, or it has failed."""


@attrs.frozen
class Said:
    """What came of one program."""

    number: int
    seen: Counter[str]
    mismatches: list[Mismatch]


def _compare(of: tuple[int, int]) -> Said:
    """Compare program `number` of a seed; the oracle's own failures are told like any other."""
    seed, number = of
    try:
        comparison = compared(*program_of(seed, number), number)
    except Exception:  # noqa: BLE001 - whatever it is, it is told, and the others go on
        return Said(
            number, Counter(), [Mismatch("the oracle fails", "oracle", "", traceback.format_exc())]
        )
    return Said(number, comparison.seen, comparison.mismatches)


def _all(seed: int, numbers: range, jobs: int) -> Iterator[Said]:
    """Compare all programs, by so many processes, in their order."""
    every = [(seed, number) for number in numbers]
    if jobs == 1:
        yield from map(_compare, every)
        return
    with get_context("spawn").Pool(jobs, signal.signal, (signal.SIGINT, signal.SIG_IGN)) as pool:
        yield from pool.imap(_compare, every, chunksize=4)


def _show(seed: int, number: int, mismatch: Mismatch, out: TextIO, *, small: bool) -> None:
    program, graph = program_of(seed, number)
    print(f"\nprogram {number} of seed {seed}: {mismatch}", file=out)
    if small and len(graph.states) <= SMALL and mismatch.way != "oracle":
        program = minimise(
            program,
            lambda it: any(
                m.name == mismatch.name for m in mismatch_of(it, number, len(graph.states))
            ),
        )
        for one in mismatch_of(program, number, SMALL):
            if one.name == mismatch.name:
                print(f"made small, {one}", file=out)
                break
    print(text_of(program), file=out)
    print(f"again: python -m tests.oracle --seed {seed} --only {number}", file=out, flush=True)


def main(arguments: list[str] | None = None, out: TextIO = sys.stdout) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.oracle", description=__doc__)
    parser.add_argument(
        "--number", type=int, default=5000, help="how many programs (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="the number of the first one")
    parser.add_argument("--only", type=int, help="this program and no other")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default: %(default)s)")
    parser.add_argument(
        "--stop", action="store_true", help="end with the first mismatch, and do not make it small"
    )
    parser.add_argument(
        "--text", action="store_true", help="print the programs, and compare nothing"
    )
    asked = parser.parse_args(arguments)
    numbers = range(asked.first, asked.first + asked.number)
    if asked.only is not None:
        numbers = range(asked.only, asked.only + 1)
    if asked.text:
        for number in numbers:
            print(
                f"program {number}:",
                text_of(program_of(asked.seed, number)[0]),
                "",
                sep="\n",
                file=out,
            )
        return 0
    jobs = min(asked.jobs, len(numbers))
    started = told = time.monotonic()
    seen, kinds, done, wrong = Counter[str](), Counter[str](), 0, 0
    try:
        for said in _all(asked.seed, numbers, jobs):
            done += 1
            seen.update(said.seen)
            wrong += bool(said.mismatches)
            for mismatch in said.mismatches:
                kinds[mismatch.name] += 1
                if asked.stop:
                    print(f"noticed by program {said.number}, the {done}-th: {mismatch}", file=out)
                    return 1
                if kinds[mismatch.name] == 1:
                    _show(asked.seed, said.number, mismatch, out, small=True)
            if time.monotonic() - told > EVERY:
                told = time.monotonic()
                print(
                    f"{done:,} of {len(numbers):,} programs, {wrong:,} with a mismatch",
                    file=out,
                    flush=True,
                )
    except KeyboardInterrupt:
        print("\ninterrupted", file=out)
    enough = _summary(seen, kinds, done, wrong, time.monotonic() - started, out)
    return 1 if wrong or not enough else 130 if done < len(numbers) else 0


def _summary(
    seen: Counter[str], kinds: Counter[str], done: int, wrong: int, seconds: float, out: TextIO
) -> bool:
    """Say how much of what was tried, and what it came to.

    Whether a full run has tried as much as it should.
    """
    needed = NEEDED if done >= FULL else {}
    print(f"\n{done:,} programs in {seconds:.0f} s", file=out)
    for what in sorted({**seen, **needed}):
        note = f"   (that is too few: {needed[what]:,})" if seen[what] < needed.get(what, 0) else ""
        print(f"{seen[what]:8,}  {what}{note}", file=out)
    if not wrong:
        print("no mismatch", file=out)
    else:
        print(f"{wrong:,} programs with a mismatch: {dict(kinds.most_common())}", file=out)
    return all(seen[what] >= least for what, least in needed.items())
