"""The lock primitives: what each attempt does to the word, and what it says."""

from __future__ import annotations

from typing import Any

import pytest

from sim.engine.model.operations import Operation
from sim.tdx.locks import OK, Holder, Mode, Sharex, Try, release, sharex, try_lock
from sim.tdx.sept import (
    SeptEntry,
    SeptState,
    btr_tdel,
    btr_tdhp,
    bts_tdel,
    bts_tdhp,
    commit,
    sept_entry,
)

TASKS = ("v0", "v1", "v2")
LOCK = sharex("lock", TASKS)
V0, V1 = Holder("v0", "LEAF"), Holder("v1", "OTHER")
FREE, READ, WRITTEN = Sharex(), Sharex(shared=(V1,)), Sharex(exclusive=V1)


def act(operation: Operation[Any], value: Any, task: str = "v0") -> tuple[Any, Any]:
    """What an operation on one cell gives, and what it leaves."""
    (outcome,) = operation.outcomes(task, (value,))
    (left,) = outcome.values
    operation.cells[0].check(left)
    return outcome.result, left


@pytest.mark.parametrize(
    ("mode", "word", "said", "left"),
    [
        (Mode.SHARED, FREE, OK, Sharex(shared=(V0,))),
        (Mode.SHARED, READ, OK, Sharex(shared=(V0, V1))),
        (Mode.SHARED, WRITTEN, Try((V1,)), WRITTEN),
        (Mode.EXCLUSIVE, FREE, OK, Sharex(exclusive=V0)),
        (Mode.EXCLUSIVE, READ, Try((V1,)), READ),
        (Mode.EXCLUSIVE, WRITTEN, Try((V1,)), WRITTEN),
    ],
)
def test_sharex(mode: Mode, word: Sharex, said: Try, left: Sharex) -> None:
    assert act(try_lock(LOCK, mode, "LEAF"), word) == (said, left)


def test_release_gives_back_ones_own_hold_and_no_other() -> None:
    assert act(release(LOCK, Mode.SHARED), Sharex(shared=(V0, V1))) == (None, READ)
    assert act(release(LOCK, Mode.EXCLUSIVE), Sharex(exclusive=V0)) == (None, FREE)


def test_readers_commute_and_writers_do_not() -> None:
    (shared,) = try_lock(LOCK, Mode.SHARED, "LEAF").outcomes("v0", (FREE,))
    (exclusive,) = try_lock(LOCK, Mode.EXCLUSIVE, "LEAF").outcomes("v0", (FREE,))
    (failed,) = try_lock(LOCK, Mode.EXCLUSIVE, "LEAF").outcomes("v0", (READ,))
    assert [outcome.access[0].name for outcome in (shared, exclusive, failed)] == [
        "ADD",
        "WRITE",
        "READ",
    ]


ENTRY = sept_entry("sept[A]", SeptEntry(), (1, 2), TASKS)
PENDING = SeptEntry(SeptState.PENDING, 1)
LOCKED = SeptEntry(SeptState.PENDING, 1, tdel=V1)
WANTED = SeptEntry(SeptState.PENDING, 1, tdhp=True)


def test_the_entry_lock_has_one_owner() -> None:
    assert act(bts_tdel(ENTRY, "LEAF"), PENDING) == (OK, SeptEntry(SeptState.PENDING, 1, tdel=V0))
    assert act(bts_tdel(ENTRY, "LEAF"), LOCKED) == (Try((V1,)), LOCKED)


def test_host_priority_survives_release_and_not_an_old_commit() -> None:
    assert act(bts_tdhp(ENTRY), LOCKED)[1].tdhp
    assert act(btr_tdel(ENTRY), SeptEntry(SeptState.PENDING, 1, V1, tdhp=True))[1] == WANTED
    assert not act(btr_tdhp(ENTRY), WANTED)[1].tdhp
    old = act(commit(ENTRY, SeptState.MAPPED, 1, keep_tdhp=False), WANTED)[1]
    new = act(commit(ENTRY, SeptState.MAPPED, 1, keep_tdhp=True), WANTED)[1]
    assert (old, new) == (SeptEntry(SeptState.MAPPED, 1), SeptEntry(SeptState.MAPPED, 1, tdhp=True))


def test_a_commit_may_keep_the_lock() -> None:
    held = act(
        commit(ENTRY, SeptState.BLOCKED, 1, held_by="TDH.MEM.RANGE.BLOCK", keep_tdhp=False), PENDING
    )[1]
    assert held.tdel == Holder("v0", "TDH.MEM.RANGE.BLOCK")


def test_a_busy_says_who() -> None:
    assert str(Try((V1,))) == "busy: v1 OTHER"
    assert str(Try((V0, V1))) == "busy: v0 v1"
    assert str(OK) == "ok"
