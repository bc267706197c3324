"""Says how likely the findings of row 2 are,
and at which step of the way there a random walk is lost.

Everything that is printed is exact, and only rounded here.
"""

from sim import Counting, explore, recipe_named

exploration = explore(
    recipe_named("np-to-leaf-exclusive").scenario({}), counting=Counting(retries=2)
)
counts = exploration.counts
print(f"{counts.interleavings:.3e} interleavings in {counts.classes:,} classes")

for found in exploration.found:
    reach = found.reach
    print(
        f"\n{found.finding} by {', '.join(found.finding.causes)}: {float(reach.odds):.4f} of "
        "all random walks,"
    )
    print(
        f"{reach.classes:,} classes, {reach.preemptions} preemption at least, inevitable after "
        f"{reach.inevitable_at}"
    )
    before = None
    for odds, step in zip(reach.along, found.witness.steps, strict=True):
        if before is None or odds > 1.5 * before:
            print(f"  {float(odds):.4f}  before {step.task} {step.point} -> {step.saw}")
        before = odds
