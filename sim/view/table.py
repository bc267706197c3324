"""The table of transitions, as text."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table

from sim.scenarios.table import CONTENDERS, Cell, is_hit
from sim.scenarios.transitions import NOT_COVERED
from sim.view.report import finding_line


def table(cells: Sequence[Cell], *, ascii_only: bool) -> tuple[Table, tuple[str, ...]]:
    """One line a cell, and the notes beneath it: what else was found, by letter."""
    grid = Table(
        box=box.ASCII2 if ascii_only else box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0)
    )
    for name in ("#", "old", "new", "shared", "order", "module", "hit", *CONTENDERS, "also", "states"):
        grid.add_column(name, justify="right" if name in {"#", "states"} else "left", no_wrap=True)
    notes: dict[str, str] = {}
    for cell in cells:
        grid.add_row(*_line(cell, notes), style="" if cell.exploration.clean else "bold")
    return grid, tuple(f"{letter}: {note}" for note, letter in notes.items())


def _line(cell: Cell, notes: dict[str, str]) -> tuple[str, ...]:
    beside = "; ".join(finding_line(finding) for finding in cell.findings if not is_hit(finding))
    if beside:
        notes.setdefault(beside, chr(ord("a") + len(notes)))
    return (
        str(cell.row.number),
        *cell.row.words,
        "Y" if cell.row.shared else "N",
        cell.order,
        cell.module,
        "[red]Y[/]" if cell.hits else "N",
        *("[red]hit[/]" if suffices else "none" for _, suffices in cell.alone),
        notes.get(beside, ""),
        f"{cell.exploration.states:,}",
    )


READING = (
    (
        "hit: the condition of the KVM_BUG_ON() in handle_changed_spte() is true in some interleaving, "
        "were the transition to happen on a mirror root."
    ),
    f"{', '.join(CONTENDERS)}: whether that contender alone brings it about. none: no interleaving does.",
    "before: v6.19. after: the end of the series that has patch 07/17.",
    "Every state of every interleaving was visited. Not covered: " + "; ".join(NOT_COVERED) + ".",
)
