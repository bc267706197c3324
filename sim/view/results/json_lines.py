"""A campaign as JSON, one object a line.

`event` says what each is, and the last one is the `end`.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from sim.campaign.progress import CampaignEvent, CampaignProgress, ReplayedEvent, WitnessEvent
from sim.campaign.records import FindingGroup, StoreContents, TroubleEvent, Witness
from sim.search.fuzzing.batch import Sighting
from sim.view.results.json_values import of_finding

JsonEvent = dict[str, Any]


def print_event(event: JsonEvent) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def of_news(news: CampaignEvent) -> JsonEvent:
    match news:
        case WitnessEvent():
            return {
                "event": "finding",
                **of_finding(news.witness.finding),
                "seed": news.witness.seed,
                "steps": news.witness.steps,
                "shrunk": news.witness.shrunk,
                "confirmed": news.witness.confirmed,
                "path": None if news.path is None else str(news.path),
                "trouble": news.trouble or None,
            }
        case ReplayedEvent():
            return {"event": "known", "path": str(news.path), "outcome": news.what}
        case TroubleEvent():
            return {"event": "trouble", "seed": news.seed, "what": news.what}
    return {"event": "note", "text": news.text}


def of_progress(now: CampaignProgress) -> JsonEvent:
    return {
        "event": "progress",
        **_amount(now.contents),
        "left": now.left,
        "seconds": round(now.seconds, 3),
        "schedules_per_second": round(now.seeds_per_second, 1),
        "steps_per_second": round(now.steps_per_second, 1),
        "new_states": now.new_states,
        "last_new_state": round(now.last_new, 3),
        "expected_new_states": now.expected,
    }


def of_end(end: CampaignProgress) -> JsonEvent:
    return {
        "event": "end",
        **of_contents(end.contents),
        "ended": end.ending or "done",
        "seconds": round(end.seconds, 3),
        "schedules_per_second": round(end.seeds / max(end.seconds, 1e-9), 1),
        "steps_per_second": round(end.steps / max(end.seconds, 1e-9), 1),
    }


def of_contents(contents: StoreContents) -> JsonEvent:
    """All that is said of a store."""
    return {
        "scenario": contents.identity["scenario"],
        "params": {**contents.identity["parameters"], "without": contents.identity["guards out"]},
        "model": contents.identity["model"],
        "strategy": contents.identity["strategy"],
        **_amount(contents),
        "findings": [_group(*group) for group in contents.groups()],
        "troubles": [{"seed": trouble.seed, "what": trouble.what} for trouble in contents.troubles],
        "expected_new_states": contents.sketch.lone / contents.totals.seeds
        if contents.totals.seeds
        else None,
    }


def _amount(contents: StoreContents) -> JsonEvent:
    totals = contents.totals
    return {
        "seeds": totals.seeds,
        "steps": totals.steps,
        "cut": totals.cut,
        "digest": f"{totals.digest:016x}",
        "states": contents.sketch.states,
    }


def _group(
    group: FindingGroup, sightings: tuple[Sighting, ...], witness: Witness | None
) -> JsonEvent:
    kind, where = group
    return {
        "kind": kind,
        "where": where,
        "causes": [
            {
                "causes": list(one.finding.causes),
                "seed": one.seed,
                "steps": one.steps,
                "seeds": one.seeds,
            }
            for one in sightings
        ],
        "seed": sightings[0].seed,
        "witness": witness
        and {
            "seed": witness.seed,
            "steps": witness.steps,
            "found_with": witness.found_with,
            "shrunk": witness.shrunk,
            "confirmed": witness.confirmed,
            "path": witness.file or None,
            "schedule": witness.text,
        },
    }
