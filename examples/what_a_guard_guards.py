"""Takes one guard after the other out of tdp_mmu_set_spte_atomic(),
to see what each of them is there for.

Row 3: a page table is linked with mmu_lock held for read.
"""

from sim import explore, recipe_named

row_3 = recipe_named("np-to-nonleaf-shared")

for guard in (None, "freeze", "restore"):
    exploration = explore(row_3.scenario({"contenders": "tdcall"}, (guard,) if guard else ()))
    print(f"{f'without {guard}' if guard else 'as it is'}: {'' if exploration.found else 'clean'}")
    for one in exploration.found:
        print(f"  {one.finding}, {len(one.witness.steps)} steps")
