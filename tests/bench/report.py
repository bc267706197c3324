"""The table of the bench, and the lines beneath it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.table import Table

from tests.bench.rounds import OURS, Figure, Measured
from tests.bench.targets import MANY, MEGABYTE, Target, named, rate, speed

_COLUMNS = (
    "size",
    "checker",
    "states",
    "transitions",
    "states/s",
    "source to verdict, s",
    "peak MB",
    "ours: states/s",
    "ours: verdict",
)


def table(sections: Sequence[Sequence[Measured]]) -> Table:
    """One line for each checker at each size: medians, with the least and the most."""
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    for name in _COLUMNS:
        grid.add_column(
            name, justify="left" if name in {"size", "checker"} else "right", no_wrap=True
        )
    for section in sections:
        for measured in section:
            grid.add_row(*_line(measured, named(section, OURS)))
        grid.add_section()
    return grid


def _line(measured: Measured, ours: Measured | None) -> Iterator[str]:
    run = measured.runs[0]
    yield str(measured.size)
    yield measured.name
    yield f"{run.states:,}"
    yield f"{run.transitions:,}" if run.transitions else "not told"
    yield _spread(measured.rate, ",.0f")
    yield _spread(measured.command, ".2f")
    yield f"{measured.peak.most / MEGABYTE:,.0f}"
    if ours is None or measured is ours:
        yield ""
        yield ""
    else:
        yield f"{rate(ours) / rate(measured):.2f} x"
        yield (
            f"{speed(ours) / speed(measured):.2f} x" if ours.size == measured.size else "other size"
        )


def _spread(figure: Figure, form: str) -> str:
    if figure.least == figure.most:
        return format(figure.middle, form)
    return f"{figure.middle:{form}} ({figure.least:{form}} to {figure.most:{form}})"


def remarks(big: Sequence[Measured], packed: int | None) -> Iterator[str]:
    """What a reader of the table should know."""
    ours = named(big, OURS)
    yield (
        "states/s: by each checker's own clock, exploring only. Source to verdict: processes, "
        "imports, compilers."
    )
    yield "Each checker on one core; median of the rounds, least and most in parentheses."
    yield "A peak is no less than what the bench itself has, some 50 MB."
    if ours is None:
        return
    if packed is not None:
        size = packed * ours.runs[0].states / MEGABYTE
        yield f"ours packs a state into {packed} bytes: {size:,.0f} MB of states at {ours.size}."
    for measured in big:
        if measured.runs[0].states < MANY:
            yield f"{measured.name} has fewer than {MANY:,} states at {measured.size}."


def lines(targets: Sequence[Target]) -> Iterator[str]:
    width = max((len(target.wish) for target in targets), default=0)
    for target in targets:
        yield f"{target.wish:{width}}  {target.figure:>18}  {'yes' if target.met else 'NO'}"
