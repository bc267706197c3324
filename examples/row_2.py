"""Explores row 2 of the table four times, to see what it takes for its KVM_BUG_ON() to fire.

As it is, on a newer module, without zero-step mitigation, and with nobody beside it.
"""

from sim import explore, recipe_named

row_2 = recipe_named("np-to-leaf-exclusive")

QUESTIONS = {
    "as it is": row_2.scenario({}),
    "on module 1.5.28": row_2.scenario({"module": "1.5.28"}),
    "without zero-step mitigation": row_2.scenario({}, ("zero-step",)),
    "with nobody beside it": row_2.scenario({"contenders": "none"}),
}

for question, scenario in QUESTIONS.items():
    exploration = explore(scenario)
    causes = [cause for found in exploration.found for cause in found.finding.causes]
    print(f"{question}: {', '.join(causes) or 'clean'} ({exploration.states:,} states)")
