"""tdpsim merge."""

from __future__ import annotations

from pathlib import Path

from sim.base.errors import UsageError
from sim.campaign.merge import merge, united
from sim.campaign.store import read
from sim.cli.options import JsonOption
from sim.cli.status import shown


def merge_command(out: Path, /, *stores: Path, json: JsonOption = False) -> int:
    """Make one store, OUT, of the STORES of shards:
    what one run of all their seeds would have left.
    """
    if not stores:
        raise UsageError("merge takes the store to make, and those to make it of")
    merge(out, stores)
    return shown([(out, united([(out, read(out))]))], json=json)
