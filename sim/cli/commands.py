"""The commands: a file and an entry in COMMANDS each.

`tdpsim --help`, `list`, `explain` and the tests read them.

Importing this file imports no command.
"""

from __future__ import annotations

from typing import NamedTuple


class Command(NamedTuple):
    """A command. `NAME_command()` in sim/cli/NAME.py is what it does."""

    name: str

    doc: str
    """One line for `tdpsim --help`."""

    is_heavy: bool = False
    """Whether importing it imports numpy. Others import it late, where they need it."""

    @property
    def place(self) -> str:
        """`module:function`, as cyclopts loads it when the command is called."""
        return f"{__package__}.{self.name}:{self.name}_command"


COMMANDS = {
    entry.name: entry
    for entry in (
        Command("table", "Derive the table of transitions by exploring every cell of it."),
        Command("list", "What can be explored, set, taken out and found, by name."),
        Command("explain", "One of those names in words."),
        Command("explore", "Every state of every interleaving of a scenario.", is_heavy=True),
        Command("export", "A scenario as a model for Spin, which shares no code.", is_heavy=True),
        Command("run", "One seeded run under trio."),
        Command(
            "fuzz",
            "Seeds by the million, overnight, on one machine or many; nothing is lost.",
            is_heavy=True,
        ),
        Command("status", "What a campaign of `fuzz` has come to.", is_heavy=True),
        Command("merge", "One store of those that shards have left.", is_heavy=True),
        Command(
            "verify", "Batches of a store again, and whether they come to the same.", is_heavy=True
        ),
        Command("replay", "A recorded schedule again, under both executors."),
        Command("shrink", "The smallest schedule with the same finding."),
        Command("show", "A recorded schedule as a timeline."),
        Command(
            "tui",
            "Step through a schedule or a scenario, both ways, and leave it for another branch.",
        ),
    )
}
