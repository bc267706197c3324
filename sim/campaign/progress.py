"""How a campaign gets on, and its news: plain data, for whoever draws it."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from time import monotonic

import attrs

from sim.campaign.records import MinuteSample, StoreContents, TroubleEvent, Witness

HOUR = 3600.0
_RECENT = 60.0


@attrs.frozen
class WitnessEvent:
    """The run that stands for a group of findings has come about, or has changed.

    None: its file cannot be written.
    """

    witness: Witness
    path: Path | None
    trouble: str = ""


@attrs.frozen
class ReplayedEvent:
    """A finding of an earlier day was replayed: `still there`, `gone`, or `drifted`, with where."""

    path: Path
    what: str


@attrs.frozen
class NoteEvent:
    """Anything else that happens once."""

    text: str


CampaignEvent = WitnessEvent | ReplayedEvent | TroubleEvent | NoteEvent


@attrs.frozen
class CampaignProgress:
    """How far it is.

    Rates are those of the last minute, the seconds those since it was begun or gone on with.
    """

    contents: StoreContents
    seconds: float
    seeds: int
    steps: int
    seeds_per_second: float
    steps_per_second: float
    left: int | None
    """Seeds to go; None where there is no end of them."""
    ends_in: float | None
    """Seconds to go; None where time does not end it."""
    running: int
    shrinking: int
    new_states: int
    """In the last hour, as far as that is known."""
    last_new: float
    """Seconds since the last new state."""
    ending: str = ""

    @property
    def expected(self) -> float | None:
        """How many new states the next seed is expected to show.

        The probability that it shows any is at most that.
        """
        contents = self.contents
        return contents.sketch.lone / contents.totals.seeds if contents.totals.seeds else None


class ProgressMeter:
    """Keeps the time."""

    def __init__(self, contents: StoreContents) -> None:
        self._begun = self._new = monotonic()
        self._before = contents.totals
        self._states = contents.sketch.states
        self._samples: deque[tuple[float, int, int]] = deque()
        self.running = 0

    def look(
        self,
        contents: StoreContents,
        left: int | None,
        ends_in: float | None,
        shrinking: int,
        ending: str,
    ) -> CampaignProgress:
        """How far it is by now."""
        now = monotonic()
        seeds, steps = (
            contents.totals.seeds - self._before.seeds,
            contents.totals.steps - self._before.steps,
        )
        if contents.sketch.states > self._states:
            self._states, self._new = contents.sketch.states, now
        self._samples.append((now, seeds, steps))
        while now - self._samples[0][0] > _RECENT and len(self._samples) > 2:
            self._samples.popleft()
        at, seeds_then, steps_then = (
            self._samples[0] if now - self._samples[0][0] > 1 else (self._begun, 0, 0)
        )
        elapsed = max(now - at, 1e-9)
        return CampaignProgress(
            contents,
            now - self._begun,
            seeds,
            steps,
            (seeds - seeds_then) / elapsed,
            (steps - steps_then) / elapsed,
            left,
            ends_in,
            self.running,
            shrinking,
            new_states(contents.minutes, contents.sketch.states),
            now - self._new,
            ending,
        )


def new_states(minutes: tuple[MinuteSample, ...], states: int) -> int:
    """How many have been seen since an hour before the last of these minutes."""
    if not minutes:
        return states
    before = [minute.states for minute in minutes if minute.at <= minutes[-1].at - HOUR]
    return max(0, states - (before[-1] if before else 0))
