"""Which kernel a scenario is about: the parameter `kernel`, and what its values stand for."""

from __future__ import annotations

from collections.abc import Mapping

from sim.kvm.versions import KERNELS
from sim.kvm.versions.what_ifs import Retries, Serialised
from sim.kvm.x86 import Kvm
from sim.scenarios.patch import PATCH, patched
from sim.scenarios.recipe import KERNEL, ORDER, Param, Settings

BEFORE, AFTER = "before", "after"
"""The mail's words: before the series that it reviews, and after it.
What is after depends on the scenario."""

NAMES = (*KERNELS, PATCH)

_ZAPS: dict[str | None, type[Kvm]] = {"retried": Retries, "serialised": Serialised}
"""What makes an atomic zap succeed, each on top of 7.2 (`sim.kvm.versions.what_ifs`)."""


def first_sentence(kernel: type[Kvm]) -> str:
    """What users are told of a kernel."""
    return f"{' '.join((kernel.__doc__ or '').split()).split('. ')[0].rstrip('.')}."


def words(after: str) -> dict[str, str]:
    """The kernels that the mail's words stand for, where `after` is this one."""
    return {BEFORE: "6.19", AFTER: after}


def kernel_param(after: str, formerly: Mapping[str, Mapping[str, str]] | None = None) -> Param:
    """The parameter, of a scenario in which `after` is this kernel, and so the default.

    `formerly` has the other parameters than `order` that chose it before there was `kernel`
    (`recipe.translated()`).
    """
    stands_for = words(after)
    mail = " and ".join(f"`{word}` for {name}" for word, name in stands_for.items())
    doc = f"the version of KVM; also {mail}, and `{PATCH}` for what --patch FILE says"
    return Param(KERNEL, NAMES, after, doc, stands_for, {ORDER: {}, **(formerly or {})})


def kernel_of(settings: Settings) -> type[Kvm]:
    """The kernel that the settings name."""
    name = settings[KERNEL]
    if name == PATCH:
        return patched(settings)
    if name == "7.2" and settings.get("zap") in _ZAPS:
        return _ZAPS[settings.get("zap")]
    return KERNELS[name]
