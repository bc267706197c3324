"""tdpsim verify."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from sim.campaign.question import CampaignSpec
from sim.campaign.store import read
from sim.campaign.verify import verify
from sim.cli.exit_status import ExitStatus
from sim.cli.options import PatchOption, patch_from
from sim.view.results.campaign import span


def verify_command(
    store: Path,
    /,
    *,
    sample: Annotated[int, Parameter(help="So many batches")] = 3,
    seed: Annotated[int, Parameter(help="Chooses which")] = 0,
    patch: PatchOption = None,
) -> int:
    """Run batches of STORE again, and compare what they come to. Exit status 1 if one differs."""
    question = CampaignSpec.from_identity(read(store).identity, patch_from(patch))
    print(f"{store}: {sample} batches, chosen by --seed {seed}")
    differ = False
    for checked in verify(store, question, sample, seed):
        print(f"seeds {span(checked.span)}: {'; '.join(checked.differs) or 'the same'}", flush=True)
        differ = differ or bool(checked.differs)
    return ExitStatus.FINDING if differ else ExitStatus.CLEAN
