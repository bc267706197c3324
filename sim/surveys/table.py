"""The table of transitions, derived: one loop over rows, kernels and modules,
and no word about any one of them.

*hit* is the mail's column: the condition of the KVM_BUG_ON() in handle_changed_spte() is true in
some interleaving. *valid*: the setter of that lock mode takes the transition on a direct root,
where nobody contends, and nothing warns. What the mail lacks is beside it: everything else that was
found, and for each contender whether it alone suffices.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import attrs

from sim.catalog.printed import aloud, firsts, is_logged
from sim.catalog.schedules import file_name, witness
from sim.engine.model.operations import Finding
from sim.engine.model.scenario import Scenario
from sim.engine.run.schedule import write
from sim.scenarios.kernels import kernel_of
from sim.scenarios.library import recipe_named
from sim.scenarios.recipe import KERNEL
from sim.scenarios.switches import FLIPS, Flip
from sim.scenarios.transitions import ROWS, Row
from sim.search.exploration import Counting, Exploration, Found
from sim.search.explore import explore

COUNTABLE = 4 << 20
"""Interleavings of a cell are counted exactly up to so many states."""


def is_hit(finding: Finding) -> bool:
    """The KVM_BUG_ON() that the mail asks about."""
    return finding.kind == "KVM_BUG_ON" and finding.where == "handle_changed_spte"


@attrs.frozen
class CellFinding:
    """A finding and its shortest witness: the schedule's text, and what its file is called."""

    finding: Finding
    name: str
    schedule: str
    steps: int


@attrs.frozen
class TableQuery:
    """A cell of the table before it is derived."""

    row: Row
    kernel: str
    module: str
    flip: Flip | None = None

    @property
    def order(self) -> str:
        """The mail's word for the kernel, where it has one."""
        return self.row.order_of(self.kernel)

    @property
    def key(self) -> str:
        return " ".join(
            (self.row.name, self.kernel, self.module, *([self.flip.name] if self.flip else ()))
        )

    @property
    def setting(self) -> dict[str, str]:
        """The parameters that are not at their defaults."""
        flipped = dict(self.flip.setting if self.flip else ())
        return {KERNEL: self.kernel, "module": self.module, **flipped}

    def scenario(self, **given: str) -> Scenario:
        """The row's scenario, with `given` on top of the cell's own parameters."""
        without = self.flip.without if self.flip else ()
        return recipe_named(self.row.name).scenario({**self.setting, **given}, without)


@attrs.frozen
class TableCell:
    """What running said about one row, kernel and module."""

    row: Row
    order: str
    """The mail's word for the kernel that was asked for, or its name;
    a flip may have put another one in its place."""
    module: str
    kernel: str
    flipped: str
    valid: bool
    told: tuple[CellFinding, ...]
    alone: tuple[tuple[str, tuple[str, ...]], ...]
    """Per contender, the causes with which a hit comes about when nobody else contends;
    `none` for nobody at all."""
    states: int
    interleavings: int | None
    classes: int | None

    @property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(told.finding for told in self.told)

    @property
    def hits(self) -> tuple[Finding, ...]:
        return tuple(filter(is_hit, self.findings))

    @property
    def causes(self) -> tuple[str, ...]:
        hits = map(aloud, self.hits)
        return tuple(dict.fromkeys(cause for hit in hits for cause in hit.causes))

    @property
    def is_shown(self) -> bool:
        """Whether a hit can be the first that a log has of its VM."""
        return bool(firsts(self.hits))

    @property
    def others(self) -> tuple[Finding, ...]:
        """What else of the kernel fires, and a log can show."""
        return tuple(one for one in firsts(self.findings) if not is_hit(one) and is_logged(one))

    @property
    def confirmed(self) -> tuple[str, ...]:
        """The causes that some contender brings about alone, or that need none."""
        return tuple(dict.fromkeys(cause for _, causes in self.alone for cause in causes))


def questions(
    kernels: tuple[str, ...], modules: tuple[str, ...], flips: tuple[Flip, ...] = ()
) -> Iterator[TableQuery]:
    """Every cell, kernel by kernel and module by module.

    Or those that flips are about, then as each flip has them.

    A kernel may be given in the mail's words.
    """
    for name in kernels:
        for module in modules:
            for row in ROWS:
                asked = TableQuery(row, row.kernel_named(name), module)
                if not flips or any(is_about(flip, asked) for flip in flips):
                    yield asked
    for flip in flips:
        for name in kernels:
            for module in modules:
                asked_as_read = (TableQuery(row, row.kernel_named(name), module) for row in ROWS)
                yield from (
                    attrs.evolve(asked, flip=flip)
                    for asked in asked_as_read
                    if is_about(flip, asked)
                )


def is_about(flip: Flip, asked: TableQuery) -> bool:
    """Whether an assumption may decide a cell."""
    return asked.row.number in flip.rows and asked.order in flip.orders


def derive(question: TableQuery) -> TableCell:
    """Explore everything that one cell takes.

    Raises KeyboardInterrupt where Ctrl-C ended some of that.
    """
    row, flip = question.row, question.flip

    def run(counting: Counting | None = None, **given: str) -> Exploration:
        exploration = explore(question.scenario(**given), counting=counting)
        # while it was counted: the rest is good for whoever asked for this alone
        if exploration.interrupted:
            raise KeyboardInterrupt
        return exploration

    counting = Counting(0, COUNTABLE, reach=False, idle=is_hit)
    crowds = {crowd: run(counting, contenders=crowd) for crowd in row.crowds}
    alone = {one: run(contenders=one) for one in (*row.contenders, "none")}
    direct = run(contenders="none", root="direct")
    counts = [crowd.counts for crowd in crowds.values()]
    return TableCell(
        row,
        question.order,
        question.module,
        kernel_of(recipe_named(row.name).settings(question.setting)).VERSION,
        flip.name if flip else "",
        direct.clean,
        tuple(_told([found for exploration in crowds.values() for found in exploration.found])),
        tuple((one, _causes(exploration)) for one, exploration in alone.items()),
        sum(exploration.states for exploration in crowds.values()),
        _sum([None if count is None else count.interleavings for count in counts]),
        _sum([None if count is None else count.classes for count in counts]),
    )


def _told(found: list[Found]) -> Iterator[CellFinding]:
    """Each finding once, with the shortest witness that any crowd has."""
    shortest: dict[Finding, Found] = {}
    for one in found:
        known = shortest.get(one.finding)
        if known is None or len(one.witness.steps) < len(known.witness.steps):
            shortest[one.finding] = one
    for finding, one in shortest.items():
        scenario = one.witness.scenario
        yield CellFinding(
            finding, file_name(scenario, one), write(witness(one)), len(one.witness.steps)
        )


def _causes(exploration: Exploration) -> tuple[str, ...]:
    """The causes of hits; a hit without any is "always"."""
    hits = [aloud(found.finding) for found in exploration.found if is_hit(found.finding)]
    return tuple(dict.fromkeys(cause for hit in hits for cause in hit.causes or ("always",)))


def _sum(numbers: list[int | None]) -> int | None:
    """Of what is known, and known of all."""
    known = [number for number in numbers if number is not None]
    return sum(known) if len(known) == len(numbers) else None


@attrs.frozen
class Derivation:
    """The cells of some questions: by key as they are read, and in order as the flips have them."""

    base: dict[str, TableCell]
    flipped: tuple[TableCell, ...]
    flips: tuple[Flip, ...] = ()

    @classmethod
    def sorted(
        cls, asked: Sequence[TableQuery], known: Mapping[str, TableCell], flips: tuple[Flip, ...]
    ) -> Derivation:
        """Of the answers by key, in the order in which they were asked for."""
        base = {question.key: known[question.key] for question in asked if question.flip is None}
        return cls(base, tuple(known[question.key] for question in asked if question.flip), flips)

    def of_flip(self, flip: Flip) -> list[TableCell]:
        return [cell for cell in self.flipped if cell.flipped == flip.name]

    def new(self) -> Iterator[tuple[TableCell, CellFinding]]:
        """The witnesses to record: all of them.

        Or, where something is flipped, those of what that adds.
        """
        if not self.flips:
            yield from ((cell, told) for cell in self.base.values() for told in cell.told)
            return
        plain = {(cell.row, cell.order, cell.module): cell.findings for cell in self.base.values()}
        for cell in self.flipped:
            before = plain.get((cell.row, cell.order, cell.module), ())
            yield from ((cell, told) for told in cell.told if told.finding not in before)


def flip_named(name: str) -> tuple[Flip, ...]:
    """The flips of a switch, or all of them; none where there is no such switch."""
    return tuple(flip for flip in FLIPS if name in {"all", flip.name, flip.switch})
