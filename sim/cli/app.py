"""The `tdpsim` command: whatever goes wrong in it becomes one line and an exit status.

Commands are imported when they are called, so that `tdpsim --help` starts neither trio nor numpy.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from cyclopts import App, CycloptsError

from sim import __version__
from sim.cli.commands import COMMANDS
from sim.cli.exit_status import ExitStatus

app = App(
    name="tdpsim",
    version=__version__,
    help="Explore every interleaving of KVM's TDP MMU and the TDX module, and replay the ones "
    "that matter.",
    help_format="plaintext",
    suppress_keyboard_interrupt=False,
)
for _entry in COMMANDS.values():
    app.command(_entry.place, name=_entry.name, help=_entry.doc)


def command() -> NoReturn:
    """The console script.

    It leaves at once: the system takes back what an exploration held faster than Python does.
    """
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and give its exit status."""
    try:
        status = app(
            list(sys.argv[1:] if argv is None else argv),
            exit_on_error=False,
            print_error=False,
            result_action="return_value",
        )
        sys.stdout.flush()
    except CycloptsError as error:
        return _complain(ExitStatus.USAGE, f"{error} (`tdpsim --help` shows what there is)")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitStatus.BROKEN_PIPE
    except KeyboardInterrupt:
        return _complain(
            ExitStatus.INTERRUPTED, "interrupted; nothing was recorded that is not complete"
        )
    except Exception as error:  # noqa: BLE001 - the last line of defence: no traceback reaches a user
        return _complain(*_explained(error))
    return ExitStatus.CLEAN if status is None else int(status)


def _explained(error: Exception) -> tuple[ExitStatus, str]:
    try:
        from sim.cli.errors import explain  # noqa: PLC0415 - knows the engine's errors, which --help does not need
    except ImportError as missing:
        return ExitStatus.INTERNAL, f"this installation is not whole: {missing}"
    return explain(error)


def _complain(status: ExitStatus, message: str) -> int:
    print("tdpsim:", " ".join(message.split()), file=sys.stderr)
    return status
