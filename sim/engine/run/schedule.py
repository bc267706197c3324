"""The schedule file: what was chosen, in a form that survives mail, editors and `git diff`.

TOML, at most 72 columns wide: a header that names the scenario and everything that decides the run,
then one step a line: the task, the point at which it stood, and what it saw there. The task is the
choice, and so is the value of a `choose`; the rest is there to be checked, so that a schedule that
no longer fits its model says where.

A schedule is data. It may have been quoted any number of times, with either kind of line end, in
the middle of a mail.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn, override

from sim.engine.run.world import ENDLESS, Lasso, Run, Step

FORMAT = 1
WIDTH = 72

_LARGEST = 64 * 1024 * 1024
_QUOTES = re.compile(r"^[ \t]*(?:>[ \t]?)+")
_HEAD = re.compile(r"^(?:[ \t]*>)*[ \t]*format[ \t]*=[ \t]*\d+[ \t]*(?:#.*)?$")
_FENCE = "'''"
_OPENING = re.compile(rf"^\s*steps\s*=\s*{_FENCE}")
_STEP = re.compile(r"^(?P<task>\S+)\s+(?P<point>\S+)(?:\s+->\s+(?P<saw>.*\S))?\s*$")


class ScheduleError(Exception):
    """A schedule that is malformed; the message names the line."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


@attrs.frozen
class Recorded:
    """One recorded step, and the line of the file it stands on."""

    task: str
    point: str
    saw: str
    line: int = attrs.field(default=0, eq=False)


@attrs.frozen
class FoundBy:
    """How the schedule came about; nothing depends on it."""

    strategy: str
    seed: int | None = None
    causes: tuple[str, ...] = ()


@attrs.frozen
class Schedule:
    """A schedule file's contents.

    `expect` names the findings of the run, in order, or is `("clean",)`.
    """

    scenario: str
    model: str
    expect: tuple[str, ...]
    params: Mapping[str, str]
    without: tuple[str, ...]
    found_by: FoundBy
    steps: tuple[Recorded, ...]
    lasso: Lasso | None = None


@attrs.frozen
class _Steps:
    steps: str
    loop: int | None = None


@attrs.frozen
class _File:
    """The TOML document, key for key."""

    format: int
    scenario: str
    model: str
    expect: str | list[str]
    schedule: _Steps
    params: dict[str, str | list[str]] = attrs.field(factory=dict)
    found_by: FoundBy = FoundBy("hand")


def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True)

    def text(value: object, _type: object) -> str | list[str]:
        if isinstance(value, str):
            return value
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return value
        raise ValueError(f"a text or a list of texts is wanted, not {value!r}")

    def typed(value: object, kind: type) -> object:
        if type(value) is not kind:
            raise ValueError(f"{kind.__name__} is wanted, not {value!r}")
        return value

    converter.register_structure_hook(str | list[str], text)
    converter.register_structure_hook(str, typed)
    converter.register_structure_hook(int, typed)
    converter.register_structure_hook(
        _File, make_dict_structure_fn(_File, converter, found_by=override(rename="found-by"))
    )
    return converter


def _unquoted(text: str) -> tuple[str, int]:
    """The TOML document inside a mail, without its quotation marks,
    and the number of lines before it.
    """
    lines = [line.rstrip("\r") for line in text.split("\n")]
    first = next((i for i, line in enumerate(lines) if _HEAD.match(line)), None)
    if first is None:
        raise ScheduleError("no schedule in here: one begins with a line `format = 1`")
    document = []
    inside = False
    for line in lines[first:]:
        bare = _QUOTES.sub("", line).rstrip()
        document.append(bare)
        if inside and _FENCE in bare:
            break
        inside = inside or bool(_OPENING.match(bare))
    return "\n".join(document) + "\n", first


def parse(data: bytes) -> Schedule:
    """Read a schedule out of a file or a whole mail.

    Raises ScheduleError, with the line where there is one, for anything that is not a schedule of
    this format.
    """
    if not data.strip():
        raise ScheduleError("it is empty")
    if len(data) > _LARGEST:
        raise ScheduleError(f"it is larger than {_LARGEST >> 20} MiB: no schedule is")
    # the mail around it may be in any encoding
    document, skipped = _unquoted(data.decode(errors="replace"))
    try:
        raw = tomllib.loads(document)
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"at line (\d+)", str(error))
        message = re.sub(r" \(at .*\)", "", str(error))
        raise ScheduleError(f"not TOML: {message}", int(at[1]) + skipped if at else None) from None
    except (
        ValueError,
        RecursionError,
    ) as error:  # a number of thousands of digits, brackets in brackets
        raise ScheduleError(f"not TOML: {error}", skipped + 1) from None
    if raw.get("format") != FORMAT:
        raise ScheduleError(
            f"format {raw.get('format')} is not known here; this reads format {FORMAT}", skipped + 1
        )
    try:
        file = _converter().structure(_without_x(raw), _File)
    except cattrs.BaseValidationError as error:
        raise ScheduleError("; ".join(_explained(error))) from None
    params, without = _params(file.params)
    expect = (file.expect,) if isinstance(file.expect, str) else tuple(file.expect)
    steps = tuple(_steps(document, skipped))
    return Schedule(
        file.scenario,
        file.model,
        expect,
        params,
        without,
        file.found_by,
        steps,
        _lasso(file.schedule.loop, expect, len(steps)),
    )


def _lasso(loop: int | None, expect: tuple[str, ...], steps: int) -> Lasso | None:
    """What `loop`, the number of the first step of the part that repeats,
    says together with what is expected.
    """
    if loop is None:
        return None
    if not 1 <= loop <= steps:
        raise ScheduleError(f"schedule.loop: {loop} is not the number of a step (1 to {steps})")
    for outcome in expect:
        kind, _, tasks = outcome.partition(" ")
        if kind in ENDLESS:
            return Lasso(loop - 1, kind, tuple(tasks.split(",")))
    return Lasso(loop - 1, ENDLESS[0])


def _without_x(table: Mapping[str, Any]) -> dict[str, Any]:
    """Keys that begin with `x-` are somebody's notes."""
    return {
        key: _without_x(value) if isinstance(value, dict) else value
        for key, value in table.items()
        if not key.startswith("x-")
    }


def _explained(error: cattrs.BaseValidationError, at: str = "") -> Iterable[str]:
    for inner in error.exceptions:
        notes = getattr(inner, "__notes__", [])
        names = [getattr(note, "name", getattr(note, "index", None)) for note in notes]
        path = ".".join(str(name) for name in (at, *names[:1]) if name).replace(
            "found_by", "found-by"
        )
        if isinstance(inner, cattrs.BaseValidationError):
            yield from _explained(inner, path)
        elif isinstance(inner, cattrs.ForbiddenExtraKeysError):
            extra = ", ".join(sorted(inner.extra_fields))
            yield (
                f"unknown key {extra}{f' in [{path}]' if path else ''} (a key of your own "
                "begins with x-)"
            )
        elif isinstance(inner, KeyError):
            yield f"key {inner.args[0]} is missing{f' in [{path}]' if path else ''}"
        else:
            yield f"{path}: {inner}" if path else str(inner)


def _params(table: Mapping[str, str | list[str]]) -> tuple[dict[str, str], tuple[str, ...]]:
    params: dict[str, str] = {}
    without: tuple[str, ...] = ()
    for key, value in table.items():
        if key == "without":
            without = (value,) if isinstance(value, str) else tuple(value)
        elif isinstance(value, str):
            params[key] = value
        else:
            raise ScheduleError(f"params.{key} is a text, not a list")
    return params, without


def _steps(document: str, skipped: int) -> Iterable[Recorded]:
    """The step lines, numbered as in the file they came from."""
    inside = False
    for number, line in enumerate(document.split("\n"), skipped + 1):
        if not inside:
            inside = bool(_OPENING.match(line))
            if inside and line.partition(_FENCE)[2].strip():
                raise ScheduleError("steps begin on the line after the quotes", number)
            continue
        if _FENCE in line:
            if line.partition(_FENCE)[0].strip():
                raise ScheduleError("the closing quotes stand on a line of their own", number)
            return
        step = line.strip()
        if not step or step.startswith("#"):
            continue
        match = _STEP.match(step)
        if match is None:
            raise ScheduleError(f"not a step (TASK POINT -> WHAT IT SAW): {step[:60]!r}", number)
        yield Recorded(match["task"], match["point"], match["saw"] or "-", number)


def record(run: Run, model: str, found_by: FoundBy) -> Schedule:
    """The schedule of a run. `model` names the model, with its digest."""
    scenario = run.scenario
    return Schedule(
        scenario.name,
        model,
        run.outcomes,
        dict(scenario.params),
        scenario.without,
        found_by,
        tuple(map(_recorded, run.steps)),
        run.lasso,
    )


def _recorded(step: Step) -> Recorded:
    return Recorded(step.task, step.point, step.saw)


def write(schedule: Schedule) -> str:
    """The text of a schedule file: the same for the same schedule, everywhere."""
    lines = [
        f"format   = {FORMAT}",
        f"scenario = {_quoted(schedule.scenario)}",
        f"model    = {_quoted(schedule.model)}",
        f"expect   = {_texts(schedule.expect)}",
        "[params]",
    ]
    names = [*schedule.params, *(["without"] if schedule.without else [])]
    width = max(map(len, names), default=0)
    lines += [f"{name:<{width}} = {_quoted(value)}" for name, value in schedule.params.items()]
    if schedule.without:
        lines.append(f"{'without':<{width}} = {_texts(schedule.without, always=True)}")
    lines += ["[found-by]", f"strategy = {_quoted(schedule.found_by.strategy)}"]
    if schedule.found_by.seed is not None:
        lines.append(f"seed     = {schedule.found_by.seed:#x}")
    if schedule.found_by.causes:
        lines.append(f"causes   = {_texts(schedule.found_by.causes, always=True)}")
    lines.append("[schedule]")
    if schedule.lasso is not None:
        lines.append(f"loop  = {schedule.lasso.stem + 1}")
    lines.append(f"steps = {_FENCE}")
    lines += [*_columns(schedule.steps), _FENCE, ""]
    return "\n".join(lines)


def _columns(steps: tuple[Recorded, ...]) -> Iterable[str]:
    """The steps in columns.

    A point that is too long for its column pushes what it saw to the right.
    """
    task = max([6, *(len(step.task) for step in steps)])
    saw = max([11, *(len(step.saw) for step in steps)])
    point = min(max([5, *(len(step.point) for step in steps)]), WIDTH - task - len("    -> ") - saw)
    yield f"# {'TASK':<{task - 2}}  {'POINT':<{point}}  -> what it saw"
    for step in steps:
        said = "" if step.saw == "-" else f"  -> {step.saw}"
        yield f"{step.task:<{task}}  {step.point:<{point}}{said}".rstrip()


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _texts(texts: tuple[str, ...], *, always: bool = False) -> str:
    """One text, or a list of them, one a line where they are long."""
    if len(texts) == 1 and not always:
        return _quoted(texts[0])
    inner = ", ".join(map(_quoted, texts))
    if len(inner) < WIDTH - 13:
        return f"[{inner}]"
    return "[\n" + "".join(f"  {_quoted(text)},\n" for text in texts) + "]"
