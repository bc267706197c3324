"""A campaign in words, on a screen and as a log."""

from __future__ import annotations

import io
import shlex
from itertools import pairwise
from pathlib import Path

import attrs
import numpy as np
import pytest
from rich.console import Console

from sim.campaign.progress import CampaignProgress, ProgressMeter, WitnessEvent, new_states
from sim.campaign.records import (
    FinishedBatch,
    MinuteSample,
    StoreContents,
    Totals,
    TroubleEvent,
    Witness,
)
from sim.campaign.seeds import END, Shard, Span
from sim.campaign.store import Store, read
from sim.cli.options import scenario_from
from sim.engine.model.operations import Finding
from sim.search.fuzzing.batch import Batch, Sighting
from sim.search.fuzzing.sketch import Sketch
from sim.view.results.campaign import (
    duration,
    expected_line,
    go_on,
    news_line,
    progress_line,
    report,
)
from sim.view.results.screen import Screen, drawn
from tests.campaign import toy

BUG = Finding("KVM_BUG_ON", "handle_changed_spte", ("tdcall",))


@pytest.fixture
def contents(tmp_path: Path) -> StoreContents:
    """Thirty thousand seeds of a million, a finding, and a seed that hangs."""
    store = toy.begun(tmp_path / "a.db", Span(0, 1_000_000))
    sketch = Sketch.from_fingerprints(np.arange(1000, dtype=np.uint64))
    batch = Batch(0, 30_000, 1_200_000, 7, 0xABC, (Sighting(BUG, 0x2A, 40, 1234),), sketch)
    store.add([FinishedBatch(batch, 100.0)], [TroubleEvent(40_000, "it took longer than 120 s")])
    store.keep(
        Witness(BUG, 0x2A, "text", 24, shrunk=True, confirmed=True, found_with=40, file="gone.toml")
    )
    store.close()
    return read(tmp_path / "a.db")


def progress(contents: StoreContents) -> CampaignProgress:
    meter = ProgressMeter(attrs.evolve(contents, totals=Totals()))
    meter.running = 2
    now = meter.look(contents, sum(span.size for span in contents.left()), 3600.0, 1, "")
    return attrs.evolve(
        now, seconds=60.0, seeds_per_second=500.0, steps_per_second=20_000.0, last_new=200.0
    )


def test_durations_have_two_units_at_most() -> None:
    said = {1.23: "1.2 s", 59.9: "60 s", 200: "3 min 20 s", 7500: "2 h 5 min", 273_600: "3 d 4 h"}
    assert {seconds: duration(seconds) for seconds in said} == said


def test_an_expectation_is_called_a_probability_only_where_it_bounds_one() -> None:
    assert expected_line(None) == "nothing is known of the next seed"
    assert expected_line(2.5) == "the next seed is expected to show 2.5 new states"
    assert "a probability of at most about 0.012" in expected_line(0.0123)


def test_the_log_has_a_line_with_all_that_one_wants(contents: StoreContents) -> None:
    assert progress_line(progress(contents)) == (
        "30,000 seeds of 1,000,000; 500/s; 20,000 steps/s; 1 finding; 1,000 states, 1,000 new "
        "in the last hour, "
        "the last 3 min 20 s ago; the next seed shows a new state with a probability of at "
        "most about 0.033"
    )


def test_the_screen_has_it_at_a_glance(contents: StoreContents) -> None:
    console = Console(file=io.StringIO(), width=110, force_terminal=True, color_system=None)
    console.print(drawn(progress(contents)))
    screen = console.file.getvalue()  # type: ignore[attr-defined]
    for line in (
        "seeds     30,000 of 1,000,000 (3.0%)",
        "rate      500 schedules/s, 20,000 steps/s",
        "time      1 min 0 s, 1 h 0 min to go; 2 batches out",
        "findings  1, shrinking one",
        "          KVM_BUG_ON in handle_changed_spte: 1,234 seeds, first 0x2a, 24 steps",
        "states    1,000, 1,000 new in the last hour, the last one 3 min 20 s ago",
        "troubles  1 seed could not be run",
    ):
        assert line in screen
    assert len(screen.splitlines()) < 24


def test_news_scrolls_above_the_screen(contents: StoreContents) -> None:
    console = Console(file=io.StringIO(), width=110, force_terminal=True, color_system=None)
    with Screen(console) as screen:
        screen.show(progress(contents))
        screen.tell(WitnessEvent(contents.witnesses[0], Path("f.toml")))
        screen.show(progress(contents))
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert (
        "shrunk: KVM_BUG_ON in handle_changed_spte, cause: tdcall; seed 0x2a, 24 steps, replayed"
        in said
    )


def test_a_finding_that_does_not_replay_is_not_said_to(contents: StoreContents) -> None:
    line = news_line(
        WitnessEvent(
            contents.witnesses[0], Path("f.toml"), "replaying f.toml says: gone: now clean"
        )
    )
    assert line.endswith("24 steps; replaying f.toml says: gone: now clean")
    assert "replayed:" not in line


def test_the_report_says_what_was_found_and_how_to_go_on(
    contents: StoreContents, tmp_path: Path
) -> None:
    said = "\n".join(report(contents, tmp_path / "a.db"))
    for line in (
        "1 finding in 30,000 seeds, 1,200,000 steps; digest 0000000000000abc",
        "     cause tdcall: 1,234 seeds (4.11%), the first of them 0x2a",
        (
            "     witness: seed 0x2a, 24 steps, shrunk from 40; replayed from its file under both "
            "executors"
        ),
        "1 seed not counted:",
        "  seed 0x9c40 (40000) could not be run: it took longer than 120 s",
        "7 runs were cut after 10,000 steps",
        "seeds 0 to 999,999: not all done; seed 30,000 is next. To go on:",
    ):
        assert line in said.splitlines()


def test_the_command_that_goes_on_asks_the_same(tmp_path: Path) -> None:
    """Whatever had been asked: it is taken apart here as a shell and the command line would."""
    asked = scenario_from("leaf-to-np-exclusive", ["module=1.5.28"], ["kick"], inject="resched")
    question = attrs.evolve(
        toy.QUESTION, name=asked.name, params=asked.params, without=asked.without, most=77
    )
    store = Store.begin(
        tmp_path / "a.db", question.identity(Span(5, END)), Span(5, END), Shard(2, 3)
    )
    argv = shlex.split(go_on(store.contents, store.path))
    store.close()
    assert argv[:3] == ["tdpsim", "fuzz", "leaf-to-np-exclusive"]
    given = list(pairwise(argv[3:]))
    again = scenario_from(
        argv[2],
        [value for name, value in given if name == "--set"],
        [v for n, v in given if n == "--without"],
    )
    assert (again.params, again.without) == (asked.params, asked.without)
    assert {
        ("--most", "77"),
        ("--strategy", "walk"),
        ("--shard", "2/3"),
        ("--store", str(store.path)),
    } <= dict.fromkeys(given).keys()


def test_new_states_are_those_of_an_hour() -> None:
    minutes = tuple(MinuteSample(60.0 * i, i, 100 + i) for i in range(121))
    assert new_states(minutes, 225) == 65
    assert new_states(minutes[:10], 225) == 225
    assert new_states((), 7) == 7
