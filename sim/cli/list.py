"""tdpsim list."""

from __future__ import annotations

from sim.cli.options import JsonOption, print_json
from sim.cli.vocabulary import VOCABULARY


def list_command(*, json: JsonOption = False) -> int:
    """What can be explored, set, taken out and found, by name."""
    if json:
        print_json({kind: list(words) for kind, words in VOCABULARY.items()})
        return 0
    for kind, words in VOCABULARY.items():
        print(kind)
        for word in words:
            print(f"  {word}")
    print("\n`tdpsim explain NAME` says what each of them is.")
    return 0
