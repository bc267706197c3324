"""The lock matrix as one reads it:
what the leaf of a line is answered because of the leaf of a column.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from string import ascii_letters

from sim.surveys.contention import Meeting, Relation
from sim.tdx.leafs import LEAFS

SIGNS = {
    "TDX_OPERAND_BUSY|SEPT_TREE": ("T", "TDX_OPERAND_BUSY|SEPT_TREE"),
    "TDX_OPERAND_BUSY|RCX": ("x", "TDX_OPERAND_BUSY|RCX"),
    "TDX_OPERAND_BUSY|R8": ("8", "TDX_OPERAND_BUSY|R8"),
    "TDX_OPERAND_BUSY|RDX": ("d", "TDX_OPERAND_BUSY|RDX"),
    "TDX_OPERAND_BUSY|TDR": ("r", "TDX_OPERAND_BUSY|TDR"),
    "TDX_OPERAND_BUSY|TD_EPOCH": ("c", "TDX_OPERAND_BUSY|TD_EPOCH"),
    "TDX_INTERRUPTED_BUSY": (
        "p",
        "TDX_INTERRUPTED_BUSY: it gave way to a host that the tree had turned away",
    ),
    "BUSY": ("g", "to a guest, TDX_OPERAND_BUSY|RCX"),
    "BUSY_HOST_PRIORITY": ("h", "to a guest as well, for host priority"),
}
"""The usual ones, each with its meaning."""
ABREAST = 19
"""Columns of leafs that a terminal of 80 has room for; the rest stand below."""

Signs = dict[str, tuple[str, str]]
Matrix = dict[tuple[str, str], dict[str, None]]


def signs(met: Iterable[str]) -> Signs:
    """A sign for everything that was answered.

    Of what has no usual one, a letter of its operand that is free.
    """
    met, found = set(met), dict(SIGNS)
    for status in sorted(met - SIGNS.keys()):
        taken = {sign for sign, _ in found.values()}
        name = status.rpartition("|")[2]
        letters = (*name.lower(), *name, *ascii_letters)
        found[status] = (
            next(letter for letter in letters if letter.isalpha() and letter not in taken),
            status,
        )
    return {status: sign for status, sign in found.items() if status in met}


def matrix(meetings: Iterable[Meeting], table: Signs) -> Matrix:
    """Per pair of leafs, the signs of what the first is answered because of the second,
    on any operands.
    """
    found: Matrix = {}
    for meeting in meetings:
        for one, two, busy in (
            (meeting.one, meeting.two, meeting.busy_one),
            (meeting.two, meeting.one, meeting.busy_two),
        ):
            for status in busy:
                found.setdefault((one, two), {})[table[status][0]] = None
    return found


def contention_lines(by_module: dict[str, list[Meeting]]) -> Iterator[str]:
    """The first module's matrix, what the signs mean, and where the others differ."""
    (first, meetings), *others = by_module.items()
    table = signs(
        status
        for met in by_module.values()
        for one in met
        for status in (*one.busy_one, *one.busy_two)
    )
    known = matrix(meetings, table)
    names = [leaf.name for leaf in LEAFS]
    yield f"contention: what each leaf is answered because another runs beside it, module {first}."
    yield (
        "Every interleaving of every pair, from every state in which one of them goes all the way."
    )
    yield ""
    for begin in range(0, len(names), ABREAST):
        yield from _lines(names, range(begin, min(begin + ABREAST, len(names))), known)
        yield ""
    for sign, meaning in table.values():
        yield f"  {sign}  {meaning}"
    yield ""
    yield from _reading(meetings, table)
    yield from _halting(meetings)
    alike: list[tuple[list[str], Matrix]] = [([first], known)]
    for module, more in others:
        other = matrix(more, table)
        same = next((modules for modules, of in alike if of == other), None)
        if same is None:
            alike.append(([module], other))
        else:
            same.append(module)
    if len(alike[0][0]) > 1:
        yield f"\nThe same on {', '.join(alike[0][0])}."
    for modules, other in alike[1:]:
        yield f"\nOn {', '.join(modules)} otherwise:"
        yield from _differences(known, other)


def _lines(names: list[str], columns: range, known: Matrix) -> Iterator[str]:
    """Some columns of the matrix: their numbers, and a line a leaf."""
    yield " " * 22 + "".join(f"{column + 1:>3}" for column in columns)
    for number, one in enumerate(names, 1):
        cells = ("".join(known.get((one, names[two]), {})) or "." for two in columns)
        yield f"{number:>2} {_short(one):<19}" + "".join(f"{cell:>3}" for cell in cells)


def _short(leaf: str) -> str:
    """Without what most leafs begin with."""
    return leaf.replace(".MEM.", ".").removeprefix("TDH.")


def _reading(meetings: list[Meeting], table: Signs) -> Iterator[str]:
    """On which operands each answer is given."""
    for sign, status in ((sign, status) for status, (sign, _) in table.items()):
        on = [
            r
            for r in Relation
            if any(m.relation is r and status in (*m.busy_one, *m.busy_two) for m in meetings)
        ]
        if on:
            operands = (
                "any operands"
                if Relation.OTHER in on
                else ", ".join(relation.value for relation in on)
            )
            yield f"{sign} is met on {operands}."


def _halting(meetings: Iterable[Meeting]) -> Iterator[str]:
    """The pairs in which the module halts: a page is mapped before it has an owner."""
    for meeting in meetings:
        if meeting.halts:
            yield (
                f"{_short(meeting.one)} beside {_short(meeting.two)}, on {meeting.relation.value}: "
                "the module can halt."
            )


def _differences(known: Matrix, other: Matrix) -> Iterator[str]:
    for one, two in dict.fromkeys((*known, *other)):
        before, after = ("".join(of.get((one, two), {})) or "." for of in (known, other))
        if before != after:
            yield f"  {one} beside {two}: {after} and not {before}"
