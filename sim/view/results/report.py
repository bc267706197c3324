"""Verdicts in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count
from string import ascii_lowercase

from sim.catalog.printed import aloud, firsts, follow_ons, is_bugging, is_silent
from sim.catalog.schedules import witness
from sim.engine.model.operations import Finding
from sim.engine.model.scenario import Scenario
from sim.engine.run.schedule import Schedule, write
from sim.engine.run.world import LIVELOCK, Run
from sim.scenarios.library import recipe_named
from sim.scenarios.patch import PATCH
from sim.scenarios.recipe import KERNEL
from sim.search.exploration import Exploration, Found, RunCounts
from sim.search.shrinking.follow import Size
from sim.search.shrinking.shrink import Certainty, Shrunk
from sim.view.numbers import number, probability
from sim.view.words import as_argument

UNKNOWN = {
    "livelock": "livelock: it was not looked for, or too much of the graph may be one",
    "starvation": "starvation: it was not looked for; with --starvation it is, also where many "
    "states "
    "may go round",
}


def not_covered(exploration: Exploration) -> list[str]:
    """What the verdict says nothing about."""
    return [*exploration.scenario.not_covered, *(UNKNOWN[kind] for kind in exploration.unknown)]


def patch_option(scenario: Scenario) -> str:
    """What a command line needs to come by the scenario's kernel, if that is from a file."""
    return " --patch FILE" if (KERNEL, PATCH) in scenario.params else ""


def settings_line(params: Iterable[tuple[str, str]], without: tuple[str, ...]) -> str:
    said = [f"{name}={value}" for name, value in params]
    return " ".join([*said, *(f"without={guard}" for guard in without)])


def finding_line(finding: Finding) -> str:
    causes = f", cause: {', '.join(finding.causes)}" if finding.causes else ""
    return f"{finding.kind} in {finding.where}{causes}"


_CERTAIN = {
    Certainty.SHORTEST: "the shortest there is",
    Certainty.LOCAL: "a local minimum",
    Certainty.CUT: "cut off, and more may be possible",
}


def size_words(size: Size) -> str:
    """How much a run is, as one would say it."""
    of = ((size.tasks, "task"), (size.steps, "step"), (size.preemptions, "preemption"))
    return ", ".join(f"{count:,} {what}{'' if count == 1 else 's'}" for count, what in of)


def shrunk_line(shrunk: Shrunk) -> str:
    """From how much to how much, and what is known of that."""
    if shrunk.after == shrunk.before:
        return f"{size_words(shrunk.after)}, as it was: {_CERTAIN[shrunk.certainty]}"
    return (
        f"{size_words(shrunk.before)} -> {size_words(shrunk.after)}: {_CERTAIN[shrunk.certainty]}"
    )


def _retries(bound: int | None) -> str:
    if bound is None:
        return ""
    return (
        f"with at most {bound} {'retry' if bound == 1 else 'retries'}"
        if bound
        else "without retries"
    )


def every_line(exploration: Exploration) -> str:
    """What "every" was, as one would quote it."""
    states, counts = f"{exploration.states:,} states", exploration.counts
    if exploration.unexpanded:
        return f"a budget ended with {exploration.unexpanded:,} of {states} not gone on from"
    if counts is None:
        return f"every interleaving, {states}"
    runs = counts.interleavings
    every = (
        "every interleaving"
        if runs is None
        else f"all {number(runs)} interleaving{'' if runs == 1 else 's'}"
    )
    classes = (
        ""
        if counts.classes is None
        else f"{number(counts.classes)} class{'' if counts.classes == 1 else 'es'}"
    )
    bound = "" if runs is None and not classes else _retries(counts.retries)
    inside = ", ".join(filter(None, (classes, bound)))
    return f"{every}{f' ({inside})' if inside else ''}, {states}"


def amount_lines(exploration: Exploration) -> list[str]:
    """How much there was to do, and what the sentence above rounds."""
    e, counts = exploration, exploration.counts
    lines = [f"{e.transitions:,} transitions, depth {e.depth}, {e.seconds:.1f} s"]
    if exploration.interrupted:
        lines[0] += "; interrupted, so nothing was counted"
    if counts is None:
        return lines
    lines[0] += f"; counted {'for' if counts.is_cut else 'in'} {counts.seconds:.1f} s"
    if counts.is_cut:
        what = "interleavings are not" if counts.interleavings is None else "not all of it is"
        lines[0] += f", and then the time was over: {what} counted"
    if (
        counts.interleavings is not None
        and number(counts.interleavings) != f"{counts.interleavings:,}"
    ):
        lines.append(f"exactly {counts.interleavings} interleavings")
    if counts.estimate is not None:
        least, most = map(number, counts.estimate.quarters)
        about = (
            f"about {number(counts.estimate.mean)} interleavings "
            f"{_retries(counts.retries)}".rstrip()
        )
        lines.append(
            f"{about}: an estimate, not a count, from {counts.estimate.walks} random runs; its "
            "error is "
            f"{number(counts.estimate.error)}, the middle half of the runs said {least} to {most}"
        )
    return lines


def reach_lines(found: Found, counts: RunCounts | None) -> list[str]:
    """How likely a finding is, from where on it was inevitable, how few preemptions it takes,
    how many runs pass it.
    """
    reach = found.reach
    if reach is None:
        return []
    least = f"{reach.preemptions} preemption{'' if reach.preemptions == 1 else 's'}"
    walk = f"a random walk {_retries(counts.retries if counts else None)}".rstrip()
    likely = (
        ""
        if reach.odds is None
        else f"{walk} comes by it with probability {probability(reach.odds)}; "
    )
    lines = [
        (
            f"{likely}{least}, none with fewer; "
            f"{inevitable(reach.inevitable_at, len(found.picks.picks))}"
        )
    ]
    if counts is not None and counts.interleavings is not None and reach.interleavings is not None:
        of = f"{number(reach.interleavings)} of {number(counts.interleavings)} interleavings"
        if counts.classes is not None and reach.classes is not None:
            of += f", {number(reach.classes)} of {number(counts.classes)} classes"
        lines.append(of)
    return lines


def inevitable(at: int, steps: int) -> str:
    if at == 0:
        return "inevitable from the start"
    return "avoidable until its last step" if at == steps else f"inevitable after step {at}"


def blocked_lines(run: Run) -> list[str]:
    """Who waits for what, and who holds it: the step that last changed it."""
    lines = []
    for blocked in run.blocked:
        for held in blocked.held:
            by = f", since {held.by.task} at {held.by.point}" if held.by else ""
            lines.append(
                f"{blocked.task} waits at {blocked.point}: {held.cell} is {held.value}{by}"
            )
    return lines


def going_round_lines(run: Run) -> list[str]:
    """What a replayed loop shows, and what it does not."""
    if run.lasso is None:
        return []
    first, last = run.lasso.stem + 1, len(run.steps)
    lines = [f"steps {first} to {last} come back to where they began, and can go on for ever"]
    if run.lasso.kind == LIVELOCK:
        lines.append(
            "that nothing leads out of them is what exploring said; one run cannot show it"
        )
    return lines


def numbered_line(scenario: Scenario, number: int, is_whole: bool) -> str:
    """The command that replays an interleaving by its number."""
    defaults = {param.name: param.default for param in recipe_named(scenario.name).params}
    said = [f"tdpsim replay {scenario.name}@{number}"]
    said += [f"--set {name}={value}" for name, value in scenario.params if defaults[name] != value]
    said += [f"--without {guard}" for guard in scenario.without]
    what = "" if is_whole else "the first of those that begin so: "
    return what + " ".join([*said, f"--model {scenario.digest}"])


def replay_lines(run: Run, schedule: Schedule, which: tuple[int, bool] | None) -> list[str]:
    """What came of a schedule that was run again; `which` interleaving it is, if that was asked."""
    lines = [
        (
            f"{schedule.scenario}  {schedule.model}: {len(run.steps)} steps, the same under both "
            "executors"
        )
    ]
    lines += [*run.outcomes, *blocked_lines(run), *going_round_lines(run)]
    if which is not None:
        lines.append(numbered_line(run.scenario, *which))
    if run.outcomes != schedule.expect:
        lines.append(f"but the file expects {', '.join(schedule.expect)}")
    return lines


def lasso_line(found: Found) -> str:
    """How a finding is shown: by a run, or by a run that comes back."""
    steps, lasso = len(found.witness.steps), found.witness.lasso
    if lasso is None:
        return f"shortest witness: {steps} steps"
    return f"{lasso.stem} steps lead to a loop of {steps - lasso.stem}"


def verdict_words(exploration: Exploration) -> str:
    """How many findings, with those apart that a log cannot show; or the verdict's word."""
    findings = [found.finding for found in exploration.found]
    shown, follow = len(firsts(findings)), len(follow_ons(findings))
    if not findings:
        return exploration.verdict.value
    more = f", and {follow} that only follow{'s' if follow == 1 else ''}" if follow else ""
    return f"{shown} finding{'' if shown == 1 else 's'}{more}"


def _found_lines(
    mark: str, found: Found, exploration: Exploration, recorded: dict[str, str]
) -> Iterator[str]:
    yield f"  {mark} {finding_line(aloud(found.finding))}; {lasso_line(found)}"
    more = [*reach_lines(found, exploration.counts), *blocked_lines(found.witness)]
    if is_silent(found.finding):
        bugged_by = next(one for one in found.witness.findings if is_bugging(one))
        more.append(f"after {finding_line(bugged_by)}")
    path = recorded.get(finding_line(found.finding))
    if path:
        more.append(f"tdpsim replay {as_argument(path)}")
    yield from (f"     {line}" for line in more)


def exploration_report(exploration: Exploration, recorded: dict[str, str]) -> str:
    """The verdict, each finding, and a schedule with the command that replays it.

    `recorded` has the path of the schedule that each finding (by its text) was written to.
    """
    scenario = exploration.scenario
    lines = [
        f"{scenario.name}  {scenario.full_model}",
        settings_line(scenario.params, scenario.without),
        "",
    ]
    lines += [f"{verdict_words(exploration)}: {every_line(exploration)}"]
    lines += amount_lines(exploration)
    follow = set(follow_ons(found.finding for found in exploration.found))
    number, letter = count(1), iter(ascii_lowercase)
    for found in exploration.found:
        if not is_silent(found.finding):
            lines += _found_lines(f"{next(number)}.", found, exploration, recorded)
    if follow:
        lines.append("  Of a VM that is bugged already a log shows nothing more, so never these:")
    for found in exploration.found:
        if found.finding in follow:
            lines += _found_lines(f"{next(letter, '-')}.", found, exploration, recorded)
    lines += [
        f"{finding_line(found.finding)}, by chance and not for good: {lasso_line(found)} that "
        "could be left"
        for found in exploration.starving
        if found not in exploration.found
    ]
    lines += ["", "not covered: " + "; ".join(not_covered(exploration))]
    if exploration.found and not recorded:
        first = exploration.found[0]
        command = f"tdpsim replay -{patch_option(first.witness.scenario)}"
        lines += [
            "",
            f"A shortest way to finding 1. Pipe this into `{command}`:",
            "",
            write(witness(first)),
        ]
    return "\n".join(lines)
