"""`protocol.py` under our own search:
`python -m tests.bench.ours VCPUS LIMIT [--met | --packed | --jobs N]`.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

from sim.engine.states.product import Product
from sim.search.explore import explore
from tests.bench.protocol import protocol

if TYPE_CHECKING:
    from sim.engine.states.frontier import Frontier
    from tests.bench.peer import Valuation


def check(vcpus: int, limit: int) -> dict[str, object]:
    """Explore everything, with every property: what Spin calls safety, and no livelock."""
    done = explore(protocol(vcpus, limit), liveness=False)
    return {
        "clean": done.clean,
        "states": done.states,
        "transitions": done.transitions,
        "seconds": done.seconds,
    }


def shared(vcpus: int, limit: int, jobs: int) -> dict[str, object]:
    """Decide everything, livelock as well, by that many processes on as many cores as there are."""
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    done = explore(protocol(vcpus, limit), jobs=jobs)
    return {"clean": done.clean, "states": done.states, "seconds": done.seconds}


def packed(vcpus: int, limit: int) -> dict[str, object]:
    """The bytes of a visited state, once every field is as wide as it will be."""
    return {"packed": 8 * _explored(Product(protocol(vcpus, limit))).product.words}


def met(vcpus: int, limit: int) -> dict[str, object]:
    """The valuations of the shared cells."""
    product = Product(protocol(vcpus, limit))
    visited = _explored(product).visited
    valuations = {valuation(product, visited.state(i)) for i in range(visited.count)}
    return {"states": visited.count, "met": sorted(valuations)}


def _explored(product: Product) -> Frontier:
    from sim.engine.states.frontier import Frontier  # noqa: PLC0415 - of no use where the time is taken

    frontier = Frontier(product)
    for _ in frontier.levels():
        pass
    return frontier


def valuation(product: Product, state: int) -> Valuation:
    """What the shared cells hold in a state.

    A cell that nobody has touched yet holds its first value.
    """
    from tests.bench.peer import Valuation  # noqa: PLC0415 - of no use where the time is taken

    now = {cell.name: product.cell(state, cell) for cell in product.cells}
    return Valuation(
        now.get("mmu_lock", 0),
        now["spte"].value if "spte" in now else "NP",
        now["sept"].value if "sept" in now else "FREE",
        now.get("tree", 0),
        now.get("entry", False),
        now.get("zapping", False),
        now.get("inside", 0),
    )


if __name__ == "__main__":
    size = int(sys.argv[1]), int(sys.argv[2])
    match sys.argv[3:]:
        case ["--met"]:
            said = met(*size)
        case ["--packed"]:
            said = packed(*size)
        case ["--jobs", jobs]:
            said = shared(*size, int(jobs))
        case _:
            said = check(*size)
    json.dump(said, sys.stdout)
    sys.stdout.flush()
    os._exit(0)  # as the command does
