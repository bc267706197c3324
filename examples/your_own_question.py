"""A model of your own, in thirty lines: a flag that is read and then set is not a lock.

Cells are what tasks share; a routine is an `async def` that awaits operations on them; a property
reads cells.
"""

from sim import (
    BOOL,
    Again,
    Cell,
    Done,
    Property,
    Scenario,
    Task,
    explore,
    load,
    repeat,
    routine,
    store,
)

TAKEN = Cell("taken", initial=False, domain=BOOL)
INSIDE = {name: Cell(f"{name}.inside", initial=False, domain=BOOL) for name in ("p", "q")}


@routine
async def enter(inside):
    if await load(TAKEN):
        return Again(inside)
    await store(TAKEN, True)
    return Done(None)


@routine
async def work(inside):
    await repeat(enter, inside)
    await store(inside, True)
    await store(inside, False)
    await store(TAKEN, False)


alone = Property.whole(
    "one-at-a-time", "divergence", lambda look: not all(look(cell) for cell in INSIDE.values())
)
tasks = tuple(Task(name, work(cell)) for name, cell in INSIDE.items())

exploration = explore(Scenario("flag", tasks, (alone,)))
for found in exploration.found:
    print(f"{found.finding} after {len(found.witness.steps)} steps:")
    for step in found.witness.steps:
        print(f"  {step.task}  {step.point} {'' if step.result is None else step.saw}".rstrip())
