"""tdpsim merge, status and verify: what is done with stores afterwards."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from sim.campaign.errors import StoreError
from sim.campaign.kept import Contents
from sim.campaign.merge import files, merge, united
from sim.campaign.question import Question
from sim.campaign.store import read
from sim.campaign.verify import verify
from sim.cli.files import write_schedule
from sim.cli.options import Force, Json, Patch, patch_from, print_json
from sim.cli.status import Status
from sim.engine.schedule import parse
from sim.scenarios.recipe import UsageError
from sim.view.campaign import report, span
from sim.view.events import of_contents

Record = Annotated[Path | None, Parameter(help="Write the findings' schedules into this directory")]


def merge_command(out: Path, /, *stores: Path, json: Json = False) -> int:
    """Make one store, OUT, of the STORES of shards: what one run of all their seeds would have left."""
    if not stores:
        raise UsageError("merge takes the store to make, and those to make it of")
    merge(out, stores)
    return _shown([(out, united([(out, read(out))]))], json=json)


def status_command(store: Path, /, *, record: Record = None, force: Force = False, json: Json = False) -> int:
    """What a campaign has come to. STORE may be a directory, with the stores of its shards or of several campaigns."""
    if not store.is_dir():
        campaigns = [(store, united([(store, read(store))]))]
    else:
        campaigns = [
            (store if len(of) > 1 else of[0][0], united(of)) for of in _by_identity(sorted(store.glob("*.db")))
        ]
        if not campaigns:
            raise StoreError(f"{store}: no store (*.db) is in there")
    if record is not None:
        record.mkdir(parents=True, exist_ok=True)
        for name, text in chain.from_iterable(files(contents) for _, contents in campaigns):
            write_schedule(record / name, parse(text.encode()), force=force)
    return _shown(campaigns, json=json)


def _by_identity(paths: list[Path]) -> list[list[tuple[Path, Contents]]]:
    campaigns: dict[str, list[tuple[Path, Contents]]] = {}
    for path in paths:
        contents = read(path)
        campaigns.setdefault(repr(contents.identity), []).append((path, contents))
    return list(campaigns.values())


def verify_command(
    store: Path,
    /,
    *,
    sample: Annotated[int, Parameter(help="So many batches")] = 3,
    seed: Annotated[int, Parameter(help="Chooses which")] = 0,
    patch: Patch = None,
) -> int:
    """Run batches of STORE again, and compare what they come to. Exit status 1 if one differs."""
    question = Question.again(read(store).identity, patch_from(patch))
    print(f"{store}: {sample} batches, chosen by --seed {seed}")
    differ = False
    for checked in verify(store, question, sample, seed):
        print(f"seeds {span(checked.span)}: {'; '.join(checked.differs) or 'the same'}", flush=True)
        differ = differ or bool(checked.differs)
    return Status.FINDING if differ else Status.CLEAN


def _shown(campaigns: list[tuple[Path, Contents]], *, json: bool) -> int:
    if json:
        said = [of_contents(contents) for _, contents in campaigns]
        print_json(said[0] if len(said) == 1 else said)
    else:
        print("\n\n".join("\n".join(report(contents, path)) for path, contents in campaigns))
    return Status.CLEAN
