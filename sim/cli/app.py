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
from sim.cli.status import Status

app = App(
    name="tdpsim",
    version=__version__,
    help="Explore every interleaving of KVM's TDP MMU and the TDX module, and replay the ones that matter.",
    help_format="plaintext",
    suppress_keyboard_interrupt=False,
)
for _name, _help, _module in (
    ("table", "Derive the table of transitions by exploring every cell of it.", "table"),
    ("list", "What can be explored, set, taken out and found, by name.", "list"),
    ("explain", "One of those names in words.", "explain"),
    ("explore", "Every state of every interleaving of a scenario.", "explore"),
    ("run", "One seeded run under trio.", "run"),
    ("fuzz", "Seeds by the million, overnight, on one machine or many; nothing is lost.", "fuzz"),
    ("status", "What a campaign of `fuzz` has come to.", "stores"),
    ("merge", "One store of those that shards have left.", "stores"),
    ("verify", "Batches of a store again, and whether they come to the same.", "stores"),
    ("replay", "A recorded schedule again, under both executors.", "replay"),
    ("shrink", "The smallest schedule with the same finding.", "shrink"),
    ("show", "A recorded schedule as a timeline.", "show"),
    ("tui", "Step through a schedule or a scenario, both ways, and leave it for another branch.", "tui"),
):
    app.command(f"sim.cli.{_module}:{_name}_command", name=_name, help=_help)


def command() -> NoReturn:
    """The console script. It leaves at once: the system takes back what an exploration held faster than Python does."""
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
        return _complain(Status.USAGE, f"{error} (`tdpsim --help` shows what there is)")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Status.BROKEN_PIPE
    except KeyboardInterrupt:
        return _complain(Status.INTERRUPTED, "interrupted; nothing was recorded that is not complete")
    except Exception as error:  # noqa: BLE001 - the last line of defence: no traceback reaches a user
        return _complain(*_explained(error))
    return Status.CLEAN if status is None else int(status)


def _explained(error: Exception) -> tuple[Status, str]:
    try:
        from sim.cli.trouble import explain  # noqa: PLC0415 - knows the engine's errors, which --help does not need
    except ImportError as missing:
        return Status.INTERNAL, f"this installation is not whole: {missing}"
    return explain(error)


def _complain(status: Status, message: str) -> int:
    print("tdpsim:", " ".join(message.split()), file=sys.stderr)
    return status
