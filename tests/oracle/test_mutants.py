"""The mutants fit the engine as it is.

That the oracle notices them, `make oracle-mutants` shows.
"""

from __future__ import annotations

import ast

import pytest

from tests.oracle.mutants import MUTANTS, ROOT, Mutant


def test_there_are_eleven_and_each_has_a_name() -> None:
    assert len(MUTANTS) == len({mutant.name for mutant in MUTANTS}) == 11


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_it_fits_in_one_place(mutant: Mutant) -> None:
    text = (ROOT / mutant.file).read_text(encoding="utf-8")
    mutated = mutant.mutated(text)
    if mutant.file.endswith(".py"):
        assert ast.dump(ast.parse(mutated)) != ast.dump(ast.parse(text))
    assert mutated != text
