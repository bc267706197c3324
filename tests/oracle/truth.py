"""What the machine says of one program, found out when it is first asked for."""

from __future__ import annotations

from functools import cached_property

from tests.oracle import liveness
from tests.oracle.generate import LARGE
from tests.oracle.graph import Graph, TooLargeError
from tests.oracle.language import Program
from tests.oracle.machine import Machine, SenselessError
from tests.oracle.traces import Classes, TooManyError

_BOUNDED, _FORMS = 12000, 6000
"""States of a bounded graph, and normal forms, that are gone through at most."""


class Truth:
    """What the machine says of a program.

    What takes long is found out when it is first asked for.
    """

    def __init__(self, program: Program, graph: Graph) -> None:
        self.program, self.graph, self.machine = program, graph, graph.machine
        self.findings = graph.findings()

    @cached_property
    def is_large(self) -> bool:
        return len(self.graph.states) > LARGE

    @cached_property
    def livelocks(self) -> list[liveness.Part]:
        return liveness.livelocks(self.graph)

    @cached_property
    def starvation(self) -> list[liveness.Part]:
        return liveness.starvation(self.graph)

    @cached_property
    def bound(self) -> int | None:
        """The bound on retries that runs are counted with; None where nobody retries."""
        return self.program.retries if self.graph.is_retrying() else None

    @cached_property
    def bounded(self) -> Graph | None:
        """The graph of the runs that are counted; None if it is too large."""
        if self.bound is None:
            return self.graph
        try:
            return Graph(Machine(self.program, self.bound), _BOUNDED)
        except (TooLargeError, SenselessError):
            return None

    @cached_property
    def classes(self) -> Classes | None:
        if self.bounded is None or self.is_large:
            return None
        try:
            return Classes(self.bounded, _FORMS)
        except TooManyError:
            return None

    def named(self, at: int) -> tuple[tuple[str, str], ...]:
        """What every variable holds in a state, as the engine spells it."""
        return tuple(
            (name, ("yes" if value else "no") if name == "halted" else str(value))
            for name, value in zip(self.machine.names, self.graph.states[at][0], strict=True)
        )
