"""TLB tracking: relative epochs behave as the module's counter does."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sim.tdx.epoch import Counts, Epoch, advance, counts, epoch, leave, sample, tracked

VCPUS = 3
REFCOUNT = counts(VCPUS)
VCPU = [epoch(f"v{i}.epoch") for i in range(VCPUS)]
PAGE = epoch("page.bepoch")

moves = st.lists(
    st.one_of(
        st.tuples(st.just("enter"), st.integers(0, VCPUS - 1)),
        st.tuples(st.just("exit"), st.integers(0, VCPUS - 1)),
        st.tuples(st.sampled_from(["block", "track"]), st.just(0)),
    ),
    max_size=40,
)


def apply(cells: dict[Any, Any], operation: Any) -> Any:
    (outcome,) = operation.outcomes("t", tuple(cells[cell] for cell in operation.cells))
    cells.update(zip(operation.cells, outcome.values, strict=True))
    return outcome.result


@settings(derandomize=True, deadline=None, max_examples=300)
@given(moves)
def test_relative_epochs_are_the_modules_counter(sequence: list[tuple[str, int]]) -> None:
    """The oracle counts as the module does: a growing td_epoch, refcounts by parity,
    is_tlb_tracked() by comparison.
    """
    cells: dict[Any, Any] = {
        REFCOUNT: Counts(),
        PAGE: Epoch.OLDER,
        **dict.fromkeys(VCPU, Epoch.OLDER),
    }
    now, refcount, vcpu, page, inside = 10, [0, 0], [0] * VCPUS, 0, [False] * VCPUS
    for move, i in sequence:
        if move == "enter" and not inside[i]:
            assert apply(cells, sample(REFCOUNT, VCPU[i])) == (vcpu[i] != now)
            inside[i], vcpu[i] = True, now
            refcount[now & 1] += 1
        elif move == "exit" and inside[i]:
            apply(cells, leave(REFCOUNT, VCPU[i]))
            inside[i] = False
            refcount[vcpu[i] & 1] -= 1
        elif move == "block":
            cells[PAGE], page = Epoch.CURRENT, now
        elif move == "track" and refcount[(now + 1) & 1] == 0:
            assert cells[REFCOUNT].previous == 0
            apply(cells, advance(REFCOUNT, (*VCPU, PAGE)))
            now += 1
        assert cells[REFCOUNT] == Counts(refcount[now & 1], refcount[(now + 1) & 1])
        expected = page < now - 1 or (page == now - 1 and refcount[page & 1] == 0)
        assert apply(cells, tracked(REFCOUNT, PAGE)) == expected
