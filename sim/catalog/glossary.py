"""Every name a user can meet, in words."""

from __future__ import annotations

from collections.abc import Collection

from sim.catalog.functions import leafs
from sim.catalog.own_words import OWN_WORDS
from sim.catalog.words import WORDS, Word
from sim.kvm.versions import KERNELS
from sim.kvm.x86 import Kvm
from sim.scenarios import callers, references, storms, transitions
from sim.scenarios.kernels import AFTER, BEFORE, first_sentence
from sim.scenarios.library import LIBRARY
from sim.scenarios.patch import PATCH
from sim.scenarios.recipe import KERNEL, Param, Recipe
from sim.scenarios.switches import GUARDS
from sim.search.fuzzing.strategies import STRATEGIES, Entry
from sim.tdx.releases import RELEASES, Release

FINDINGS = {
    "KVM_BUG_ON": """A condition that KVM gives a VM up for: it warns once, sets vm_bugged, and tells every vCPU. The
        run goes on, as the kernel does. Where the VM was bugged before, nothing is printed: that is told apart.""",
    "TDX_BUG_ON": """A SEAMCALL failed that must not fail: KVM_BUG_ON() with the status (arch/x86/kvm/vmx/tdx.c, since
        v6.19).""",
    "WARN": "A WARN_ON_ONCE() whose condition was true.",
    "lockdep": "A lockdep assertion about mmu_lock that did not hold. A kernel without lockdep "
    "says "
    "nothing.",
    "BUG": "BUG(): the host is gone, and the run ends.",
    "halt": """The TDX module made a fatal error, and runs no SEAMCALL any more: the run ends. It does where
        a page that an S-EPT entry maps has no owner, since AUG shows its entry first (pamt_implicit_get()).""",
    "divergence": """A property of the state does not hold while mmu_lock is free and the VM is not bugged. Nobody
        warns.""",
    "use-after-free": """A page table was read or written after its grace period, in the function that is named; or what
        is mapped is a page that has been given up.""",
    "lost-memory": """A guest was killed for a touch of memory that it had accepted: the page had gone, and came
        back PENDING.""",
    "leak": "A page table that nobody can walk to and that was not given to RCU, or its S-EPT "
    "page.",
    "transition": "No fault: with census=yes, a change of an SPTE as its trace point has it.",
    "deadlock": """Nobody can take a step, and a task that should finish has not; the place names each one and what it
        waits for.""",
    "livelock": """A part of the graph that no step leads out of, in which a task that should finish goes on for
        ever and gets nowhere. Shown as a way there and a loop.""",
    "starvation": """A loop that a fair scheduler can take for ever, although another choice would have led out of
        it. Printed, and a finding only with --starvation.""",
}

NUMBERS = {
    "interleavings": """Maximal runs: all tasks have finished, or nobody can step. Each value of a choice is
        another one. Where tasks retry, each loop is retried --retries times at most.""",
    "classes": "How many Mazurkiewicz traces there are: `tdpsim explain trace` says what one is.",
    "odds": """The probability that a random walk passes a finding: uniform among the tasks that can step, then
        among the values of a choice. An exact fraction.""",
    "preemptions": """How many preemptions a run has. "None with fewer" is a proof: every run with fewer was
        followed to its end.""",
    "inevitable": """From the state after that step of the witness, every continuation passes the finding. One
        that goes on for ever without it counts as avoiding it.""",
}

PROPERTIES = {
    "mirror-is-sept": """Wherever mmu_lock is free: a mirror leaf has its page in the S-EPT, PENDING or MAPPED; a
        non-present mirror SPTE has a FREE S-EPT entry; no mirror SPTE is FROZEN. Not asked once the VM is bugged.""",
    "no-frozen": "On a direct root, wherever mmu_lock is free: no SPTE that can be walked to is "
    "FROZEN.",
    "stats-are-leafs": "Wherever mmu_lock is free: pages_4k and pages_2m count the leafs that can "
    "be "
    "walked "
    "to.",
    "leafs-are-backed": "Wherever mmu_lock is free: what a leaf maps is a page that guest_memfd "
    "has "
    "not "
    "given "
    "up.",
    "memory-is-not-lost": """No guest is killed. It touches what it has accepted and nothing else, so it is where that
        was taken away.""",
    "put-root-is-empty": """Wherever mmu_lock is free: a root that was zapped and put maps nothing. What it maps
        is a page of a memslot that is gone.""",
    "tables-are-linked": """Wherever mmu_lock is free: a page table that can be walked to has not been freed or given to
        RCU, one that has not can be walked to, and the S-EPT pages of the others are the host's again.""",
}

CAUSES = {
    "zero-step": """TDH.VP.ENTER held the S-EPT tree lock, to look at the pages that faulted at one RIP
        (td_transitions/td_exit_stepping.c).""",
    "tdcall": "A guest's TDCALL held the lock of the S-EPT entry.",
    "seamcall": "Another SEAMCALL of the host held the lock.",
    "interrupt": "A host interrupt ended TDH.MEM.PAGE.DEMOTE with TDX_INTERRUPTED_RESTARTABLE.",
    "priority": """The host-priority bit of the S-EPT tree (1.5.20 to 1.5.25, 2.0.12, 2.0.14): a SEAMCALL that was
        turned away had set it, and TDH.MEM.PAGE.DEMOTE gave way with TDX_INTERRUPTED_BUSY; or another host cleared
        it before one that wants the tree exclusively could.""",
    "unsupported": "The kernel version refuses it, in whatever order things happen.",
    "bugged": """The VM was bugged before, so that KVM_BUG_ON() or TDX_BUG_ON() prints nothing: the condition is
        true, and no log shows it.""",
    "epoch": "TLB tracking: a vCPU was entering, or was still running in an epoch that had to be "
    "over.",
}


def _said(text: str | None) -> str:
    return " ".join((text or "").split())


def _see(text: str, where: str) -> str:
    return f"{_said(text)}\nSee {where}." if where else _said(text)


def _params(recipe: Recipe) -> str:
    return "\n".join(
        f"{p.name}={'|'.join(p.values)} (default {p.default}): {p.doc}" for p in recipe.params
    )


def _scenarios() -> dict[str, str]:
    guards = ", ".join(guard.name for guard in GUARDS)

    def said(recipe: Recipe) -> str:
        see = _see(recipe.doc, recipe.place)
        return f"{see}\n{_params(recipe)}\nguards: {guards}"

    return {name: said(recipe) for name, recipe in LIBRARY.items()}


def _families() -> dict[str, tuple[str, ...]]:
    """Scenarios that are called by one name."""
    return {
        "rows": tuple(recipe.name for recipe in transitions.RECIPES),
        "callers": tuple(recipe.name for recipe in callers.RECIPES),
        "storm": (storms.STORM.name,),
    }


def _together(names: Collection[str]) -> str:
    """Some scenarios, as briefly as it goes: `rows` and `callers` where it is all of them."""
    said, alone = list[str](), list(names)
    for family, members in _families().items():
        mine = [name for name in members if name in names]
        said += [family] if len(mine) == len(members) else mine
        alone = [name for name in alone if name not in mine]
    said += alone
    return ", ".join(said[:-1]) + f" and {said[-1]}" if len(said) > 1 else said[0]


def _param(param: Param) -> str:
    return f"{param.doc}. One of {', '.join(param.values)}; {param.default} by default."


def param_in(name: str, scenario: str) -> str | None:
    """What a parameter is in a scenario; None where that has none of this name."""
    return next((_param(param) for param in LIBRARY[scenario].params if param.name == name), None)


def kernel_in(word: str, scenario: str) -> str | None:
    """What a mail's word for a kernel is in a scenario.

    None for a word that is one kernel everywhere.
    """
    param = LIBRARY[scenario].param(KERNEL)
    name = param.words.get(word)
    return None if name is None else f"In {scenario}: kernel={name}. {_said(KERNELS[name].__doc__)}"


def formerly(name: str) -> str | None:
    """What a parameter is called now that had this name before."""
    now = dict.fromkeys(
        p.name for recipe in LIBRARY.values() for p in recipe.params if name in p.formerly
    )
    return (
        f"What {' and '.join(now)} was called before; schedules and --set still may say it."
        if now
        else None
    )


def _params_by_name() -> dict[str, str]:
    """Each parameter: where it means one thing, that and who has it.

    Else each meaning, and where it is meant.
    """
    meanings: dict[str, dict[str, list[str]]] = {}
    for recipe in LIBRARY.values():
        for param in recipe.params:
            meanings.setdefault(param.name, {}).setdefault(_param(param), []).append(recipe.name)
    return {name: _by_meaning(meant) for name, meant in meanings.items()}


def _by_meaning(meant: dict[str, list[str]]) -> str:
    if len(meant) > 1:
        return "\n".join(f"In {_together(names)}: {text}" for text, names in meant.items())
    ((text, names),) = meant.items()
    return text if len(names) == len(LIBRARY) else f"{text} In {_together(names)}."


def _kernels() -> dict[str, str]:
    """Those of the registry, the one from a file, and the mail's words for two of them."""
    after: dict[str, list[str]] = {}
    for recipe in LIBRARY.values():
        for param in recipe.params:
            if param.name == KERNEL:
                after.setdefault(param.words[AFTER], []).append(recipe.name)
    *few, (most, _) = sorted(after.items(), key=lambda of: len(of[1]))
    says = "; ".join(
        [*(f"{kernel} in {', '.join(names)}" for kernel, names in few), f"{most} in the others"]
    )
    return {
        **{name: f"kernel={name}. {_said(kernel.__doc__)}" for name, kernel in KERNELS.items()},
        PATCH: "The kernel that --patch FILE says (docs/adding-a-patch.md).",
        BEFORE: (
            "The mail's word for kernel=6.19, before the series that it reviews. "
            f"{first_sentence(Kvm)}"
        ),
        AFTER: (
            "The mail's word for the kernel after the series, and every scenario's default: "
            f"{says}."
        ),
    }


def _release(release: Release) -> str:
    alike = [
        other.version
        for other in RELEASES
        if other.family is release.family and other is not release
    ]
    beside = (
        f" So do {', '.join(alike)}."
        if len(alike) > 1
        else f" So does {alike[0]}."
        if alike
        else ""
    )
    known = f" ({release.known})" if release.known else ""
    return (
        f"Answers as family {release.family.VERSION}{known}: "
        f"{_said(release.family.__doc__)}{beside}"
    )


def strategy_text(entry: Entry) -> str:
    """What a strategy does, and which command takes it."""
    if entry.adapts:
        return (
            f"{entry.doc} It adapts: it learns from earlier seeds, so a seed alone has no run. "
            "For `tdpsim fuzz` alone."
        )
    return (
        f"{entry.doc} "
        f"{'For `tdpsim fuzz` and `run`.' if entry.in_fuzz else 'For `tdpsim run` alone.'}"
    )


def word_text(word: Word) -> str:
    """What a word means, and where it stands."""
    return _see(word.text, word.place)


GLOSSARY: dict[str, dict[str, str]] = {
    "scenarios": _scenarios(),
    "parameters": _params_by_name(),
    "guards": {
        guard.name: _see(f"{guard.doc}. Taken out by --without {guard.name}.", guard.place)
        for guard in GUARDS
    },
    "kernels": _kernels(),
    "modules": {release.version: _release(release) for release in RELEASES},
    "properties": {
        name: _see(text, references.PROPERTIES[name]) for name, text in PROPERTIES.items()
    },
    "findings": {name: _see(text, references.FINDINGS[name]) for name, text in FINDINGS.items()},
    "causes": {name: _see(text, references.CAUSES[name]) for name, text in CAUSES.items()},
    "numbers": {name: _said(text) for name, text in NUMBERS.items()},
    "strategies": {name: strategy_text(entry) for name, entry in STRATEGIES.items()},
    "leafs": leafs(),
    "words": {word.name: word_text(word) for word in WORDS},
    "concepts": {word.name: word_text(word) for word in OWN_WORDS},
    "measured": {
        "contention": "Which leafs of the module answer BUSY because of which, by running each "
        "pair."
    },
}
