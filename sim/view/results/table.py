"""The table of transitions, as text: as the mail has it, and what it lacks beneath."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich import box
from rich.table import Table

from sim.catalog.printed import aloud, firsts, follow_ons, is_silent
from sim.engine.model.operations import Finding
from sim.scenarios.kernels import AFTER
from sim.scenarios.switches import FLIPS, Flip
from sim.scenarios.transitions import NOT_COVERED, ROWS
from sim.surveys.census import Change, census
from sim.surveys.everybody import EverybodyAtOnce
from sim.surveys.table import TableCell, TableQuery, is_hit
from sim.view.numbers import number, power

COLUMNS = ("#", "old", "new", "sh", "valid", "mirror", "hit", "notes", "states", "runs", "classes")

_LONG = 10**8

YES = {True: "Y", False: "N"}


def blocks(cells: Iterable[TableCell]) -> Iterator[tuple[str, list[TableCell]]]:
    """The cells by kernel and module, with a headline:
    a new table begins where the rows begin again.
    """
    mine: list[TableCell] = []
    for cell in cells:
        if mine and ROWS.index(cell.row) <= ROWS.index(mine[-1].row):
            yield _headline(mine), mine
            mine = []
        mine.append(cell)
    if mine:
        yield _headline(mine), mine


def _headline(cells: Sequence[TableCell]) -> str:
    """The mail's word for the kernel where it is that of every row, and the kernels."""
    orders, kernels = (
        {getattr(cell, name): None for cell in cells} for name in ("order", "kernel")
    )
    several = "kernels" if len(kernels) > 1 else "kernel"
    word = f"{next(iter(orders))}: " if len(orders) == 1 and orders.keys() != kernels.keys() else ""
    return f"{word}{several} {', '.join(kernels)}, module {cells[0].module}"


def table(cells: Sequence[TableCell], notes: Notes, *, ascii_only: bool) -> Table:
    """One line a cell."""
    grid = Table(
        box=box.ASCII2 if ascii_only else box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
        padding=0,
    )
    for name in COLUMNS:
        right = name in {"#", "states", "runs", "classes"}
        grid.add_column(name, justify="right" if right else "left", no_wrap=True)
    for cell in cells:
        style = "bold" if cell.hits else ""
        grid.add_row(*line(cell, notes), style=style)
    return grid


def line(cell: TableCell, notes: Notes) -> tuple[str, ...]:
    """A cell's words, in the order of COLUMNS."""
    return (
        str(cell.row.number),
        *cell.row.words,
        YES[cell.row.shared],
        YES[cell.valid],
        mirror(cell),
        hit(cell),
        notes.letters_for(cell),
        f"{cell.states:,}",
        _short(cell.interleavings),
        _short(cell.classes),
    )


def hit(cell: TableCell) -> str:
    """Whether it is hit, and what a log can show of it.

    In parentheses: on a VM alone that something else has bugged before. A star: no, but something
    else fires.
    """
    if cell.hits:
        return "Y" if cell.is_shown else "(Y)"
    return "N*" if cell.others else "N"


def _short(count: int | None) -> str:
    if count is None:
        return ""
    return number(count) if count < _LONG else power(count)


def made_by(cell: TableCell) -> tuple[Change, ...]:
    """Who makes a cell's transition, on either root."""
    return tuple(change for change in census(cell.order) if change.is_of(cell.row))


def mirror(cell: TableCell) -> str:
    """Whether it is made on a mirror root: in the cell's kernel, or with huge pages alone."""
    if not is_on_mirror(cell):
        return YES[False]
    if cell.order != AFTER or any(
        change.root == "mirror" and change.is_of(cell.row) for change in census("7.2")
    ):
        return YES[True]
    return "2M"


def is_on_mirror(cell: TableCell) -> bool:
    """Whether any caller makes it on a mirror root."""
    return any(change.root == "mirror" for change in made_by(cell))


class Notes:
    """Footnotes by letter, each said once: why it is hit, and what else was found."""

    def __init__(self) -> None:
        self._letters: dict[str, str] = {}

    def letters_for(self, cell: TableCell) -> str:
        """The letters of a cell."""
        said = [*([why(cell)] if cell.hits else []), *also(cell.findings)]
        return " ".join(
            self._letters.setdefault(text, _letter(len(self._letters))) for text in said
        )

    def lines(self) -> Iterator[str]:
        for text, letter in self._letters.items():
            yield f"{letter}: {text}"


def _letter(count: int) -> str:
    return (_letter(count // 26 - 1) if count >= 26 else "") + chr(ord("a") + count % 26)


def why(cell: TableCell) -> str:
    """What a hit is brought about by, and whether that suffices alone."""
    alone = [cause for cause in cell.causes if cause in cell.confirmed]
    rest = [cause for cause in cell.causes if cause not in cell.confirmed]
    always = "always" if "always" in cell.confirmed or not cell.causes else ""
    parts = [always, f"{', '.join(alone)}, each alone" if len(alone) > 1 else ", ".join(alone)]
    if rest:
        parts.append(f"{', '.join(rest)}, not without another contender")
    return f"hit by {'; '.join(filter(None, parts))}"


def also(findings: Iterable[Finding]) -> list[str]:
    """What else was found, kind by kind."""
    kinds: dict[str, dict[str, None]] = {}
    every = tuple(findings)
    for finding in (*firsts(every), *follow_ons(every)):
        if not is_hit(finding):
            said = aloud(finding)
            because = f" ({', '.join(said.causes)})" if said.causes else ""
            kind = f"silent {finding.kind}" if is_silent(finding) else finding.kind
            kinds.setdefault(kind, {})[f"{finding.where}{because}"] = None
    return [f"{kind} in {', '.join(places)}" for kind, places in kinds.items()]


def changes(cell: TableCell, other: TableCell) -> list[str]:
    """How a cell's answers change in another one's."""
    said = []
    if cell.valid != other.valid:
        said.append(f"valid {YES[cell.valid]} -> {YES[other.valid]}")
    if bool(cell.hits) != bool(other.hits):
        because = f" ({why(other)})" if other.hits else ""
        said.append(f"hit {YES[bool(cell.hits)]} -> {YES[bool(other.hits)]}{because}")
    elif cell.hits and why(cell) != why(other):
        said.append(f"{why(cell)} -> {why(other)}")
    gone = [finding for finding in cell.findings if finding not in other.findings]
    come = [finding for finding in other.findings if finding not in cell.findings]
    return [
        *said,
        *(f"no more {text}" for text in also(gone)),
        *(f"now {text}" for text in also(come)),
    ]


def place(cell: TableCell) -> str:
    """A cell by its row."""
    mode = "shared" if cell.row.shared else "exclusive"
    return f"row {cell.row.number} ({' to '.join(cell.row.words)}, {mode})"


def sentences(cells: Sequence[TableCell]) -> Iterator[str]:
    """Where another module or the other kernel changes an answer."""
    first: dict[tuple[str, str], list[TableCell]] = {}
    for cell in cells:
        first.setdefault((cell.row.name, cell.order), []).append(cell)
    for (_, order), mine in first.items():
        said: dict[str, list[str]] = {}
        for other in mine[1:]:
            for change in changes(mine[0], other):
                said.setdefault(change, []).append(other.module)
        for change, modules in said.items():
            on = f"on {', '.join(modules)}, not {mine[0].module}"
            yield f"{place(mine[0])}, {order}: {change}, {on}"
    for cell in cells:
        known = first.get((cell.row.name, "before"), [])
        if (
            cell.order == "after"
            and known
            and cell.module == known[0].module
            and bool(cell.hits) != bool(known[0].hits)
        ):
            yield (
                f"{place(cell)}, {cell.module}: {changes(known[0], cell)[0]}, from before to after"
            )


def everybody_line(said: EverybodyAtOnce) -> str:
    """What a row comes to with all its contenders at once."""
    size = f"{said.states:,} states, {said.seconds:.0f} s"
    if said.is_decided:
        text = f"{place(said.cell)}: decided, {size}"
    else:
        text = f"{place(said.cell)}: undecided after {size}; {said.unexpanded:,} not gone on from"
    lost = [one for one in said.less if is_hit(one)]
    more = any(map(is_hit, said.more))
    if said.is_decided and said.cell.hits and len(lost) == len(said.cell.hits) and not more:
        text += "; hit with pairs alone"
    elif said.cell.hits:
        text += "; hit as with pairs"
    else:
        text += "; hit, and not with pairs" if more else "; no hit"
    parts = [text, *(f"more: {one}" for one in also(said.more))]
    if said.is_decided:
        parts += [f"with pairs alone: {one}" for one in also(said.less)]
    return "; ".join(parts)


def flip_lines(
    flip: Flip, base: dict[str, TableCell], flipped: Sequence[TableCell]
) -> Iterator[str]:
    """What an assumption decides."""
    yield f"{flip.name}: {flip.doc} (here: {flip.reading})"
    said: dict[str, list[str]] = {}
    for cell in flipped:
        known = base[TableQuery(cell.row, cell.row.kernel_named(cell.order), cell.module).key]
        for change in changes(known, cell):
            said.setdefault(f"{place(cell)}, {cell.order}: {change}", []).append(cell.module)
    for text, modules in said.items():
        yield f"  {text}, on {', '.join(modules)}"
    if not said:
        yield "  decides nothing"


def assumptions() -> Iterator[str]:
    """What the table reads where the mail leaves it open."""
    seen: dict[str, None] = {}
    for flip in FLIPS:
        rows = ", ".join(map(str, flip.rows))
        seen[f"{flip.switch} = {flip.reading} (rows {rows}): {flip.doc}"] = None
    yield from seen


READING = (
    (
        "hit: the condition of the KVM_BUG_ON() in handle_changed_spte() is true in some "
        "interleaving, "
        "were the transition to happen on a mirror root."
    ),
    (
        "mirror: some caller makes it on a mirror root (explored): Y in that kernel, 2M once S-EPT "
        "huge pages are in, too."
    ),
    (
        "valid: the setter takes the transition on a direct root, alone, without a WARN, BUG or "
        "KVM_BUG_ON."
    ),
    (
        "(Y): on a VM alone that is bugged already, of which KVM_BUG_ON() and TDX_BUG_ON() print "
        "nothing: no log shows it. N*: not hit, but something else fires that a log can show."
    ),
    (
        "sh: mmu_lock is held for read. runs: interleavings, without retries as the classes are, "
        "where nothing is hit."
    ),
    (
        "docs/transitions.md has the cells that differ from the mail, each with its schedule or "
        "its argument."
    ),
    (
        "before: 6.19. after: 7.2, which has the series of patch 07/17; in rows 7 and 8 hugepages "
        "on top of it."
    ),
    (
        "Every state of every interleaving was visited. Of three contenders each two were there at "
        "a time (--contenders all: all three, too)."
    ),
    "Not covered: " + "; ".join(NOT_COVERED) + ".",
)
