"""tdpsim export."""

from __future__ import annotations

from pathlib import Path
from time import monotonic
from typing import Annotated, Literal

from cyclopts import Parameter

from sim.base.errors import UsageError
from sim.base.files import put
from sim.cli.exit_status import ExitStatus
from sim.cli.options import (
    ForceOption,
    InjectOption,
    PatchOption,
    SetOption,
    WithoutOption,
    patch_from,
    progress,
    scenario_from,
)
from sim.engine.model.scenario import Scenario
from sim.engine.states.frontier import Frontier
from sim.engine.states.product import Product
from sim.search.exploration import Progress
from sim.search.exporting.promela import promela


def export_command(
    scenario: str,
    /,
    *,
    format: Annotated[Literal["promela"], Parameter(help="promela: Spin's")] = "promela",
    set: SetOption = (),
    without: WithoutOption = (),
    patch: PatchOption = None,
    inject: InjectOption = None,
    output: Annotated[
        Path | None,
        Parameter(name=("--output", "-o"), show_default=False, help="Write it to this file"),
    ] = None,
    force: ForceOption = False,
) -> int:
    """Write what was learned of SCENARIO as a model for another checker, which shares no code.

    Everything is explored first. The model's first lines say how many states there are, and how
    Spin is called to count them again.
    """
    if output is not None and output.exists() and not force:
        raise UsageError(f"{output} is there already; --force replaces it")
    asked = scenario_from(scenario, set, without, patch_from(patch), inject)
    name = "model.pml" if output is None else output.name
    text = _FORMATS[format](_explored(asked), name)
    if output is None:
        print(text, end="")
    else:
        put(output, text)
    return ExitStatus.CLEAN


_FORMATS = {"promela": promela}


def _explored(scenario: Scenario) -> Frontier:
    """All states of a scenario, with a word on stderr about how far that is."""
    frontier, begun = Frontier(Product(scenario), want_tops=False), monotonic()
    tell = progress(scenario.name)
    for depth, level in enumerate(frontier.levels()):
        states, seconds = frontier.visited.count, monotonic() - begun
        tell(Progress(states, frontier.transitions, depth, len(level), seconds))
    tell(Progress(frontier.visited.count, frontier.transitions, None, 0, monotonic() - begun))
    return frontier
