"""The project's own words: what the documentation, the reports and the code call things."""

from __future__ import annotations

import re

from sim.catalog.words import Word


def _own(name: str, text: str, place: str, plural: str = "") -> Word:
    """A word of tdpsim's own, and its plural where that is not formed by an s."""
    return Word(name, text, place, re.escape(plural or f"{name}s"))


MODEL = (
    _own(
        "scenario",
        "A question: some tasks, the first values of the cells that they share, and the properties "
        "that must hold.",
        "sim/engine/model/scenario.py: Scenario",
    ),
    _own(
        "task",
        "A simulated thread. What it does next depends on nothing but the results that it has "
        "seen. A daemon is a task that need not finish.",
        "sim/engine/model/scenario.py: Task",
    ),
    _own(
        "cell",
        "A variable that tasks share: a name, a first value and a finite domain. Tasks share "
        "nothing else. (A cell of the table is something else: one row, kernel and module.)",
        "sim/engine/model/cells.py: Cell",
    ),
    _own(
        "operation",
        "An atomic access to cells, and the only way in which a task touches them: a load, a "
        "store, an attempt at a lock. A task stops before each operation, so the scheduler sees "
        "what it is about to do.",
        "sim/engine/model/operations.py: Operation",
    ),
    _own(
        "footprint",
        "The cells that an operation reads or writes.",
        "sim/engine/model/operations.py: Operation.cells",
    ),
    _own(
        "outcome",
        "What an operation does where it is performed: its result, the new values of its "
        "footprint, and how each cell was accessed. A choice has several outcomes; an operation "
        "that must wait has none.",
        "sim/engine/model/operations.py: Outcome",
    ),
    _own(
        "point",
        "The name of an operation where a task stands, such as sept.tree.try_shared: a cell, a "
        "dot, and what is done to it.",
        "sim/engine/model/operations.py: Operation.point",
    ),
    _own(
        "routine",
        "A stack frame of a task, written as an `async def`. When it returns, what it has seen is "
        "forgotten, and only its return value stays.",
        "sim/engine/model/routines.py: routine",
    ),
    _own(
        "property",
        "A condition on the cells that must hold in every state. Where it does not, that is a "
        "finding.",
        "sim/engine/model/scenario.py: Property",
        "properties",
    ),
    _own(
        "model digest",
        "Eight hexadecimal digits that stand for everything that decides what the tasks of a "
        "scenario do and its properties ask. A schedule with another digest is refused.",
        "sim/engine/model/digest.py: digest_of",
    ),
)
"""What a scenario is made of."""

RUNS = (
    _own(
        "step",
        "One operation, performed by one task. An interleaving is a sequence of steps.",
        "sim/engine/run/world.py: Step",
    ),
    _own(
        "run",
        "A sequence of steps from the first state on, and what was found on the way.",
        "sim/engine/run/world.py: Run",
    ),
    _own(
        "finding",
        "Something that should not be: its kind, the function or the property that it is about, "
        "and its causes.",
        "sim/engine/model/operations.py: Finding",
    ),
    _own(
        "cause",
        "What stood in the way where a SEAMCALL failed, and so brought a finding about.",
        "sim/tdx/td.py: causes",
    ),
    _own(
        "witness",
        "A run that shows a finding at its last step. Exploring gives a shortest one.",
        "sim/search/exploration.py: Found",
        "witnesses",
    ),
    _own(
        "schedule",
        "A text file that records a run: the scenario and its settings, and for each step the "
        "task, the point, and what the task saw there.",
        "sim/engine/run/schedule.py: Schedule",
    ),
    _own(
        "drift",
        "A schedule does not fit the model: a task cannot take its recorded step, or sees "
        "something else.",
        "sim/engine/run/replay.py: Drift",
    ),
    _own(
        "lasso",
        "A run that ends in a state that it has passed before: a stem, and a loop that can repeat "
        "for ever. It shows a livelock or starvation.",
        "sim/engine/run/world.py: Lasso",
    ),
    _own("stem", "The steps of a lasso before its loop.", "sim/engine/run/world.py: Lasso.stem"),
    _own(
        "executor",
        "What runs a scenario. There are two, which must agree: the trio executor runs each task "
        "as a trio task, the product executor looks up learned automata.",
        "sim/engine/run/trio_executor.py: run",
    ),
    _own(
        "shrink",
        "To make a run smaller that still shows its finding: with fewer tasks, then fewer steps, "
        "then fewer preemptions.",
        "sim/search/shrinking/shrink.py: shrink",
    ),
)
"""One run."""

STATES = (
    _own(
        "local state",
        "Where a task stands: its stack of routines, each named by its function, its arguments "
        "and what it has seen since it was entered.",
        "sim/engine/run/automata.py: LocalState",
    ),
    _own(
        "state",
        "The values of all cells and the local states of all tasks. Two runs that lead to one "
        "state have the same future.",
        "sim/engine/states/product.py: Product",
    ),
    _own(
        "valuation",
        "The values that some cells have at one moment. Those cells are a footprint, or what a "
        "property reads. An operation's outcomes, and whether a property holds, are computed once "
        "for each valuation.",
        "sim/engine/states/tables.py: Table",
    ),
    _own(
        "frontier",
        "The breadth-first search as far as it has come: the states of the level that is expanded "
        "now.",
        "sim/engine/states/frontier.py: Frontier",
    ),
    _own(
        "fingerprint",
        "64 bits that stand for a step, a value, a state or a run: the same on every machine.",
        "sim/engine/run/fingerprint.py: LocalFingerprints",
    ),
)
"""All states."""

COUNTS = (
    _own(
        "trace",
        "A Mazurkiewicz trace, which the output calls a class: all interleavings that differ only "
        "in the order of neighbouring steps that do not depend on each other. Steps depend on each "
        "other if one task takes both, or if they touch a common cell, unless both only read it "
        "or both only add to it.",
        "sim/search/counting/traces.py: Traces",
    ),
    _own(
        "retry",
        "An iteration of a loop that begins as an earlier iteration of the same loop did. "
        "Counting lets each loop retry --retries times at most.",
        "sim/engine/run/automata.py: Turns",
        "retries",
    ),
    _own(
        "preemption",
        "A step by another task than the one that took the step before, although that one could "
        "have gone on.",
        "sim/search/counting/preemptions.py: preempted",
    ),
    _own(
        "reach",
        "A run reaches a finding if it takes a step, or passes a state, that shows it. Reach is "
        "also what is counted of one finding: its odds, its runs, its fewest preemptions.",
        "sim/search/exploration.py: Reach",
        "reaches",
    ),
)
"""How many, and how likely."""

CAMPAIGNS = (
    _own(
        "seed",
        "A number from which a strategy draws every choice of a run. One seed is one run, on every "
        "machine.",
        "sim/engine/run/dice.py: bits",
    ),
    _own(
        "strategy",
        "How runs are drawn: it says which task steps next, and which outcome a choice has.",
        "sim/search/fuzzing/strategies/__init__.py: Strategy",
        "strategies",
    ),
    _own(
        "herd",
        "Thousands of runs side by side, each of which takes a step at a time. It keeps no states.",
        "sim/engine/herd/herd.py: Herd",
    ),
    _own(
        "slot",
        "The place of one run in a herd. When that run is over, another seed begins in its slot.",
        "sim/engine/herd/herd.py: Herd.slots",
    ),
    _own(
        "batch",
        "A range of seeds that a worker runs in one call, and what they showed.",
        "sim/search/fuzzing/batch.py: Batch",
        "batches",
    ),
    _own(
        "guidance",
        "What an adaptive strategy has learned from all earlier epochs. An epoch is a fixed "
        "number of seeds.",
        "sim/search/fuzzing/strategies/__init__.py: Strategy.learned",
    ),
    _own(
        "campaign",
        "Many seeds of one scenario under one strategy, run in batches into one store.",
        "sim/campaign/campaign.py: Campaign",
    ),
    _own(
        "shard",
        "One of several parts of a campaign's seeds, each with a store of its own; `tdpsim merge` "
        "makes one store of them.",
        "sim/campaign/seeds.py: Shard",
    ),
)
"""Millions of runs."""

QUESTIONS = (
    _own(
        "row",
        "A row of the table of transitions for one lock mode: the kinds of the old and the new "
        "SPTE, and whether mmu_lock is held for read.",
        "sim/scenarios/transitions.py: Row",
    ),
    _own(
        "contender",
        "A task that runs beside the setter in a row, and may hold a lock that it needs.",
        "sim/scenarios/transitions.py: Row.contenders",
    ),
    _own(
        "caller",
        "A path through KVM that changes SPTEs. Rows ask what would happen; callers ask what does.",
        "sim/scenarios/callers.py: Caller",
    ),
    _own(
        "storm",
        "A scenario for fuzzing: many vCPUs, pages and zappers, which choose as they go what they "
        "do.",
        "sim/scenarios/storms.py: build",
    ),
    _own(
        "guard",
        "A part of the kernel or the module that can be taken out (--without), to see what it "
        "guards.",
        "sim/scenarios/recipe.py: Guard",
    ),
    _own(
        "flip",
        "An assumption of the table, turned over (--flip), to see what it decides.",
        "sim/scenarios/switches.py: Flip",
    ),
)
"""What can be asked."""

OWN_WORDS = (*MODEL, *RUNS, *STATES, *COUNTS, *CAMPAIGNS, *QUESTIONS)
"""The project's own words. Where one has a place, it is a file of this project and a name in it."""
