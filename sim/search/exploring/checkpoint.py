"""Checkpoints: an exploration that was cut off goes on from where it was,
and ends with the same numbers.

States are numbered in the order in which they are found and never change their place, so their
words and where each was reached from are files that only grow. Beside them, `checkpoint.json` says
how much of them counts and holds the rest. It is replaced as a whole once everything it speaks of
is on the disk: whatever happens in between, the one before it still stands. Fields that are laid
out anew change every state; then the words go to new files.

No value, no local state and no code is stored: only what was asked of the model, and in which order
(`sim.engine.states.product`). The model is asked again, and must answer as before; digests of model
and program, and checksums of the files, say whether that can be so.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import zlib
from base64 import b64decode, b64encode
from pathlib import Path
from time import monotonic
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from sim.engine.arrays import Index
from sim.engine.model.operations import Finding
from sim.engine.states.frontier import Frontier
from sim.engine.states.successors import Flag
from sim.search.errors import CheckpointError

NAME = "checkpoint.json"
FORMAT = 2


@attrs.define
class Checkpoint:
    """Where one exploration is kept, and of what: `identity` tells scenario, parameters,
    model and program apart.
    """

    folder: Path
    identity: dict[str, Any]
    every: float = 60.0
    """Seconds from one to the next."""
    _last: float = attrs.field(factory=monotonic, init=False)
    _written: dict[str, tuple[int, int]] = attrs.field(factory=dict, init=False)
    """Per file, how many of its numbers count, and their checksum."""

    @property
    def is_due(self) -> bool:
        return monotonic() - self._last >= self.every

    def save(self, frontier: Frontier, rest: dict[str, Any]) -> None:
        """Write down how far an exploration has come. Raises CheckpointError."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for name, rows in _columns(frontier).items():
                self._append(name, rows)
            self._commit(frontier, rest)
        except OSError as error:
            raise CheckpointError(
                f"cannot write the checkpoint in {self.folder}: {error.strerror}; "
                "the one before it is whole: make room, and the same command goes on from there"
            ) from None
        self._last = monotonic()

    def _append(self, name: str, rows: npt.NDArray[Any]) -> None:
        done, crc = self._written.get(name, (0, 0))
        with (self.folder / name).open("r+b" if done else "wb") as file:
            file.seek(rows[:done].nbytes)
            more = np.ascontiguousarray(rows[done:]).reshape(-1).view(np.uint8).data
            file.write(more)
            file.truncate()
            file.flush()
            os.fsync(file.fileno())
        self._written[name] = len(rows), zlib.crc32(more, crc)

    def _commit(self, frontier: Frontier, rest: dict[str, Any]) -> None:
        columns = _columns(frontier)
        contents = {
            "format": FORMAT,
            "identity": self.identity,
            "byteorder": sys.byteorder,
            "words": frontier.visited.words,
            "log": [[deed, task, str(of)] for deed, task, of in frontier.product.log],
            "columns": {name: self._written[name] for name in columns},
            "frontier": _of_frontier(frontier),
            **rest,
        }
        new = self.folder / f".{NAME}.new"
        with new.open("w", encoding="utf-8") as file:
            json.dump(contents, file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.folder / NAME)
        folder = os.open(self.folder, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
        for old in [name for name in self._written if name not in columns]:
            del self._written[old]
            (self.folder / old).unlink(missing_ok=True)

    def load(self) -> dict[str, Any] | None:
        """What was written down, if anything was.

        Raises CheckpointError if it is not of this exploration.
        """
        try:
            contents = json.loads((self.folder / NAME).read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise CheckpointError(f"cannot read {self.folder / NAME}: {error.strerror}") from None
        except ValueError as error:
            raise CheckpointError(
                f"{self.folder / NAME} is no checkpoint: {error}; remove it to begin anew"
            ) from None
        if not isinstance(contents, dict) or contents.get("format") != FORMAT:
            raise CheckpointError(
                f"{self.folder / NAME} is no checkpoint of this format; remove it to begin anew"
            )
        theirs = {**contents["identity"], "byteorder": contents["byteorder"]}
        for key, mine in {**self.identity, "byteorder": sys.byteorder}.items():
            if theirs.get(key) != mine:
                raise CheckpointError(
                    f"{self.folder} has a checkpoint of another {key} ({theirs.get(key)!r}, "
                    f"this is {mine!r}); "
                    "give another directory, or remove it to begin anew"
                )
        return contents

    def restore(self, frontier: Frontier, contents: dict[str, Any]) -> None:
        """Bring a frontier, whose product has been told the log again, to where it was."""
        count = 0
        words = int(contents["words"])
        frontier.visited.widen(words)
        names = _columns(frontier, max(count for count, _ in contents["columns"].values()))
        for name, (count, crc) in contents["columns"].items():
            size = names[name][:count].nbytes if name in names else 0
            try:
                with (self.folder / name).open("rb") as file:
                    data = file.read(size)
            except OSError as error:
                raise CheckpointError(
                    f"cannot read {self.folder / name}: {error.strerror}"
                ) from None
            if len(data) < size or zlib.crc32(data) != crc or name not in names:
                raise CheckpointError(
                    f"{self.folder / name} is damaged; remove {self.folder} to begin anew"
                )
            rows = names[name][:count]
            rows[:] = np.frombuffer(data, rows.dtype).reshape(rows.shape)
            self._written[name] = count, crc
        frontier.visited.refill(count)
        _to_frontier(frontier, contents["frontier"])

    def clear(self) -> None:
        """Remove it: the exploration is over."""
        with contextlib.suppress(OSError):
            (self.folder / NAME).unlink(missing_ok=True)
            for name in self._written:
                (self.folder / name).unlink(missing_ok=True)
            self.folder.rmdir()


_BEFORE = "before.u32"


def _columns(frontier: Frontier, count: int | None = None) -> dict[str, npt.NDArray[Any]]:
    """The files, by name: every state, laid out for the n-th time, and where states were reached
    from; or room for so many of them.
    """
    visited = frontier.visited
    count = visited.count if count is None else count
    times = sum(deed in {"layout", "pack"} for deed, _, _ in frontier.product.log)
    return {
        _BEFORE: visited.before[:count],
        f"states-{visited.words}.layout-{times}.u64": visited.rows(range(count)),
    }


def _packed(parts: list[Index]) -> str:
    numbers = np.concatenate([*parts, np.empty(0, np.int64)])
    return b64encode(zlib.compress(numbers.tobytes(), 1)).decode()


def _unpacked(text: str) -> list[Index]:
    return [np.frombuffer(zlib.decompress(b64decode(text)), np.int64)]


def _of_frontier(frontier: Frontier) -> dict[str, Any]:
    return {
        "level": [frontier.level.start, frontier.level.stop, frontier.at],
        "transitions": frontier.transitions,
        "flags": [
            [flag.state, flag.task, flag.outcome, *attrs.astuple(flag.finding)]
            for flag in frontier.flags.values()
        ],
        "stuck": _packed(frontier.stuck),
        "deadlocked": _packed(frontier.deadlocked),
        "tops": _packed(frontier.tops),
        "moves": {task: list(moves) for task, moves in frontier.moves.items()},
        "waits": {task: list(waits) for task, waits in frontier.waits.items()},
    }


def _pair(move: list[int]) -> tuple[int, int]:
    return move[0], move[1]


def _to_frontier(frontier: Frontier, of: dict[str, Any]) -> None:
    low, high, frontier.at = of["level"]
    frontier.level = range(low, high)
    frontier.transitions = of["transitions"]
    for state, task, outcome, kind, where, causes in of["flags"]:
        finding = Finding(kind, where, tuple(causes))
        frontier.flags[finding] = Flag(state, task, outcome, finding)
    frontier.stuck, frontier.deadlocked, frontier.tops = (
        _unpacked(of[k]) for k in ("stuck", "deadlocked", "tops")
    )
    for task, moves in of["moves"].items():
        frontier.moves[task].update(dict.fromkeys(map(_pair, moves)))
    for task, waits in of["waits"].items():
        frontier.waits[task].update(dict.fromkeys(waits))
