"""What went wrong, as an exit status and a line that names the place and the way out."""

from __future__ import annotations

import os
import traceback

from sim.base.errors import CompilerError, UsageError
from sim.campaign.errors import NoWorkersError, StoreError
from sim.cli.exit_status import ExitStatus
from sim.cli.files import FileTrouble
from sim.engine.model.errors import EngineError
from sim.search.errors import CheckpointError, CountError, WorkerError
from sim.view.words import fitted

_LONGEST = 2000
"""The most characters of a message that are shown. A name in it may come from a stranger's file."""


def explain(error: Exception) -> tuple[ExitStatus, str]:
    """The status and the line for an error that reached the top."""
    status, line = _explained(error)
    return status, fitted(line, _LONGEST)


def _explained(error: Exception) -> tuple[ExitStatus, str]:
    match error:
        case FileTrouble():
            return error.status, str(error)
        case UsageError() | CheckpointError() | CountError() | StoreError():
            return ExitStatus.USAGE, str(error)
        case OSError():
            name = f"{error.filename}: " if error.filename else ""
            return ExitStatus.USAGE, f"{name}{error.strerror or error}"
        case WorkerError() | NoWorkersError() | CompilerError():
            return ExitStatus.UNDECIDED, str(error)
        case MemoryError():
            return ExitStatus.UNDECIDED, "out of memory: undecided"
    if os.environ.get("TDPSIM_TRACEBACK"):
        traceback.print_exception(error)
    hint = "TDPSIM_TRACEBACK=1 shows where"
    if isinstance(error, EngineError):
        return ExitStatus.INTERNAL, f"the model or the engine broke a rule: {error} ({hint})"
    return ExitStatus.INTERNAL, f"internal error: {type(error).__name__}: {error} ({hint})"
