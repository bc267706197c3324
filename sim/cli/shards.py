"""Which part of the seeds is ours: as the command line says,
or the batch system that started many of us.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import attrs

from sim.base.errors import UsageError


@attrs.frozen
class Dealt:
    """The `number`-th of so many shards, counted from 1, and who says so,
    where that is not the command line.
    """

    number: int
    of: int
    why: str = ""


def dealt_out(shard: str | None, environment: Mapping[str, str]) -> Dealt | None:
    """None where all seeds are ours. Raises UsageError.

    SLURM says all there is to know of a job array. Kubernetes gives an indexed Job's pods their
    index and not how many they are, so the Job has to pass `JOB_COMPLETIONS` along.
    """
    if shard is not None:
        match = re.fullmatch(r"(\d+)/(\d+)", shard)
        if match is None:
            raise UsageError(f"--shard takes I/N, such as 1/3, got {shard!r}")
        return _checked(Dealt(int(match[1]), int(match[2])), "--shard")
    if "SLURM_ARRAY_TASK_ID" in environment:
        return _slurm(environment)
    if "JOB_COMPLETION_INDEX" in environment:
        if "JOB_COMPLETIONS" not in environment:
            raise UsageError(
                "JOB_COMPLETION_INDEX is set and JOB_COMPLETIONS is not: have the Job set it, "
                "or --shard"
            )
        index, of = (
            _number(environment, name) for name in ("JOB_COMPLETION_INDEX", "JOB_COMPLETIONS")
        )
        return _checked(Dealt(index + 1, of, "by JOB_COMPLETION_INDEX"), "JOB_COMPLETION_INDEX")
    return None


def _slurm(environment: Mapping[str, str]) -> Dealt:
    names = ("ID", "MIN", "STEP", "COUNT")
    at, least, step, of = (
        _number(environment, f"SLURM_ARRAY_TASK_{name}", default=name == "STEP") for name in names
    )
    return _checked(
        Dealt((at - least) // max(1, step) + 1, of, "by SLURM_ARRAY_TASK_ID"), "SLURM_ARRAY_TASK_ID"
    )


def _number(environment: Mapping[str, str], name: str, *, default: bool = False) -> int:
    text = environment.get(name, "1" if default else "")
    if not text.isdecimal():
        raise UsageError(f"{name} should be a number, and is {text!r}; --shard I/N goes before it")
    return int(text)


def _checked(dealt: Dealt, what: str) -> Dealt:
    if not 1 <= dealt.number <= dealt.of:
        raise UsageError(
            f"{what}: there is no shard {dealt.number}/{dealt.of}; they are counted from 1"
        )
    return dealt
