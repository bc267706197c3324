"""What a campaign says is a function of its seeds."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import permutations
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim.campaign.campaign import MOST_TROUBLES
from sim.campaign.errors import NoWorkersError, StoreError
from sim.campaign.merge import merge, united
from sim.campaign.progress import CampaignEvent, NoteEvent
from sim.campaign.question import CampaignSpec
from sim.campaign.records import FinishedBatch, TroubleEvent
from sim.campaign.seeds import END, Span, shard_of
from sim.campaign.store import batches, read
from sim.campaign.verify import verify
from tests.campaign import toy

WHOLE = Span(3, 403)
FEW = settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
STEPS = st.integers(5, 90)


@contextmanager
def folder() -> Iterator[Path]:
    memory = Path("/dev/shm")  # noqa: S108 - a hundred thousand commits need no disk
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


def undisturbed(wanted: Span = WHOLE, epoch: int | None = None) -> tuple[object, ...]:
    with folder() as at:
        store = toy.begun(at / "a.db", wanted)
        toy.run(store, epoch=epoch, batch=wanted.size)
        try:
            return toy.comes_to(store)
        finally:
            store.close()


ALONE = undisturbed()


@FEW
@given(jobs=st.integers(1, 5), batch=STEPS, chance=st.integers(0, 99))
def test_neither_jobs_nor_batches_nor_their_order_change_it(
    jobs: int, batch: int, chance: int
) -> None:
    with folder() as at:
        store = toy.begun(at / "a.db", WHOLE)
        toy.run(store, jobs=jobs, batch=batch, chance=chance)
        assert toy.comes_to(store) == ALONE
        store.close()


@FEW
@given(cuts=st.lists(st.integers(1, 12), max_size=4), batch=STEPS, chance=st.integers(0, 99))
def test_cut_off_and_gone_on_with_it_comes_to_the_same(
    cuts: list[int], batch: int, chance: int
) -> None:
    """And whatever was out when it was cut off is in the store."""
    with folder() as at:
        toy.begun(at / "a.db", WHOLE).close()
        for cut in [*cuts, None]:
            store = toy.gone_on(at / "a.db", WHOLE)
            before = store.contents.totals.seeds
            here = toy.run(
                store,
                jobs=3,
                batch=batch,
                chance=chance,
                until=cut and store.contents.totals.batches + cut,
            )
            assert store.contents.totals.seeds == before + sum(span.size for span in here.asked)
            batch = batch % 86 + 5
            if cut is None:
                assert toy.comes_to(store) == ALONE
            store.close()
        assert toy.comes_to(toy.gone_on(at / "a.db", WHOLE)) == ALONE


def test_holes_are_filled_first(tmp_path: Path) -> None:
    store = toy.begun(tmp_path / "a.db", Span(0, 50))
    store.add(_dones(Span(10, 20), Span(30, 40)))
    here = toy.run(store, batch=10)
    assert here.asked == [Span(0, 10), Span(20, 30), Span(40, 50)]
    store.close()


def _dones(*spans: Span) -> list[FinishedBatch]:
    return [
        FinishedBatch(toy.work(toy.QUESTION, span.first, span.stop, b""), 0.1) for span in spans
    ]


@FEW
@given(
    jobs=st.integers(1, 4),
    batch=STEPS,
    chance=st.integers(0, 99),
    epoch=st.integers(40, 150),
    cut=st.integers(1, 9),
)
def test_what_adapts_does_so_at_the_same_seeds(
    jobs: int, batch: int, chance: int, epoch: int, cut: int
) -> None:
    """Whatever was still out when an epoch ended, and wherever the campaign was cut off."""
    with folder() as at:
        store = toy.begun(at / "a.db", WHOLE)
        toy.run(store, jobs=jobs, batch=batch, chance=chance, epoch=epoch, until=cut)
        toy.run(store, jobs=jobs, batch=batch % 86 + 5, chance=chance, epoch=epoch)
        assert toy.comes_to(store) == undisturbed(epoch=epoch)
        assert toy.comes_to(store) != ALONE
        store.close()


def test_what_adapts_is_verified_with_what_it_went_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CampaignSpec, "runner", lambda _question: toy.Adaptive(60))
    store = toy.begun(tmp_path / "a.db", WHOLE)
    toy.run(store, epoch=60)
    store.close()
    checked = list(verify(store.path, toy.QUESTION, 9, 1))
    assert len({one.span for one in checked}) == 9
    assert not [one for one in checked if one.differs]
    with pytest.raises(StoreError, match=r"a\.db is of first seed 3, this is of 4"):
        toy.gone_on(store.path, Span(4, 403))


@FEW
@given(of=st.integers(2, 5), batch=STEPS, order=st.randoms())
def test_shards_merged_in_any_order_are_one_run(of: int, batch: int, order: Random) -> None:
    with folder() as at:
        paths = [at / f"{number}.db" for number in range(1, of + 1)]
        for number, path in enumerate(paths, 1):
            store = toy.begun(path, WHOLE, shard_of(number, of, WHOLE))
            toy.run(store, batch=batch)
            store.close()
        order.shuffle(paths)
        merge(at / "left.db", [paths[0], paths[1]])
        if of > 2:
            merge(at / "right.db", paths[2:])
            merge(at / "all.db", [at / "right.db", at / "left.db"])
        else:
            (at / "left.db").rename(at / "all.db")
        store = toy.gone_on(at / "all.db", WHOLE)
        assert toy.comes_to(store) == ALONE
        assert next(store.contents.left(), None) is None
        store.close()


def test_merging_is_commutative(tmp_path: Path) -> None:
    parts = []
    for i, span in enumerate([Span(0, 10), Span(10, 30), Span(50, 55)]):
        store = toy.begun(tmp_path / f"{i}.db", span)
        store.add(_dones(span), [TroubleEvent(60 + i, "hangs")])
        store.close()
        parts.append((tmp_path / f"{i}.db", read(tmp_path / f"{i}.db")))
    said = [united(order) for order in permutations(parts)]
    assert all(one.sketch == said[0].sketch for one in said)
    for name in ("totals", "done", "sightings", "troubles", "wanted", "witnesses"):
        assert len({repr(getattr(one, name)) for one in said}) == 1


def test_stores_that_share_a_seed_are_not_merged(tmp_path: Path) -> None:
    for name, span in (("a", Span(0, 10)), ("b", Span(9, 20))):
        store = toy.begun(tmp_path / f"{name}.db", span)
        store.add(_dones(span))
        store.close()
    with pytest.raises(
        StoreError, match=r"a\.db and .*b\.db both have the seeds 9:10: they would count twice"
    ):
        merge(tmp_path / "out.db", [tmp_path / "a.db", tmp_path / "b.db"])
    assert not (tmp_path / "out.db").exists()


@FEW
@given(bad=st.sets(st.integers(3, 402), max_size=4), batch=STEPS, jobs=st.integers(1, 3))
def test_a_seed_that_cannot_be_run_is_found_and_the_others_are_counted(
    bad: set[int], batch: int, jobs: int
) -> None:
    with folder() as at:
        told: list[CampaignEvent] = []

        def fails(span: Span) -> str:
            return "it hangs" if any(span.first <= seed < span.stop for seed in sorted(bad)) else ""

        store = toy.begun(at / "a.db", WHOLE)
        toy.run(store, batch=batch, jobs=jobs, fails=fails, tell=told.append)
        assert sorted(trouble.seed for trouble in store.contents.troubles) == sorted(bad)
        assert sorted(news.seed for news in told if isinstance(news, TroubleEvent)) == sorted(bad)
        assert store.contents.totals.seeds == WHOLE.size - len(bad)
        assert not [done for done in batches(store.path) if fails(done.span)]
        again = toy.run(store)
        assert again.asked == []
        store.close()


def test_a_worker_that_dies_costs_its_batch_a_retry(tmp_path: Path) -> None:
    lost: list[Span] = []

    def fails(span: Span) -> str:
        lost.append(span)
        return "its worker died" if lost.count(span) < 3 and span.first % 2 else ""

    store = toy.begun(tmp_path / "a.db", WHOLE)
    told: list[CampaignEvent] = []
    toy.run(store, fails=fails, tell=told.append)
    assert NoteEvent("seeds 3:10 were lost, and are tried again: its worker died") in told
    assert toy.comes_to(store) == ALONE
    assert {done.attempts for done in batches(store.path)} == {1, 3}
    store.close()


def test_where_every_seed_fails_it_ends(tmp_path: Path) -> None:
    store = toy.begun(tmp_path / "a.db", Span(0, 1000))
    with pytest.raises(
        NoWorkersError,
        match=f"more than {MOST_TROUBLES} seeds crash or hang, the last one so: no model",
    ):
        toy.run(store, fails=lambda _span: "no model")
    store.close()


def test_the_last_seeds_there_are(tmp_path: Path) -> None:
    wanted = Span(END - 40, END)
    store = toy.begun(tmp_path / "a.db", wanted)
    toy.run(store)
    assert store.contents.done == (wanted,)
    assert toy.comes_to(store) == undisturbed(wanted)
    store.close()
    assert read(tmp_path / "a.db").done == (wanted,)
