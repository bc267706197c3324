"""tdpsim: every interleaving of the TDP MMU and the TDX module, by machine.

This is the front door: the words for a model of one's own, and what can be asked of it. What is not in `__all__` may
move without notice. Nothing is loaded before it is used, so `import sim` takes no time.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.engine.cells import BOOL, Cell, members, one_of, record
    from sim.engine.errors import EngineError
    from sim.engine.live import run
    from sim.engine.operations import (
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
    from sim.engine.replay import Drift, replay
    from sim.engine.routines import Again, Done, repeat, routine
    from sim.engine.scenario import Property, Scenario, Task
    from sim.engine.schedule import (
        FoundBy,
        Schedule,
    )
    from sim.engine.schedule import (
        parse as parse_schedule,
    )
    from sim.engine.schedule import (
        record as record_schedule,
    )
    from sim.engine.schedule import (
        write as write_schedule,
    )
    from sim.engine.scheduler import Picks
    from sim.engine.scheduler import Walk as RandomWalk
    from sim.engine.world import Run, Step
    from sim.scenarios.library import recipe_named
    from sim.scenarios.witnesses import shipped as shipped_schedules
    from sim.search.explore import explore
    from sim.search.result import Budget, Counting, Exploration, Found, Verdict
    from sim.view.commit import commit
    from sim.view.slice import moments

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
    "BOOL": "sim.engine.cells:BOOL",
    "Cell": "sim.engine.cells:Cell",
    "members": "sim.engine.cells:members",
    "one_of": "sim.engine.cells:one_of",
    "record": "sim.engine.cells:record",
    "EngineError": "sim.engine.errors:EngineError",
    "run": "sim.engine.live:run",
    "Access": "sim.engine.operations:Access",
    "Finding": "sim.engine.operations:Finding",
    "Operation": "sim.engine.operations:Operation",
    "Outcome": "sim.engine.operations:Outcome",
    "atomic_add": "sim.engine.operations:atomic_add",
    "bug": "sim.engine.operations:bug",
    "choose": "sim.engine.operations:choose",
    "cmpxchg": "sim.engine.operations:cmpxchg",
    "fetch_add": "sim.engine.operations:fetch_add",
    "load": "sim.engine.operations:load",
    "progress": "sim.engine.operations:progress",
    "report": "sim.engine.operations:report",
    "step": "sim.engine.operations:step",
    "store": "sim.engine.operations:store",
    "wait": "sim.engine.operations:wait",
    "xchg": "sim.engine.operations:xchg",
    "Drift": "sim.engine.replay:Drift",
    "replay": "sim.engine.replay:replay",
    "Again": "sim.engine.routines:Again",
    "Done": "sim.engine.routines:Done",
    "repeat": "sim.engine.routines:repeat",
    "routine": "sim.engine.routines:routine",
    "Property": "sim.engine.scenario:Property",
    "Scenario": "sim.engine.scenario:Scenario",
    "Task": "sim.engine.scenario:Task",
    "FoundBy": "sim.engine.schedule:FoundBy",
    "Schedule": "sim.engine.schedule:Schedule",
    "parse_schedule": "sim.engine.schedule:parse",
    "record_schedule": "sim.engine.schedule:record",
    "write_schedule": "sim.engine.schedule:write",
    "Picks": "sim.engine.scheduler:Picks",
    "RandomWalk": "sim.engine.scheduler:Walk",
    "Run": "sim.engine.world:Run",
    "Step": "sim.engine.world:Step",
    "recipe_named": "sim.scenarios.library:recipe_named",
    "shipped_schedules": "sim.scenarios.witnesses:shipped",
    "explore": "sim.search.explore:explore",
    "Budget": "sim.search.result:Budget",
    "Counting": "sim.search.result:Counting",
    "Exploration": "sim.search.result:Exploration",
    "Found": "sim.search.result:Found",
    "Verdict": "sim.search.result:Verdict",
    "commit": "sim.view.commit:commit",
    "moments": "sim.view.slice:moments",
}
"""The module of each name, and what it is called there: the imports above, for when it is used."""


if not TYPE_CHECKING:  # to whoever checks types, a name that is not above does not exist

    def __getattr__(name: str) -> object:
        if name not in _PLACES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module, _, theirs = _PLACES[name].partition(":")
        globals()[name] = value = getattr(import_module(module), theirs)
        return value


def __dir__() -> list[str]:
    return __all__
