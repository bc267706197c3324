"""Somebody has mailed a schedule: finds it in the mail, replays it under both executors,
and draws the steps that caused its finding.
"""

from sim import commit, moments, parse_schedule, recipe_named, replay, shipped_schedules

NAME = (
    "nonleaf-to-np-shared.7.2+1.5.01.zero-step+seamcall.KVM_BUG_ON.handle_changed_spte."
    "seamcall.bugged.toml"
)
text = shipped_schedules()[NAME].read_text(encoding="utf-8")
mail = (
    "On Tue, somebody wrote:\n"
    + "".join(f"> {line}\n" for line in text.splitlines())
    + "\nDoes it still happen?\n"
)

schedule = parse_schedule(mail.encode())
scenario = recipe_named(schedule.scenario).scenario(schedule.params, schedule.without)
run = replay(schedule, scenario)
print(f"{len(run.steps)} steps, and then: {', '.join(run.outcomes)}\n")

_, seen = moments(schedule, scenario)
print(commit(NAME, schedule, run, seen))
