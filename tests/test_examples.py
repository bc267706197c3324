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
    "out_of_a_mail.py": [
        "63 steps, and then: lockdep tdx_sept_remove_leaf_spte, lockdep tdh_do_no_vcpus, TDX_BUG_ON",
        "    (G) KVM_BUG_ON()",
        "nonleaf-to-np-shared, model series+1.5.01 ",
    ],
    "what_a_guard_guards.py": [
        "as it is: clean",
        "  TDX_BUG_ON tdx_mem_page_aug, 43 steps",
        "  divergence mirror-is-sept, 30 steps",
        "  livelock v2, 42 steps",
    ],
    "your_own_question.py": ["divergence one-at-a-time after 6 steps:", "  p  taken.load no", "  q  taken.load no"],
}


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_every_example_shows_its_point(name: str) -> None:
    run = subprocess.run([sys.executable, EXAMPLES / name], capture_output=True, text=True, check=True)
    lines = run.stdout.splitlines()
    for shown in SHOWN[name]:
        assert any(line.startswith(shown) for line in lines), run.stdout
