"""A scenario as a Promela model, from what was learned of it.

Spin and tdpsim share no code. The model here is the learned automata alone: a process for each
task, in which a label stands for a local state, and the values of cells by their numbers. So Spin
checks what the search made of them: that it visits every state once and no others, and that a
property holds in all of them. What a task does at a cell was learned by running the model, and that
Spin takes as it is.

Each state of tdpsim is one of Spin's: a step is one `d_step`, a task that has finished stays at a
label, and `monitor` stays where it is. So without Spin's reduction (-DNOREDUCE) both count the
same.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator

import numpy as np

from sim.engine.model.operations import HALTED
from sim.engine.model.values import spell
from sim.engine.states.frontier import Frontier
from sim.engine.states.product import WORD, Field
from sim.engine.states.tables import LearnedAnswer, Table
from sim.search.counting.reaching import where_reached
from sim.search.exploring.properties import Watched

_CHUNK = 1 << 16
_PRINTED = 60
"""The most characters of a value that a comment has."""


def promela(frontier: Frontier, name: str) -> str:
    """The model of an exploration that is over, as a file of some name."""
    scenario, count = frontier.product.scenario, frontier.visited.count
    for low in range(0, count, _CHUNK):
        # tables forget when fields are laid out anew: what no state has asked since is asked again
        frontier.edges(np.arange(low, min(low + _CHUNK, count)))
    bits = max(16, count.bit_length())
    heading = (
        f"{scenario.name}  {scenario.full_model}",
        " ".join(f"{parameter}={value}" for parameter, value in scenario.params),
        *([f"without {', '.join(scenario.without)}"] if scenario.without else ()),
        "",
        f"{count:,} states, {frontier.transitions:,} transitions. To count them again:",
        f"  spin -a {shlex.quote(name)} && cc -O2 -DSAFETY -DNOREDUCE -o pan pan.c",
        f"  ./pan -m10000000 -w{bits} -c0",
        "",
        "An error is a step that shows a finding, a state in which a property does not hold, or a",
        "deadlock. Livelock and starvation are not asked about.",
    )
    return "\n".join((*_comment(heading), "", *_Model(frontier).lines(), ""))


def _comment(lines: Iterable[str]) -> Iterator[str]:
    yield "/*"
    for line in lines:
        yield f" * {line}".rstrip().replace("*/", "* /")
    yield " */"


class _Model:
    def __init__(self, frontier: Frontier) -> None:
        self._frontier, self._product = frontier, frontier.product
        self._names: dict[int, str] = {}
        """The variable of each cell's field, by the field's identity."""
        for number, cell in enumerate(self._product.cells):
            word = re.sub(r"\W+", "_", cell.name).strip("_")
            self._names[id(self._product.field(cell))] = f"c{number}_{word}"

    def lines(self) -> Iterator[str]:
        """The model, line by line."""
        for cell in self._product.cells:
            field = self._product.field(cell)
            values = ", ".join(
                f"{i}: {_short(spell(value))}" for i, value in enumerate(field.values)
            )
            yield f"{_type(field)} {self._name(field)} = 0; /* {cell.name}: {_safe(values)} */"
        for table in self._frontier.tables:
            yield ""
            yield from self._process(table)
        bad = list(self._broken())
        if bad:
            yield ""
            yield "/* what properties forbid */"
            yield "active proctype monitor()"
            yield "{"
            yield "end:\tdo"
            for guard in bad:
                yield f"\t:: d_step {{ {guard} -> assert(false) }}"
            yield "\tod"
            yield "}"

    def _name(self, field: Field) -> str:
        return self._names[id(field)]

    def _process(self, table: Table) -> Iterator[str]:
        answers: dict[int, list[LearnedAnswer]] = {}
        for answer in table.learned():
            answers.setdefault(answer.local, []).append(answer)
        halted = self._product.field(HALTED)
        alive = f"{self._name(halted)} == 0" if len(halted.values) > 1 else ""
        yield f"active proctype {_identifier(table.task)}()"
        yield "{"
        for local in range(len(table.field.values)):
            is_over = not table.shape[local]
            label = f"L{local}" if not (is_over or table.daemon) else f"end{local}"
            steps = [
                self._option(answer, step, alive, table)
                for answer in answers.get(local, ())
                for step in range(len(answer.steps))
            ]
            yield f"{label}:"
            yield from ("\tif", *steps, "\tfi;") if steps else ("\tfalse;",)
        yield "}"

    def _option(self, answer: LearnedAnswer, number: int, alive: str, table: Table) -> str:
        step, names = answer.steps[number], list(map(self._name, answer.fields))
        known = zip(names, answer.values, strict=True)
        guard = " && ".join(
            [*([alive] if alive else ()), *(f"{name} == {value}" for name, value in known)]
        )
        changes = zip(names, answer.values, step.values, strict=True)
        does = [f"{name} = {new}" for name, old, new in changes if new != old]
        if step.finding is not None:
            does.insert(0, f"assert(false) /* {_safe(str(step.finding))} */")
        to = f"end{step.local}" if self._stays(table, step.local) else f"L{step.local}"
        return f"\t:: d_step {{ {guard or 'true'} -> {'; '.join(does) or 'skip'} }}; goto {to}"

    def _stays(self, table: Table, local: int) -> bool:
        """Whether a task may be left there: it has finished, or need not."""
        return bool(table.daemon or not table.shape[local])

    def _broken(self) -> Iterator[str]:
        """The values of what properties read, in the states where one does not hold."""
        frontier, watched = self._frontier, Watched(self._product)
        kinds = {prop.finding() for prop in self._product.scenario.properties}
        reached = where_reached(frontier)
        wrong = [one.states for finding, one in reached.items() if finding in kinds]
        if not wrong:
            return
        for state in map(frontier.visited.state, np.flatnonzero(np.any(wrong, axis=0)).tolist()):
            watched.broken(state)
        fields = [self._product.field(cell) for cell in watched.cells]
        numbers = np.flatnonzero(np.any(wrong, axis=0))
        states = frontier.visited.take(numbers)
        columns = [
            (states[:, field.shift // WORD] >> np.uint64(field.shift % WORD))
            & np.uint64(field.mask)
            for field in fields
        ]
        for row in np.unique(np.stack(columns), axis=1).T.tolist():
            yield " && ".join(
                f"{self._name(field)} == {value}" for field, value in zip(fields, row, strict=True)
            )


def _type(field: Field) -> str:
    """The narrowest type that has a field's numbers: Spin packs no bits."""
    many = len(field.values)
    return "byte" if many <= 1 << 8 else "short" if many <= 1 << 15 else "int"


def _identifier(name: str) -> str:
    return "task_" + re.sub(r"\W", "_", name)


def _short(text: str) -> str:
    return text if len(text) <= _PRINTED else text[: _PRINTED - 3] + "..."


def _safe(text: str) -> str:
    """Text that ends no comment and is no preprocessor's."""
    return text.replace("*/", "* /").replace("\n", " ")
