"""Learned automata: what a task does next, found out once and remembered.

A coroutine cannot be copied, and stepping one per state would cost what the interpreter costs. But
a routine is a function of what it has seen, so where a frame stands is a *node*: its call, and the
outcomes it has seen so far. What it does at a node (perform an operation, enter another routine,
leave) is learned by running the coroutine once from its start along the node's outcomes, and never
again: from then on a task is a walk through a table.

Frames are learned one by one, not as a stack. A routine that another one enters is not run inside
it; its caller is simply handed the outcome. Two tasks, or two callers, that enter the same routine
with the same arguments share what was learned about it.

A *local state* is the stack of nodes. Returning pops a node and tells its parent the outcome; what
the callee saw is gone (`merge=True`). With `merge=False` the parent also keeps the callee's last
node as part of its own name, so that a local state is named by the whole history: the slow,
obviously sound naming that tests compare the other one with.

The first nodes of each routine are learned twice, and each rebuilding checks the nodes that it
passes: a routine that does something else than the last time is refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from types import CoroutineType
from typing import Any, cast

import attrs

from sim.engine.model.errors import (
    REFUSALS,
    EngineError,
    Place,
    RuleError,
    TaskDied,
    place_of,
    place_of_code,
)
from sim.engine.model.operations import Operation
from sim.engine.model.performing import PERFORMER, Ledger, performer
from sim.engine.model.routines import (
    DEEPEST_STACK,
    LONGEST_FRAME,
    LONGEST_SETTLING,
    Call,
    Loop,
    Raised,
    goes_round,
    next_turn,
    too_deep,
)
from sim.engine.model.values import BY_KEY, key_of


@attrs.frozen
class Returned:
    """A routine's return value, or an operation's result."""

    value: object = attrs.field(eq=False, metadata=BY_KEY)
    _key: object = attrs.field(init=False, repr=False)

    @_key.default
    def _key_of_value(self) -> object:
        return key_of(self.value)


Seen = Returned | Raised
"""What a frame sees: a value, or an exception that left a routine it had entered."""


@attrs.frozen
class Perform:
    operation: Operation[Any]


@attrs.frozen
class Enter:
    call: Call[Any]
    loop: bool


@attrs.frozen
class Leave:
    outcome: Seen


Action = Perform | Enter | Leave


class Discarded(BaseException):
    """Thrown into a coroutine that is given up,
    so that nothing it awaits on its way out is performed.
    """


_PATIENCE = 100
"""How often a coroutine is told that it is given up:
each `finally` around it may await something."""


class _Dictation(Ledger):
    """Hands every await to whoever drives the coroutine, and nothing once it is given up."""

    def __init__(self) -> None:
        super().__init__()
        self._told = 0

    def _offer(self, trap: object) -> Generator[Any, Any, object]:
        if self.is_over and self._told < _PATIENCE:
            self._told += 1
            raise Discarded
        # Past that it catches what it is told, and may do so for ever: it is let stand where it is.
        return (yield trap)

    def operation(self, operation: Operation[Any]) -> Generator[Any, Any, object]:
        return self._offer(operation)

    def call(self, call: Call[Any]) -> Generator[Any, Any, object]:
        return self._offer(call)

    def loop(self, call: Call[Any]) -> Generator[Any, Any, object]:
        return self._offer(Loop(call))


_STUBBORN: list[Coroutine[Any, Any, Any]] = []
"""Coroutines that would not be given up; kept,
since Python complains of them when they are freed."""


@contextmanager
def _started(call: Call[Any]) -> Generator[Coroutine[Any, Any, Any], None, None]:
    """A routine's coroutine, to be driven by hand.

    Given up in the end. Raises whatever was refused meanwhile.
    """
    dictation, refusals = _Dictation(), list[EngineError]()
    before, others = PERFORMER.set(dictation), REFUSALS.set(refusals)
    coroutine, stubborn = None, None
    try:
        coroutine = call.body(*call.args)
        yield coroutine
    finally:
        dictation.is_over = True
        if coroutine is not None:
            stubborn = _give_up(coroutine)
        PERFORMER.reset(before)
        REFUSALS.reset(others)
    if stubborn is not None:
        raise RuleError(
            stubborn, f"{call} catches every exception, the engine's own too: catch Exception"
        )


def _give_up(coroutine: Coroutine[Any, Any, Any]) -> Place | None:
    """End a coroutine without letting it perform anything.

    Where it stands if it does not let itself be ended.
    """
    try:
        coroutine.throw(Discarded())
    except (Discarded, StopIteration):
        return None
    except Exception:  # noqa: BLE001 - an exception in place of the one it was given is its affair, as trio has it
        return None
    _STUBBORN.append(coroutine)
    return place_of(cast("CoroutineType[Any, Any, Any]", coroutine))


_TWICE = 16
"""Nodes of a routine that are learned twice;
later ones are still checked whenever one behind them is learned."""

_LEARNED: Counter[Callable[..., Any]] = Counter()
"""How many nodes of each routine have been learned in this process.
Nothing but this check goes by it."""


@attrs.define(eq=False)
class Node:
    """Where one frame stands: its call and what it has seen since it was entered."""

    call: Call[Any]
    seen: tuple[Seen, ...] = ()
    before: Node | None = None
    _after: dict[tuple[Seen, object], Node] = attrs.field(factory=dict, repr=False)
    _action: Action | None = None
    _place: Place | None = None

    def after(self, outcome: Seen, kept: object = None) -> Node:
        """The node that follows once the frame has seen `outcome`.

        `kept` only tells histories apart.
        """
        key = (outcome, kept)
        node = self._after.get(key)
        if node is None:
            node = self._after[key] = Node(self.call, (*self.seen, outcome), self)
        return node

    @property
    def action(self) -> Action:
        """What the frame does here."""
        if self._action is None:
            self._learn()
        return cast("Action", self._action)

    @property
    def place(self) -> Place:
        """The line at which the frame stands."""
        if self._place is None:
            self._learn()
        return cast("Place", self._place)

    def _learn(self) -> None:
        """Run the frame up to here, at first twice:
        what depends on more than it has seen is likely to differ.
        """
        way = [self]
        while way[-1].before is not None:
            way.append(way[-1].before)
        way.reverse()
        self._run(way)
        body = self.call.body
        _LEARNED[body] += 1
        if _LEARNED[body] <= _TWICE:
            self._run(way)

    def _run(self, way: list[Node]) -> None:
        with _started(self.call) as coroutine:
            action = _advance(self.call, coroutine, None)
            for node, outcome in zip(way, self.seen, strict=False):
                node.check(action, coroutine)
                action = _advance(self.call, coroutine, outcome)
            self.check(action, coroutine)

    def check(self, action: Action, coroutine: Coroutine[Any, Any, Any]) -> None:
        """The frame did `action` here when it was run again: as before,
        or its routine is refused.
        """
        if self._action is None:
            self._remember(action, coroutine)
        elif self._action != action:
            raise RuleError(
                place_of(cast("CoroutineType[Any, Any, Any]", coroutine)),
                f"{self.call} is not deterministic: having seen the same, "
                f"{_difference(self._action, action)}",
            )

    def _remember(self, action: Action, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._action = action
        if isinstance(action, Leave):
            self._place = place_of_code(self.call.body.__code__)
        else:
            self._place = place_of(cast("CoroutineType[Any, Any, Any]", coroutine))
            if len(self.seen) >= LONGEST_FRAME:
                raise RuleError(
                    self._place,
                    f"{self.call} has seen {LONGEST_FRAME} results since it was entered: "
                    "a loop that can repeat is `await repeat(body, *state)`",
                )


def _difference(before: Action, now: Action) -> str:
    """What an action did before and does now, in a line."""
    was, is_ = _in_words(before), _in_words(now)
    if was != is_:
        return f"it {was} before, and {is_} now"
    return (
        f"it {is_} both times, with arguments that look alike and are not equal: "
        "an object that is compared by identity is made once, when the scenario is built"
    )


_LONGEST_TEXT = 120


def _in_words(action: Action) -> str:
    match action:
        case Perform(operation):
            said = f"performed {operation.point}({', '.join(map(repr, operation.args))})"
        case Enter(call, loop):
            said = f"{'repeated' if loop else 'entered'} {call}({', '.join(map(repr, call.args))})"
        case Leave(Returned(value)):
            said = f"returned {value!r}"
        case Leave(outcome):
            said = f"raised {outcome}"
    return said if len(said) <= _LONGEST_TEXT else said[:_LONGEST_TEXT] + "..."


def _advance(call: Call[Any], coroutine: Coroutine[Any, Any, Any], outcome: Seen | None) -> Action:
    """Let the coroutine see one outcome (None: start it) and tell what it does next.

    Raises what was refused while it ran, whatever it has made of that.
    """
    try:
        action = _next_action(call, coroutine, outcome)
    finally:
        performer().notice()
        refusals = REFUSALS.get()
        if refusals:
            raise refusals[0] from None
    return action


_NOTHING_BEFORE = frozenset[int]()
"""A frame is run by itself here: all that is pending is its own."""


def _next_action(
    call: Call[Any], coroutine: Coroutine[Any, Any, Any], outcome: Seen | None
) -> Action:
    try:
        match outcome:
            case None:
                trap = coroutine.send(None)
            case Returned(value):
                trap = coroutine.send(value)
            case Raised():
                trap = coroutine.throw(outcome.exception())
    except StopIteration as stop:
        call.check_outcome(stop.value)
        performer().leave(_NOTHING_BEFORE, refusing=True)
        return Leave(Returned(stop.value))
    except (EngineError, KeyboardInterrupt):
        raise
    except BaseException as error:  # noqa: BLE001 - whatever leaves a routine is its outcome
        performer().leave(_NOTHING_BEFORE, refusing=False)
        return Leave(call.check_raised(error))
    if performer().is_pending(trap):
        raise RuleError(
            place_of(cast("CoroutineType[Any, Any, Any]", coroutine)),
            f"{call} yields {trap!s} by hand: a model awaits operations, routines and "
            "repeat(), nothing else",
        )
    match trap:
        case Operation():
            problem = trap.argument_problem()
            if problem is not None:
                raise RuleError(place_of(cast("CoroutineType[Any, Any, Any]", coroutine)), problem)
            return Perform(trap)
        case Call():
            return Enter(trap, loop=False)
        case Loop():
            return Enter(trap.call, loop=True)
        case _:
            raise RuleError(
                place_of(cast("CoroutineType[Any, Any, Any]", coroutine)),
                f"{call} awaits {trap!r}: a model awaits operations, routines and repeat(), "
                "nothing else",
            )


@attrs.frozen
class Turns:
    """The turns of a loop so far: the calls that they began as, each once,
    and how many began as an earlier one did.
    """

    calls: tuple[Call[Any], ...]
    retries: int = 0

    def then(self, call: Call[Any]) -> Turns:
        if call in self.calls:
            return Turns(self.calls, self.retries + 1)
        return Turns((*self.calls, call), self.retries)


@attrs.frozen
class Frame:
    """One level of a local state: the node, whether it is a turn of a loop,
    and what is kept of the turns before it.

    That is `before` where whole histories are, and `turns` where retries are bounded.
    """

    node: Node
    loop: bool
    before: tuple[Node, ...] = ()
    turns: Turns | None = None


@attrs.frozen(cache_hash=True)
class LocalState:
    """Where a task stands: its stack of frames, outermost first.

    Empty once it has finished, or given up.
    """

    frames: tuple[Frame, ...]
    gave_up: bool = False

    @property
    def operation(self) -> Operation[Any] | None:
        """What the task is about to do; None once it has finished."""
        if not self.frames:
            return None
        action = self.frames[-1].node.action
        assert isinstance(action, Perform)  # noqa: S101 - `settle` stops nowhere else
        return action.operation

    @property
    def place(self) -> Place | None:
        return self.frames[-1].node.place if self.frames else None

    @property
    def calls(self) -> tuple[str, ...]:
        """The names of the routines on the stack, outermost first."""
        return tuple(str(frame.node.call) for frame in self.frames)


class Automata:
    """The local states of every task, learned as they are asked for.

    `merge=False` names a local state by all that the task has seen. `retries` bounds how many turns
    of a loop begin as an earlier turn of it did: a task that would take one more has given up, and
    takes no step any more. Every run is finite then, and there are finitely many.
    """

    def __init__(self, *, merge: bool = True, retries: int | None = None) -> None:
        self._merge, self._retries = merge, retries
        self._roots: dict[Call[Any], Node] = {}
        self._next: dict[tuple[LocalState, object], LocalState] = {}

    def start(self, task: str, call: Call[Any]) -> LocalState:
        """Where a task stands before its first operation."""
        return self._settle(task, [Frame(self._root(call), loop=False)])

    def step(self, task: str, local: LocalState, result: object) -> LocalState:
        """Where the task stands after its operation gave `result`.

        Raises TaskDied if an exception leaves the task, RuleError where a routine breaks a rule.
        """
        key = (local, Returned(result))
        after = self._next.get(key)
        if after is None:
            *rest, top = local.frames
            moved = attrs.evolve(top, node=top.node.after(Returned(result)))
            after = self._next[key] = self._settle(task, [*rest, moved])
        return after

    def _root(self, call: Call[Any]) -> Node:
        return self._roots.setdefault(call, Node(call))

    def _settle(self, task: str, frames: list[Frame]) -> LocalState:
        """Enter and leave routines until the task stands before an operation, or has finished."""
        entered = 0
        while entered <= LONGEST_SETTLING:
            top = frames[-1]
            match top.node.action:
                case Perform():
                    return LocalState(tuple(frames))
                case Enter(call, loop):
                    if len(frames) >= DEEPEST_STACK:
                        raise RuleError(top.node.place, too_deep(task))
                    entered += 1
                    turns = Turns((call,)) if loop and self._retries is not None else None
                    frames.append(Frame(self._root(call), loop, turns=turns))
                case Leave(outcome):
                    entered += top.loop
                    frames.pop()
                    if not self._leave(task, frames, top, outcome):
                        return LocalState((), gave_up=True)
                    if not frames:
                        return LocalState(())
        raise RuleError(frames[-1].node.place, goes_round(task))

    def _leave(self, task: str, frames: list[Frame], top: Frame, outcome: Seen) -> bool:
        """Go on with what comes after a frame; False if that would be a retry too many."""
        before = () if self._merge else (*top.before, top.node)
        if top.loop and isinstance(outcome, Returned):
            turn = next_turn(top.node.call, outcome.value)
            if isinstance(turn, Call):
                turns = top.turns.then(turn) if top.turns is not None else None
                if (
                    turns is not None
                    and self._retries is not None
                    and turns.retries > self._retries
                ):
                    return False
                frames.append(Frame(self._root(turn), loop=True, before=before, turns=turns))
                return True
            outcome = Returned(turn.value)
        if frames:
            parent = frames[-1]
            frames[-1] = attrs.evolve(parent, node=parent.node.after(outcome, before))
        elif isinstance(outcome, Raised):
            raise TaskDied(f"task {task} died in {top.node.place}: {outcome}")
        return True
