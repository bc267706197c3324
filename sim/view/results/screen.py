"""A campaign on a terminal: what happens scrolls by, and below it stands how far it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from sim.campaign.progress import CampaignEvent, CampaignProgress, WitnessEvent
from sim.campaign.records import StoreContents
from sim.view.numbers import number
from sim.view.results.campaign import duration, expected_line, headline, news_line, span, states

PAUSE = 0.25
_NAME, _FINDING, _QUIET = "dim", "red", "dim"


class Screen:
    """Draws, while it is open."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.__exit__(None, None, None)

    def tell(self, news: CampaignEvent) -> None:
        style = _FINDING if isinstance(news, WitnessEvent) and not news.witness.shrunk else ""
        self._live.console.print(Text(news_line(news), style), soft_wrap=True)

    def show(self, now: CampaignProgress) -> None:
        self._live.update(drawn(now), refresh=True)


def drawn(now: CampaignProgress) -> Group:
    """One screen, at most."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style=_NAME, no_wrap=True)
    table.add_column()
    for name, said in _rows(now):
        table.add_row(name, said)
    return Group(Text(), Text(headline(now.contents.identity), "bold"), table)


def _rows(now: CampaignProgress) -> Iterator[tuple[str, Text | str]]:
    contents = now.contents
    yield "seeds", f"{number(contents.totals.seeds)}{_wanted(now)}"
    yield "rate", f"{now.seeds_per_second:,.0f} schedules/s, {now.steps_per_second:,.0f} steps/s"
    yield "time", _time(now)
    yield "findings", _findings(contents, now.shrinking)
    new = (
        f"{number(now.new_states)} new in the last hour, the last one {duration(now.last_new)} ago"
    )
    yield "states", f"{states(contents)}, {new}"
    yield "", Text(expected_line(now.expected), _QUIET)
    if troubles := len(contents.troubles):
        yield (
            "troubles",
            Text(f"{troubles} seed{'' if troubles == 1 else 's'} could not be run", _FINDING),
        )


def _wanted(now: CampaignProgress) -> str:
    if now.left is None:
        return f", from {span(now.contents.wanted)}"
    done = now.contents.totals.seeds + len(now.contents.troubles)
    return f" of {number(done + now.left)} ({done / max(1, done + now.left):.1%})"


def _time(now: CampaignProgress) -> str:
    said = duration(now.seconds)
    if now.ends_in is not None:
        said += f", {duration(now.ends_in)} to go"
    elif now.left is not None and now.seeds_per_second > 0:
        said += f", about {duration(now.left / now.seeds_per_second)} to go"
    batches = f"{now.running} batch{'' if now.running == 1 else 'es'} out"
    return f"{said}; {batches}{f'; {now.ending}, finishing' if now.ending else ''}"


def _findings(contents: StoreContents, shrinking: int) -> Text:
    groups = list(contents.groups())
    if not groups:
        return Text("none")
    lines = [str(len(groups)) + (", shrinking one" if shrinking else "")]
    for (kind, where), sightings, witness in groups[:8]:
        steps = f", {witness.steps} steps" if witness else ""
        seeds = number(max(one.seeds for one in sightings))
        lines.append(f"{kind} in {where}: {seeds} seeds, first {sightings[0].seed:#x}{steps}")
    if len(groups) > 8:
        lines.append(f"and {len(groups) - 8} more")
    return Text("\n".join(lines), _FINDING)
