"""A failing program made small: whatever can go without the same comparison failing
otherwise, goes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import attrs

from tests.oracle.compare import Comparison, Mismatch
from tests.oracle.graph import Graph, TooLargeError
from tests.oracle.language import BLOCKS, Block, Program, Statement
from tests.oracle.machine import Machine, SenselessError

Fails = Callable[[Program], bool]


def mismatch_of(program: Program, number: int, most: int) -> list[Mismatch]:
    """What differs for a program; nothing where it is no program, or too large a one."""
    try:
        return Comparison(program, Graph(Machine(program), most), number).run()
    except (TooLargeError, SenselessError):
        return []


def minimise(program: Program, fails: Fails) -> Program:
    """The smallest program that still fails, of those that one cut after the other leads to."""
    while True:
        for smaller in _cuts(program):
            if fails(smaller):
                program = smaller
                break
        else:
            return program


def _cuts(program: Program) -> Iterator[Program]:
    """Every program that is this one with one cut: whole tasks and properties first,
    then statements.
    """
    tasks, properties = program.tasks, program.properties
    for i in range(len(tasks)):
        if len(tasks) > 1:
            yield attrs.evolve(program, tasks=(*tasks[:i], *tasks[i + 1 :]))
    for i in range(len(properties)):
        yield attrs.evolve(program, properties=(*properties[:i], *properties[i + 1 :]))
    for i, task in enumerate(tasks):
        for block in _smaller(task.block):
            yield attrs.evolve(
                program, tasks=(*tasks[:i], attrs.evolve(task, block=block), *tasks[i + 1 :])
            )
    for i, one in enumerate(properties):
        if one.rule[0] == "whole":
            for inner in one.rule[1][1:]:
                for rule in (
                    inner
                    if isinstance(inner, tuple) and inner and isinstance(inner[0], tuple)
                    else (inner,)
                ):
                    then = (
                        rule[1]
                        if isinstance(rule, tuple) and rule and isinstance(rule[0], int)
                        else rule
                    )
                    if isinstance(then, tuple) and then and isinstance(then[0], str):
                        smaller = attrs.evolve(one, rule=("whole", then))
                        yield attrs.evolve(
                            program, properties=(*properties[:i], smaller, *properties[i + 1 :])
                        )
    if program.retries:
        yield attrs.evolve(program, retries=0)


def _smaller(block: Block) -> Iterator[Block]:
    """A block without one statement, with what one contains in its place,
    or with a smaller one there.
    """
    for i, statement in enumerate(block):
        yield (*block[:i], *block[i + 1 :])
        for at in BLOCKS.get(statement[0], ()):
            yield (*block[:i], *statement[at], *block[i + 1 :])
            for inner in _smaller(statement[at]):
                yield (*block[:i], _with(statement, at, inner), *block[i + 1 :])


def _with(statement: Statement, at: int, inner: Block) -> Statement:
    return (*statement[:at], inner, *statement[at + 1 :])
