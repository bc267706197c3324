"""tdpsim fuzz."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from attrs import evolve
from cyclopts import Parameter
from rich.console import Console

from sim.base.errors import UsageError
from sim.campaign.campaign import INTERRUPTED, STOPPED, TIME, Terms
from sim.campaign.fuzz import Audience, fuzz
from sim.campaign.merge import united
from sim.campaign.opening import open_store
from sim.campaign.progress import CampaignProgress, NoteEvent
from sim.campaign.question import CampaignSpec
from sim.campaign.seeds import END, Span, parse_span
from sim.campaign.sizes import PATIENCE
from sim.campaign.store import Store
from sim.cli.exit_status import ExitStatus
from sim.cli.options import (
    InjectOption,
    JsonOption,
    PatchOption,
    SetOption,
    WithoutOption,
    amount,
    patch_from,
    scenario_from,
)
from sim.cli.shards import Dealt, dealt_out
from sim.search.fuzzing.batch import MOST
from sim.search.fuzzing.strategies import fuzzing
from sim.view.results import json_lines
from sim.view.results.campaign import headline, news_line, progress_line, report, span
from sim.view.results.screen import PAUSE, Screen

_MINUTE = 60.0


def fuzz_command(
    scenario: str,
    /,
    *,
    strategy: Annotated[
        str,
        Parameter(
            help="What draws the runs: "
            f"{', '.join(entry.name for entry in fuzzing())}; `tdpsim explain` has each in words"
        ),
    ] = "walk",
    seeds: Annotated[
        str | None,
        Parameter(
            help="A:B, such as 1M:2M, or 1000: without an end; 0:1M by default, or 0: with --for"
        ),
    ] = None,
    for_: Annotated[
        str | None, Parameter(name="--for", help="End after this long: 90s, 10m, 8h")
    ] = None,
    jobs: Annotated[
        int, Parameter(show_default=False, help="Processes; one for each processor by default")
    ] = os.cpu_count() or 1,
    cluster: Annotated[
        str | None, Parameter(help="The address of a dask scheduler, whose workers do the work")
    ] = None,
    store: Annotated[
        Path | None, Parameter(help="Keep everything in this file; SCENARIO.db by default")
    ] = None,
    resume: Annotated[
        bool,
        Parameter(
            negative=(), help="Go on with the store if it is there, with what is missing first"
        ),
    ] = False,
    shard: Annotated[
        str | None, Parameter(help="I/N: of N equal parts of the seeds, the I-th")
    ] = None,
    record: Annotated[
        Path | None,
        Parameter(help="Write schedules into this directory; STORE.findings by default"),
    ] = None,
    most: Annotated[int, Parameter(help="Cut a run after so many steps")] = MOST,
    batch: Annotated[
        int | None, Parameter(help="Seeds to a batch; as many as take eight seconds by default")
    ] = None,
    patience: Annotated[
        str, Parameter(help="Kill the worker of a batch that takes longer")
    ] = f"{PATIENCE:.0f}s",
    set: SetOption = (),
    without: WithoutOption = (),
    patch: PatchOption = None,
    inject: InjectOption = None,
    json: JsonOption = False,
) -> int:
    """Run seeds of SCENARIO, and keep what they show in a file that survives whatever ends this.

    Exit status 0: nothing found in the seeds asked for. 1: a finding. 4: the time was over before
    the seeds were. 130: Ctrl-C, which finishes what is under way; the second one stops at once.
    """
    _check_from_1({"--jobs": jobs, "--most": most, "--batch": batch})
    kernel = patch_from(patch)
    asked = scenario_from(scenario, set, without, kernel, inject)
    question = CampaignSpec.from_scenario(asked, strategy, most, kernel)
    seconds = None if for_ is None else amount(for_, "smhd", "--for")
    dealt = dealt_out(shard, os.environ)
    path = store or _default_path(scenario, dealt)
    wanted = _wanted(seeds, seconds)
    terms = Terms(
        record or path.with_suffix(".findings"),
        seconds,
        batch,
        amount(patience, "smhd", "--patience"),
    )
    opened = open_store(
        path, question, wanted, (dealt.number, dealt.of) if dealt else None, resume=resume
    )
    try:
        with _audience(json=json) as audience:
            audience.tell(NoteEvent(_beginning(opened, dealt, cluster or _processes(jobs))))
            end = fuzz(question, opened, terms, audience, jobs=jobs, cluster=cluster)
    finally:
        opened.close()
    end = evolve(end, contents=united([(path, end.contents)]))
    if json:
        json_lines.print_event(json_lines.of_end(end))
    else:
        print("\n".join(report(end.contents, path)))
    return _status(end)


def _check_from_1(values: dict[str, int | None]) -> None:
    """Raises UsageError, with the option."""
    for name, value in values.items():
        if value is not None and value < 1:
            raise UsageError(f"{name} takes a number from 1 on, got {value}")


def _default_path(scenario: str, dealt: Dealt | None) -> Path:
    return Path(f"{scenario}.{dealt.number}-of-{dealt.of}.db" if dealt else f"{scenario}.db")


def _wanted(seeds: str | None, seconds: float | None) -> Span | None:
    """The seeds that are asked for; without an end where a time ends it; None where nobody says."""
    if seeds:
        return parse_span(seeds)
    return None if seconds is None else Span(0, END)


def _processes(jobs: int) -> str:
    return f"{jobs} process{'' if jobs == 1 else 'es'}"


def _beginning(store: Store, dealt: Dealt | None, who: str) -> str:
    contents = store.contents
    shard = f", shard {contents.shard}" if contents.shard.of > 1 else ""
    why = f" ({dealt.why})" if dealt is not None and dealt.why else ""
    before = f", {contents.totals.seeds:,} of them done" if contents.totals.seeds else ""
    return (
        f"{headline(contents.identity)}: seeds {span(contents.wanted)}{shard}{why}{before}; "
        f"{who}, into {store.path}"
    )


@contextmanager
def _audience(*, json: bool) -> Iterator[Audience]:
    """JSON on stdout; or, on stderr, a screen or a log with the time before each line."""
    if json:
        yield Audience(
            lambda news: json_lines.print_event(json_lines.of_news(news)),
            lambda now: json_lines.print_event(json_lines.of_progress(now)),
            _MINUTE,
        )
    elif sys.stderr.isatty():
        with Screen(Console(stderr=True, highlight=False)) as screen:
            yield Audience(screen.tell, screen.show, PAUSE)
    else:
        yield Audience(
            lambda news: _log(news_line(news)), lambda now: _log(progress_line(now)), _MINUTE
        )


def _log(line: str) -> None:
    print(time.strftime("%Y-%m-%d %H:%M:%S"), line, file=sys.stderr, flush=True)


def _status(end: CampaignProgress) -> ExitStatus:
    if end.ending in {INTERRUPTED, STOPPED}:
        return ExitStatus.INTERRUPTED
    if end.contents.sightings:
        return ExitStatus.FINDING
    unfinished = end.ending == TIME and end.contents.wanted.stop < END
    return ExitStatus.UNDECIDED if unfinished or end.contents.troubles else ExitStatus.CLEAN
