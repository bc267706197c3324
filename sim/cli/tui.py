"""tdpsim tui."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from sim.base.errors import UsageError
from sim.catalog.schedules import recording
from sim.cli.files import FileTrouble, drifted, read_schedule, scenario_of, write_schedule
from sim.cli.options import (
    InjectOption,
    PatchOption,
    SetOption,
    WithoutOption,
    patch_from,
    scenario_from,
)
from sim.cli.replay import LooseOption
from sim.engine.run.replay import Drift, follow_schedule
from sim.engine.run.world import Run
from sim.search.exploration import Counting
from sim.view.explorer.line import Line
from sim.view.results.report import patch_option
from sim.view.words import as_argument

if TYPE_CHECKING:
    from sim.view.explorer.app import ExplorerApp

_EXTRA = "tdpsim tui needs textual, which is not there: pip install 'tdpsim[explore]'"


def tui_command(
    what: Annotated[
        str,
        Parameter(
            name="FILE|SCENARIO",
            allow_leading_hyphen=True,
            help="A schedule file, or a scenario from its start",
        ),
    ],
    /,
    *,
    set: SetOption = (),
    without: WithoutOption = (),
    patch: PatchOption = None,
    inject: InjectOption = None,
    loose: LooseOption = False,
    odds: Annotated[
        bool, Parameter(help="How likely each finding is, and from where on it is inevitable")
    ] = True,
    seed: Annotated[
        int, Parameter(help="Of the first random walk; each further one has the next")
    ] = 0,
) -> int:
    """Step through a recorded schedule, or a scenario, both ways,
    and leave it for another branch at any step.

    --set, --without and --inject go with a scenario; a schedule names its own. `?` shows the keys.
    """
    if what == "-":
        raise UsageError(
            "tdpsim tui needs the keyboard, and cannot read a mail from stdin as well; save it "
            "to a file"
        )
    is_file = _is_file(what)
    if is_file and (set or without or inject):
        raise UsageError(
            "--set, --without and --inject go with a scenario; a schedule names its own"
        )
    if is_file:
        explorer = _recorded(what, patch, loose=loose)
    else:
        explorer = Line(scenario_from(what, set, without, patch_from(patch), inject))
    app = _app(explorer, Counting() if odds else None, seed)
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise UsageError(
            "tdpsim tui needs a terminal; `tdpsim show FILE` draws a schedule without one"
        )
    return _run(app)


def _is_file(what: str) -> bool:
    """Whether a file is meant, and not a scenario."""
    return what.startswith("-") or what.endswith(".toml") or os.sep in what or Path(what).exists()


def _recorded(name: str, patch: Path | None, *, loose: bool) -> Line:
    schedule = read_schedule(name)
    scenario = scenario_of(name, schedule, patch_from(patch), loose=loose)
    try:
        return Line(scenario, follow_schedule(schedule, scenario, loose=loose))
    except Drift as drift:
        raise drifted(name, drift) from None


def _run(app: ExplorerApp) -> int:
    """Run it, say how what was saved is replayed, and end as it was ended:
    a signal is passed on.
    """
    app.run()
    for command in app.saved:
        print(command, flush=True)
    if app.error is not None:
        raise app.error
    if app.signal is signal.SIGINT:
        raise KeyboardInterrupt
    if app.signal is not None:
        signal.signal(app.signal, signal.SIG_DFL)
        os.kill(os.getpid(), app.signal)
    return 0


def _app(explorer: Line, counting: Counting | None, seed: int) -> ExplorerApp:
    """Raises UsageError where textual is not installed."""
    try:
        from sim.view.explorer.app import ExplorerApp, Setting  # noqa: PLC0415 - optional, and nobody else's weight
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "textual":
            raise UsageError(_EXTRA) from None
        raise
    scenario = explorer.scenario
    setting = Setting(
        f"{scenario.name}  {scenario.full_model}",
        f"{scenario.name}.branch.toml",
        _save,
        counting,
        seed,
    )
    return ExplorerApp(explorer, setting)


def _save(name: str, run: Run) -> str:
    """Write a file that is not there yet, and give the command that replays it."""
    from sim.view.explorer.dialogs import NotSaved  # noqa: PLC0415 - comes with the screen

    path = Path(name)
    if not name:
        raise NotSaved("a file needs a name")
    if path.exists():
        raise NotSaved(f"{path} is there already; another name keeps both")
    try:
        write_schedule(path, recording(run, "tui"))
    except FileTrouble as error:
        raise NotSaved(str(error)) from None
    return f"tdpsim replay {as_argument(path)}{patch_option(run.scenario)}"
