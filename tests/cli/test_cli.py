"""The command as its users meet it: what it prints, what it exits with,
and what it does with garbage.
"""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import shutil
import signal
import site
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sim.catalog.schedules import shipped
from sim.engine.model.operations import Outcome, write
from sim.engine.run.schedule import parse
from sim.scenarios.library import recipe_named
from sim.scenarios.transitions import ROWS
from sim.search.errors import WorkerError
from sim.search.exploration import Counting
from sim.search.explore import explore
from sim.search.fuzzing.batch import Runner
from sim.surveys.cache import _derived_with
from sim.surveys.table import TableQuery, derive
from sim.tdx import epoch

SCHEDULES = Path(__file__).parents[2] / "schedules"
ROW_2 = (
    SCHEDULES
    / "np-to-leaf-exclusive"
    / "np-to-leaf-exclusive.7.2+1.5.01.KVM_BUG_ON.handle_changed_spte.zero-step.toml"
)


EXPLORE_FIELDS = {
    "scenario",
    "params",
    "model",
    "grain",
    "verdict",
    "not_covered",
    "states",
    "transitions",
    "depth",
    "seconds",
    "retries",
    "interleavings",
    "classes",
    "estimate",
    "findings",
    "starvation",
}
FINDING_FIELDS = {
    "kind",
    "first_to_print",
    "where",
    "causes",
    "interleavings",
    "classes",
    "random_walk_probability",
    "odds",
    "inevitable_at",
    "fewest_preemptions",
    "witness",
}
ROW_FIELDS = {
    "row",
    "old",
    "new",
    "shared",
    "valid",
    "callers",
    "mirror",
    "kernel",
    "order",
    "module",
    "flipped",
    "findings",
    "kvm_bug_on",
    "first_to_print",
    "others_print",
    "causes",
    "states",
    "interleavings",
    "classes",
    "witnesses",
}


def test_explore_prints_the_contract(tdpsim: Any) -> None:
    said = tdpsim(
        "explore",
        "np-to-leaf-exclusive",
        "--set",
        "kernel=after",
        "--set",
        "module=1.5.01",
        "--json",
    )
    result = json.loads(said.out)
    assert said.status == 1
    assert said.err == ""
    assert set(result) == EXPLORE_FIELDS
    assert result["verdict"] == "finding"
    assert [set(finding) for finding in result["findings"]] == [FINDING_FIELDS] * 2
    assert {tuple(finding["causes"]) for finding in result["findings"]} == {
        ("zero-step",),
        ("tdcall",),
    }
    assert set(result["findings"][0]["witness"]) == {"steps", "preemptions", "loop", "schedule"}
    assert set(result["findings"][0]["fewest_preemptions"]) == {"preemptions", "steps", "schedule"}
    assert (result["retries"], result["classes"], result["estimate"]) == (2, "12796", None)
    assert int(result["interleavings"]) > 10**52
    for finding in result["findings"]:
        assert finding["random_walk_probability"] == finding["odds"][0]
        assert len(finding["odds"]) == finding["witness"]["steps"]
        assert 0 <= finding["inevitable_at"] <= finding["witness"]["steps"]
        assert finding["fewest_preemptions"]["preemptions"] <= finding["witness"]["preemptions"]
        assert int(finding["interleavings"]) < int(result["interleavings"])
    assert result["params"]["kernel"] == "7.2"
    assert result["grain"] == "lock"


def test_a_clean_row_exits_with_0(tdpsim: Any) -> None:
    said = tdpsim("explore", "np-to-leaf-shared", "--json")
    result = json.loads(said.out)
    assert (said.status, result["verdict"], result["findings"]) == (0, "clean", [])
    said = tdpsim("explore", "np-to-leaf-shared").out
    assert (
        "clean: all 2.35e61 interleavings (39,840 classes, with at most 2 retries), 67,067 states\n"
        in said
    )
    assert f"exactly {result['interleavings']} interleavings" in said
    assert (
        "clean: every interleaving, 67,067 states\n"
        in tdpsim("explore", "np-to-leaf-shared", "--no-count").out
    )


def test_a_bound_that_takes_too_many_states_is_lowered_and_then_there_is_an_estimate(
    tdpsim: Any,
) -> None:
    for countable, sentence in (
        (
            "60K",
            "clean: all 2.00e38 interleavings (1,387 classes, without retries), 67,067 states\n",
        ),
        ("50K", "clean: every interleaving (1,387 classes, without retries), 67,067 states\n"),
        ("50K", "an estimate, not a count, from 400 random runs; its error is "),
    ):
        assert sentence in tdpsim("explore", "np-to-leaf-shared", "--countable", countable).out
    estimate = json.loads(
        tdpsim("explore", "np-to-leaf-shared", "--countable", "50K", "--json").out
    )["estimate"]
    assert set(estimate) == {"interleavings", "error", "quarters", "walks"}


def test_a_finding_that_retries_too_often_to_be_counted_is_one_all_the_same(tdpsim: Any) -> None:
    said = tdpsim(
        "explore", "leaf-to-np-exclusive", "--without", "kick", "--countable", "1M", "--json"
    )
    last = json.loads(said.out)["findings"][-1]
    assert (last["where"], last["inevitable_at"]) == ("tdx_mem_page_aug", 73)


@pytest.mark.parametrize("page", ["README.md", "docs/counting.md"])
def test_the_numbers_that_are_quoted_are_those_that_are_counted(tdpsim: Any, page: str) -> None:
    text = (SCHEDULES.parent / page).read_text(encoding="utf-8")
    quoted = text[text.index("2 findings: all") :].partition("```")[0].splitlines()
    assert len(quoted) == 4
    assert set(quoted) <= set(tdpsim("explore", "np-to-leaf-exclusive").out.splitlines())
    number = json.loads(tdpsim("replay", str(ROW_2), "--number", "--json").out)["number"]
    assert f"tdpsim replay np-to-leaf-exclusive@{number}" in text


FINITE = ("--set", "contenders=zero-step", "--set", "module=1.5.28")


def test_every_interleaving_has_a_number_that_replays(tdpsim: Any) -> None:
    last = 27_385_657_281_647
    name = "np-to-leaf-exclusive"
    for number in (0, 1, 99, last // 3, last):
        said = tdpsim("replay", f"{name}@{number}", *FINITE)
        assert said.status == 0
        assert (
            f"tdpsim replay {name}@{number} --set module=1.5.28 --set contenders=zero-step --model "
            in said.out
        )
    beyond = tdpsim("replay", f"{name}@{last + 1}", *FINITE)
    assert (beyond.status, beyond.err) == (
        2,
        f"tdpsim: {name} has no interleaving {last + 1}: the last one is {last}\n",
    )


def test_a_number_belongs_to_one_model(tdpsim: Any) -> None:
    said = tdpsim("replay", "np-to-leaf-exclusive@99", "--model", "12345678")
    assert said.status == 3
    assert "counted in model 12345678" in said.err
    assert tdpsim("replay", str(next(SCHEDULES.rglob("*.toml"))), "--model", "12345678").status == 2


def test_the_number_of_a_schedule_replays_into_it(tdpsim: Any, tmp_path: Path) -> None:
    witness = next(SCHEDULES.rglob("np-to-leaf-exclusive.7.2+1.5.01.*.zero-step.toml"))
    number = json.loads(tdpsim("replay", str(witness), "--number", "--json").out)["number"]
    assert (
        f"the first of those that begin so: tdpsim replay np-to-leaf-exclusive@{number} --model"
        in tdpsim("replay", str(witness), "--number").out
    )
    said = tdpsim(
        "replay", f"np-to-leaf-exclusive@{number}", "--record", str(tmp_path / "whole.toml")
    )
    assert (said.status, "KVM_BUG_ON handle_changed_spte" in said.out) == (1, True)
    begun, whole = (parse(file.read_bytes()).steps for file in (witness, tmp_path / "whole.toml"))
    assert [step.point for step in whole[: len(begun)]] == [step.point for step in begun]


@pytest.mark.parametrize("strategy", ["uniform", "uniform-classes"])
def test_a_uniform_run_is_recorded_and_replays(tdpsim: Any, strategy: str, tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    said = tdpsim(
        "run", "np-to-leaf-exclusive", "--strategy", strategy, "--seed", "3", "--record", str(file)
    )
    assert said.status in (0, 1)
    assert f'strategy = "{strategy}"' in file.read_text()
    assert tdpsim("replay", str(file)).status == 0


@pytest.mark.parametrize("budget", [("--for", "0.0s"), ("--memory", "1M")])
def test_a_budget_that_ends_is_undecided_and_no_clean(tdpsim: Any, budget: tuple[str, str]) -> None:
    said = tdpsim("explore", "leaf-to-np-exclusive", *budget, "--json")
    result = json.loads(said.out)
    assert (said.status, result["verdict"]) == (4, "undecided")
    assert result["not_covered"][-1] == "a budget ended: of 1 states, 1 were not gone on from"
    assert "undecided: a budget ended" in tdpsim("explore", "leaf-to-np-exclusive", *budget).out


def test_a_budget_that_suffices_changes_nothing(tdpsim: Any) -> None:
    said = tdpsim("explore", "np-to-leaf-shared", "--for", "1h", "--memory", "20G", "--json")
    assert (said.status, json.loads(said.out)["states"]) == (0, 67067)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache directory that the tests of the table share: it is derived once."""
    return tmp_path_factory.mktemp("cache")


def test_the_table_prints_the_contract(
    tdpsim: Any, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    said = tdpsim("table", "--kernel", "before", "--module", "1.5.28", "--jobs", "1", "--json")
    rows = json.loads(said.out)["rows"]
    assert said.status == 0
    assert [set(row) for row in rows] == [ROW_FIELDS] * 18
    assert not any(row["kvm_bug_on"] for row in rows)
    assert {(row["order"], row["kernel"]) for row in rows} == {("before", "6.19")}
    assert [row["row"] for row in rows if row["mirror"]] == [1, 3, 12, 14]
    assert [row["row"] for row in rows if not row["valid"]] == [5, 5, 6, 6, 10, 10]
    assert all(int(row["classes"]) <= int(row["interleavings"]) for row in rows)
    assert rows[0]["callers"][0] == "tdp_mmu_map_handle_target_level (fault, direct)"
    again = tdpsim("table", "--order", "6.19", "--module", "1.5.28", "--json")
    assert again.out == said.out


def test_the_table_fits_80_columns(
    tdpsim: Any, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.setenv("COLUMNS", "80")
    said = tdpsim("table", "--kernel", "before", "--module", "1.5.28")
    lines = said.out.splitlines()
    row_2 = next(line for line in lines if line.split()[:1] == ["2"])
    assert row_2.split()[:10] == ["2", "NP", "leaf", "N", "Y", "N", "N*", "a", "b", "70,667"]
    assert max(len(line) for line in lines) <= 80
    assert not [line for line in lines if line.endswith("…")]


@pytest.fixture
def alarm() -> Iterator[None]:
    """SIGALRM is Ctrl-C: that one is not heard in a process that pytest-xdist has started."""
    before = signal.signal(
        signal.SIGALRM, lambda *_: signal.default_int_handler(signal.SIGINT, None)
    )
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.usefixtures("alarm")
def test_what_ctrl_c_ends_is_not_kept(
    tdpsim: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At ten moments of a cell: status 130,
    and the next call derives it anew and prints all of it.

    Ctrl-C in a finalizer is lost, as Python has it; then the run comes to its end.
    """
    monkeypatch.setattr("sim.surveys.table.ROWS", ROWS[7:8])
    for cache in ("first", "whole"):  # only the first one learns who calls what
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / cache))
        begun = time.perf_counter()
        whole = tdpsim("table", "--jobs", "1", "--json")
        takes = time.perf_counter() - begun
    (row,) = json.loads(whole.out)["rows"]
    assert row["classes"] is not None
    statuses = []
    for moment in range(10):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / str(moment)))
        signal.setitimer(signal.ITIMER_REAL, takes * (moment + 0.5) / 10)
        said = tdpsim("table", "--jobs", "1", "--json")
        signal.setitimer(signal.ITIMER_REAL, 0)
        statuses.append(said.status)
        assert said.status == (0 if said.out else 130)
        assert tdpsim("table", "--jobs", "1", "--json").out == whole.out
        assert len(list((tmp_path / str(moment) / "tdpsim").iterdir())) == 1
    assert statuses.count(130) > 5


def test_everybody_at_once_stands_below_the_table(
    tdpsim: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    row = next(row for row in ROWS if row.name == "leaf-to-leaf-shared")
    monkeypatch.setattr("sim.surveys.table.ROWS", (row,))
    said = tdpsim("table", "--contenders", "all", "--jobs", "1", "--for", "5m")
    assert said.status == 0
    assert "all three contenders at once" in said.out
    assert "decided, 574,308 states" in said.out
    (one,) = json.loads(tdpsim("table", "--contenders", "all", "--jobs", "1", "--json").out)[
        "everybody"
    ]
    assert (one["row"], one["states"], one["unexpanded"]) == (row.number, 574_308, 0)
    assert "--for and --memory go with --contenders all" in tdpsim("table", "--for", "5m").err
    assert "not with --flip" in tdpsim("table", "--flip", "np", "--contenders", "all").err


def test_a_scenario_is_exported_for_spin(tdpsim: Any, tmp_path: Path) -> None:
    file = tmp_path / "row2.pml"
    asked = ("export", "np-to-leaf-exclusive", "--set", "contenders=zero-step")
    assert tdpsim(*asked, "-o", file).status == 0
    said = tdpsim(*asked)
    assert (said.status, said.err) == (0, "")
    assert said.out.replace("model.pml", "row2.pml") == file.read_text(encoding="utf-8")
    assert "spin -a row2.pml && cc" in file.read_text(encoding="utf-8")
    assert "--force replaces it" in tdpsim(*asked, "-o", file).err
    assert tdpsim(*asked, "-o", file, "--force").status == 0


def test_a_cell_that_was_not_counted_to_its_end_is_no_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exploration keeps its verdict when Ctrl-C ends the counting; a cell is all or nothing."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sim.search.counting.count.Interleavings", interrupted)
    question = TableQuery(ROWS[7], "7.2", "1.5.01")
    assert explore(recipe_named(question.row.name).scenario({}), counting=Counting()).interrupted
    with pytest.raises(KeyboardInterrupt):
        derive(question)


def test_a_worker_that_has_imported_another_tdpsim_derives_nothing() -> None:
    with pytest.raises(WorkerError, match="tdpsim has changed since this began"):
        _derived_with("another", derive, TableQuery(ROWS[7], "7.2", "1.5.01"))


def die(_question: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_that_is_killed_is_one_line(
    tdpsim: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("sim.surveys.cache.derive", die)
    monkeypatch.setattr("sim.surveys.table.ROWS", ROWS[:2])
    said = tdpsim("table", "--jobs", "2")
    assert said.status == 4
    assert "was killed" in said.complaint
    assert "--jobs 1" in said.complaint


def test_a_flip_says_what_it_decides(
    tdpsim: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("sim.surveys.table.ROWS", ROWS[4:6])
    said = tdpsim(
        "table",
        "--kernel",
        "after",
        "--module",
        "1.5.01",
        "--flip",
        "np",
        "--record",
        str(tmp_path / "new"),
    )
    assert said.status == 0
    assert "row 5 (NP to NP, shared), after: valid N -> Y, on 1.5.01" in said.out
    assert list((tmp_path / "new").iterdir()) == []
    assert "no assumption is named 'nonsense'" in tdpsim("table", "--flip", "nonsense").err


def test_a_name_with_two_meanings_is_explained_twice(tdpsim: Any) -> None:
    said = tdpsim("explain", "teardown")
    assert "teardown (scenarios)" in said.out
    assert "teardown (parameters)" in said.out
    assert [one["kind"] for one in json.loads(tdpsim("explain", "teardown", "--json").out)] == [
        "scenarios",
        "parameters",
    ]


def test_docs_list_every_field_of_the_contract() -> None:
    text = (Path(__file__).parents[2] / "docs" / "json.md").read_text(encoding="utf-8")
    for field in EXPLORE_FIELDS | FINDING_FIELDS | ROW_FIELDS:
        assert f"`{field}`" in text


def test_exploring_ends_with_a_schedule_that_replays(tdpsim: Any, tmp_path: Path) -> None:
    mail = tmp_path / "mail"
    mail.write_text(tdpsim("explore", "np-to-leaf-exclusive").out, encoding="utf-8")
    said = tdpsim("replay", mail)
    assert (said.status, said.err) == (0, "")
    assert "24 steps, the same under both executors" in said.out


def test_recording_writes_each_witness_and_the_command_that_replays_it(
    tdpsim: Any, tmp_path: Path
) -> None:
    said = tdpsim("explore", "np-to-leaf-exclusive", "--record", tmp_path)
    commands = [
        line.split()[1:]
        for line in said.out.splitlines()
        if line.strip().startswith("tdpsim replay")
    ]
    assert len(commands) == len(list(tmp_path.iterdir())) == 2
    assert [tdpsim(*command).status for command in commands] == [0, 0]


def test_recordings_of_different_settings_have_different_names(tdpsim: Any, tmp_path: Path) -> None:
    for settings in (
        (),
        ("--set", "contenders=tdcall"),
        ("--set", "mmu_lock=unfair"),
        ("--without", "zero-step"),
    ):
        assert (
            tdpsim("explore", "np-to-leaf-exclusive", *settings, "--record", tmp_path).status == 1
        )
    assert len(list(tmp_path.iterdir())) == 2 + 1 + 2 + 1


@pytest.mark.parametrize(
    "name", sorted(map(str, (path.relative_to(SCHEDULES) for path in SCHEDULES.rglob("*.toml"))))
)
def test_replay_and_show_every_schedule(tdpsim: Any, name: str) -> None:
    assert tdpsim("replay", SCHEDULES / name).status == 0
    shown = tdpsim("show", SCHEDULES / name, "--width", "80")
    assert shown.status == 0
    assert max(map(len, shown.out.splitlines())) <= 80
    numbers = [
        int(match[1])
        for line in shown.out.splitlines()
        if (match := re.match(r" {0,2}(\d+)[ ·] ", line))
    ]
    recorded = (
        (SCHEDULES / name).read_text(encoding="utf-8").partition("saw\n")[2].splitlines()[:-1]
    )
    assert numbers == list(range(1, len(recorded) + 1))


def test_show_draws_lanes_where_they_fit(tdpsim: Any) -> None:
    wide, narrow = (tdpsim("show", ROW_2, "--width", width).out for width in ("120", "50"))
    assert "v0" in wide.splitlines()[2]
    assert "tdp_mmu_set_spte()" in wide
    assert "==> KVM_BUG_ON in handle_changed_spte" in wide
    assert max(map(len, wide.splitlines())) <= 120
    assert max(map(len, narrow.splitlines())) <= 50


def test_show_cuts_and_says_what_it_cannot_cut(tdpsim: Any) -> None:
    part = tdpsim("show", ROW_2, "--steps", "13:14", "--width", "100").out
    assert "sept.tree.try_exclusive" in part
    assert "epoch.sample" not in part
    assert "mmu_lock" not in tdpsim("show", ROW_2, "--task", "v1", "--width", "100").out
    assert (
        "no task is named v9; there are v0, v1, v2"
        in tdpsim("show", ROW_2, "--task", "v9").complaint
    )
    assert "--steps takes A:B" in tdpsim("show", ROW_2, "--steps", "7").complaint
    assert "sept.tree" not in tdpsim("show", ROW_2, "--cell", "spte[A]", "--width", "60").out
    assert (
        "named septtree; there are sept.tree"
        in tdpsim("show", ROW_2, "--cell", "septtree").complaint
    )


@pytest.mark.parametrize("format", ["commit", "svg", "html", "perfetto"])
def test_show_in_every_format(tdpsim: Any, format: str) -> None:
    said = tdpsim("show", ROW_2, "--format", format)
    assert said.status == 0
    assert "KVM_BUG_ON" in said.out


def test_replaying_a_mail_that_quotes_it_twice(tdpsim: Any, tmp_path: Path) -> None:
    quoted = "\r\n".join("> > " + line for line in ROW_2.read_text(encoding="utf-8").splitlines())
    mail = tmp_path / "mail"
    mail.write_bytes(
        f"Hi,\r\n\r\n> somebody wrote:\r\n{quoted}\r\n> ouch\r\n\r\nme too\r\n".encode()
    )
    assert tdpsim("replay", mail).status == 0


def test_one_changed_step_is_drift(tdpsim: Any, tmp_path: Path) -> None:
    text = ROW_2.read_text(encoding="utf-8")
    file = tmp_path / "f.toml"
    file.write_text(text.replace("-> busy: v1 TDH.VP.ENTER", "-> ok"), encoding="utf-8")
    line = 1 + next(i for i, line in enumerate(text.splitlines()) if "busy" in line)
    said = tdpsim("replay", file)
    assert said.status == 3
    assert (
        f"f.toml:{line}: step 21: v0 at sept.tree.try_shared was recorded to see 'ok'"
        in said.complaint
    )
    assert "sees 'busy: v1 TDH.VP.ENTER'; v0 is at sim/tdx/td.py:" in said.complaint


def test_another_outcome_than_expected_exits_with_1(tdpsim: Any, tmp_path: Path) -> None:
    file = tmp_path / "f.toml"
    text = ROW_2.read_text(encoding="utf-8")
    file.write_text(text.replace('"KVM_BUG_ON handle_changed_spte"', '"clean"'), encoding="utf-8")
    said = tdpsim("replay", file)
    assert said.status == 1
    assert "but the file expects clean" in said.out


def foreign(text: str) -> str:
    head, model, tail = text.partition('model    = "7.2+1.5.01 ')
    return head + model + "00000000" + tail[8:]


def test_a_foreign_model_is_refused_unless_loose(tdpsim: Any, tmp_path: Path) -> None:
    file = tmp_path / "f.toml"
    file.write_text(foreign(ROW_2.read_text(encoding="utf-8")), encoding="utf-8")
    said = tdpsim("replay", file)
    assert said.status == 3
    assert "recorded with model '7.2+1.5.01 00000000'" in said.complaint
    assert "--loose" in said.complaint
    assert tdpsim("replay", file, "--loose").status == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _text: "", "it is empty"),
        (lambda text: text.replace("[params]", "mood = 3\n[params]"), "unknown key mood"),
        (
            lambda text: text.replace('"np-to-leaf-exclusive"', '"np-to-leav-exclusive"'),
            "did you mean np-to-leaf-ex",
        ),
        (
            lambda text: re.sub("(order|kernel) .*", 'kernel = "later"', text, count=1),
            "kernel cannot be 'later'",
        ),
        (
            lambda text: text.replace("[found-by]", 'without = ["brakes"]\n[found-by]'),
            "no guard 'brakes'",
        ),
        (lambda text: text.replace("format   = 1", "format   = 7"), "format 7 is not known"),
        (lambda text: text.replace("steps = '''", "steps = [1]"), "not TOML"),
        (lambda text: text[: len(text) // 2], "not TOML"),
    ],
)
@pytest.mark.parametrize("command", ["replay", "show"])
def test_a_mangled_schedule_gets_one_line(
    tdpsim: Any, tmp_path: Path, command: str, change: Any, message: str
) -> None:
    file = tmp_path / "f.toml"
    file.write_text(change(ROW_2.read_text(encoding="utf-8")), encoding="utf-8")
    said = tdpsim(command, file)
    assert said.status == 3
    assert message in said.complaint
    assert "f.toml" in said.complaint


def test_ten_megabytes_of_noise_get_one_line(tdpsim: Any, tmp_path: Path) -> None:
    file = tmp_path / "noise"
    file.write_bytes(os.urandom(10_000_000))
    assert tdpsim("replay", file).status == 3


def test_what_cannot_be_read_or_written_is_named(
    tdpsim: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Is a directory" in tdpsim("replay", tmp_path).complaint
    assert "No such file" in tdpsim("replay", tmp_path / "none").complaint
    assert tdpsim("replay", tmp_path).status == 2
    assert (
        "cannot write"
        in tdpsim("run", "np-to-leaf-shared", "--record", tmp_path / "no" / "f.toml").complaint
    )

    def refused(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_bytes", refused)
    said = tdpsim("replay", ROW_2)
    assert said.status == 2
    assert "Permission denied" in said.complaint


def test_a_full_disk_leaves_what_was_there(
    tdpsim: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "f.toml"
    tdpsim("run", "np-to-leaf-shared", "--seed", "1", "--record", file)
    before = file.read_bytes()

    def full(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    said = tdpsim("run", "np-to-leaf-shared", "--seed", "2", "--record", file, "--force")
    assert said.status == 2
    assert "No space left on device" in said.complaint
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_a_recording_is_not_overwritten(tdpsim: Any, tmp_path: Path) -> None:
    file = tmp_path / "f.toml"
    assert tdpsim("run", "np-to-leaf-shared", "--seed", "1", "--record", file).status == 0
    assert tdpsim("run", "np-to-leaf-shared", "--seed", "1", "--record", file).status == 0
    said = tdpsim("run", "np-to-leaf-shared", "--seed", "2", "--record", file)
    assert said.status == 2
    assert "--force" in said.complaint
    assert (
        tdpsim("run", "np-to-leaf-shared", "--seed", "2", "--record", file, "--force").status == 0
    )


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("explore", "np-to-leaf"), "did you mean np-to-leaf-"),
        (("explore", "np-to-leaf-shared", "--set", "kernel"), "KEY=VALUE"),
        (("explore", "np-to-leaf-shared", "--set", "mood=1"), "no parameter 'mood'"),
        (("explore", "np-to-leaf-shared", "--without", "brakes"), "no guard 'brakes'"),
        (("table", "--kernel", "later"), "no kernel is named 'later'; there are 6.18, 6.19"),
        (("table", "--module", "9"), "no module release is named '9'"),
        (("explian", "kick"), 'Did you mean "explain"'),
        (("explain", "kik"), "did you mean kick"),
        (("run", "np-to-leaf-shared", "--seed", "x"), "seed"),
        (("explore",), "requires an argument"),
        (
            ("explore", "np-to-leaf-shared", "--for", "soon"),
            "--for takes a number and one of s, m, h, d",
        ),
        (
            ("explore", "np-to-leaf-shared", "--memory", "16"),
            "--memory takes a number and one of K, M, G",
        ),
    ],
)
def test_usage_errors_get_one_line_with_the_way_out(
    tdpsim: Any, argv: tuple[str, ...], message: str
) -> None:
    said = tdpsim(*argv)
    assert said.status == 2
    assert message in said.complaint


def _samples_nonsense(_task: str, _values: object) -> tuple[Outcome, ...]:
    return write(None, 3, 4)


def test_a_broken_model_exits_with_70(tdpsim: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(epoch, "_sample", _samples_nonsense)
    said = tdpsim("explore", "np-to-leaf-shared")
    assert said.status == 70
    assert "cell epoch.refcount: 3 is outside its domain" in said.complaint


def readme_commands() -> list[str]:
    """Every `tdpsim` line of the README, without its comment."""
    readme = (SCHEDULES.parent / "README.md").read_text(encoding="utf-8")
    return [
        line.partition("#")[0].strip()
        for line in readme.splitlines()
        if line.startswith("    tdpsim ")
    ]


@pytest.mark.parametrize("strategy", ["pct:3", "pos", "surw", "uniform"])
def test_a_seed_runs_under_trio_as_a_campaign_ran_it(
    tdpsim: Any, tmp_path: Path, strategy: str
) -> None:
    """The very schedule that the bulk run took."""
    asked = recipe_named("np-to-leaf-exclusive").scenario({})
    picks = Runner(asked, strategy).picks(77)
    said = tdpsim(
        "run", asked.name, "--strategy", strategy, "--seed", "77", "--record", tmp_path / "run.toml"
    )
    assert said.status in {0, 1}
    schedule = parse((tmp_path / "run.toml").read_bytes())
    assert [step.task for step in schedule.steps] == [task for task, _ in picks.picks]
    assert (schedule.found_by.strategy, schedule.found_by.seed) == (strategy, 77)


def test_a_strategy_that_has_no_runs_of_its_own_is_refused(tdpsim: Any) -> None:
    adapts = tdpsim("run", "np-to-leaf-exclusive", "--strategy", "portfolio")
    assert (adapts.status, "portfolio adapts, so a seed alone has no run" in adapts.complaint) == (
        2,
        True,
    )
    unknown = tdpsim("run", "np-to-leaf-exclusive", "--strategy", "luck")
    assert unknown.status == 2
    assert "no strategy is named 'luck'; there are walk, pct:D" in unknown.complaint


def said_here(tdpsim: Any, command: str, monkeypatch: pytest.MonkeyPatch, where: Path) -> Any:
    """What a line of the README says in a directory that has `schedules/`."""
    if not (where / "schedules").exists():
        (where / "schedules").symlink_to(SCHEDULES)
    monkeypatch.chdir(where)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(ROW_2.read_bytes())))
    words = shlex.split(command.replace("< mail", ""))[1:]
    argv = [
        path
        for word in words
        for path in (sorted(map(str, Path().glob(word))) if "*" in word else [word])
    ]
    return tdpsim(*argv)


OVERNIGHT = ("fuzz", "status", "verify", "merge")


@pytest.mark.parametrize(
    "command", [one for one in readme_commands() if one.split()[1] not in (*OVERNIGHT, "tui")]
)
def test_what_the_readme_says_works(
    tdpsim: Any, command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said = said_here(tdpsim, command, monkeypatch, tmp_path)
    assert said.status in {0, 1}
    assert said.err == "" or command.split()[1] == "shrink"


def test_what_the_readme_says_of_the_night_works(
    tdpsim: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One after the other, in less time and space."""
    less = {
        "vcpus=8": "vcpus=2",
        "pages=16": "pages=1",
        "--for 8h": "--seeds 0:500",
        "0:100M": "0:2000",
    }
    commands = [one for one in readme_commands() if one.split()[1] in OVERNIGHT]
    assert len(commands) >= 4
    for command in commands:
        for much, little in less.items():
            command = command.replace(much, little)  # noqa: PLW2901 - a little less each time
        said = said_here(tdpsim, command, monkeypatch, tmp_path)
        assert said.status in {0, 1}, said.err


def test_the_diagram_in_the_readme_is_what_is_printed(
    tdpsim: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(SCHEDULES.parent)
    readme = Path("README.md").read_text(encoding="utf-8")
    shown = readme[readme.index("`--format commit`):") :].split("```")[1]
    file = ROW_2.relative_to(SCHEDULES.parent)
    assert tdpsim("show", file, "--format", "commit").out.strip() == shown.strip()


def test_the_readme_has_commands() -> None:
    assert len(readme_commands()) >= 8


@pytest.mark.parametrize("command", ["replay", "show"])
def test_a_mail_is_read_from_stdin(command: str) -> None:
    quoted = "".join(f"> > {line}\r\n" for line in ROW_2.read_text(encoding="utf-8").splitlines())
    said = subprocess.run(
        [sys.executable, "-m", "sim.cli", command, "-"],
        input=f"Hi,\r\n{quoted}> ouch\r\n".encode(),
        capture_output=True,
        check=False,
    )
    assert (said.returncode, said.stderr) == (0, b"")
    assert b"KVM_BUG_ON" in said.stdout


@pytest.mark.parametrize(
    "argv",
    [
        ("--replay",),
        ("replay",),
        ("replay", "a", "b"),
        ("replay", "--lose", "a"),
        ("replay", "--lose"),
    ],
)
def test_a_slip_in_the_options_is_usage(tdpsim: Any, argv: tuple[str, ...]) -> None:
    said = tdpsim(*argv)
    assert said.status == 2
    assert said.complaint


def python(*argv: str, **env: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "sim.cli", *argv],
        capture_output=True,
        env={**os.environ, **env},
        check=False,
    )


def _hear_ctrl_c() -> None:
    """What a shell starts in the background ignores SIGINT, and so would all that it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_is_one_line_and_130(tmp_path: Path) -> None:
    """It comes once the first checkpoint is there, and with it a long way to go."""
    command = [sys.executable, "-m", "sim.cli", "explore", "leaf-to-np-exclusive"]
    command += ["--checkpoint", str(tmp_path), "--checkpoint-every", "0s"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=_hear_ctrl_c,  # noqa: PLW1509 - no threads
    ) as process:
        while not (tmp_path / "checkpoint.json").exists() and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(2)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert out == b""
    assert err.decode().splitlines()[-1].startswith("tdpsim: interrupted")
    assert b"Traceback" not in err


def test_a_reader_that_leaves_is_no_trouble() -> None:
    command = [sys.executable, "-m", "sim.cli", "explore", "np-to-leaf-exclusive"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def _runs(python: str | None) -> bool:
    """Whether a Python is there, and is one: a version manager's stand-in may not be."""
    return (
        python is not None
        and subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0
    )


NEWER = [path for minor in range(12, 20) if _runs(path := shutil.which(f"python3.{minor}"))]


@pytest.mark.parametrize("newer", NEWER or [sys.executable])
def test_a_seeded_run_is_the_same_to_the_byte_under_newer_pythons(
    tmp_path: Path, newer: str
) -> None:
    """They borrow this Python's packages, none of which is compiled but numpy,
    and that is not needed for a run.
    """
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(SCHEDULES.parent), *site.getsitepackages()]),
    }
    files = [tmp_path / "this.toml", tmp_path / "newer.toml"]
    for python_, file in zip((sys.executable, newer), files, strict=True):
        command = [
            python_,
            "-m",
            "sim.cli",
            "run",
            "np-to-leaf-exclusive",
            "--seed",
            "0x2a",
            "--record",
            str(file),
        ]
        assert subprocess.run(command, env=env, capture_output=True, check=False).returncode in {
            0,
            1,
        }
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize("kernel", ["before", "after"])
def test_a_seeded_run_is_the_same_to_the_byte_under_every_hash_seed(
    tmp_path: Path, kernel: str
) -> None:
    files = [tmp_path / f"{i}.toml" for i in range(3)]
    for file, seed in zip(files, ("0", "1", "4242"), strict=True):
        argv = (
            "run",
            "np-to-leaf-exclusive",
            "--seed",
            "0x2a",
            "--set",
            f"kernel={kernel}",
            "--record",
            str(file),
        )
        assert python(*argv, PYTHONHASHSEED=seed).returncode in {0, 1}
    assert len({file.read_bytes() for file in files}) == 1


def test_shipped_schedules_are_the_ones_in_the_tree() -> None:
    assert sorted(shipped()) == sorted(path.name for path in SCHEDULES.rglob("*.toml"))


def test_processes_change_no_line_of_a_verdict(tdpsim: Any) -> None:
    one, two = (
        json.loads(tdpsim("explore", "np-to-leaf-exclusive", "--jobs", n, "--json").out)
        for n in (1, 2)
    )
    assert {**one, "seconds": 0} == {**two, "seconds": 0}
    assert (
        "--jobs takes a number of"
        in tdpsim("explore", "np-to-leaf-shared", "--jobs", "0").complaint
    )


def test_a_livelock_is_shown_as_a_stem_and_a_loop_and_replays(tdpsim: Any, tmp_path: Path) -> None:
    said = tdpsim("explore", "np-to-leaf-shared", "--without", "hp-timeout", "--record", tmp_path)
    assert said.status == 1
    assert re.search(r"livelock in v2; \d+ steps lead to a loop of \d+", said.out)
    (file,) = tmp_path.iterdir()
    again = tdpsim("replay", file)
    assert again.status == 0
    assert "can go on for ever" in again.out
    assert "can go on for ever" in tdpsim("show", file).out


def test_a_checkpoint_is_gone_on_from_and_belongs_to_one_question(
    tdpsim: Any, tmp_path: Path
) -> None:
    kept = ("--checkpoint", tmp_path / "kept")
    assert tdpsim("explore", "leaf-to-np-exclusive", *kept, "--for", "0.2s").status == 4
    other = tdpsim("explore", "np-to-leaf-shared", *kept)
    assert other.status == 2
    assert (
        "has a checkpoint of another scenario ('leaf-to-np-exclusive', this is 'np-to-leaf-shared')"
        in other.complaint
    )
    whole = json.loads(tdpsim("explore", "leaf-to-np-exclusive", "--json").out)
    rest = json.loads(tdpsim("explore", "leaf-to-np-exclusive", *kept, "--json").out)
    assert {**rest, "seconds": 0} == {**whole, "seconds": 0}


def test_a_checkpoint_that_cannot_be_written_is_one_line(tdpsim: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    said = tdpsim(
        "explore",
        "np-to-leaf-shared",
        "--checkpoint",
        tmp_path / "file",
        "--checkpoint-every",
        "0s",
    )
    assert said.status == 2
    assert "cannot read" in said.complaint or "cannot write" in said.complaint
