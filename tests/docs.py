"""`python -m tests.docs`: writes the pages of docs/ that are generated.

* docs/words.md, from the words of sim/catalog. `python -m tests.docs words` writes it alone.
* docs/transitions.md, from deriving every cell of the table, and where that differs from the mail.
  That takes long the first time: what is derived is kept between calls, as `tdpsim table` keeps it.

`make docs` calls it.
"""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Iterator, Sequence
from hashlib import sha256
from io import StringIO
from pathlib import Path

from rich.console import Console

from sim.base.files import cache_directory
from sim.catalog import own_words, words
from sim.catalog.glossary import GLOSSARY
from sim.kvm.versions import KERNELS
from sim.scenarios.kernels import AFTER, BEFORE
from sim.scenarios.recipe import KERNEL
from sim.scenarios.switches import FLIPS
from sim.scenarios.transitions import NOT_COVERED, Row
from sim.surveys.cache import Kept, cells
from sim.surveys.census import census
from sim.surveys.table import TableCell, TableQuery, questions
from sim.tdx.releases import ONE_OF_EACH
from sim.view.results.table import YES, Notes, changes, is_on_mirror, place, sentences, table
from tests.scenarios import mail

ORDERS = (BEFORE, AFTER)
"""The mail's words for the kernels that it compares."""
PAGE = Path(__file__).parents[1] / "docs" / "transitions.md"
MODULES = ONE_OF_EACH
SHOWN = MODULES[:2]
_SHOWN_BESIDE = {
    "6.19",
    "7.2",
    *(value for flip in FLIPS for name, value in flip.setting if name == KERNEL),
} - {"hugepages"}
OTHERS = tuple(name for name in reversed(KERNELS) if name not in _SHOWN_BESIDE)
"""Kernels that have a table of their own: neither the mail's,
nor what an assumption about a row comes to."""
WIDTH = 120


def questions_asked() -> list[TableQuery]:
    """Every cell of the page: both orders and every module,
    and each flip on the modules that are shown.
    """
    flips = (question for question in questions(("after",), SHOWN, FLIPS) if question.flip)
    return [*questions(ORDERS, MODULES), *questions(OTHERS, SHOWN[:1]), *flips]


def model_digest() -> str:
    """Of the models of all cells of the page."""
    seen = sorted(question.scenario().digest for question in questions_asked())
    return sha256(" ".join(seen).encode()).hexdigest()[:8]


HEAD = """# The fourteen transitions

Written by `make docs` from running; do not edit. Model {digest}.

A mail on the KVM list of 7 April 2026 answers a review of patch 07/17, "Centralize updates to present external PTEs",
with a table of fourteen SPTE transitions, worked out by hand: is each valid in the TDP MMU, can it occur on a mirror
root, and can the `KVM_BUG_ON()` in `handle_changed_spte()` be hit. Here every cell is derived. `tdpsim table` prints
it, `tdpsim table --flip NAME` what an assumption decides; `tdpsim explain NAME` says every name below in words.

* **sh**: mmu_lock is held for read (Y) or for write (N).
* **valid**: the setter of that lock mode takes it on a direct root, alone, without a WARN, BUG or `KVM_BUG_ON()`.
* **mirror**: some caller makes it on a mirror root: Y in that kernel, 2M once S-EPT huge pages are in, too. Every
  modelled caller was explored on both kinds of root.
* **hit**: called once, on a mirror root, beside everybody who can contend, the condition is true in some interleaving.
  (Y): on a VM alone that is bugged already, of which KVM_BUG_ON() and TDX_BUG_ON() print nothing, so that no log shows
  it. N*: not hit, but something else fires that a log can show.
* **states**, **runs** (interleavings) and **classes** are what was gone through; the latter two where nothing is hit,
  and without retries.
"""

HAZARD = """The order after patch 07/17 handles children (2.1) before the external PTE (2.2), and restores the old
SPTE if that fails (3). In the if/else form there is no 2.2 where there are children: nothing fails after
2.1, and what is left behind is an S-EPT page that stays linked, since `tdx_sept_free_private_spt()`
refuses a TD that has its key. Where both run in turn (`kernel=in-turn`; what 2.2 would be for a nonleaf no
source has, and nobody has merged it) step 3 restores an SPTE that points to a page table which 2.1 has emptied and given to RCU.
The next fault walks into it: every SPTE is FROZEN, so the vCPU retries, and once the grace period is
over it reads freed memory:"""

CLOSING = """The mail closes: if atomic zaps are ever to be allowed on a mirror root, zapping the S-EPT must not be
able to fail. Of the contenders of row 11, zero-step and a TDCALL are cured by the kick and the second
attempt, under the read lock as well. A vCPU that maps a page meanwhile is not, since a kick stops guests
and not fault handlers; nor is a second zapper, which also stands in the way of TRACK. Two additions were
tried (`sim/kvm/versions/what_ifs.py`): retrying for as long as it takes (`zap=retried`), and a lock per TD around
every external operation (`zap=serialised`). Each of them alone makes row 11 free of `TDX_BUG_ON()`, and
row 13 one that is not hit; the assertions about the lock mode stay, and so does the refusal to give back
the S-EPT page of a live TD."""


def derived() -> dict[str, TableCell]:
    """Every cell, from running or as it is kept."""
    asked = questions_asked()
    found: dict[str, TableCell] = {}
    for question, cell in cells(asked, os.cpu_count() or 1, Kept(cache_directory())):
        found[question.key] = cell
        if not len(found) % 20:
            print(f"{len(found)} of {len(asked)} cells", file=sys.stderr)
    return {question.key: found[question.key] for question in asked}


def block(known: Sequence[TableCell], notes: Notes) -> str:
    """One table, as `tdpsim table` prints it."""
    text = StringIO()
    Console(file=text, width=WIDTH, no_color=True, highlight=False).print(
        table(known, notes, ascii_only=False)
    )
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


def tables(known: dict[str, TableCell]) -> Iterator[str]:
    """Every table that is shown, and the notes to all of them."""
    notes = Notes()
    for order in ("after", "before", *OTHERS):
        for module in SHOWN if order in ORDERS else SHOWN[:1]:
            mine = [
                c for c in known.values() if (c.order, c.module, c.flipped) == (order, module, "")
            ]
            kernels = ", ".join(dict.fromkeys(cell.kernel for cell in mine))
            several = "kernels" if "," in kernels else "kernel"
            yield (
                f"## {order} ({several} {kernels}), module "
                f"{module}\n\n```\n{block(mine, notes)}\n```\n"
            )
    yield from families(known)
    yield (
        "With patch 07/17 alone, row 11 differs in silence: the mirror says NP, and nobody has "
        "told the S-EPT.\n\n```"
    )
    yield from (
        "\n".join(textwrap.wrap(line, WIDTH, subsequent_indent="   ")) for line in notes.lines()
    )
    yield "```\n"


def differences(known: dict[str, TableCell]) -> Iterator[str]:
    """Where running answers otherwise than the mail, and why."""
    for cell in known.values():
        if (cell.order, cell.module, cell.flipped) != ("after", "1.5.01", ""):
            continue
        for name, column, answer in (
            ("valid", mail.VALID, cell.valid),
            ("mirror", mail.MIRROR, is_on_mirror(cell)),
            ("hit", mail.HIT, bool(cell.hits)),
        ):
            if not mail.says(column, cell.row, answer):
                argued = mail.ARGUED[name, cell.row.number, cell.row.shared]
                yield item(f"{place(cell)}: {name} is {YES[answer]} here. {argued}")
                yield from (
                    f"  `schedules/{cell.row.name}/{told.name}`"
                    for told in cell.told
                    if told.finding in cell.hits
                )


def item(text: str, indent: str = "") -> str:
    lines = textwrap.wrap(
        text, WIDTH, initial_indent=f"{indent}* ", subsequent_indent=f"{indent}  "
    )
    return "\n".join(lines)


def witnesses(known: dict[str, TableCell]) -> Iterator[str]:
    """A schedule for each hit."""
    for cell in known.values():
        if not cell.flipped and cell.module in SHOWN and cell.order in ORDERS:
            for told in cell.told:
                if told.finding in cell.hits:
                    where = f"schedules/{cell.row.name}/{told.name}"
                    yield f"* {place(cell)}, {cell.module}, {told.steps} steps:\n  `{where}`"


def assumptions(known: dict[str, TableCell]) -> Iterator[str]:
    """What each assumption decides, with a schedule of what is new."""
    for flip in FLIPS:
        yield item(f"**{flip.name}** (here: {flip.reading}): {flip.doc}")
        said = list(_decided(known, flip.name))
        yield from said or ["  * decides nothing"]


def _decided(known: dict[str, TableCell], name: str) -> Iterator[str]:
    for cell in known.values():
        if (cell.flipped, cell.module) == (name, "1.5.01"):
            plain = known[TableQuery(cell.row, cell.row.kernel_named(cell.order), cell.module).key]
            yield from (item(f"{place(cell)}: {change}", "  ") for change in changes(plain, cell))
            new = (told for told in cell.told if told.finding not in plain.findings)
            yield from (f"    `schedules/{cell.row.name}/{told.name}`" for told in new)


def hazard(known: dict[str, TableCell]) -> Iterator[str]:
    """The schedules in which a page table is used after it was freed."""
    for cell in known.values():
        if (cell.flipped, cell.module) == ("kernel=in-turn", "1.5.01"):
            for told in cell.told:
                if told.finding.kind == "use-after-free":
                    yield (
                        f"* {place(cell)}, {told.steps} steps:\n  "
                        f"`schedules/{cell.row.name}/{told.name}`"
                    )


def beside(known: dict[str, TableCell]) -> Iterator[str]:
    """What the tables hang on that is no switch of a row."""
    rows = [
        cell.row
        for cell in known.values()
        if (cell.order, cell.module, cell.flipped) == ("after", "1.5.01", "")
    ]
    made = {size: {row.number for row in rows if _is_made(row, size)} for size in ("2M", "4K")}
    gone = ", ".join(map(str, sorted(made["2M"] - made["4K"])))
    yield item(
        "**module huge pages** (here: forced on): KVM would keep S-EPT huge pages off on a "
        "module whose DEMOTE can be "
        f"interrupted. Where they are off, row {gone} is not made on a mirror root any more, "
        "and every other one is."
    )
    yield item(
        "**after** (here: 7.2, in which the series was merged; in rows 7 and 8 hugepages on "
        "top of it): 6.18, patch 07/17 alone and hugepages in every row have tables of their own "
        "above."
    )
    yield item(
        "**row 9**: both lock modes are derived; it is hit under the read lock alone, under "
        "both with `kernel=in-turn`."
    )
    yield item(
        "**zero-step list**: how it gets armed is a test (`tests/kvm/test_fault.py`): seven "
        "faults in vain at one "
        "RIP, each of which lets the guest enter again, which the local retry prevents."
    )
    yield item(
        "**retry bound**: runs and classes are counted without retries here; what is hit and "
        "what is found comes from "
        "the graph without a bound."
    )


def _is_made(row: Row, size: str) -> bool:
    return any(change.root == "mirror" and change.is_of(row) for change in census("after", (size,)))


def callers() -> Iterator[str]:
    """Who makes which transition, on which kind of root."""
    rows: dict[tuple[str, str, bool], dict[str, dict[str, list[str]]]] = {}
    for change in census("after"):
        mine = rows.setdefault(
            (change.old, change.new, change.shared), {"direct": {}, "mirror": {}}
        )
        mine[change.root].setdefault(change.setter, []).append(change.caller)
    for (old, new, shared), roots in sorted(rows.items()):
        yield f"* {old} to {new}, {'shared' if shared else 'exclusive'}"
        for root, setters in roots.items():
            by = (
                f"`{setter}()` ({', '.join(dict.fromkeys(of))})" for setter, of in setters.items()
            )
            yield item(f"{root}: {'; '.join(by) or 'nobody'}", "  ")


def page(known: dict[str, TableCell]) -> str:
    """The whole page."""
    return "\n".join(
        (
            HEAD.format(digest=model_digest()),
            item(
                "A no covers every state of every interleaving of the modelled steps. "
                f"It does not cover {'; '.join(NOT_COVERED)}."
            ),
            "",
            *tables(known),
            "## Differs from the mail\n",
            *differences(known),
            item(mail.LIVE_TD),
            *silent_hits(known),
            "\n## Where the module or the kernel changes an answer\n",
            *(
                item(text)
                for text in sentences(
                    [c for c in known.values() if not c.flipped and c.order in ORDERS]
                )
            ),
            "\nEvery other kernel beside 7.2, on 1.5.01:\n",
            *map(item, kernel_sentences(known)),
            "\n## A witness per hit\n",
            *witnesses(known),
            "\n## The hazard of a failing second half\n",
            f"{HAZARD}\n",
            *hazard(known),
            f"\n{CLOSING}",
            "\n## What the assumptions decide\n",
            (
                "The tables hold under these, most of which the mail leaves unsaid. Each was "
                "flipped in every row"
            ),
            "that it might decide; here after, on 1.5.01.\n",
            *assumptions(known),
            *beside(known),
            "\n## Who changes SPTEs\n",
            (
                "With S-EPT huge pages (`kernel=hugepages`), where the range is backed by 2M or by "
                "4K:\n"
            ),
            *callers(),
            "",
        )
    )


def families(known: dict[str, TableCell]) -> Iterator[str]:
    """Which releases have the same answers and findings in every cell of before and after."""
    said: dict[tuple[object, ...], list[str]] = {}
    for module in MODULES:
        mine = (
            cell
            for cell in known.values()
            if (cell.module, cell.flipped) == (module, "") and cell.order in ORDERS
        )
        answers = tuple((cell.valid, frozenset(map(str, cell.findings))) for cell in mine)
        said.setdefault(answers, []).append(module)
    groups = "; ".join(" and ".join(modules) for modules in said.values())
    yield item(
        f"One release of each of the module's five families was asked: {', '.join(MODULES)}. These "
        f"have the same findings in every cell of before and after: {groups}. Where they differ in "
        "the causes is said below."
    )
    yield ""


def kernel_sentences(known: dict[str, TableCell]) -> Iterator[str]:
    """How the answers of every other kernel differ from those of 7.2, on 1.5.01."""
    plain = {
        cell.row.name: cell
        for cell in known.values()
        if (cell.order, cell.module, cell.flipped) == (AFTER, "1.5.01", "")
    }
    said: dict[str, list[str]] = {}
    for cell in known.values():
        if cell.module == "1.5.01" and not cell.flipped and cell.order != AFTER:
            for change in changes(plain[cell.row.name], cell):
                said.setdefault(f"{place(cell)}: {change}", []).append(cell.kernel)
    for text, kernels in said.items():
        yield f"{text}, on {', '.join(dict.fromkeys(kernels))}"


def silent_hits(known: dict[str, TableCell]) -> Iterator[str]:
    """Which hits a log can show."""
    hits = [
        cell
        for cell in known.values()
        if (cell.order, cell.module, cell.flipped) == (AFTER, "1.5.01", "") and cell.hits
    ]
    shown, silent = (
        ", ".join(dict.fromkeys(str(cell.row.number) for cell in hits if cell.is_shown is is_shown))
        for is_shown in (True, False)
    )
    yield item(
        f"Of the hits, those of rows {shown} can be the first that a log shows of its VM. In rows "
        f"{silent} the condition is true on a VM alone that another assertion has bugged before, "
        "and KVM_BUG_ON() prints nothing of such a VM."
    )


WORDS_PAGE = PAGE.with_name("words.md")
WORDS_WIDTH = 100

WORDS_HEAD = """# Words

Written by `make docs` from `sim/catalog/words.py` and `sim/catalog/glossary.py`; do not edit.
`tdpsim explain WORD` says the same, and knows functions, leafs, scenarios and parameters as well.
"""
OWN_HEAD = """## The words of tdpsim

After each word stands where it is in this project.
"""
KERNEL_HEAD = """## The words of KVM and of the module

Kernel files are those of v6.19 where nothing else is said; module files are those of release
1.5.01, below `src/`.
"""
TIMELINE_HEAD = """## The words of a timeline

Where one word stands for several of a form, brackets and numbers vary: `spte[A]`, `spte[B.2M]`.
"""
OWN_PARTS = {
    "What a scenario is made of": own_words.MODEL,
    "One run": own_words.RUNS,
    "All states": own_words.STATES,
    "How many, and how likely": own_words.COUNTS,
    "Millions of runs": own_words.CAMPAIGNS,
    "What can be asked": own_words.QUESTIONS,
}
NAMED_PARTS = {
    "Numbers": "numbers",
    "Findings": "findings",
    "Properties": "properties",
    "Causes": "causes",
    "Guards": "guards",
}
"""Names that have a table in sim/catalog/glossary.py."""
TIMELINE_PARTS = {
    "Tasks": words.TASKS,
    "Cells": words.CELLS,
    "Choices": words.CHOICES,
    "Operations": words.OPERATIONS,
    "Values": words.VALUES,
}


def words_page() -> str:
    """The whole of docs/words.md."""
    return "\n".join(
        (
            WORDS_HEAD,
            OWN_HEAD,
            *_word_parts("concepts", OWN_PARTS),
            *(line for title, kind in NAMED_PARTS.items() for line in _names(title, kind)),
            KERNEL_HEAD,
            *_word_items("words", words.TERMS),
            "",
            TIMELINE_HEAD,
            *_word_parts("words", TIMELINE_PARTS),
        )
    )


def _word_parts(kind: str, parts: dict[str, tuple[words.Word, ...]]) -> Iterator[str]:
    for title, known in parts.items():
        yield f"### {title}\n"
        yield from _word_items(kind, known)
        yield ""


def _names(title: str, kind: str) -> Iterator[str]:
    yield f"### {title}\n"
    yield from (_word_item(name, text) for name, text in GLOSSARY[kind].items())
    yield ""


def _word_items(kind: str, known: Sequence[words.Word]) -> Iterator[str]:
    yield from (_word_item(word.name, GLOSSARY[kind][word.name]) for word in known)


def _word_item(name: str, text: str) -> str:
    """A word, what it means, and where it stands, in brackets."""
    said, _, where = text.partition("\nSee ")
    place = f" ({where.removesuffix('.')})" if where else ""
    return "\n".join(
        textwrap.wrap(
            f"**{name}**: {said}{place}",
            WORDS_WIDTH,
            initial_indent="* ",
            subsequent_indent="  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
    )


def main(argv: Sequence[str]) -> int:
    WORDS_PAGE.write_text(words_page(), encoding="utf-8")
    return 0 if "words" in argv else transitions()


def transitions() -> int:
    """Write docs/transitions.md."""
    known = derived()
    PAGE.write_text(page(known), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
