"""Verdicts in words."""

from __future__ import annotations

from collections.abc import Iterable

from sim.engine.operations import Finding
from sim.engine.schedule import write
from sim.engine.world import LIVELOCK, Run
from sim.scenarios.witnesses import full_model, witness
from sim.search.result import Exploration, Found

UNKNOWN = {
    "livelock": "livelock: it was not looked for, or too much of the graph may be one",
    "starvation": "starvation: it was not looked for; with --starvation it is, also where many states may go round",
}


def not_covered(exploration: Exploration) -> list[str]:
    """What the verdict says nothing about."""
    return [*exploration.scenario.not_covered, *(UNKNOWN[kind] for kind in exploration.unknown)]


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


def blocked_lines(run: Run) -> list[str]:
    """Who waits for what, and who holds it: the step that last changed it."""
    lines = []
    for blocked in run.blocked:
        for held in blocked.held:
            by = f", since {held.by.task} at {held.by.point}" if held.by else ""
            lines.append(f"{blocked.task} waits at {blocked.point}: {held.cell} is {held.value}{by}")
    return lines


def going_round_lines(run: Run) -> list[str]:
    """What a replayed loop shows, and what it does not."""
    if run.lasso is None:
        return []
    first, last = run.lasso.stem + 1, len(run.steps)
    lines = [f"steps {first} to {last} come back to where they began, and can go on for ever"]
    if run.lasso.kind == LIVELOCK:
        lines.append("that nothing leads out of them is what exploring said; one run cannot show it")
    return lines


def lasso_line(found: Found) -> str:
    """How a finding is shown: by a run, or by a run that comes back."""
    steps, lasso = len(found.witness.steps), found.witness.lasso
    if lasso is None:
        return f"shortest witness: {steps} steps"
    return f"{lasso.stem} steps lead to a loop of {steps - lasso.stem}"


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
            lines.append(f"  {number}. {finding_line(found.finding)}; {lasso_line(found)}")
            lines += [f"     {line}" for line in blocked_lines(found.witness)]
            path = recorded.get(finding_line(found.finding))
            if path:
                lines.append(f"     tdpsim replay {path}")
    lines += [
        f"{finding_line(found.finding)}, by chance and not for good: {lasso_line(found)} that could be left"
        for found in exploration.starving
        if found not in exploration.found
    ]
    lines += ["", "not covered: " + "; ".join(not_covered(exploration))]
    if exploration.found and not recorded:
        first = exploration.found[0]
        lines += ["", "A shortest way to finding 1. Pipe this into `tdpsim replay -`:", "", write(witness(first))]
    return "\n".join(lines)
