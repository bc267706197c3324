"""What `tdpsim explain` says."""

from __future__ import annotations

import re

import pytest

from sim.catalog.glossary import GLOSSARY
from sim.catalog.schedules import shipped
from sim.engine.run.schedule import parse

KINDS = ("scenarios", "guards", "properties", "findings", "causes")


@pytest.mark.parametrize("kind", KINDS)
def test_who_reads_it_is_told_where_to_look(kind: str) -> None:
    """A file of the kernel or of the module, or the mails: for every name that is the model's."""
    for name, text in GLOSSARY[kind].items():
        (see,) = re.findall(r"^See (.+)\.$", text, re.MULTILINE)
        assert re.search(r"\w+/[\w*]+\.[ch]\b|list, ", see), name


def test_every_finding_of_the_model_is_explained() -> None:
    """Those of the schedules that come with it."""
    for name, file in shipped().items():
        for outcome in parse(file.read_bytes()).expect:
            kind, _, where = outcome.partition(" ")
            assert kind in GLOSSARY["findings"], name
            assert kind != "divergence" or where in GLOSSARY["properties"], name
