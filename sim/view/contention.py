"""The lock matrix as one reads it: what the leaf of a line is answered because of the leaf of a column."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sim.scenarios.contention import LEAFS, Meeting, Relation

SIGNS = {
    "TDX_OPERAND_BUSY|SEPT_TREE": ("T", "TDX_OPERAND_BUSY|SEPT_TREE"),
    "TDX_OPERAND_BUSY|RCX": ("x", "TDX_OPERAND_BUSY|RCX"),
    "TDX_OPERAND_BUSY|R8": ("8", "TDX_OPERAND_BUSY|R8"),
    "TDX_OPERAND_BUSY|RDX": ("d", "TDX_OPERAND_BUSY|RDX"),
    "TDX_OPERAND_BUSY|TDR": ("r", "TDX_OPERAND_BUSY|TDR"),
    "TDX_OPERAND_BUSY|TD_EPOCH": ("c", "TDX_OPERAND_BUSY|TD_EPOCH"),
    "TDX_INTERRUPTED_BUSY": ("p", "TDX_INTERRUPTED_BUSY: it gave way to a host that the tree had turned away"),
    "BUSY": ("g", "to a guest, TDX_OPERAND_BUSY|RCX"),
    "BUSY_HOST_PRIORITY": ("h", "to a guest as well, for host priority"),
}
Matrix = dict[tuple[str, str], dict[str, None]]


def matrix(meetings: Iterable[Meeting]) -> Matrix:
    """Per pair of leafs, the signs of what the first is answered because of the second, on any operands."""
    found: Matrix = {}
    for meeting in meetings:
        for one, two, busy in (
            (meeting.one, meeting.two, meeting.busy_one),
            (meeting.two, meeting.one, meeting.busy_two),
        ):
            for status in busy:
                found.setdefault((one, two), {})[SIGNS[status][0]] = None
    return found


def contention_lines(by_module: dict[str, list[Meeting]]) -> Iterator[str]:
    """The first module's matrix, what the signs mean, and where the others differ."""
    (first, meetings), *others = by_module.items()
    known = matrix(meetings)
    names = [leaf.name for leaf in LEAFS]
    yield f"contention: what each leaf is answered because another runs beside it, module {first}."
    yield "Every interleaving of every pair, from every state in which one of them goes all the way."
    yield ""
    yield " " * 22 + "".join(f"{number:>3}" for number in range(1, len(names) + 1))
    for number, one in enumerate(names, 1):
        cells = ("".join(known.get((one, two), {})) or "." for two in names)
        yield f"{number:>2} {_short(one):<19}" + "".join(f"{cell:>3}" for cell in cells)
    yield ""
    for sign, meaning in SIGNS.values():
        yield f"  {sign}  {meaning}"
    yield ""
    yield from _reading(meetings)
    alike: list[tuple[list[str], Matrix]] = [([first], known)]
    for module, more in others:
        other = matrix(more)
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


def _short(leaf: str) -> str:
    """Without what most leafs begin with."""
    return leaf.replace(".MEM.", ".").removeprefix("TDH.")


def _reading(meetings: list[Meeting]) -> Iterator[str]:
    """On which operands each answer is given."""
    for sign, status in ((sign, status) for status, (sign, _) in SIGNS.items()):
        on = [r for r in Relation if any(m.relation is r and status in (*m.busy_one, *m.busy_two) for m in meetings)]
        if on:
            operands = "any operands" if Relation.OTHER in on else ", ".join(relation.value for relation in on)
            yield f"{sign} is met on {operands}."


def _differences(known: Matrix, other: Matrix) -> Iterator[str]:
    for one, two in dict.fromkeys((*known, *other)):
        before, after = ("".join(of.get((one, two), {})) or "." for of in (known, other))
        if before != after:
            yield f"  {one} beside {two}: {after} and not {before}"
