"""`loops.c` from Python: its structs, filled with arrays, and its functions.

An array stands in a struct as its address, so each class here also keeps the arrays themselves. C
checks no bounds: how long each array must be is said where it is made. A call lets go of the
interpreter's lock, so threads run these loops side by side.
"""

from __future__ import annotations

from ctypes import CDLL, Structure, addressof, c_int32, c_int64, c_uint32, c_uint64, c_void_p
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from sim.base.compiler import loaded
from sim.engine.arrays import U32, U64, Mask, address

I32 = npt.NDArray[np.int32]

EMPTY = 0xFFFFFFFF
"""What stands in an index where there is no state."""

FIELD = np.dtype([("word", "i4"), ("shift", "u1"), ("place", "u1"), ("mask", "u8")], align=True)
MOVE = np.dtype(
    [
        ("from_word", "i4"),
        ("to_word", "i4"),
        ("from_shift", "u1"),
        ("to_shift", "u1"),
        ("mask", "u8"),
    ],
    align=True,
)
ANSWER = np.dtype([("first", "i4"), ("outcomes", "i4")])
FLAG = np.dtype([("footprint", "i4"), ("outcome", "i4"), ("row", "i4"), ("state", "i4")])
_REST = np.dtype([("state", "i4"), ("row", "i4"), ("outcomes", "i4")])

_NO_ROWS: I32 = np.empty(0, np.int32)

_P = c_void_p
_SIGNATURES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "sort_by_footprint": (None, (_P, _P, _P, _P)),
    "look_up": (c_int64, (_P, _P, _P)),
    "count_steps": (c_int64, (_P, _P)),
    "take_steps": (c_int64, (_P, _P, _P, _P, _P, _P, _P)),
    "keep": (None, (_P, _P, c_uint32, _P, _P)),
    "hash_all": (None, (_P, c_int64, c_int32, _P)),
    "find": (None, (_P, _P, _P, c_int64, _P)),
    "fill": (None, (_P, c_int32)),
    "lay_out": (None, (_P, c_int32, _P, c_int32)),
    "changed": (c_int64, (_P, c_int64, c_int64, _P, _P, _P)),
    "split": (None, (_P, c_int64, c_int64, c_int32, _P, _P)),
    "claim": (c_int64, (_P, c_int32, _P, _P, c_int64, _P, _P)),
    "settle": (None, (_P, _P, _P, c_int64, c_int64, c_uint32, c_uint32, _P)),
    "enter": (None, (_P, c_int32, _P, c_int64, _P)),
    "not_tops": (None, (_P, _P, _P, _P, c_int64, c_int64, c_uint32, _P)),
}


@cache
def library() -> CDLL:
    """The loops, compiled. Raises CompilerError."""
    loops = loaded(Path(__file__).with_suffix(".c"))
    for name, (gives, takes) in _SIGNATURES.items():
        function = getattr(loops, name)
        function.restype, function.argtypes = gives, takes
    return loops


class SetStruct(Structure):
    """`struct set`."""

    _fields_ = (
        ("states", _P),
        ("before", _P),
        ("index", _P),
        ("count", c_int64),
        ("slots", c_int64),
        ("words", c_int32),
        ("parts", c_int32),
        ("number", c_uint32),
    )


class TaskStruct(Structure):
    """`struct task`."""

    _fields_ = (
        ("mask", c_uint64),
        ("word", c_int32),
        ("shift", c_int32),
        ("is_daemon", c_int32),
        ("footprints", c_int32),
        ("footprint", _P),
        ("base", _P),
        ("narrow", _P),
        ("starts", _P),
        ("fields", _P),
        ("is_wide", _P),
        ("wide_mask", _P),
        ("wide", _P),
        ("wide_answer", _P),
        ("answers", _P),
        ("deltas", _P),
        ("shows", _P),
    )


class HasStruct(Protocol):
    """What one task may do (`sim.engine.states.tables.Table`)."""

    struct: TaskStruct


class ChunkStruct(Structure):
    """`struct chunk`."""

    _fields_ = (
        ("states", _P),
        ("is_running", _P),
        ("is_alone", _P),
        ("is_done", _P),
        ("low", c_int64),
        ("size", c_int64),
        ("words", c_int32),
    )


class ViewStruct(Structure):
    """`struct view`."""

    _fields_ = (("local", _P), ("order", _P), ("ends", _P), ("answer", _P), ("asks", _P))


class CandidatesStruct(Structure):
    """`struct candidates`."""

    _fields_ = (("states", _P), ("hash", _P), ("before", _P), ("row", _P), ("count", c_int64))


class Candidates:
    """States that may be new: their words, and the number of the state that each was reached from,
    counted from somewhere.

    The arrays may be longer than their number. `rows` are of the table that each step comes from;
    empty where nobody asks for them.
    """

    def __init__(
        self, states: U64, hashes: U64, before: U32, rows: I32 = _NO_ROWS, count: int = 0
    ) -> None:
        self.states, self.hashes, self.before, self.rows = states, hashes, before, rows
        self.struct = CandidatesStruct(
            address(states),
            address(hashes),
            address(before),
            address(rows) if len(rows) else None,
            count,
        )

    @classmethod
    def room(cls, most: int, words: int, *, rows: bool = False) -> Candidates:
        """Room for that many."""
        return cls(
            np.empty((most, words), np.uint64),
            np.empty(most, np.uint64),
            np.empty(most, np.uint32),
            np.empty(most, np.int32) if rows else _NO_ROWS,
        )

    @classmethod
    def of(cls, states: U64, before: U32) -> Candidates:
        """States that are there already, each a row."""
        states = np.ascontiguousarray(states)
        return cls(states, hashes(states), before, count=len(states))

    def part(self, span: range) -> Candidates:
        """Room for candidates that lie in this one's arrays."""
        here = slice(span.start, span.stop)
        return Candidates(self.states[here], self.hashes[here], self.before[here])

    def __len__(self) -> int:
        return int(self.struct.count)

    @property
    def address(self) -> int:
        return addressof(self.struct)


class Chunk:
    """Some states that are expanded together: their words, and the number of the first one.

    `is_running` has those that are not halted; None if all of them are.
    """

    def __init__(self, states: U64, low: int, is_running: Mask | None) -> None:
        self.states, self.low, self.is_running = states, low, is_running
        self.is_alone: Mask = np.ones(len(states), np.bool_)
        self.is_done: Mask = np.ones(len(states), np.bool_)
        self.struct = ChunkStruct(
            address(states),
            address(is_running),
            address(self.is_alone),
            address(self.is_done),
            low,
            *states.shape,
        )

    def __len__(self) -> int:
        return len(self.states)

    @property
    def address(self) -> int:
        return addressof(self.struct)


class TaskView:
    """A chunk's states as one task sees them, sorted by the footprint of its operation."""

    def __init__(self, of: HasStruct, chunk: Chunk) -> None:
        size, footprints = len(chunk), int(of.struct.footprints)
        self._of, self._chunk = of, chunk
        self.local, self.order = np.empty(size, np.int32), np.empty(size, np.int32)
        self.ends, self.answer = np.empty(footprints, np.int32), np.empty(size, np.int32)
        self.asks: Mask = np.zeros(footprints, np.bool_)
        arrays = self.local, self.order, self.ends, self.answer, self.asks
        self._struct = ViewStruct(*map(address, arrays))
        self._address = addressof(self._struct)
        footprint = np.empty(size, np.int16)
        library().sort_by_footprint(self._task(), chunk.address, self._address, address(footprint))

    def _task(self) -> int:
        """Where the task's struct lies: learning makes a new one, so each call looks anew."""
        return addressof(self._of.struct)

    def look_up(self) -> int:
        """Ask for every state; how many ask something new."""
        return int(library().look_up(self._task(), self._chunk.address, self._address))

    def count_steps(self) -> int:
        """How many steps there are, once everything is answered."""
        return int(library().count_steps(self._task(), self._address))

    def take_steps(self, to: Candidates, rows: int) -> npt.NDArray[Any]:
        """Take all steps. Gives the flags: for each row that shows a finding, the first step that
        has it. `rows` is how many rows there are.
        """
        shown, flags = np.zeros(rows, np.int32), np.empty(rows, FLAG)
        rests = np.empty(len(self._chunk), _REST)
        many = library().take_steps(
            self._task(),
            self._chunk.address,
            self._address,
            to.address,
            address(shown),
            address(flags),
            address(rests),
        )
        return flags[:many]


def hashes(states: U64) -> U64:
    """The hash of each row."""
    hashed = np.empty(len(states), np.uint64)
    library().hash_all(address(states), len(states), states.shape[1], address(hashed))
    return hashed
