"""Seeds that bring their worker down, in worker processes of their own."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from typing import Any

from sim.campaign.question import CampaignSpec
from sim.search.fuzzing.batch import Batch
from tests.campaign import toy

CRASHES, HANGS, RAISES = 13, 21, 25


def crashes(question: CampaignSpec, first: int, stop: int, guidance: bytes) -> Batch:
    if first <= CRASHES < stop:
        os.kill(os.getpid(), signal.SIGKILL)
    if first <= RAISES < stop:
        raise MemoryError("no more")
    return toy.work(question, first, stop, guidance)


def hangs(question: CampaignSpec, first: int, stop: int, guidance: bytes) -> Batch:
    while first <= HANGS < stop:
        time.sleep(1)
    return toy.work(question, first, stop, guidance)


class Drifted(CampaignSpec):
    """Asked of a program that is another one by the time a worker imports it."""

    def model(self) -> dict[str, Any]:
        return {
            **CampaignSpec.model(self),
            "program": "old" if multiprocessing.parent_process() is None else "new",
        }
