"""Which kernel a scenario is about: the parameter `kernel`, and what its values stand for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sim.base.errors import UsageError
from sim.kvm.versions import KERNELS, HugePages
from sim.kvm.versions.what_ifs import Retries, Serialised
from sim.kvm.x86 import Kvm
from sim.scenarios.patch import PATCH, patched
from sim.scenarios.recipe import KERNEL, ORDER, Param, Settings
from sim.tdx.module import TdxModule

BEFORE, AFTER = "before", "after"
"""The mail's words: before the series that it reviews, and after it.
What is after depends on the scenario."""

NAMES = (*KERNELS, PATCH)

_ZAPS: dict[str | None, type[Kvm]] = {"retried": Retries, "serialised": Serialised}
"""What makes an atomic zap succeed, each on top of 7.2 (`sim.kvm.versions.what_ifs`)."""
_ZAPS_ARE_OF = "7.2"


def first_sentence(kernel: type[Kvm]) -> str:
    """What users are told of a kernel."""
    return f"{' '.join((kernel.__doc__ or '').split()).split('. ')[0].rstrip('.')}."


def words(after: str) -> dict[str, str]:
    """The kernels that the mail's words stand for, where `after` is this one."""
    return {BEFORE: "6.19", AFTER: after}


def kernel_param(
    after: str,
    formerly: Mapping[str, Mapping[str, str]] | None = None,
    default: str | None = None,
) -> Param:
    """The parameter, of a scenario in which the mail's `after` is this kernel.

    That is the default, too, unless another one is given.

    `formerly` has the other parameters than `order` that chose it before there was `kernel`
    (`recipe.translated()`).
    """
    stands_for = words(after)
    mail = " and ".join(f"`{word}` for {name}" for word, name in stands_for.items())
    doc = f"the version of KVM; also {mail}, and `{PATCH}` for what --patch FILE says"
    order = stands_for | {name: name for name in ("6.18", "patch07", PATCH)}
    return Param(
        KERNEL, NAMES, default or after, doc, stands_for, {ORDER: order, **(formerly or {})}
    )


def kernel_of(settings: Settings) -> type[Kvm]:
    """The kernel that the settings name.

    Raises UsageError where they contradict each other.
    """
    name, zap = settings[KERNEL], settings.get("zap")
    if zap in _ZAPS and name != _ZAPS_ARE_OF:
        raise UsageError(
            f"zap={zap} changes {KERNEL}={_ZAPS_ARE_OF}, and cannot be had with {KERNEL}={name}"
        )
    if name == PATCH:
        return patched(settings)
    if settings.patch is not None:
        raise UsageError(f"--patch is a kernel, and {KERNEL}={name} another one; give one of them")
    return _ZAPS.get(zap, KERNELS[name])


def past_the_gate(kernel: type[Kvm], module: type[TdxModule]) -> Iterator[str]:
    """What a verdict does not cover where KVM would not have pages of 2M with this module.

    KVM wants a DEMOTE that nothing interrupts, which 1.5.28 and 2.0.16 were the first to have.
    """
    if issubclass(kernel, HugePages) and module.DEMOTE_IS_INTERRUPTED:
        yield (
            "KVM's gate: with this module it has no pages of 2M for a TD (with 1.5.28 and 2.0.16, "
            "and from then on, it has)"
        )
