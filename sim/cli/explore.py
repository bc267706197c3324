"""tdpsim explore."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from sim.base.errors import UsageError
from sim.catalog.digest import identity
from sim.catalog.schedules import witnesses
from sim.cli.exit_status import ExitStatus
from sim.cli.files import write_schedule
from sim.cli.options import (
    ForceOption,
    InjectOption,
    JsonOption,
    PatchOption,
    SetOption,
    WithoutOption,
    amount,
    budget_from,
    patch_from,
    print_json,
    progress,
    scenario_from,
)
from sim.search.exploration import Counting, Verdict
from sim.search.explore import explore
from sim.search.exploring.checkpoint import Checkpoint
from sim.view.results import json_values
from sim.view.results.report import exploration_report, finding_line


def explore_command(
    scenario: str,
    /,
    *,
    set: SetOption = (),
    without: WithoutOption = (),
    patch: PatchOption = None,
    inject: InjectOption = None,
    for_: Annotated[
        str | None, Parameter(name="--for", help="Stop undecided after this long: 90s, 10m, 8h")
    ] = None,
    memory: Annotated[
        str | None, Parameter(help="Stop undecided before the process takes more: 500M, 16G")
    ] = None,
    checkpoint: Annotated[
        Path | None,
        Parameter(
            help="Go on from this directory if it has a checkpoint, and keep one there meanwhile"
        ),
    ] = None,
    checkpoint_every: Annotated[str, Parameter(help="How often: 10s, 5m")] = "60s",
    jobs: Annotated[int, Parameter(help="Threads that share the work; the result is the same")] = 1,
    retries: Annotated[
        int, Parameter(help="Count runs in which each loop is retried this often at most")
    ] = 2,
    countable: Annotated[
        str, Parameter(help="Count exactly up to this many states, else estimate: 500K, 20M")
    ] = "1.5M",
    count: Annotated[
        bool, Parameter(help="Count interleavings and classes, and what reaches each finding")
    ] = True,
    starvation: Annotated[bool, Parameter(negative=(), help="Starvation is a finding too")] = False,
    record: Annotated[
        Path | None, Parameter(help="Write each finding's witness into this directory")
    ] = None,
    force: ForceOption = False,
    json: JsonOption = False,
) -> int:
    """Visit every state of every interleaving of SCENARIO.

    Exit status 1 if something is found, 4 if a budget ended first and nothing was found before.
    Ctrl-C while it counts prints the verdict without the counts.
    """
    budget = budget_from(for_, memory)
    if jobs < 1:
        raise UsageError(f"--jobs takes a number of threads, got {jobs}")
    if retries < 0:
        raise UsageError(f"--retries takes a number from 0 on, got {retries}")
    counting = Counting(retries, int(amount(countable, "KMG", "--countable"))) if count else None
    asked = scenario_from(scenario, set, without, patch_from(patch), inject)
    every = amount(checkpoint_every, "smhd", "--checkpoint-every")
    exploration = explore(
        asked,
        budget=budget,
        checkpoint=Checkpoint(checkpoint, identity(asked), every) if checkpoint else None,
        jobs=jobs,
        starvation=starvation,
        counting=counting,
        tick=progress(scenario),
    )
    recorded = {}
    if record is not None:
        record.mkdir(parents=True, exist_ok=True)
        for (name, schedule), found in zip(witnesses(exploration), exploration.found, strict=True):
            write_schedule(record / name, schedule, force=force)
            recorded[finding_line(found.finding)] = str(record / name)
    if json:
        print_json(json_values.of_exploration(exploration))
    else:
        print(exploration_report(exploration, recorded))
    if exploration.interrupted:
        return ExitStatus.INTERRUPTED
    return {
        Verdict.CLEAN: ExitStatus.CLEAN,
        Verdict.FINDING: ExitStatus.FINDING,
        Verdict.UNDECIDED: ExitStatus.UNDECIDED,
    }[exploration.verdict]
