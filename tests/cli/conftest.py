"""The command, as a function."""

from __future__ import annotations

from typing import Any

import pytest

from sim.cli import main


class Said:
    """What a command said, and how it ended."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err

    @property
    def complaint(self) -> str:
        """The one line on stderr."""
        assert self.out == ""
        assert self.err.count("\n") == 1
        assert self.err.startswith("tdpsim: ")
        assert "Traceback" not in self.err
        return self.err


@pytest.fixture
def tdpsim(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*argv: object) -> Said:
        status = main([str(arg) for arg in argv])
        out, err = capsys.readouterr()
        return Said(status, out, err)

    return run
