"""The oracle's own little language.

A program is data: tuples, numbers and words, so that it can be printed and cut.

A program has tasks, and these share cells `c0`, `c1`, ..., mutexes `m0`, ... and rwlocks `w0`, ....
A task runs a block of statements in frames. A frame has two registers: `acc`, which holds the last
result, and `kept`, and both begin as 0 but for `acc` where the frame is given one. Statements that
perform an operation, each atomic, and what they do to `acc`:

    step                    nothing shared is touched
    load c                  acc = c
    store c v               c = v
    put c                   c = acc modulo 5
    xchg c v                acc = c, c = v
    cas c old new           acc = c; if that is old, c = new
    weak c old new          the same, acc = 1 or 0, and it may fail although c is old
    fetch_add c n           acc = c, c = c + n
    add c n                 c = c + n, which commutes with other additions
    bump c m                c = (c + 1) modulo m
    move c d                d = c, c = 0
    copy c d                d = c: c is read, d is written
    dcas c d x y v          if c is x and d is y, both become v; acc = 1 or 0
    tally c v d             if c is v, d = d + 1, which commutes
    sum c...                acc = the sum of cells
    try m                   acc = 1 if the mutex was free, and is this task's now, else 0
    lock m                  wait until the mutex is free, and take it
    unlock m                give it back, if it is this task's
    read_lock w             wait until nobody writes, and be a reader; readers commute
    read_unlock w           be a reader no more
    write_lock w            wait until nobody reads or writes, and write
    write_unlock w          write no more
    wait c v                wait until c is v
    wait2 how c d           wait until c and d are "same", "differ" or have "sum2", a sum of two at least
    choose v...             acc = any of these
    progress                the task has got somewhere
    report kind where why   a finding; `why` is its cause, "" for none
    bug where               BUG(): a finding, and nobody steps any more

and those that do not, or that begin so:

    if v then else          if acc is v, the block `then`, else the block `else`
    if_lock m block         try; if acc is 1 now, the block, and unlock
    if_read w block         try to be a reader: acc = 1 or 0; if 1, the block, and read_unlock
    if_write w block        try to write: the same, and write_unlock
    call block v            the block in a frame of its own, which is given v (None: acc); acc = what it returns
    return v                leave the frame: out of a loop, as its value
    give                    return acc
    raise k                 leave blocks and frames up to a guard
    guard block handler     the block; if k is raised in it, acc = 10 + k and then the handler
    finally block last      the block, and the block `last` whichever way it is left; `return` there ends `last`
    times n carry block     n turns of the block, a frame each, that begin with the acc of the last one (carry) or 0
    until v carry block     turns until acc is v after one
    forever carry block     turns
    again                   end this turn here; the next one follows
    keep                    kept = acc
    recall                  acc = kept

The value of a frame that comes to its end is acc. A property is ("whole", expression), or
("staged", cells, bad), which reads one cell per stage, each stage told what the ones before it have
added up to, and is broken where the sum is `bad`:

    ("is", c, v)  ("at_most", c, v)  ("not", e)  ("and", e...)  ("or", e...)  ("pick", c, ((v, e), ...), e)

`and` and `or` read no further than they must, and `pick` reads on by what it has read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs

Statement = tuple[Any, ...]
Block = tuple[Statement, ...]
Expression = tuple[Any, ...]

HALTED = "halted"
PUT = 5
"""What `put` takes `acc` modulo."""


@attrs.frozen
class TaskOf:
    """A task of a program. A daemon need not finish."""

    name: str
    block: Block
    daemon: bool = False


@attrs.frozen
class PropertyOf:
    """A property of a program: it is broken where its rule does not hold."""

    name: str
    kind: str
    rule: Expression


@attrs.frozen
class Program:
    """Tasks, how many of which variables they share, and properties.

    `retries` is what runs are counted with.
    """

    tasks: tuple[TaskOf, ...]
    cells: int
    mutexes: int = 0
    rwlocks: int = 0
    properties: tuple[PropertyOf, ...] = ()
    retries: int = 1
    family: str = "mixed"

    @property
    def names(self) -> tuple[str, ...]:
        """Every variable, by name, in a fixed order; the last one says whether BUG() was called."""
        return (
            *(f"c{i}" for i in range(self.cells)),
            *(f"m{i}" for i in range(self.mutexes)),
            *(f"w{i}" for i in range(self.rwlocks)),
            HALTED,
        )


BLOCKS: dict[str, tuple[int, ...]] = {
    "if": (2, 3),
    "if_lock": (2,),
    "if_read": (2,),
    "if_write": (2,),
    "call": (1,),
    "guard": (1, 2),
    "finally": (1, 2),
    "times": (3,),
    "until": (3,),
    "forever": (2,),
}
"""Where the blocks of a statement stand."""

LOOPS = ("times", "until", "forever")


def statements(block: Block) -> Iterator[Statement]:
    """All statements of a block, the inner ones too."""
    for statement in block:
        yield statement
        for at in BLOCKS.get(statement[0], ()):
            yield from statements(statement[at])


def text_of(program: Program) -> str:
    """A program as text, to be read."""
    lines = [
        (
            f"{program.family}: {program.cells} cells, {program.mutexes} mutexes, "
            f"{program.rwlocks} rwlocks"
        )
    ]
    lines[0] += f", at most {program.retries} retries"
    for task in program.tasks:
        lines.append(f"{'daemon' if task.daemon else 'task'} {task.name}")
        lines += _lines(task.block, 1)
    lines += [f"property {one.name} ({one.kind}): {one.rule}" for one in program.properties]
    return "\n".join(lines)


def _lines(block: Block, depth: int) -> Iterator[str]:
    for statement in block:
        blocks = BLOCKS.get(statement[0], ())
        yield "    " * depth + " ".join(
            str(part) for at, part in enumerate(statement) if at not in blocks
        )
        for at in blocks:
            if at != blocks[0] and statement[at]:
                yield (
                    "    " * depth
                    + {"if": "else", "guard": "on trouble", "finally": "in any case"}[statement[0]]
                )
            yield from _lines(statement[at], depth + 1)
