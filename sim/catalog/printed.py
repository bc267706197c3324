"""Which findings a log can show.

KVM_BUG_ON() and TDX_BUG_ON() warn where they bug the VM. Once it is bugged, their conditions count
and nothing is printed (`sim.kvm.kvm_main.BUGGED`).
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from sim.engine.model.operations import Finding
from sim.kvm.kvm_main import BUGGED


def is_silent(finding: Finding) -> bool:
    """Whether nothing is printed, since something else was before."""
    return BUGGED in finding.causes


def is_logged(finding: Finding) -> bool:
    """Whether it is something that the kernel prints, rather than something that went wrong."""
    return finding.kind in {"KVM_BUG_ON", "TDX_BUG_ON", "WARN", "BUG", "lockdep"}


def is_bugging(finding: Finding) -> bool:
    """Whether it is what bugs the VM."""
    return finding.kind in {"KVM_BUG_ON", "TDX_BUG_ON"} and not is_silent(finding)


def aloud(finding: Finding) -> Finding:
    """The same, as if it were the first."""
    causes = tuple(cause for cause in finding.causes if cause != BUGGED)
    return attrs.evolve(finding, causes=causes)


def firsts(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Those that can be the first to print."""
    return tuple(finding for finding in findings if not is_silent(finding))


def follow_ons(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Those that can never be: they come about on a VM alone that is bugged already."""
    every = tuple(findings)
    known = set(firsts(every))
    return tuple(one for one in every if is_silent(one) and aloud(one) not in known)
