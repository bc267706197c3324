"""Storms of every shape start and end, and show nothing that no kernel has."""

from __future__ import annotations

import attrs
import pytest

from sim.base.errors import UsageError
from sim.engine.model.operations import load, store
from sim.engine.model.routines import routine
from sim.kvm.gmem import Invalidation
from sim.kvm.versions import KERNELS, HugePages
from sim.scenarios.library import recipe_named
from sim.search.explore import explore
from sim.search.fuzzing.batch import Batch, Runner

SEEDS = 30


def storm(seeds: int, strategy: str, **given: str) -> Batch:
    return Runner(recipe_named("storm").scenario(given), strategy).batch(0, seeds)


@pytest.mark.parametrize("zappers", ["0", "1", "2"])
@pytest.mark.parametrize("vcpus", ["1", "2", "4"])
@pytest.mark.parametrize("pages", ["1", "2", "4", "8", "16"])
def test_a_storm_at_2m_starts_and_ends(pages: str, vcpus: str, zappers: str) -> None:
    """Or is refused in one line: of a page of 2M that goes whole the model has no removal."""
    given = {"levels": "2M", "pages": pages, "vcpus": vcpus, "zappers": zappers, "zaps": "2"}
    if pages == "1" and zappers != "0":
        with pytest.raises(
            UsageError, match=r"storm: with levels=2M and pages=1 .* pages=2 or more, or zappers=0"
        ):
            storm(SEEDS, "walk", **given)
        return
    batch = storm(SEEDS, "walk", **given)
    assert (batch.cut, batch.sightings) == (0, ())


@pytest.mark.parametrize("kernel", list(KERNELS))
@pytest.mark.parametrize("levels", ["4K", "2M"])
def test_several_zappers_show_nothing(kernel: str, levels: str) -> None:
    assert (
        storm(
            200, "walk", kernel=kernel, levels=levels, zappers="3", vcpus="2", pages="2"
        ).sightings
        == ()
    )


@pytest.mark.parametrize("given", [{"pages": "2"}, {"pages": "2", "levels": "2M"}])
def test_a_storm_of_one_is_explored_to_its_end(given: dict[str, str]) -> None:
    small = recipe_named("storm").scenario(
        {"vcpus": "1", "guest_ops": "1", "zappers": "1", **given}
    )
    assert explore(small).clean


@attrs.frozen(eq=False)
class Overwrites(HugePages):
    """Invalidations that forget each other."""

    VERSION = "overwrites"

    @routine
    async def kvm_mmu_invalidate_range_add(self, gfns: tuple[str, ...]) -> None:
        assert self.gmem
        before = await load(self.gmem.invalidate)
        await store(self.gmem.invalidate, attrs.evolve(before, range=gfns))

    @routine
    async def kvm_mmu_invalidate_end(self) -> None:
        assert self.gmem
        before = await load(self.gmem.invalidate)
        await store(self.gmem.invalidate, Invalidation((), before.seq + 1))


def test_zappers_that_do_not_count_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KERNELS, "hugepages", Overwrites)
    asked = {"kernel": "hugepages", "zappers": "2", "vcpus": "2", "pages": "2"}
    found = storm(4000, "portfolio", **asked).sightings
    assert [str(sighting.finding) for sighting in found] == ["use-after-free leafs-are-backed"]
