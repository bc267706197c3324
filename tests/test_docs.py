"""The pages that are generated are what running, and the words of the catalog, say now."""

from __future__ import annotations

import re
from pathlib import Path

from sim.catalog.glossary import GLOSSARY
from sim.catalog.own_words import OWN_WORDS
from sim.catalog.schedules import shipped
from sim.catalog.words import WORDS
from sim.scenarios.switches import FLIPS
from tests import docs
from tests.scenarios import mail

TEXT = docs.PAGE.read_text(encoding="utf-8")
WORDS_TEXT = docs.WORDS_PAGE.read_text(encoding="utf-8")


def test_it_was_written_with_this_model() -> None:
    assert f"Model {docs.model_digest()}." in TEXT, "the model has moved: make schedules docs"


def test_every_schedule_that_it_names_is_there() -> None:
    named = set(re.findall(r"`schedules/[^`/]+/([^`/]+)`", TEXT))
    assert named
    assert named <= shipped().keys()


def test_every_assumption_and_every_argument_is_in_it() -> None:
    for flip in FLIPS:
        assert f"**{flip.name}**" in TEXT
    told = " ".join(TEXT.split())
    for argument in mail.ARGUED.values():
        assert argument in told


def test_its_tables_are_those_of_the_readme() -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    rows = [line for line in readme.splitlines() if re.match(r" *\d+ +(NP|leaf|nonleaf) ", line)]
    assert all(row in TEXT for row in rows)
    assert len(rows) == 18


def test_the_page_of_words_is_what_its_generator_gives_now() -> None:
    assert docs.words_page() == WORDS_TEXT, "words have changed: python -m tests.docs words"


def test_every_word_stands_in_the_page_of_words_once() -> None:
    """Each in its part, so that a part which is added to the catalog is added to the page."""
    parts = re.split(r"^## ", WORDS_TEXT, flags=re.MULTILINE)[1:]
    own, *others = [re.findall(r"^\* \*\*(.+?)\*\*: ", part, re.MULTILINE) for part in parts]
    named = [name for kind in docs.NAMED_PARTS.values() for name in GLOSSARY[kind]]
    assert sorted(own) == sorted([*(word.name for word in OWN_WORDS), *named])
    assert sorted(name for part in others for name in part) == sorted(word.name for word in WORDS)


def test_a_word_stands_for_one_thing_in_its_table() -> None:
    for known in (WORDS, OWN_WORDS):
        names = [word.name for word in known]
        assert sorted(set(names)) == sorted(names)


def test_the_page_of_words_fits_into_a_hundred_columns() -> None:
    assert [line for line in WORDS_TEXT.splitlines() if len(line) > docs.WORDS_WIDTH] == []


def test_the_index_has_every_page() -> None:
    folder = docs.PAGE.parent
    index = (folder / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\* \[([\w-]+\.md)\]\(\1\): ", index, re.MULTILINE)
    assert len(listed) == len(set(listed))
    pages = {page.name for page in folder.glob("*.md")} - {"README.md"}
    assert {*listed} == pages
