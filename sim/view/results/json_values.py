"""Results as JSON values.

The field names are a contract: docs/json.md lists them, and a test holds them to it.

Fields that nothing computes yet are null: an answer that is not known is not left out.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from sim.catalog.printed import is_silent
from sim.catalog.schedules import shipped, witness
from sim.engine.model.operations import Finding
from sim.engine.run.schedule import Schedule, write
from sim.engine.run.world import Blocked, Run
from sim.scenarios.switches import GRAIN
from sim.search.exploration import Exploration, Found, Reach, RunCounts
from sim.search.shrinking.follow import Size
from sim.search.shrinking.shrink import Shrunk
from sim.view.results.report import not_covered

if TYPE_CHECKING:
    from sim.surveys.census import Change
    from sim.surveys.contention import Meeting
    from sim.surveys.everybody import EverybodyAtOnce

    # which explores: a run that is only replayed needs no numpy
    from sim.surveys.table import TableCell

Json = dict[str, Any]


def of_finding(finding: Finding) -> Json:
    return {"kind": finding.kind, "where": finding.where, "causes": list(finding.causes)}


def of_found(found: Found) -> Json:
    return {
        **of_finding(found.finding),
        "first_to_print": not is_silent(found.finding),
        **of_reach(found.reach),
        "witness": {
            "steps": len(found.witness.steps),
            "preemptions": None if found.reach is None else found.reach.preempted,
            "loop": found.witness.lasso.stem + 1 if found.witness.lasso else None,
            "schedule": write(witness(found)),
        },
    }


def of_reach(reach: Reach | None) -> Json:
    if reach is None:
        names = (
            "interleavings",
            "classes",
            "random_walk_probability",
            "inevitable_at",
            "odds",
            "fewest_preemptions",
        )
        return dict.fromkeys(names)
    return {
        "interleavings": _decimal(reach.interleavings),
        "classes": _decimal(reach.classes),
        "random_walk_probability": _fraction(reach.odds),
        "inevitable_at": reach.inevitable_at,
        "odds": [_fraction(odds) for odds in reach.along] or None,
        "fewest_preemptions": {
            "preemptions": reach.preemptions,
            "steps": len(reach.fewest.witness.steps),
            "schedule": write(witness(reach.fewest)),
        },
    }


def _decimal(number: int | None) -> str | None:
    return None if number is None else str(number)


def _fraction(odds: Fraction | None) -> str | None:
    return None if odds is None else f"{odds.numerator}/{odds.denominator}"


def of_counts(counts: RunCounts | None) -> Json:
    if counts is None:
        return {"retries": None, "interleavings": None, "classes": None, "estimate": None}
    estimate = counts.estimate
    return {
        "retries": counts.retries,
        "interleavings": _decimal(counts.interleavings),
        "classes": _decimal(counts.classes),
        "estimate": estimate
        and {
            "interleavings": str(estimate.mean),
            "error": str(estimate.error),
            "quarters": [str(quarter) for quarter in estimate.quarters],
            "walks": estimate.walks,
        },
    }


def of_exploration(exploration: Exploration) -> Json:
    scenario = exploration.scenario
    params: Json = dict(scenario.params)
    return {
        "scenario": scenario.name,
        "params": {**params, "without": list(scenario.without)},
        "model": scenario.full_model,
        "grain": params.get(GRAIN.name, GRAIN.default),
        "verdict": exploration.verdict.value,
        "not_covered": [*not_covered(exploration), *unexpanded(exploration)],
        "states": exploration.states,
        "transitions": exploration.transitions,
        "depth": exploration.depth,
        "seconds": round(exploration.seconds, 3),
        **of_counts(exploration.counts),
        "findings": [of_found(found) for found in exploration.found],
        "starvation": [of_found(found) for found in exploration.starving],
    }


def unexpanded(exploration: Exploration) -> list[str]:
    """What a budget cut off, as something that the verdict does not cover."""
    left = exploration.unexpanded
    return (
        [f"a budget ended: of {exploration.states} states, {left} were not gone on from"]
        if left
        else []
    )


def of_cell(cell: TableCell, made: tuple[Change, ...]) -> Json:
    known = shipped()
    return {
        "row": cell.row.number,
        "old": cell.row.old.name,
        "new": cell.row.new.name,
        "shared": cell.row.shared,
        "valid": cell.valid,
        "callers": list(dict.fromkeys(f"{one.setter} ({one.caller}, {one.root})" for one in made)),
        "mirror": any(one.root == "mirror" for one in made),
        "kernel": cell.kernel,
        "order": cell.order,
        "module": cell.module,
        "flipped": [cell.flipped] if cell.flipped else [],
        "findings": list(dict.fromkeys(finding.kind for finding in cell.findings)),
        "kvm_bug_on": bool(cell.hits),
        "first_to_print": cell.is_shown,
        "others_print": bool(cell.others),
        "causes": list(cell.causes),
        "states": cell.states,
        "interleavings": _decimal(cell.interleavings),
        "classes": _decimal(cell.classes),
        "witnesses": [str(known[told.name]) for told in cell.told if told.name in known],
    }


def of_everybody(said: EverybodyAtOnce) -> Json:
    return {
        "row": said.cell.row.number,
        "kernel": said.cell.kernel,
        "module": said.cell.module,
        "states": said.states,
        "unexpanded": said.unexpanded,
        "seconds": said.seconds,
        "more": [of_finding(finding) for finding in said.more],
        "less": [of_finding(finding) for finding in said.less],
    }


def of_size(size: Size) -> Json:
    return {"tasks": size.tasks, "steps": size.steps, "preemptions": size.preemptions}


def of_shrunk(shrunk: Shrunk, finding: Finding, schedule: Schedule) -> Json:
    return {
        "scenario": schedule.scenario,
        "params": {**schedule.params, "without": list(schedule.without)},
        "model": schedule.model,
        "finding": of_finding(finding),
        "before": of_size(shrunk.before),
        "after": of_size(shrunk.after),
        "certainty": shrunk.certainty.value,
        "schedule": write(schedule),
    }


def of_meeting(meeting: Meeting) -> Json:
    return {
        "leafs": [meeting.one, meeting.two],
        "on": meeting.relation.value,
        "busy": [list(meeting.busy_one), list(meeting.busy_two)],
        "halts": meeting.halts,
    }


def of_blocked(blocked: Blocked) -> Json:
    held = [
        {"cell": h.cell, "value": h.value, "by": h.by.task if h.by else None} for h in blocked.held
    ]
    return {"task": blocked.task, "point": blocked.point, "waits_for": held}


def of_run(run: Run, schedule: Schedule) -> Json:
    return {
        "scenario": schedule.scenario,
        "params": {**schedule.params, "without": list(schedule.without)},
        "model": schedule.model,
        "strategy": schedule.found_by.strategy,
        "seed": schedule.found_by.seed,
        "verdict": "finding" if run.findings else "clean",
        "steps": len(run.steps),
        "findings": [of_finding(finding) for finding in run.findings],
        "unfinished": list(run.unfinished),
        "blocked": [of_blocked(blocked) for blocked in run.blocked],
        "schedule": write(schedule),
    }


def of_replay(run: Run, schedule: Schedule, which: tuple[int, bool] | None) -> dict[str, Any]:
    """A schedule that was run again, and `which` interleaving it is, if that was asked."""
    return {
        **of_run(run, schedule),
        "expected": list(schedule.expect),
        "as_expected": run.outcomes == schedule.expect,
        "number": None if which is None else str(which[0]),
    }
