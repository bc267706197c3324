"""What can happen next, and who cannot step, and why."""

from __future__ import annotations

import attrs

from sim.analysis.moments import theirs
from sim.engine.model.cells import Cell
from sim.engine.run.world import Step
from sim.view.explorer.line import Line
from sim.view.explorer.moves import MovePick


@attrs.frozen
class Changing:
    """A cell that a step would change."""

    cell: str
    was: object
    now: object


@attrs.frozen
class Choice:
    """One thing that can happen next: what its task would see and show, in which functions,
    and what would change.
    """

    pick: MovePick
    calls: tuple[str, ...]
    step: Step
    changes: tuple[Changing, ...]


@attrs.frozen
class Awaited:
    """A cell that a task waits for: what it holds,
    and the number and the step that last changed it, if one did.
    """

    cell: str
    value: object
    since: tuple[int, Step] | None


@attrs.frozen
class Waiting:
    """A task that cannot step."""

    task: str
    point: str
    cells: tuple[Awaited, ...]


def choices(explorer: Line) -> tuple[Choice, ...]:
    """All that can happen next, task by task, each value of a choice by itself."""
    found = []
    for offer in explorer.offers:
        calls, cells = theirs(explorer.standing[offer.task]), offer.operation.cells
        for number, outcome in enumerate(offer.outcomes):
            step = Step(offer.task, offer.operation.point, outcome.result, outcome.finding)
            all_of_them = (
                Changing(cell.name, explorer.world.look(cell), value)
                for cell, value in zip(cells, outcome.values, strict=True)
            )
            changes = tuple(one for one in all_of_them if one.now != one.was)
            found.append(Choice((offer.task, number), calls, step, changes))
    return tuple(found)


def waiting(explorer: Line) -> tuple[Waiting, ...]:
    """Who has not finished and cannot step; nobody waits once BUG() has stopped all."""
    able = [offer.task for offer in explorer.offers]

    def awaited(cell: Cell[object]) -> Awaited:
        change = explorer.last_change(cell)
        since = (
            None if change is None else (change.number, explorer.line[change.number].moment.step)
        )
        return Awaited(cell.name, explorer.world.look(cell), since)

    return tuple(
        Waiting(task, operation.point, tuple(map(awaited, operation.cells)))
        for task, local in explorer.standing.items()
        if (operation := local.operation) is not None
        and task not in able
        and not explorer.world.halted
    )
