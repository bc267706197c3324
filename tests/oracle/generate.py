"""Random programs: number k of seed s is the same one everywhere, and can be had alone.

All chance comes from `random.Random(text).random()`, which Python promises not to change. A program
that has too many states is drawn again (how many that is depends on its family), so that what is
compared is what can be gone through.

What the engine refuses is not drawn: every task catches what is raised in it, a turn of a loop
performs an operation, what counts without end counts modulo something, and who gives a lock back
has it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from tests.oracle.graph import Graph, TooLargeError
from tests.oracle.language import Block, Expression, Program, PropertyOf, Statement, TaskOf
from tests.oracle.machine import Machine, SenselessError

NAMES = ("p", "q", "r", "s", "t", "u", "v")
SMALL, LARGE, LARGEST = 3000, 8192, 30000
"""States that a program has at most;
those that one of the large family has more than, and at most."""

_FAMILIES = (
    *("mixed",) * 5,
    *("race",) * 4,
    *("ends",) * 6,
    *("chains",) * 4,
    *("rests",) * 2,
    *("rounds",) * 4,
    *("spins",) * 2,
    *("locks",) * 2,
    *("words",) * 3,
    *("fields",) * 3,
    *("large",) * 3,
)


class Draw:
    """Random choices."""

    def __init__(self, text: str) -> None:
        self._random = random.Random(text)  # noqa: S311 - tests, not secrets

    def below(self, n: int) -> int:
        return int(self._random.random() * n)

    def between(self, low: int, high: int) -> int:
        """A number from `low` to `high`, both included."""
        return low + self.below(high - low + 1)

    def of(self, items: Sequence[Any]) -> Any:
        return items[self.below(len(items))]

    def chance(self, parts: int) -> bool:
        """True once in so many times."""
        return self.below(parts) == 0

    def either(self, items: Sequence[Any]) -> Statement:
        """One of some statements."""
        made: Statement = self.of(items)
        return made

    def two(self, n: int) -> tuple[int, int]:
        """Two different numbers below n."""
        one = self.below(n)
        other = self.below(n - 1)
        return one, other + (other >= one)


class Writer:
    """Writes blocks over so many variables.

    In an `endless` loop nothing counts without a modulus.
    """

    def __init__(self, draw: Draw, cells: int, mutexes: int, rwlocks: int) -> None:
        self.draw, self.cells, self.mutexes, self.rwlocks = draw, cells, mutexes, rwlocks
        self._reports = 0

    def cell(self) -> int:
        return self.draw.below(self.cells)

    def value(self) -> int:
        return (0, 1, 1, 2)[self.draw.below(4)]

    def block(
        self, least: int, most: int, depth: int, *, endless: bool = False, loop: bool = False
    ) -> Block:
        size = self.draw.between(least, most)
        return tuple(self.statement(depth, endless=endless, loop=loop) for _ in range(size))

    def statement(self, depth: int, *, endless: bool = False, loop: bool = False) -> Statement:
        if depth and self.draw.below(100) < 40:
            return self._structured(depth - 1, endless=endless, loop=loop)
        return self._plain(endless=endless)

    def operation(self) -> Statement:
        """One that is always performed, never waits, and gives a result."""
        c, v, w = self.cell(), self.value(), self.value()
        return self.draw.either(
            (("load", c), ("xchg", c, v), ("cas", c, v, w), ("weak", c, v, w), ("choose", 0, 1))
        )

    def _plain(self, *, endless: bool) -> Statement:
        draw, c, v, w = self.draw, self.cell(), self.value(), self.value()
        kinds: list[Statement] = [
            *[
                ("load", c),
                ("store", c, v),
                ("put", c),
                ("xchg", c, v),
                ("cas", c, v, w),
                ("weak", c, v, w),
            ],
            *[("bump", c, 3), ("wait", c, v), ("choose", 0, 1), ("step",), ("keep",), ("recall",)],
            *[("load", c), ("store", c, v), ("cas", c, v, w)],
        ]
        if draw.chance(3):
            kinds += [
                ("choose", 0, 1, 2),
                ("choose", 2, 0),
                ("progress",),
                ("give",),
                ("raise", v),
                ("return", v),
            ]
        if draw.chance(6):
            kinds += [("bug", draw.of(("here", "there")))]
        if not endless:
            kinds += [("add", c, 1), ("add", c, 1), ("fetch_add", c, 1), ("add", c, -1)]
        if self.cells > 1:
            one, other = draw.two(self.cells)
            kinds += [
                ("move", one, other),
                ("copy", one, other),
                ("dcas", one, other, v, w, 2),
                ("sum", one, other),
            ]
            kinds += [("wait2", draw.of(("same", "differ", "sum2")), one, other)]
            kinds += [] if endless else [("tally", one, v, other)]
        if self.mutexes:
            m = draw.below(self.mutexes)
            kinds += [("try", m), ("lock", m), ("unlock", m)] * 2
        if draw.chance(2):
            kinds += [self.report()] * 2
        return draw.either(kinds)

    def report(self) -> Statement:
        self._reports += 1
        return (
            "report",
            self.draw.of(("WARN", "KVM_BUG_ON")),
            self.draw.of(("here", "there")),
            self.draw.of(("", "why")),
        )

    def _structured(self, depth: int, *, endless: bool, loop: bool) -> Statement:
        draw = self.draw

        def inner(
            least: int = 1, most: int = 2, *, loop: bool = loop, endless: bool = endless
        ) -> Block:
            return self.block(least, most, depth, endless=endless, loop=loop)

        kinds: list[Callable[[], Statement]] = [
            lambda: ("if", self.value(), inner(), inner(0, 1)),
            lambda: ("if", self.value(), (self.report(),), inner(0, 1)),
            lambda: ("call", inner(1, 3, loop=False), draw.of((None, 0, 1))),
            lambda: (
                "guard",
                (*inner(), ("raise", self.value())) if draw.chance(2) else inner(),
                inner(0, 1),
            ),
            lambda: ("finally", inner(1, 2), inner(1, 1, loop=False)),
            lambda: (
                "times",
                draw.of((1, 2, 2, 3)),
                draw.below(2),
                self._turn(depth, endless=endless),
            ),
            lambda: ("until", draw.of((0, 1)), draw.below(2), self._turn(depth, endless=True)),
        ]
        if loop:
            kinds += [lambda: ("if", self.value(), (("again",),), ())]
        if self.mutexes:
            kinds += [lambda: ("if_lock", draw.below(self.mutexes), inner())] * 2
            kinds += [lambda: self._locked(draw.below(self.mutexes), inner())]
        if self.rwlocks:
            w = draw.below(self.rwlocks)
            kinds += [lambda: ("if_read", w, inner()), lambda: ("if_write", w, inner())]
            kinds += [
                lambda: self.held("read", w, inner()),
                lambda: self.held("write", w, inner()),
            ] * 2
        made: Statement = draw.of(kinds)()
        return made

    def _turn(self, depth: int, *, endless: bool) -> Block:
        """A turn's block: the operation that it surely performs stands at its beginning,
        and mostly decides its end.
        """
        block = self.block(0, 2, depth, endless=endless, loop=True)
        return (
            (self.operation(), *block)
            if self.draw.chance(2)
            else (self.operation(), *block, self.operation())
        )

    @staticmethod
    def _locked(m: int, inner: Block) -> Statement:
        return "call", (("lock", m), ("finally", inner, (("unlock", m),))), None

    @staticmethod
    def held(how: str, w: int, inner: Block) -> Statement:
        """A block under a rwlock, which is given back whichever way it is left."""
        return "call", ((f"{how}_lock", w), ("finally", inner, ((f"{how}_unlock", w),))), None

    def expression(self, depth: int) -> Expression:
        """What a property says, for which it reads on by what it has read."""
        draw, c = self.draw, self.cell()
        if not depth:
            return draw.either(
                (("is", c, self.value()), ("not", ("is", c, self.value())), ("at_most", c, 1))
            )
        match draw.below(4):
            case 0:
                return "or", ("not", ("is", c, self.value())), self.expression(depth - 1)
            case 1:
                return "and", ("at_most", c, 2), self.expression(depth - 1)
            case _:
                cases = tuple((v, self.expression(depth - 1)) for v in (0, 1))
                return "pick", c, cases, self.expression(0)

    def chained(self, name: str) -> PropertyOf:
        """A property that reads a second cell only where the first one says so."""
        draw = self.draw
        if draw.chance(4) and self.cells > 2:
            cells = tuple(draw.of(range(self.cells)) for _ in range(3))
            return PropertyOf(name, "divergence", ("staged", cells, draw.between(1, 4)))
        return PropertyOf(name, "divergence", ("whole", self.expression(draw.between(1, 3))))


def guarded(block: Block, *then: Statement) -> Block:
    """A task's block: what it raises is caught, and whatever it returns, something follows."""
    return (("guard", (("call", block, 0),), ()), *then)


def candidate(seed: int, number: int, attempt: int) -> Program:
    """The `attempt`-th draw of a program."""
    family = _FAMILIES[Draw(f"{seed}/{number}").below(len(_FAMILIES))]
    draw = Draw(f"{seed}/{number}/{attempt}")
    made: Program = _MAKERS[family](draw, family)
    return made


def program_of(seed: int, number: int) -> tuple[Program, Graph]:
    """Program `number` of a seed, and its graph:
    the first draw that is neither too large nor too small.
    """
    for attempt in range(200):
        program = candidate(seed, number, attempt)
        large = program.family == "large"
        try:
            graph = Graph(Machine(program), LARGEST if large else SMALL)
        except (TooLargeError, SenselessError):
            continue
        if not large or len(graph.states) > LARGE:
            return program, graph
    raise AssertionError(f"no program {number} of seed {seed}")


def _tasks(blocks: list[Block], daemons: int = 0) -> tuple[TaskOf, ...]:
    named = zip(NAMES, blocks, strict=False)
    return tuple(
        TaskOf(name, block, i >= len(blocks) - daemons) for i, (name, block) in enumerate(named)
    )


def _daemon(writer: Writer) -> Block:
    """Something that serves for ever, whenever a cell asks for it."""
    c = writer.cell()
    served = writer.block(0, 1, 0, endless=True)
    return (("forever", 0, (("wait", c, 1), ("store", c, writer.draw.of((0, 2))), *served)),)


def _mixed(draw: Draw, family: str) -> Program:
    writer = Writer(draw, draw.between(1, 3), draw.below(3), draw.below(2))
    count = draw.of((1, 2, 2, 2, 3))
    blocks = [guarded(writer.block(1, 4 - (count > 2), 2)) for _ in range(count)]
    daemons = int(draw.chance(4))
    blocks += [guarded(_daemon(writer))] * daemons
    properties = tuple(writer.chained(f"law{i}") for i in range(draw.below(3)))
    return Program(
        *(_tasks(blocks, daemons), writer.cells, writer.mutexes, writer.rwlocks, properties),
        retries=draw.below(3),
        family=family,
    )


def _race(draw: Draw, family: str) -> Program:
    """Short straight tasks that race for reports: what is compared most here is numbers."""
    writer = Writer(draw, 2, draw.below(2), draw.below(2))
    blocks = []
    for _ in range(draw.of((2, 2, 3))):
        end = draw.of(
            (
                (("load", 0), ("if", 1, (writer.report(),), ())),
                (("xchg", 1, 2), ("if", 1, (writer.report(),), (("step",),))),
                (("store", 0, 1), ("store", 0, 0)),
                (("sum", 0, 1), ("if", 2, (writer.report(),), ())),
                (("weak", 0, 0, 1), ("if", 0, (writer.report(),), ())),
                (("wait", 0, 1), ("add", 1, 1)),
                (("add", 0, 1), ("add", 1, 1)),
            )
        )
        blocks.append(guarded((*writer.block(0, 2, int(draw.chance(3))), *end)))
    properties = (writer.chained("law"),) if draw.chance(2) else ()
    return Program(
        *(_tasks(blocks), 2, writer.mutexes, writer.rwlocks, properties),
        retries=draw.below(3),
        family=family,
    )


def _chains(draw: Draw, family: str) -> Program:
    """Properties everywhere that read by what they have read,
    over more cells than one task writes.
    """
    writer = Writer(draw, draw.between(3, 5), draw.below(2), 0)
    count = draw.of((1, 2, 2, 3))
    blocks = [guarded(writer.block(2, 5 - (count > 2), 1)) for _ in range(count)]
    properties = tuple(writer.chained(f"law{i}") for i in range(draw.between(1, 3)))
    return Program(
        *(_tasks(blocks), writer.cells, writer.mutexes, 0, properties),
        retries=draw.below(2),
        family=family,
    )


def _ends(draw: Draw, family: str) -> Program:
    """Properties at the end: they read the rest only once every task has set its last cell."""
    cells, count = draw.between(1, 3), draw.of((1, 2, 2, 2, 3))
    writer = Writer(draw, cells, draw.below(2), 0)
    blocks = [
        guarded(writer.block(1, 4 - (count > 2), 1), ("store", cells + i, 1)) for i in range(count)
    ]
    properties = []
    for i in range(draw.between(1, 2)):
        then = writer.expression(draw.between(0, 2))
        for done in range(cells + count - 1, cells - 1, -1):
            then = (
                ("pick", done, ((1, then),), ("is", done, 0))
                if draw.chance(2)
                else ("or", ("is", done, 0), then)
            )
        properties.append(PropertyOf(f"end{i}", "lost", ("whole", then)))
    return Program(
        *(_tasks(blocks), cells + count, writer.mutexes, 0, tuple(properties)),
        retries=draw.below(2),
        family=family,
    )


def _rests(draw: Draw, family: str) -> Program:
    """Properties at rest: they read the rest only where nobody is inside."""
    cells, count = draw.between(2, 3), draw.of((2, 2, 3))
    writer = Writer(draw, cells, 1, 0)
    inside = cells
    blocks = []
    for _ in range(count):
        block = writer.block(1, 2, 1)
        held = (("add", inside, 1), ("finally", block, (("add", inside, -1),)))
        blocks.append(guarded((*writer.block(0, 1, 0), ("call", held, None))))
    rest = ("or", ("not", ("is", inside, 0)), writer.expression(draw.between(1, 2)))
    properties = (PropertyOf("rest", "divergence", ("whole", rest)),)
    return Program(
        *(_tasks(blocks), cells + 1, 1, 0, properties), retries=draw.below(2), family=family
    )


def _rounds(draw: Draw, family: str) -> Program:
    """Loops without end that wait for each other: livelock, starvation, progress, daemons."""
    writer = Writer(draw, draw.between(1, 2), 2, 0)
    blocks = []
    for _ in range(draw.of((1, 2, 2, 3))):
        loops = draw.of(
            (
                ("until", 1, 0, (("load", writer.cell()),)),
                ("until", 1, draw.below(2), (("try", draw.below(2)),)),
                ("until", 1, 0, (("choose", 0, 1),)),
                ("until", 1, 0, (("choose", 0, 1), ("progress",))),
                (
                    "until",
                    2,
                    0,
                    (("load", writer.cell()), *writer.block(0, 1, 1, endless=True, loop=True)),
                ),
                (
                    "until",
                    1,
                    0,
                    (("try", 0), ("if", 1, (("try", 1), ("if", 0, (("unlock", 0),), ())), ())),
                ),
                (
                    "until",
                    1,
                    0,
                    (("try", 1), ("if", 1, (("try", 0), ("if", 0, (("unlock", 1),), ())), ())),
                ),
                (
                    "until",
                    0,
                    draw.below(2),
                    (("xchg", writer.cell(), 1), *writer.block(0, 1, 0, endless=True)),
                ),
                ("forever", 0, (("bump", writer.cell(), 3), *writer.block(0, 1, 0, endless=True))),
            )
        )
        before = writer.block(0, 2, 0)
        after = draw.of(
            (
                (),
                (),
                (("store", writer.cell(), writer.value()),),
                (("unlock", 0),),
                (("progress",),),
            )
        )
        blocks.append(guarded((*before, loops, *after)))
    daemons = int(draw.chance(4))
    blocks += [guarded(_daemon(writer))] * daemons
    return Program(
        *(_tasks(blocks, daemons), writer.cells, 2, 0, ()), retries=draw.below(2), family=family
    )


def _spins(draw: Draw, family: str) -> Program:
    """Loops within loops, where a frame may or may not remember what nobody uses any more."""
    writer = Writer(draw, draw.between(1, 2), 1, 0)
    blocks = []
    for _ in range(draw.of((1, 1, 2))):
        first: Statement = draw.of(
            (("try", 0), ("load", writer.cell()), ("xchg", writer.cell(), 1), ("choose", 0, 1))
        )
        first = first if draw.chance(2) else ("call", (first, ("return", 0)), 0)
        spin = (
            "until",
            1,
            0,
            (draw.of((("choose", 0, 1), ("load", 0), ("choose", 0, 1), ("try", 0))),),
        )
        outer: Statement = draw.of(
            (("forever", 0, (first, spin)), ("until", 1, 0, (first, spin, ("load", 0))))
        )
        blocks.append(guarded((*writer.block(0, 1, 0), outer, ("store", writer.cell(), 1))))
    if draw.chance(2):
        blocks.append(guarded(writer.block(1, 2, 1)))
    return Program(*(_tasks(blocks), writer.cells, 1, 0, ()), retries=draw.below(2), family=family)


def _locks(draw: Draw, family: str) -> Program:
    """Locks in all orders."""
    writer = Writer(draw, 1, 2, 2)
    blocks = []
    for _ in range(draw.of((2, 2, 3))):
        taking: list[Statement] = []
        for _ in range(draw.between(1, 2)):
            inner = writer.block(0, 2, 1)
            taking.append(
                draw.of(
                    (
                        ("lock", draw.below(2)),
                        ("read_lock", draw.below(2)),
                        ("write_lock", draw.below(2)),
                        writer.held("read", draw.below(2), inner),
                        writer.held(
                            "write", draw.below(2), (writer.held("read", draw.below(2), inner),)
                        ),
                        writer.held(
                            "read", draw.below(2), (writer.held("write", draw.below(2), inner),)
                        ),
                        ("if_read", draw.below(2), inner),
                    )
                )
            )
        blocks.append(guarded((*taking, *draw.of(((), (("unlock", 0),), (("add", 0, 1),))))))
    return Program(*(_tasks(blocks), 1, 2, 2, ()), retries=draw.below(2), family=family)


def _words(draw: Draw, family: str) -> Program:
    """Many cells, most of them met late, so that states gain words on the way."""
    count = draw.of((2, 3))
    each = draw.between(14, 18) // count + 3
    cells = each * count
    writer = Writer(draw, cells, 0, 0)
    blocks = []
    for task in range(count):
        own = [task * each + i for i in range(each)]
        steps = [
            draw.of((("store", c, 1), ("store", c, 1), ("add", c, 1), ("load", c))) for c in own
        ]
        steps.insert(
            draw.below(len(steps)), draw.of((("choose", 0, 1), ("load", 0), ("xchg", each, 1)))
        )
        if draw.chance(4):
            # Six cells are more bits than answers are set aside for: what is asked of them is
            # numbered as it comes up.
            steps.insert(draw.between(1, len(steps)), ("sum", *range(0, cells, -(-cells // 6))))
        blocks.append(guarded(tuple(steps)))
    properties = tuple(writer.chained(f"law{i}") for i in range(draw.below(3)))
    return Program(*(_tasks(blocks), cells, 0, 0, properties), retries=0, family=family)


def _fields(draw: Draw, family: str) -> Program:
    """Counters that outgrow the bits that their cells begin with.

    Now and then more local states than 8 bits number.
    """
    writer = Writer(draw, 3, 0, 0)
    top = draw.between(9, 20)
    climb: Statement = ("times", top, 0, (("add", 0, 1),))
    if draw.chance(2):
        climb = ("until", top - 1, 0, (("load", 0), ("bump", 0, top)))
    if draw.chance(6):
        climb = ("call", (*(("choose", 0, 1, 2),) * 6, ("bump", 0, 9)), None)
    blocks = [guarded((climb,)), guarded(writer.block(1, 3, 1, endless=True))]
    if draw.chance(2):
        blocks.append(guarded((("times", draw.between(8, 10), 0, (("add", 1, 1),)),)))
    properties = tuple(writer.chained(f"law{i}") for i in range(draw.below(3)))
    if draw.chance(2):
        reads = ("or", ("at_most", 0, draw.between(5, top)), writer.expression(1))
        properties = (*properties, PropertyOf("high", "divergence", ("whole", reads)))
    return Program(*(_tasks(blocks), 3, 0, 0, properties), retries=0, family=family)


_LENGTHS = (
    (9, 9, 9, 9),
    (8, 9, 10, 9),
    (8, 9, 9, 9),
    (5, 5, 5, 5, 6),
    (5, 6, 5, 5, 6),
    (3, 4, 4, 4, 4, 3),
    (20, 20, 20),
)


def _large(draw: Draw, family: str) -> Program:
    """More states than the search by a dict takes on: tasks that seldom meet,
    so that their places multiply.
    """
    lengths = draw.of(_LENGTHS)
    writer = Writer(draw, len(lengths) + 2, 1, 1)
    shared = len(lengths)
    blocks = []
    for own, length in enumerate(lengths):
        steps: list[Statement] = [
            draw.of(
                (
                    ("step",),
                    ("store", own, 1),
                    ("load", own),
                    ("add", shared, 1),
                    ("cas", own, 0, 1),
                    ("bump", own, 3),
                )
            )
            for _ in range(length)
        ]
        if own < 2:
            meet = (
                ("load", shared + 1),
                ("store", shared + 1, 1),
                ("if_read", 0, ()),
                ("try", 0),
                ("choose", 0, 1),
            )
            steps[draw.between(length - 2, length - 1)] = draw.of(meet)
        if draw.chance(4):
            steps[-1] = writer.report()
        blocks.append(guarded(tuple(steps)))
    properties = tuple(writer.chained(f"law{i}") for i in range(draw.between(0, 2)))
    return Program(*(_tasks(blocks), writer.cells, 1, 1, properties), retries=0, family=family)


_MAKERS: dict[str, Callable[[Draw, str], Program]] = {
    "mixed": _mixed,
    "race": _race,
    "ends": _ends,
    "chains": _chains,
    "rests": _rests,
    "rounds": _rounds,
    "spins": _spins,
    "locks": _locks,
    "words": _words,
    "fields": _fields,
    "large": _large,
}
