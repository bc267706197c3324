"""tdpsim status. What a process's own exit status says is in exit_status.py."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from sim.campaign.errors import StoreError
from sim.campaign.merge import files, united
from sim.campaign.records import StoreContents
from sim.campaign.store import read
from sim.cli.exit_status import ExitStatus
from sim.cli.files import write_schedule
from sim.cli.options import ForceOption, JsonOption, print_json
from sim.engine.run.schedule import parse
from sim.view.results.campaign import report
from sim.view.results.json_lines import of_contents

RecordOption = Annotated[
    Path | None, Parameter(help="Write the findings' schedules into this directory")
]


def status_command(
    store: Path,
    /,
    *,
    record: RecordOption = None,
    force: ForceOption = False,
    json: JsonOption = False,
) -> int:
    """What a campaign has come to.

    STORE may be a directory, with the stores of its shards or of several campaigns.
    """
    if not store.is_dir():
        campaigns = [(store, united([(store, read(store))]))]
    else:
        campaigns = [
            (store if len(of) > 1 else of[0][0], united(of))
            for of in _by_identity(sorted(store.glob("*.db")))
        ]
        if not campaigns:
            raise StoreError(f"{store}: no store (*.db) is in there")
    if record is not None:
        record.mkdir(parents=True, exist_ok=True)
        for name, text in chain.from_iterable(files(contents) for _, contents in campaigns):
            write_schedule(record / name, parse(text.encode()), force=force)
    return shown(campaigns, json=json)


def _by_identity(paths: list[Path]) -> list[list[tuple[Path, StoreContents]]]:
    campaigns: dict[str, list[tuple[Path, StoreContents]]] = {}
    for path in paths:
        contents = read(path)
        campaigns.setdefault(repr(contents.identity), []).append((path, contents))
    return list(campaigns.values())


def shown(campaigns: list[tuple[Path, StoreContents]], *, json: bool) -> int:
    """Print campaigns, and give the exit status."""
    if json:
        said = [of_contents(contents) for _, contents in campaigns]
        print_json(said[0] if len(said) == 1 else said)
    else:
        print("\n\n".join("\n".join(report(contents, path)) for path, contents in campaigns))
    return ExitStatus.CLEAN
