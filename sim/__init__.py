"""tdpsim: every interleaving of the TDP MMU and the TDX module, by machine.

This is the front door: the words for a model of one's own, and what can be asked of it. What is not
in `__all__` may move without notice. Nothing is loaded before it is used, so `import sim` takes no
time.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.analysis.moments import moments
    from sim.catalog.schedules import shipped as shipped_schedules
    from sim.engine.model.cells import BOOL, Cell, members, one_of, record
    from sim.engine.model.errors import EngineError
    from sim.engine.model.operations import (
        Access,
        Finding,
        Operation,
        Outcome,
        atomic_add,
        bug,
        choose,
        cmpxchg,
        fetch_add,
        load,
        progress,
        report,
        step,
        store,
        wait,
        xchg,
    )
    from sim.engine.model.routines import Again, Done, repeat, routine
    from sim.engine.model.scenario import Property, Scenario, Task
    from sim.engine.run.replay import Drift, replay
    from sim.engine.run.schedule import FoundBy, Schedule
    from sim.engine.run.schedule import parse as parse_schedule
    from sim.engine.run.schedule import record as record_schedule
    from sim.engine.run.schedule import write as write_schedule
    from sim.engine.run.scheduler import Picks, RandomWalk
    from sim.engine.run.trio_executor import run
    from sim.engine.run.world import Run, Step
    from sim.scenarios.library import recipe_named
    from sim.search.budget import Budget
    from sim.search.exploration import Counting, Exploration, Found, Verdict
    from sim.search.explore import explore
    from sim.view.runs.commit import commit

__version__ = "0.1.0.dev0"

__all__ = [
    "BOOL",
    "Access",
    "Again",
    "Budget",
    "Cell",
    "Counting",
    "Done",
    "Drift",
    "EngineError",
    "Exploration",
    "Finding",
    "Found",
    "FoundBy",
    "Operation",
    "Outcome",
    "Picks",
    "Property",
    "RandomWalk",
    "Run",
    "Scenario",
    "Schedule",
    "Step",
    "Task",
    "Verdict",
    "__version__",
    "atomic_add",
    "bug",
    "choose",
    "cmpxchg",
    "commit",
    "explore",
    "fetch_add",
    "load",
    "members",
    "moments",
    "one_of",
    "parse_schedule",
    "progress",
    "recipe_named",
    "record",
    "record_schedule",
    "repeat",
    "replay",
    "report",
    "routine",
    "run",
    "shipped_schedules",
    "step",
    "store",
    "wait",
    "write_schedule",
    "xchg",
]

_PLACES = {
    "BOOL": "sim.engine.model.cells:BOOL",
    "Cell": "sim.engine.model.cells:Cell",
    "members": "sim.engine.model.cells:members",
    "one_of": "sim.engine.model.cells:one_of",
    "record": "sim.engine.model.cells:record",
    "EngineError": "sim.engine.model.errors:EngineError",
    "run": "sim.engine.run.trio_executor:run",
    "Access": "sim.engine.model.operations:Access",
    "Finding": "sim.engine.model.operations:Finding",
    "Operation": "sim.engine.model.operations:Operation",
    "Outcome": "sim.engine.model.operations:Outcome",
    "atomic_add": "sim.engine.model.operations:atomic_add",
    "bug": "sim.engine.model.operations:bug",
    "choose": "sim.engine.model.operations:choose",
    "cmpxchg": "sim.engine.model.operations:cmpxchg",
    "fetch_add": "sim.engine.model.operations:fetch_add",
    "load": "sim.engine.model.operations:load",
    "progress": "sim.engine.model.operations:progress",
    "report": "sim.engine.model.operations:report",
    "step": "sim.engine.model.operations:step",
    "store": "sim.engine.model.operations:store",
    "wait": "sim.engine.model.operations:wait",
    "xchg": "sim.engine.model.operations:xchg",
    "Drift": "sim.engine.run.replay:Drift",
    "replay": "sim.engine.run.replay:replay",
    "Again": "sim.engine.model.routines:Again",
    "Done": "sim.engine.model.routines:Done",
    "repeat": "sim.engine.model.routines:repeat",
    "routine": "sim.engine.model.routines:routine",
    "Property": "sim.engine.model.scenario:Property",
    "Scenario": "sim.engine.model.scenario:Scenario",
    "Task": "sim.engine.model.scenario:Task",
    "FoundBy": "sim.engine.run.schedule:FoundBy",
    "Schedule": "sim.engine.run.schedule:Schedule",
    "parse_schedule": "sim.engine.run.schedule:parse",
    "record_schedule": "sim.engine.run.schedule:record",
    "write_schedule": "sim.engine.run.schedule:write",
    "Picks": "sim.engine.run.scheduler:Picks",
    "RandomWalk": "sim.engine.run.scheduler:RandomWalk",
    "Run": "sim.engine.run.world:Run",
    "Step": "sim.engine.run.world:Step",
    "recipe_named": "sim.scenarios.library:recipe_named",
    "shipped_schedules": "sim.catalog.schedules:shipped",
    "explore": "sim.search.explore:explore",
    "Budget": "sim.search.budget:Budget",
    "Counting": "sim.search.exploration:Counting",
    "Exploration": "sim.search.exploration:Exploration",
    "Found": "sim.search.exploration:Found",
    "Verdict": "sim.search.exploration:Verdict",
    "commit": "sim.view.runs.commit:commit",
    "moments": "sim.analysis.moments:moments",
}
"""The module of each name, and what it is called there: the imports above, for when it is used."""


# Type checkers see the imports above alone, so that they report a name that is not among them.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in _PLACES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module, _, theirs = _PLACES[name].partition(":")
        globals()[name] = value = getattr(import_module(module), theirs)
        return value


def __dir__() -> list[str]:
    return __all__
