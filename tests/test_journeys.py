"""Each function of a journey in docs/architecture.md is called on that journey."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

import sim
from sim.campaign.jobs import checked, run_batch
from sim.campaign.question import CampaignSpec
from sim.cli import main
from sim.scenarios.library import recipe_named
from tests.test_architecture import section

ROOT = Path(sim.__file__).parent
ROW_2 = "np-to-leaf-exclusive"
ALONE = ("--set", "contenders=zero-step")
SCENARIO = (ROW_2, *ALONE)


def journeys() -> list[set[tuple[str, str]]]:
    """The steps of each: a file below `sim/`, and a function or a class in it."""
    texts = re.split(r"^### ", section("Five journeys"), flags=re.MULTILINE)[1:]
    return [{*re.findall(r"`([\w/]+\.py): ([\w.]+)`", text)} for text in texts]


@contextmanager
def calls() -> Iterator[set[tuple[str, str]]]:
    """What is called meanwhile, by file and qualified name; of a class, that it was made."""
    called = set[tuple[str, str]]()
    known = set[object]()

    def note(frame: FrameType, event: str, _arg: object) -> None:
        code = frame.f_code
        if event != "call" or code in known:
            return
        known.add(code)
        generated = re.fullmatch(
            r"<attrs generated \w+ (?:sim\.)([\w.]+)\.(\w+)(?:-\d+)?>", code.co_filename
        )
        if generated:
            called.add((f"{generated[1].replace('.', '/')}.py", generated[2]))
        elif code.co_filename.startswith(str(ROOT)):
            file, name = Path(code.co_filename).relative_to(ROOT).as_posix(), code.co_qualname
            called.add((file, name))
            called.add((file, name.removesuffix(".__init__")))

    sys.setprofile(note)
    try:
        yield called
    finally:
        sys.setprofile(None)


def explored(_folder: Path) -> None:
    assert main(["explore", *SCENARIO]) == 1
    assert main(["explore", *SCENARIO, "--no-count"]) == 1


def recorded(folder: Path) -> None:
    main(["run", *SCENARIO, "--seed", "7", "--record", str(folder / "run.toml")])
    main(["run", *SCENARIO, "--seed", "7", "--strategy", "pos"])


def replayed(folder: Path) -> None:
    """A hit by zero-step, so that a lock of the module is found busy on the way."""
    main(["explore", *SCENARIO, "--no-count", "--record", str(folder)])
    (file,) = folder.glob("*.KVM_BUG_ON.*.toml")
    assert main(["replay", str(file)]) == 0


def stored(folder: Path) -> None:
    """What the worker does is done here once more, where it is seen."""
    store = str(folder / "row-2.db")
    main(["fuzz", *SCENARIO, "--seeds", "0:200", "--jobs", "1", "--store", store])
    spec = CampaignSpec.from_scenario(
        recipe_named(ROW_2).scenario({"contenders": "zero-step"}), "walk"
    )
    checked(spec.model(), run_batch, spec, 0, 200, b"")


@pytest.mark.parametrize(
    ("number", "travel"), [*enumerate((explored, recorded, replayed, replayed, stored))]
)
def test_every_step_of_a_journey_is_taken(
    number: int, travel: Callable[[Path], None], tmp_path: Path
) -> None:
    with calls() as called:
        travel(tmp_path)
    assert sorted(journeys()[number] - called) == []
    assert ("search/exploring/checkpoint.py", "Checkpoint.save") not in called
