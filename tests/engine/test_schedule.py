"""The schedule file: out and in again, out of any mail, and never past a mistake in silence."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.engine.run.schedule import WIDTH, FoundBy, Recorded, Schedule, ScheduleError, parse, write

_word = st.text("abcXYZ019[]._-", min_size=1, max_size=20).filter(lambda word: word != "-")
_saw = st.one_of(st.just("-"), st.lists(_word, min_size=1, max_size=3).map(" ".join))
_texts = st.lists(st.text("ab \"\\'#=", min_size=1, max_size=30), min_size=1, max_size=4).map(tuple)

schedules = st.builds(
    Schedule,
    scenario=_word,
    model=_word,
    expect=_texts,
    params=st.dictionaries(st.sampled_from(["kernel", "module", "grain"]), _word),
    without=st.lists(_word, max_size=3).map(tuple),
    found_by=st.builds(
        FoundBy,
        _word,
        st.none() | st.integers(0, 2**63 - 1),
        st.lists(_word, max_size=2).map(tuple),
    ),
    steps=st.lists(st.builds(Recorded, _word, _word, _saw), max_size=5).map(tuple),
)

SCHEDULE = Schedule(
    "np-to-leaf-exclusive",
    "7.2+1.5.01 00000000",
    ("KVM_BUG_ON handle_changed_spte",),
    {"kernel": "7.2"},
    ("kick",),
    FoundBy("walk", 0x2A),
    (Recorded("v0", "mmu_lock.write_lock", "LOCKED"), Recorded("v0", "spte[A].store", "-")),
)
TEXT = write(SCHEDULE)


@settings(derandomize=True, deadline=None)
@given(schedules)
def test_what_is_written_is_what_is_read(schedule: Schedule) -> None:
    assert parse(write(schedule).encode()) == schedule


@settings(derandomize=True, deadline=None)
@given(schedules, st.integers(0, 4), st.sampled_from(["\n", "\r\n"]), st.sampled_from(["> ", ">"]))
def test_a_mail_may_quote_it_at_any_depth(
    schedule: Schedule, depth: int, end: str, mark: str
) -> None:
    lines = [
        "Hi,",
        "",
        "On Monday somebody wrote:",
        *write(schedule).splitlines(),
        "'''",
        "format = 3",
        "--",
        "me",
    ]
    mail = end.join(mark * depth + line for line in lines) + end
    assert parse(mail.encode()) == schedule


def test_the_mail_around_it_may_be_in_any_encoding() -> None:
    assert parse("Grüße\n".encode("latin-1") + TEXT.encode()) == SCHEDULE


def test_lines_are_numbered_as_in_the_mail() -> None:
    mail = "one\ntwo\n" + TEXT
    first = parse(mail.encode()).steps[0]
    assert mail.splitlines()[first.line - 1].startswith("v0")


def test_a_schedule_fits_a_mail() -> None:
    assert max(map(len, TEXT.splitlines())) <= WIDTH
    assert 'without = ["kick"]' in TEXT
    assert "seed     = 0x2a" in TEXT


def test_keys_of_ones_own_begin_with_x() -> None:
    mine = TEXT.replace("[params]", 'x-note = "mine"\n[params]\nx-more = 3')
    assert parse(mine.encode()) == SCHEDULE


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("", "empty", None),
        ("  \n\n", "empty", None),
        ("Dear all,\nno schedule\n", "no schedule in here", None),
        ("\xff".encode("latin-1"), "no schedule in here", None),
        (TEXT.replace("0x2a", "9" * 5000), "not TOML", 1),
        (TEXT.replace("0x2a", "[" * 100_000), "not TOML", 1),
        (TEXT.replace("format   = 1", "format   = 2"), "format 2 is not known", 1),
        (TEXT.replace("[found-by]", "[found-by"), "not TOML", None),
        (TEXT.replace('expect   = "', "expect   = "), "not TOML", 4),
        (TEXT.replace("[params]", "mood = 1\n[params]"), "unknown key mood", None),
        (
            TEXT.replace("[found-by]", "[found-by]\nwho = 1"),
            r"unknown key who in \[found-by\]",
            None,
        ),
        (TEXT.replace('scenario = "np-to-leaf-exclusive"\n', ""), "key scenario is missing", None),
        (TEXT.replace("seed     = 0x2a", 'seed     = "x"'), "found-by.seed: int is wanted", None),
        (
            TEXT.replace('scenario = "np-to-leaf-exclusive"', "scenario = 3"),
            "scenario: str is wanted",
            None,
        ),
        (TEXT.replace('kernel  = "7.2"', "kernel = 3"), "params.*kernel", None),
        (TEXT.replace('kernel  = "7.2"', 'kernel = ["7.2"]'), "params.kernel is a text", None),
        (TEXT.replace("v0      spte[A].store", "v0"), "not a step", 15),
        (TEXT.replace("v0      spte[A].store", "v0 spte[A].store LOCKED"), "not a step", 15),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    text: str | bytes, message: str, line: int | None
) -> None:
    with pytest.raises(ScheduleError, match=message) as error:
        parse(text if isinstance(text, bytes) else text.encode())
    assert "\n" not in str(error.value)
    if line is not None:
        assert error.value.line == line


@settings(derandomize=True, deadline=None)
@given(st.binary(max_size=300))
def test_noise_is_refused_and_nothing_worse(noise: bytes) -> None:
    with pytest.raises(ScheduleError):
        parse(noise)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.integers(0, len(TEXT) - 1), st.sampled_from(list("x=\"'[]\n0>#\\")))
def test_a_slip_of_the_finger_is_read_or_refused(at: int, key: str) -> None:
    with contextlib.suppress(ScheduleError):
        parse((TEXT[:at] + key + TEXT[at + 1 :]).encode())
