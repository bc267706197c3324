"""Verdicts in words."""

from __future__ import annotations

from collections.abc import Iterable

from sim.engine.operations import Finding
from sim.engine.schedule import write
from sim.scenarios.witnesses import full_model, witness
from sim.search.result import Exploration


def settings_line(params: Iterable[tuple[str, str]], without: tuple[str, ...]) -> str:
    said = [f"{name}={value}" for name, value in params]
    return " ".join([*said, *(f"without={guard}" for guard in without)])


def finding_line(finding: Finding) -> str:
    causes = f", cause: {', '.join(finding.causes)}" if finding.causes else ""
    return f"{finding.kind} in {finding.where}{causes}"


def amount_line(exploration: Exploration) -> str:
    """What "every" was."""
    e = exploration
    return f"{e.states:,} states, {e.transitions:,} transitions, depth {e.depth}, {e.seconds:.1f} s"


def exploration_report(exploration: Exploration, recorded: dict[str, str]) -> str:
    """The verdict, each finding, and a schedule with the command that replays it.

    `recorded` has the path of the schedule that each finding (by its text) was written to.
    """
    scenario = exploration.scenario
    lines = [
        f"{scenario.name}  {full_model(scenario)}",
        settings_line(scenario.params, scenario.without),
        "",
    ]
    every = "every interleaving"
    if exploration.unexpanded:
        every = f"a budget ended with {exploration.unexpanded:,} states that were not gone on from"
    if not exploration.found:
        lines.append(f"{exploration.verdict.value}: {every}, {amount_line(exploration)}")
    else:
        plural = "" if len(exploration.found) == 1 else "s"
        lines.append(f"{len(exploration.found)} finding{plural}; {every}: {amount_line(exploration)}")
        for number, found in enumerate(exploration.found, 1):
            steps = len(found.witness.steps)
            lines.append(f"  {number}. {finding_line(found.finding)}; shortest witness: {steps} steps")
            path = recorded.get(finding_line(found.finding))
            if path:
                lines.append(f"     tdpsim replay {path}")
    lines += ["", "not covered: " + "; ".join(scenario.not_covered)]
    if exploration.found and not recorded:
        first = exploration.found[0]
        lines += ["", "A shortest way to finding 1. Pipe this into `tdpsim replay -`:", "", write(witness(first))]
    return "\n".join(lines)
