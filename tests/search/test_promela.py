"""What is exported as Promela, read by a few lines that know nothing of `sim`: the same states, and
an error exactly where something was found.

Spin itself is no part of these tests; `python -m tests.bench.exported` has it count.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import attrs
import pytest

from sim.engine.model.scenario import Scenario
from sim.engine.states import tables
from sim.engine.states.frontier import Frontier
from sim.engine.states.product import Product
from sim.scenarios.library import recipe_named
from sim.search.explore import explore
from sim.search.exporting.promela import promela
from tests.bench.protocol import protocol
from tests.search.test_watching import lost_update

State = tuple[tuple[str, ...], tuple[int, ...]]
Option = tuple[list[tuple[str, int]], list[tuple[str, int]], bool, str]


@attrs.define
class Model:
    """A model as it stands there: variables, and the options at each label of each process."""

    variables: list[str]
    first: tuple[str, ...]
    options: list[dict[str, list[Option]]]

    @classmethod
    def read(cls, text: str) -> Model:
        text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
        variables = re.findall(r"^(?:byte|short|int) (\w+) = 0;", text, re.MULTILINE)
        first, every = [], []
        for body in re.findall(
            r"^active proctype \w+\(\)\n\{\n(.*?)\n\}", text, re.DOTALL | re.MULTILINE
        ):
            labels: dict[str, list[Option]] = {}
            for part in re.split(r"^(?=\w+:)", body, flags=re.MULTILINE):
                if part:
                    label, _, rest = part.partition(":")
                    labels[label] = [option(line, label) for line in rest.split("\n\t:: ")[1:]]
            first.append(next(iter(labels)))
            every.append(labels)
        return cls(variables, tuple(first), every)

    def explored(self) -> tuple[int, int]:
        """How many states there are, and how many errors."""
        start = self.first, (0,) * len(self.variables)
        seen, todo, errors = {start}, [start], 0
        while todo:
            at = todo.pop()
            steps = [step for number in range(len(at[0])) for step in self.steps(at, number)]
            errors += sum(wrong for _, wrong in steps)
            errors += not steps and any(not label.startswith("end") for label in at[0])
            for after, _ in steps:
                if after not in seen:
                    seen.add(after)
                    todo.append(after)
        return len(seen), errors

    def steps(self, at: State, number: int) -> list[tuple[State, bool]]:
        labels, values = at
        now = dict(zip(self.variables, values, strict=True))
        found = []
        for guard, does, wrong, to in self.options[number][labels[number]]:
            if all(now[name] == value for name, value in guard):
                then = now | dict(does)
                after = (*labels[:number], to, *labels[number + 1 :]), tuple(then.values())
                found.append((after, wrong))
        return found


def option(line: str, label: str) -> Option:
    match = re.match(r"d_step \{ (.*) -> (.*) \}(?:; goto (\w+))?", line)
    assert match is not None, line
    guard = [(name, int(value)) for name, value in re.findall(r"(\w+) == (\d+)", match[1])]
    does = [(name, int(value)) for name, value in re.findall(r"(\w+) = (\d+)", match[2])]
    return guard, does, "assert(false)" in match[2], match[3] or label


def row(name: str, without: tuple[str, ...] = (), **given: str) -> Callable[[], Scenario]:
    return lambda: recipe_named(name).scenario(given, without)


ASKED: dict[str, Callable[[], Scenario]] = {
    "a clean protocol": lambda: protocol(2, 1),
    "a property that does not hold": lambda: lost_update(2),
    "a finding on the way": row("np-to-leaf-exclusive", contenders="zero-step"),
    "a BUG that ends the run": row("np-to-leaf-shared", ("freeze",), contenders="none"),
    "retries": row("np-to-np-exclusive", contenders="none"),
    "clean": row("teardown"),
    "daemons": row("leaf-to-np-exclusive", contenders="tdcall"),
}


@pytest.mark.parametrize("widest", [0, 16])
@pytest.mark.parametrize("name", ASKED)
def test_it_has_the_same_states_and_an_error_where_something_was_found(
    name: str, widest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "_WIDEST", widest)
    scenario = ASKED[name]()
    frontier = Frontier(Product(scenario))
    for _ in frontier.levels():
        pass
    states, errors = Model.read(promela(frontier, "model.pml")).explored()
    safety = explore(scenario, liveness=False)
    assert states == frontier.visited.count == safety.states
    assert bool(errors) == bool(safety.found)


def test_the_first_lines_say_how_spin_is_called() -> None:
    frontier = Frontier(Product(protocol(2, 1)))
    for _ in frontier.levels():
        pass
    text = promela(frontier, "a b.pml")
    assert f"{frontier.visited.count:,} states" in text
    assert "spin -a 'a b.pml' && cc" in text
