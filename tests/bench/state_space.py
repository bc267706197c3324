"""`protocol.py` for minicheck: `python -m tests.bench.state_space VCPUS LIMIT [--met]`,
with minicheck on the path.

minicheck takes a function from a state, which is a flat tuple, to its successors. Where a task
stands is a string, the fastest key to the table of steps. As in `protocol.tla`, what is dead is
forgotten in the step that kills it, accepting faults again by the steps that faulted first, and the
zapper's second attempt shares the steps of its first one.

minicheck knows no deadlock and no assertion in a step: the port notes both in a list, and a run
with a note is not clean. minicheck does not count transitions either.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

State = tuple[Any, ...]

EXCLUSIVE = -1
CELLS = ("mmu_lock", "spte", "sept", "tree", "entry", "zapping", "inside")
MMU_LOCK, SPTE, SEPT, TREE, ENTRY, ZAPPING, INSIDE = range(7)
ACCEPTED = 7
FIRST_PC = 8


class Task:
    """Where a task's own fields lie in a state.

    Each method is a step, and says whether it could be taken.
    """

    def __init__(self, number: int, vcpus: int, limit: int, found: list[str]) -> None:
        self.pc = FIRST_PC + number
        self.faults = FIRST_PC + vcpus + 1 + number
        self.limit = limit
        self.mapped = "accept" if number == 0 else "done"
        self.found = found

    def enter(self, s: list[Any]) -> bool:
        if s[ZAPPING]:
            return False
        s[INSIDE] += 1
        s[self.pc] = "stepping" if s[self.faults] == self.limit else "exit"
        return True

    def stepping(self, s: list[Any]) -> bool:
        if s[TREE]:
            s[self.pc] = "exit_busy"
        else:
            s[TREE] = EXCLUSIVE
            s[self.pc] = "stepped"
        return True

    def stepped(self, s: list[Any]) -> bool:
        s[TREE] = 0
        s[self.pc] = "exit"
        return True

    def exit_busy(self, s: list[Any]) -> bool:
        s[INSIDE] -= 1
        s[self.pc] = "enter"
        return True

    def exit(self, s: list[Any]) -> bool:
        s[INSIDE] -= 1
        s[self.pc] = "read_lock"
        return True

    def read_lock(self, s: list[Any]) -> bool:
        if s[MMU_LOCK] == EXCLUSIVE:
            return False
        s[MMU_LOCK] += 1
        s[self.pc] = "load"
        return True

    def load(self, s: list[Any]) -> bool:
        if s[SPTE] == "NP":
            s[self.pc] = "freeze"
        elif s[SPTE] == "FROZEN":
            s[self.pc] = "unlock_again"
        else:
            s[self.faults] = 0
            s[self.pc] = "unlock"
        return True

    def freeze(self, s: list[Any]) -> bool:
        if s[SPTE] == "NP":
            s[SPTE] = "FROZEN"
            s[self.pc] = "try_shared"
        else:
            s[self.pc] = "unlock_again"
        return True

    def try_shared(self, s: list[Any]) -> bool:
        if s[TREE] == EXCLUSIVE:
            s[self.pc] = "restore"
        else:
            s[TREE] += 1
            s[self.pc] = "take_entry"
        return True

    def take_entry(self, s: list[Any]) -> bool:
        if s[ENTRY]:
            s[self.pc] = "put_busy"
        else:
            s[ENTRY] = True
            s[self.faults] = 0
            s[self.pc] = "aug"
        return True

    def put_busy(self, s: list[Any]) -> bool:
        s[TREE] -= 1
        s[self.pc] = "restore"
        return True

    def restore(self, s: list[Any]) -> bool:
        s[SPTE] = "NP"
        s[self.pc] = "unlock_again"
        return True

    def unlock_again(self, s: list[Any]) -> bool:
        s[MMU_LOCK] -= 1
        if s[self.faults] < self.limit:
            s[self.faults] += 1
        s[self.pc] = "enter"
        return True

    def aug(self, s: list[Any]) -> bool:
        if s[SEPT] != "FREE":
            self.found.append("TDX_BUG_ON tdh_mem_page_aug")
        s[SEPT] = "PENDING"
        s[self.pc] = "leave_entry"
        return True

    def leave_entry(self, s: list[Any]) -> bool:
        s[ENTRY] = False
        s[self.pc] = "put_shared"
        return True

    def put_shared(self, s: list[Any]) -> bool:
        s[TREE] -= 1
        s[self.pc] = "thaw"
        return True

    def thaw(self, s: list[Any]) -> bool:
        s[SPTE] = "LEAF"
        s[self.pc] = "unlock"
        return True

    def unlock(self, s: list[Any]) -> bool:
        s[MMU_LOCK] -= 1
        s[self.pc] = self.mapped
        return True

    def accept(self, s: list[Any]) -> bool:
        if s[ZAPPING]:
            return False
        s[INSIDE] += 1
        s[self.pc] = "accept_try_shared"
        return True

    def accept_try_shared(self, s: list[Any]) -> bool:
        if s[TREE] == EXCLUSIVE:
            s[self.pc] = "accept_exit_busy"
        else:
            s[TREE] += 1
            s[self.pc] = "accept_take_entry"
        return True

    def accept_take_entry(self, s: list[Any]) -> bool:
        s[self.pc] = "accept_put_busy" if s[ENTRY] else "accept_page"
        s[ENTRY] = True
        return True

    def accept_put_busy(self, s: list[Any]) -> bool:
        s[TREE] -= 1
        s[self.pc] = "accept_exit_busy"
        return True

    def accept_exit_busy(self, s: list[Any]) -> bool:
        s[INSIDE] -= 1
        s[self.pc] = "accept"
        return True

    def accept_page(self, s: list[Any]) -> bool:
        s[ACCEPTED] = s[SEPT] in {"PENDING", "MAPPED"}
        if s[SEPT] == "PENDING":
            s[SEPT] = "MAPPED"
        s[self.pc] = "accept_leave_entry"
        return True

    def accept_leave_entry(self, s: list[Any]) -> bool:
        s[ENTRY] = False
        s[self.pc] = "accept_put_shared"
        return True

    def accept_put_shared(self, s: list[Any]) -> bool:
        s[TREE] -= 1
        s[self.pc] = "accept_exit"
        return True

    def accept_exit(self, s: list[Any]) -> bool:
        s[INSIDE] -= 1
        s[self.pc] = "done" if s[ACCEPTED] else "enter"
        s[ACCEPTED] = False
        return True

    def write_lock(self, s: list[Any]) -> bool:
        if s[MMU_LOCK]:
            return False
        s[MMU_LOCK] = EXCLUSIVE
        s[self.pc] = "zap_load"
        return True

    def zap_load(self, s: list[Any]) -> bool:
        s[self.pc] = "zap" if s[SPTE] == "LEAF" else "write_unlock"
        return True

    def zap(self, s: list[Any]) -> bool:
        s[SPTE] = "NP"
        s[self.pc] = "block"
        return True

    def write_unlock(self, s: list[Any]) -> bool:
        s[MMU_LOCK] = 0
        s[self.pc] = "done"
        return True

    def do_no_vcpus(
        self, leaf: str, after: str, following: str
    ) -> dict[str, Callable[[list[Any]], bool]]:
        """The steps of a leaf that must not fail."""

        def take_tree(s: list[Any]) -> bool:
            if s[TREE]:
                s[self.pc] = f"{leaf}_busy"
            else:
                s[TREE] = EXCLUSIVE
                s[self.pc] = f"{leaf}_take_entry"
            return True

        def keep_out(s: list[Any]) -> bool:
            s[ZAPPING] = True
            s[self.pc] = f"{leaf}_kick"
            return True

        def kick(s: list[Any]) -> bool:
            if s[INSIDE]:
                return False
            s[self.pc] = f"{leaf}_alone"
            return True

        def take_tree_alone(s: list[Any]) -> bool:
            if s[TREE]:
                self.found.append("TDX_BUG_ON tdh_do_no_vcpus")
            s[TREE] = EXCLUSIVE
            s[self.pc] = f"{leaf}_take_entry"
            return True

        def take_entry(s: list[Any]) -> bool:
            if s[ENTRY]:
                self.found.append("BUG an entry lock was held beside the exclusive tree")
            s[ENTRY] = True
            s[self.pc] = f"{leaf}_change"
            return True

        def change(s: list[Any]) -> bool:
            s[SEPT] = after
            s[self.pc] = f"{leaf}_leave_entry"
            return True

        def leave_entry(s: list[Any]) -> bool:
            s[ENTRY] = False
            s[self.pc] = f"{leaf}_put_tree"
            return True

        def put_tree(s: list[Any]) -> bool:
            s[TREE] = 0
            s[self.pc] = f"{leaf}_let_in" if s[ZAPPING] else following
            return True

        def let_in(s: list[Any]) -> bool:
            s[ZAPPING] = False
            s[self.pc] = following
            return True

        return {
            leaf: take_tree,
            f"{leaf}_busy": keep_out,
            f"{leaf}_kick": kick,
            f"{leaf}_alone": take_tree_alone,
            f"{leaf}_take_entry": take_entry,
            f"{leaf}_change": change,
            f"{leaf}_leave_entry": leave_entry,
            f"{leaf}_put_tree": put_tree,
            f"{leaf}_let_in": let_in,
        }

    def steps(self) -> dict[str, Callable[[list[Any]], bool]]:
        """Every step, by the place where a task stands before it; none where it has finished."""
        fault = (
            self.enter,
            self.stepping,
            self.stepped,
            self.exit_busy,
            self.exit,
            self.read_lock,
            self.load,
        )
        map_ = (
            self.freeze,
            self.try_shared,
            self.take_entry,
            self.put_busy,
            self.restore,
            self.unlock_again,
        )
        mapped = (self.aug, self.leave_entry, self.put_shared, self.thaw, self.unlock)
        accept = (self.accept, self.accept_try_shared, self.accept_take_entry, self.accept_put_busy)
        accepted = (
            self.accept_exit_busy,
            self.accept_page,
            self.accept_leave_entry,
            self.accept_put_shared,
        )
        zapper = (self.accept_exit, self.write_lock, self.zap_load, self.zap, self.write_unlock)
        every = (*fault, *map_, *mapped, *accept, *accepted, *zapper)
        return {
            **{step.__name__: step for step in every},
            **self.do_no_vcpus("block", "BLOCKED", "remove"),
            **self.do_no_vcpus("remove", "FREE", "write_unlock"),
            "done": lambda _: False,
        }


class Port:
    """The protocol as minicheck wants it.

    `found` has what went wrong in a step or after the last one.
    """

    def __init__(self, vcpus: int, limit: int) -> None:
        self.found: list[str] = []
        tasks = [Task(i, vcpus, limit, self.found) for i in range(vcpus + 1)]
        self._steps = [(task.pc, task.steps()) for task in tasks]
        self._done = ("done",) * len(tasks)
        pcs = ("enter",) * vcpus + ("write_lock",)
        self.fields = (
            *CELLS,
            "accepted",
            *(f"pc{i}" for i in range(vcpus + 1)),
            *(f"faults{i}" for i in range(vcpus)),
        )
        self.initial: State = (0, "NP", "FREE", 0, False, False, 0, False, *pcs, *(0,) * vcpus)

    def transitions(self, state: State) -> list[tuple[str, State]]:
        following = []
        for pc, steps in self._steps:
            after = [*state]
            if steps[state[pc]](after):
                following.append((state[pc], tuple(after)))
        if not following and state[FIRST_PC : FIRST_PC + len(self._steps)] != self._done:
            self.found.append("deadlock")
        return following


def backed(d: dict[str, object]) -> bool:
    return d["spte"] != "LEAF" or d["sept"] in {"PENDING", "MAPPED"}


def thawed(d: dict[str, object]) -> bool:
    return d["spte"] != "FROZEN" or d["mmu_lock"] != EXCLUSIVE


def reachable(port: Port) -> Iterator[State]:
    """Every state, each once, by a plain set."""
    seen, todo = {port.initial}, [port.initial]
    while todo:
        state = todo.pop()
        yield state
        for _, after in port.transitions(state):
            if after not in seen:
                seen.add(after)
                todo.append(after)


def main(vcpus: int, limit: int, *, met: bool) -> dict[str, object]:
    minicheck = import_module("minicheck")  # not above: the port can be tested without it
    port = Port(vcpus, limit)
    seen: set[State] = set()

    def transitions(state: State) -> list[tuple[str, State]]:
        seen.add(state[: len(CELLS)])
        return port.transitions(state)

    protocol = minicheck.Protocol(
        name="protocol",
        candidate=False,
        fields=port.fields,
        initial=port.initial,
        transitions=transitions if met else port.transitions,
        invariants={"backed": backed, "thawed": thawed},
    )
    started = time.perf_counter()
    result = minicheck.check_safety(protocol, max_states=sys.maxsize)
    seconds = time.perf_counter() - started
    holds = all(one["holds"] for one in result["properties"].values())
    return {
        "clean": holds and not port.found,
        "states": result["reachable_states"],
        "transitions": 0,
        "seconds": seconds,
        "met": sorted(seen),
    }


if __name__ == "__main__":
    json.dump(main(int(sys.argv[1]), int(sys.argv[2]), met="--met" in sys.argv), sys.stdout)
