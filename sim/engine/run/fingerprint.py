"""Numbers that stand for steps, values and runs: the same in every process, on every machine,
under every Python.

A run's number is folded from its steps as a schedule spells them, so two runs with one number are,
but for a chance of one in 2**64, one schedule. A state's is the sum of what its cells and its
tasks' local states are worth, modulo 2**64 (Zobrist, "A new hashing method with application for
game playing", 1970), so that a step changes it by a difference. They tell whether two machines did
the same, and how many states were seen. No verdict rests on them.
"""

from __future__ import annotations

from hashlib import blake2b

import attrs

from sim.engine.model.cells import Cell
from sim.engine.model.routines import Call
from sim.engine.model.values import is_same, spell
from sim.engine.run.automata import LocalState, Node, Returned, Seen
from sim.engine.run.dice import mixed

MASK = (1 << 64) - 1


def of_text(text: str) -> int:
    """64 bits for a text."""
    return int.from_bytes(
        blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest(), "little"
    )


def of_step(task: str, point: str, saw: str) -> int:
    """What a step is worth, as a schedule spells it."""
    return of_text(f"{task} {point} -> {saw}")


def of_value(cell: Cell[object], value: object) -> int:
    """What a cell's value adds to a state: 0 for the first one."""
    return 0 if is_same(value, cell.initial) else of_text(f"{cell.name} = {spell(value)}")


class LocalFingerprints:
    """What local states are worth: a frame's number is folded from its call and what it has seen,
    once per node.
    """

    def __init__(self) -> None:
        self._nodes: dict[Node, int] = {}

    def fingerprint_of(self, task: int, local: LocalState) -> int:
        """What it adds to a state that a task, by its place in the scenario, stands there."""
        number = mixed(task + 1)
        for frame in local.frames:
            number = mixed(number ^ self._of_node(frame.node))
        return number

    def _of_node(self, node: Node) -> int:
        number = self._nodes.get(node)
        if number is None:
            if node.before is None:
                number = of_text(_call(node.call))
            else:
                number = mixed(self._of_node(node.before) ^ of_text(_seen(node.seen[-1])))
            self._nodes[node] = number
        return number


def _call(call: Call[object]) -> str:
    """A call by name and by those arguments that are values.

    What is compared by identity is the model's own.
    """
    return (
        f"{call.body.__qualname__}({', '.join(spell(arg) for arg in call.args if _is_value(arg))})"
    )


def _is_value(arg: object) -> bool:
    return not (attrs.has(type(arg)) and type(arg).__hash__ is object.__hash__)


def _seen(seen: Seen) -> str:
    if isinstance(seen, Returned):
        return spell(seen.value) if _is_value(seen.value) else type(seen.value).__name__
    attributes = (f"{name}={spell(value)}" for name, value in seen.attributes)
    cause = f" from {_seen(seen.cause)}" if seen.cause is not None else ""
    return f"{seen.type.__name__}({', '.join([*map(spell, seen.args), *attributes])}){cause}"
