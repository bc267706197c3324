"""`python -m tests.bench`: the protocol under this project and its peers.

Status 1 says that they disagree.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

import attrs
from rich.console import Console

from tests.bench.install import python_package
from tests.bench.peer import Peer, Size, Trouble
from tests.bench.programs import Program
from tests.bench.report import lines, remarks, table
from tests.bench.rounds import OURS, Bench, Measured, progress
from tests.bench.spin import Spin
from tests.bench.targets import targets
from tests.bench.tlc import Tlc

AGREE = (Size(2, 2), Size(3, 1))
SMALL = Size(2, 2)
BIG = Size(4, 4)
MINICHECK = Size(4, 4)
LARGEST = Size(5, 2)
PEERS = ("Spin", "TLC", "minicheck", "detangle")
DISAGREED, TROUBLED, INTERRUPTED = 1, 2, 130
WIDTH = 150


@attrs.frozen
class Options:
    """What the command line asks for."""

    quick: bool
    rounds: int
    core: int
    limit: float
    budget: float
    agree: list[Size]
    small: Size
    big: Size
    minicheck: Size
    largest: Size
    peers: list[str]


def _size(text: str) -> Size:
    vcpus, limit = map(int, text.split(","))
    return Size(vcpus, limit)


def _options(arguments: Sequence[str]) -> Options:
    cores = sorted(os.sched_getaffinity(0))
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="agreement and the small size only, one round"
    )
    parser.add_argument(
        "--rounds", type=int, default=3, metavar="N", help="of every checker in turn (3)"
    )
    parser.add_argument(
        "--core", type=int, default=cores[-1], help="to run everything on (%(default)s)"
    )
    parser.add_argument(
        "--limit", type=float, default=900, metavar="S", help="seconds that a run may take (900)"
    )
    parser.add_argument(
        "--budget", type=float, default=20, metavar="S", help="seconds that detangle gets (20)"
    )
    parser.add_argument("--agree", type=_size, nargs="+", default=AGREE, metavar="VCPUS,LIMIT")
    parser.add_argument(
        "--small", type=_size, default=SMALL, metavar="VCPUS,LIMIT", help="%(default)s"
    )
    parser.add_argument("--big", type=_size, default=BIG, metavar="VCPUS,LIMIT", help="%(default)s")
    parser.add_argument(
        "--minicheck", type=_size, default=MINICHECK, metavar="VCPUS,LIMIT", help="its big size"
    )
    parser.add_argument(
        "--largest", type=_size, default=LARGEST, metavar="VCPUS,LIMIT", help="by one and by two"
    )
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=PEERS, help="all of them")
    options = Options(**vars(parser.parse_args(arguments)))
    return attrs.evolve(options, rounds=1) if options.quick else options


def _ours(options: Options) -> Program:
    return Program(OURS, "tests.bench.ours", options.limit)


def _peers(options: Options) -> list[Peer]:
    every: list[Peer] = [
        Spin(options.limit),
        Tlc(options.limit),
        Program("minicheck", "tests.bench.state_space", options.limit, ("minicheck", "0.4.0")),
    ]
    return [_ours(options), *(peer for peer in every if peer.name in options.peers)]


def _sooner(options: Options) -> list[Peer]:
    every: list[tuple[str, Peer]] = [
        ("Spin", Spin(options.limit, "Spin -O0", "-O0")),
        ("TLC", Tlc(options.limit, "TLC C1", ("-XX:TieredStopAtLevel=1",))),
    ]
    return [peer for name, peer in every if name in options.peers]


def _stateless(options: Options, size: Size, valuations: int) -> str:
    """What detangle makes of its budget, in a line."""
    progress(f"{size} detangle, {options.budget:g} s")
    detangle = ("detangle", "0.1.0")
    try:
        python_package(*detangle)
        program = Program(
            "detangle", "tests.bench.stateless", options.limit + options.budget, detangle
        )
        _, said = program.ask(size, str(options.budget))
    except Trouble as trouble:
        return f"detangle: {trouble}"
    schedules, steps = said["schedules"] / said["seconds"], said["steps"] / said["seconds"]
    return (
        f"detangle (stateless, {said['seconds']:.0f} s at {size}): {said['schedules']:,} "
        f"schedules, {schedules:,.0f} a "
        f"second, {steps:,.0f} steps a second, {len(said['met'])} of {valuations} valuations "
        "met, not decided"
    )


def _shared(options: Options) -> str:
    """The largest size, decided by one process and by two, in a line."""
    ours, runs = _ours(options), []
    for jobs in (1, 2):
        progress(f"{options.largest} by {jobs} of our processes")
        runs.append(ours.ask(options.largest, "--jobs", str(jobs)))
    (alone, said), (together, also) = runs
    same = (
        "the same"
        if said["states"] == also["states"] and said["clean"] and also["clean"]
        else "NOT THE SAME"
    )
    return (
        f"{options.largest} decided, livelock too: {said['states']:,} states ({same} by two), "
        f"{alone.seconds:.1f} s by "
        f"one process, {together.seconds:.1f} s by two ({alone.seconds / together.seconds:.2f} "
        "x), peak "
        f"{alone.peak >> 20:,} MB by one"
    )


def _packed(options: Options) -> int:
    progress(f"{options.big} packed bytes of a state")
    _, said = _ours(options).ask(options.big, "--packed")
    return int(said["packed"])


def _run(options: Options, out: Console) -> int:
    bench = Bench(_peers(options), _sooner(options))
    versions = bench.install()
    agreements = [bench.agreement(size) for size in options.agree]
    for agreement in agreements:
        out.print(*agreement.lines(), sep="\n")
    agree = all(agreement.holds for agreement in agreements)
    small = bench.small(options.small, options.rounds)
    big: list[Measured] = []
    packed = None
    if not options.quick:
        big = bench.big(options.big, options.rounds, {"minicheck": options.minicheck})
        packed = _packed(options)
    said = [*bench.trouble]
    if "detangle" in options.peers and agreements and not options.quick:
        first = agreements[0]
        said.append(_stateless(options, first.size, len(first.met[OURS].valuations)))
    if not options.quick:
        said.append(_shared(options))
    unclean = [one.name for one in (*small, *big) if not all(run.clean for run in one.runs)]
    said += [f"{name} says that the protocol is broken" for name in unclean]
    out.print()
    out.print(table([small, big]))
    wishes = list(lines(list(targets(big, small, packed))))
    for paragraph in (list(remarks(big, packed)), said, versions, wishes):
        if paragraph:
            out.print(*paragraph, "", sep="\n")
    return 0 if agree and not unclean else DISAGREED


def main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    os.sched_setaffinity(0, {options.core})
    out = Console(
        highlight=False, markup=False, soft_wrap=True, width=None if sys.stdout.isatty() else WIDTH
    )
    try:
        return _run(options, out)
    except Trouble as trouble:
        progress(str(trouble))
        return TROUBLED
    except KeyboardInterrupt:
        progress("interrupted")
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
