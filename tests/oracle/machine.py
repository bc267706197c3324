"""The naive machine: what a program may do, one small step after the other.

It imports nothing of `sim`.

A *state* is what every variable holds, and where every task stands. A task stands in a stack of
frames. A frame is named by its block and by what it was given; with its name it keeps everything
that it has seen since it was entered, results of operations and values (or exceptions) of frames
that it entered, even where nobody uses them any more; that is what `docs/engine.md` says a routine
is. Two states are one if all of this is equal. Registers and the place in the block follow from it,
and stand in the frame as they would in any interpreter. A turn of a loop is a frame as well: it
keeps nothing of the turn before but what it is given.

A *step* is one operation of one task. Whatever does not perform one (entering, leaving, deciding)
belongs to the step before. After BUG() nobody steps.

With a bound on retries, a task notes the names of the turns of each loop that it is in: a turn
whose name was there before is a retry, and who would retry once more than the bound gives up: it
stands nowhere, and takes no step.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.oracle.language import HALTED, PUT, Block, Expression, Program, PropertyOf, Statement

GAVE_UP = "gave up"
FINISHED: tuple[Frame, ...] = ()
_LONGEST = 2000

Found = tuple[str, str, tuple[str, ...]]
"""A finding: its kind, where it is, and its causes."""

Touch = tuple[tuple[int, str], ...]
"""Which variables a step touches, by number, and how: r, w, or + for an addition that commutes."""

State = tuple[tuple[Any, ...], tuple[int, ...]]
"""What every variable holds, and the number of where each task stands."""


class SenselessError(Exception):
    """A program that goes round without an operation, or that lets an exception out of a task."""


class Turns(NamedTuple):
    """The names that turns of a loop began with, each once,
    and how many turns began with one that was there before.
    """

    names: tuple[Any, ...]
    retried: int


class Frame(NamedTuple):
    """One level of where a task stands. `todo` has what is left to do, the innermost last."""

    name: tuple[Any, ...]
    acc: int
    todo: tuple[tuple[Any, ...], ...]
    kept: int = 0
    seen: tuple[Any, ...] = ()
    turns: Turns | None = None


class Step(NamedTuple):
    """One step out of a state: whose, which outcome, what it is called and gave, what it touched,
    where it leads.
    """

    task: int
    outcome: int
    point: str
    result: Any
    touch: Touch
    finding: Found | None
    after: State
    progress: bool


class Effect(NamedTuple):
    """One thing that may come of an operation."""

    result: Any
    writes: tuple[tuple[int, Any], ...]
    touch: Touch
    finding: Found | None = None


class Machine:
    """The transition system of a program; `retries` bounds those of each loop."""

    def __init__(self, program: Program, retries: int | None = None) -> None:
        self.program, self.retries = program, retries
        self.names = program.names
        self.place = {name: i for i, name in enumerate(self.names)}
        self.tasks = [task.name for task in program.tasks]
        self.daemon = [task.daemon for task in program.tasks]
        self.stands: list[Any] = []
        self._number: dict[Any, int] = {}
        self._after: dict[tuple[int, int, Any], int] = {}
        memory: list[Any] = (
            [0] * program.cells + [""] * program.mutexes + [0] * program.rwlocks + [0]
        )
        roots = [
            Frame(("main", task.block), 0, (("block", task.block, 0),)) for task in program.tasks
        ]
        self.first: State = (
            tuple(memory),
            tuple(self._numbered(self._settled((root,))) for root in roots),
        )

    def _numbered(self, stand: Any) -> int:
        number = self._number.get(stand)
        if number is None:
            number = self._number[stand] = len(self.stands)
            self.stands.append(stand)
        return number

    def is_finished(self, state: State, task: int) -> bool:
        return self.stands[state[1][task]] in (FINISHED, GAVE_UP)

    def gave_up(self, state: State) -> bool:
        """Whether any task has."""
        return self.retries is not None and any(
            self.stands[number] == GAVE_UP for number in state[1]
        )

    def is_halted(self, state: State) -> bool:
        return bool(state[0][-1])

    def statement(self, state: State, task: int) -> Statement | None:
        """What a task is about to do; None if it has finished."""
        return self.stood(state[1][task])

    def stood(self, number: int) -> Statement | None:
        stand = self.stands[number]
        if stand in (FINISHED, GAVE_UP):
            return None
        _, block, at = stand[-1].todo[-1]
        statement: Statement = block[at]
        return statement

    def point(self, state: State, task: int) -> str | None:
        statement = self.statement(state, task)
        return None if statement is None else point_of(statement)

    def steps(self, state: State) -> list[Step]:
        """Every step out of a state, in the order of tasks,
        and of what may come of their operations.
        """
        memory, stands = state
        if memory[-1]:
            return []
        steps = []
        for task, number in enumerate(stands):
            statement = self.stood(number)
            if statement is None:
                continue
            point = point_of(statement)
            for outcome, effect in enumerate(self._effects(statement, memory, self.tasks[task])):
                there = list(memory)
                for cell, value in effect.writes:
                    there[cell] = value
                after = self._go_on(number, outcome, effect.result)
                standing = (*stands[:task], after, *stands[task + 1 :])
                progress = statement[0] == "progress"
                there_is = (tuple(there), standing)
                steps.append(
                    Step(
                        task,
                        outcome,
                        point,
                        effect.result,
                        effect.touch,
                        effect.finding,
                        there_is,
                        progress,
                    )
                )
        return steps

    def _effects(self, statement: Statement, memory: tuple[Any, ...], me: str) -> list[Effect]:
        """What may come of an operation: nothing where it must wait."""
        kind, *args = statement
        place = self.place

        def cell(i: int) -> int:
            return place[f"c{i}"]

        def held(i: int) -> Any:
            return memory[place[f"c{i}"]]

        def read(result: Any, *cells: int) -> list[Effect]:
            return [Effect(result, (), tuple((cell(c), "r") for c in cells))]

        def write(result: Any, c: int, value: Any) -> list[Effect]:
            return [Effect(result, ((cell(c), value),), ((cell(c), "w"),))]

        match kind, args:
            case (("step" | "progress"), []):
                return [Effect(None, (), ())]
            case "load", [c]:
                return read(held(c), c)
            case "store", [c, v]:
                return write(None, c, v)
            case "put", [c, v]:
                return write(None, c, v)
            case "xchg", [c, v]:
                return write(held(c), c, v)
            case "cas", [c, old, new]:
                return write(old, c, new) if held(c) == old else read(held(c), c)
            case "weak", [c, old, new]:
                return write(1, c, new) + read(0, c) if held(c) == old else read(0, c)
            case "fetch_add", [c, n]:
                return write(held(c), c, held(c) + n)
            case "add", [c, n]:
                return [Effect(None, ((cell(c), held(c) + n),), ((cell(c), "+"),))]
            case "bump", [c, m]:
                return write(None, c, (held(c) + 1) % m)
            case "move", [c, d]:
                both = ((cell(c), 0), (cell(d), held(c)))
                return [Effect(None, both, ((cell(c), "w"), (cell(d), "w")))]
            case "copy", [c, d]:
                return [Effect(None, ((cell(d), held(c)),), ((cell(c), "r"), (cell(d), "w")))]
            case "dcas", [c, d, x, y, v]:
                if (held(c), held(d)) != (x, y):
                    return read(0, c, d)
                return [Effect(1, ((cell(c), v), (cell(d), v)), ((cell(c), "w"), (cell(d), "w")))]
            case "tally", [c, v, d]:
                if held(c) != v:
                    return read(None, c, d)
                return [Effect(None, ((cell(d), held(d) + 1),), ((cell(c), "r"), (cell(d), "+")))]
            case "sum", cells:
                return read(sum(held(c) for c in cells), *cells)
            case "wait", [c, v]:
                return read(None, c) if held(c) == v else []
            case "wait2", [how, c, d]:
                ready = {
                    "same": held(c) == held(d),
                    "differ": held(c) != held(d),
                    "sum2": held(c) + held(d) >= 2,
                }
                return read(None, c, d) if ready[how] else []
            case "choose", values:
                return [Effect(value, (), ()) for value in values]
            case "report", [what, where, why]:
                return [Effect(None, (), (), (what, where, (why,) if why else ()))]
            case "bug", [where]:
                halted = place[HALTED]
                return [Effect(None, ((halted, 1),), ((halted, "w"),), ("BUG", where, ()))]
            case _:
                return _lock_effects(kind, place[point_of(statement).partition(".")[0]], memory, me)

    def _go_on(self, number: int, outcome: int, result: Any) -> int:
        """Where a task stands after its operation gave a result."""
        key = (number, outcome, result)
        after = self._after.get(key)
        if after is None:
            *rest, top = self.stands[number]
            _, block, at = top.todo[-1]
            kind, *args = block[at]
            todo = (*top.todo[:-1], ("block", block, at + 1))
            if kind in _HELD and result == 1:
                undo, inner = ((_HELD[kind], args[0]),), args[1]
                todo = (*todo, ("block", undo, 0), ("block", inner, 0))
            acc = result if kind in _RESULTS else top.acc
            moved = top._replace(acc=acc, todo=todo, seen=(*top.seen, ("gave", result)))
            after = self._after[key] = self._numbered(self._settled((*rest, moved)))
        return after

    def _settled(self, frames: tuple[Frame, ...]) -> Any:
        """Do what performs no operation, up to where the task is about to perform one."""
        for _ in range(_LONGEST):
            top = frames[-1]
            if not top.todo:
                frames = self._left(frames, ("end",))
            else:
                item = top.todo[-1]
                if item[0] == "block" and item[2] < len(item[1]):
                    statement = item[1][item[2]]
                    if statement[0] == "put" and len(statement) == 2:
                        # The value that is put is told now: the operation itself knows no
                        # registers.
                        told = (("put", statement[1], top.acc % PUT),)
                        then = (*top.todo[:-1], ("block", item[1], item[2] + 1), ("block", told, 0))
                        return (*frames[:-1], top._replace(todo=then))
                    if statement[0] in _INNER:
                        frames = self._inner(frames, statement)
                    else:
                        return frames
                elif item[0] == "finally":
                    then = (*top.todo[:-1], ("resume", None), ("block", item[1], 0))
                    frames = (*frames[:-1], top._replace(todo=then))
                elif item[0] == "resume" and item[1] is not None:
                    frames = self._left((*frames[:-1], top._replace(todo=top.todo[:-1])), item[1])
                else:
                    frames = (*frames[:-1], top._replace(todo=top.todo[:-1]))
            if not frames:
                return FINISHED
            if frames[-1].name == (GAVE_UP,):
                return GAVE_UP
        raise SenselessError("goes round without an operation")

    def _inner(self, frames: tuple[Frame, ...], statement: Statement) -> tuple[Frame, ...]:
        """Do a statement that performs nothing."""
        *rest, top = frames
        _, block, at = top.todo[-1]
        todo = (*top.todo[:-1], ("block", block, at + 1))

        def here(*more: Any, **registers: Any) -> tuple[Frame, ...]:
            return (*rest, top._replace(todo=(*todo, *more), **registers))

        def enter(name: tuple[Any, ...], inner: Block, acc: int) -> tuple[Frame, ...]:
            turns = Turns((name,), 0) if name[0] != "call" and self.retries is not None else None
            return (*here(), Frame(name, acc, (("block", inner, 0),), turns=turns))

        match statement:
            case "if", v, then, other:
                return here(("block", then if top.acc == v else other, 0))
            case "call", inner, v:
                given = top.acc if v is None else v
                return enter(("call", inner, given), inner, given)
            case (("times" | "until"), v, carry, inner):
                acc = top.acc if carry else 0
                return enter((statement[0], v, carry, inner, 0, acc), inner, acc)
            case "forever", carry, inner:
                acc = top.acc if carry else 0
                return enter(("forever", None, carry, inner, 0, acc), inner, acc)
            case "guard", inner, handler:
                return here(("guard", handler), ("block", inner, 0))
            case "finally", inner, last:
                return here(("finally", last), ("block", inner, 0))
            case ("keep",):
                return here(kept=top.acc)
            case ("recall",):
                return here(acc=top.kept)
            case ("give",):
                return self._left(here(), ("return", top.acc))
            case _:
                return self._left(here(), statement)

    def _left(self, frames: tuple[Frame, ...], way: Statement) -> tuple[Frame, ...]:
        """Leave blocks and frames: at the `end`, by `return`, `again` or `raise`."""
        *rest, top = frames
        for at in range(len(top.todo) - 1, -1, -1):
            item = top.todo[at]
            if item[0] == "resume" and way[0] in {"return", "again"}:
                return (*rest, top._replace(todo=top.todo[: at + 1]))
            if item[0] == "finally":
                todo = (*top.todo[:at], ("resume", way), ("block", item[1], 0))
                return (*rest, top._replace(todo=todo))
            if item[0] == "guard" and way[0] == "raise":
                return (
                    *rest,
                    top._replace(acc=10 + way[1], todo=(*top.todo[:at], ("block", item[1], 0))),
                )
        if way[0] == "raise":
            if not rest:
                raise SenselessError("an exception leaves a task")
            caller = rest[-1]._replace(seen=(*rest[-1].seen, ("raised", way[1])))
            return self._left((*rest[:-1], caller), way)
        if top.name[0] in {"times", "until", "forever"}:
            following = _next_turn(top, way)
            if following is not None:
                return self._turned(tuple(rest), top, following)
        value = way[1] if way[0] == "return" else top.acc
        if not rest:
            return ()
        return (*rest[:-1], rest[-1]._replace(acc=value, seen=(*rest[-1].seen, ("gave", value))))

    def _turned(self, rest: tuple[Frame, ...], top: Frame, following: Frame) -> tuple[Frame, ...]:
        """Begin the next turn of a loop, unless that is a retry too many."""
        if top.turns is None or self.retries is None:
            return (*rest, following)
        names, retried = top.turns
        if following.name in names:
            retried += 1
        else:
            names = (*names, following.name)
        if retried > self.retries:
            return (Frame((GAVE_UP,), 0, ()),)
        return (*rest, following._replace(turns=Turns(names, retried)))

    def broken(self, memory: tuple[Any, ...]) -> Iterator[Found]:
        """The properties that do not hold where variables hold these values."""
        for one in self.program.properties:
            if not holds(one, memory):
                yield one.kind, one.name, ()

    def deadlock(self, state: State) -> Found | None:
        """The finding of a state in which nobody steps: who should finish, has not,
        and waits where.
        """
        if self.is_halted(state) or self.gave_up(state):
            return None
        stuck = [
            f"{name}@{self.point(state, task)}"
            for task, name in enumerate(self.tasks)
            if not self.daemon[task] and not self.is_finished(state, task)
        ]
        return ("deadlock", ",".join(stuck), ()) if stuck else None


_HELD = {"if_lock": "unlock", "if_read": "read_unlock", "if_write": "write_unlock"}
_RESULTS = {"load", "xchg", "cas", "weak", "fetch_add", "dcas", "sum", "try", "choose", *_HELD}
_INNER = {
    *("if", "call", "times", "until", "forever", "guard", "finally"),
    *("keep", "recall", "give", "return", "raise", "again"),
}


def _next_turn(top: Frame, way: Statement) -> Frame | None:
    """The frame of the next turn; None where the loop ends."""
    kind, v, carry, inner, turn, _ = top.name
    if way[0] == "return" or (kind == "until" and way[0] == "end" and top.acc == v):
        return None
    if kind == "times":
        turn += 1
        if turn == v:
            return None
    acc = top.acc if carry else 0
    return Frame((kind, v, carry, inner, turn, acc), acc, (("block", inner, 0),))


def _lock_effects(kind: str, lock: int, memory: tuple[Any, ...], me: str) -> list[Effect]:
    """What may come of an operation on a mutex or a rwlock."""
    now = memory[lock]

    def touched(result: Any, how: str, new: Any = None) -> list[Effect]:
        return [Effect(result, () if how == "r" else ((lock, new),), ((lock, how),))]

    match kind:
        case "try" | "if_lock":
            return touched(0, "r") if now else touched(1, "w", me)
        case "lock":
            return [] if now else touched(None, "w", me)
        case "unlock":
            return touched(None, "w", "") if now == me else touched(None, "r")
        case "read_lock":
            return [] if now < 0 else touched(None, "+", now + 1)
        case "if_read":
            return touched(0, "r") if now < 0 else touched(1, "+", now + 1)
        case "read_unlock":
            return touched(None, "+", now - 1)
        case "write_lock":
            return [] if now else touched(None, "w", -1)
        case "if_write":
            return touched(0, "r") if now else touched(1, "w", -1)
        case "write_unlock":
            return touched(None, "w", 0)
    raise SenselessError(kind)


_WHICH = {
    **dict.fromkeys(("try", "lock", "unlock", "if_lock"), "m"),
    **dict.fromkeys(
        ("read_lock", "read_unlock", "if_read", "write_lock", "write_unlock", "if_write"), "w"
    ),
}
_VERB = {
    "put": "store",
    "cas": "cmpxchg",
    "if_lock": "try",
    "if_read": "try_read",
    "if_write": "try_write",
}


def point_of(statement: Statement) -> str:
    """What an operation is called in a schedule."""
    kind, *args = statement
    match kind:
        case "step" | "progress":
            return str(kind)
        case "choose":
            return "any.choose"
        case "report":
            return f"{args[1]}.{args[0]}"
        case "bug":
            return f"{args[0]}.BUG"
        case "move" | "copy" | "dcas" | "sum" | "wait2" | "tally":
            cells = (args[0], args[2]) if kind == "tally" else args[1:] if kind == "wait2" else args
            cells = cells[:2] if kind in {"dcas", "move", "copy"} else cells
            return "+".join(f"c{c}" for c in cells) + f".{kind}"
        case _:
            return f"{_WHICH.get(kind, 'c')}{args[0]}.{_VERB.get(kind, kind)}"


def holds(one: PropertyOf, memory: tuple[Any, ...]) -> bool:
    """Whether a property holds; cells are the first variables of a program."""
    if one.rule[0] == "whole":
        return _said(one.rule[1], memory)
    _, cells, bad = one.rule
    total = 0
    for stage in range(len(cells)):
        total += memory[cells[(stage + total) % len(cells)]]
    return bool(total != bad)


def _said(expression: Expression, memory: tuple[Any, ...]) -> bool:
    match expression:
        case "is", c, v:
            return bool(memory[c] == v)
        case "at_most", c, v:
            return bool(memory[c] <= v)
        case "not", inner:
            return not _said(inner, memory)
        case "and", *inner:
            return all(_said(one, memory) for one in inner)
        case "or", *inner:
            return any(_said(one, memory) for one in inner)
        case "pick", c, cases, other:
            return _said(next((then for v, then in cases if v == memory[c]), other), memory)
    raise SenselessError(f"no expression: {expression}")
