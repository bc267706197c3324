"""Options that several commands share."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.console import Console

from sim.base.errors import UsageError
from sim.engine.model.scenario import Scenario
from sim.scenarios import patch as patches
from sim.scenarios.library import recipe_named
from sim.scenarios.patch import PATCH, load_patch
from sim.scenarios.recipe import KERNEL
from sim.search.budget import Budget
from sim.search.exploration import Progress

SetOption = Annotated[
    tuple[str, ...],
    Parameter(
        name="--set",
        negative=(),
        show_default=False,
        help="KEY=VALUE; `tdpsim explain SCENARIO` has the keys",
    ),
]
WithoutOption = Annotated[
    tuple[str, ...],
    Parameter(negative=(), show_default=False, help="Take a guard out, to see what it guards"),
]
JsonOption = Annotated[
    bool,
    Parameter(name="--json", negative=(), show_default=False, help="Print JSON and nothing else"),
]
PatchOption = Annotated[
    Path | None,
    Parameter(
        show_default=False,
        help="A kernel from a Python file, which is run (docs/adding-a-patch.md)",
    ),
]
InjectOption = Annotated[
    Literal["invalidation", "cmpxchg", "resched", "all"] | None,
    Parameter(
        show_default=False,
        help="Faults that may happen at any time; in words: `tdpsim explain inject`",
    ),
]
ForceOption = Annotated[
    bool, Parameter(negative=(), show_default=False, help="Replace files that are there already")
]
ColorOption = Annotated[
    Literal["auto", "always", "never"], Parameter(help="Colour; NO_COLOR is respected too")
]


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def amount(text: str, units: str, option: str) -> float:
    """A number with its unit, such as 90s, 1.5h or 16G. Raises UsageError."""
    match = re.fullmatch(rf"(\d+(?:\.\d+)?)([{units}])", text)
    if match is None:
        raise UsageError(
            f"{option} takes a number and one of {', '.join(units)}, such as 10{units[1]}; got "
            f"{text!r}"
        )
    return float(match[1]) * _UNITS[match[2]]


def budget_from(for_: str | None, memory: str | None) -> Budget:
    """What --for and --memory say. Raises UsageError."""
    return Budget(
        None if for_ is None else amount(for_, "smhd", "--for"),
        None if memory is None else int(amount(memory, "KMG", "--memory")),
    )


def patch_from(path: Path | None) -> patches.Patch | None:
    """What --patch names, read once. Raises UsageError."""
    return None if path is None else load_patch(path)


def scenario_from(
    name: str,
    settings: Sequence[str],
    without: Sequence[str],
    patch: patches.Patch | None = None,
    inject: str | None = None,
) -> Scenario:
    """Build what the command line asks for. Raises UsageError."""
    given = {}
    if patch is not None:
        given[KERNEL] = PATCH
    if inject is not None:
        given["inject"] = inject
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise UsageError(f"--set takes KEY=VALUE, got {setting!r}")
        given[key] = value
    return recipe_named(name).scenario(given, tuple(without), patch)


def console(color: str = "auto") -> Console:
    if color == "never":
        return Console(no_color=True, highlight=False)
    return Console(force_terminal=True if color == "always" else None, highlight=False)


@contextmanager
def paged(screen: Console, lines: int) -> Iterator[None]:
    """What is longer than a terminal goes through the pager, as git's output does."""
    if not screen.is_terminal or lines < screen.height or not sys.stdin.isatty():
        yield
        return
    os.environ.setdefault("LESS", "FRX")
    with screen.pager(styles=screen.color_system is not None and not screen.no_color):
        yield


def is_ascii(console: Console) -> bool:
    return not console.encoding.lower().startswith("utf")


def relative(path: str) -> str:
    """A path as one would type it here."""
    here = os.path.relpath(path)
    return path if here.startswith(os.pardir) else here


def print_json(value: object) -> None:
    print(json.dumps(value, indent=2))


def telling() -> Callable[..., None]:
    """Tell how far it is, on stderr: a line that is rewritten on a terminal,
    a line a minute elsewhere.
    """
    terminal = sys.stderr.isatty()
    pause = 0.2 if terminal else 60.0
    last = monotonic()

    def tell(line: str, *, over: bool) -> None:
        nonlocal last
        if monotonic() - last < pause and not over:
            return
        last = monotonic()
        if terminal:
            line = line[: os.get_terminal_size(sys.stderr.fileno()).columns - 1]
            print("\r\x1b[K" + ("" if over else line), end="", file=sys.stderr, flush=True)
        elif not over:
            print(line, file=sys.stderr, flush=True)

    return tell


def progress(what: str) -> Callable[[Progress], None]:
    """Tell how far an exploration is."""
    tell = telling()

    def tick(now: Progress) -> None:
        stage = f", {now.stage}" if now.stage else ""
        level = "" if now.depth is None else f" depth {now.depth}, {now.frontier:,} to go,"
        tell(
            f"{what}{stage}: {now.states:,} states,{level} {now.seconds:.0f} s",
            over=not now.frontier,
        )

    return tick
