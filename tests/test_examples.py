"""Every example runs, and prints what it is there to show."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"

SHOWN = {
    "how_likely.py": [
        "1.468e+52 interleavings in 12,796 classes",
        "KVM_BUG_ON handle_changed_spte by zero-step: 0.0996 of all random walks,",
        "KVM_BUG_ON handle_changed_spte by tdcall: 0.0410 of all random walks,",
    ],
    "row_2.py": [
        "as it is: zero-step, tdcall",
        "on module 1.5.28: tdcall",
        "without zero-step mitigation: tdcall",
        "with nobody beside it: clean",
    ],
    "your_own_question.py": ["divergence one-at-a-time after 6 steps:", "  p  taken.load no", "  q  taken.load no"],
}


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_every_example_shows_its_point(name: str) -> None:
    run = subprocess.run([sys.executable, EXAMPLES / name], capture_output=True, text=True, check=True)
    lines = run.stdout.splitlines()
    for shown in SHOWN[name]:
        assert any(line.startswith(shown) for line in lines), run.stdout
