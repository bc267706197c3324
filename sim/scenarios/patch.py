"""A kernel from a file: the patch under review, as a class that overrides what it changes (docs/adding-a-patch.md).

The file is named on the command line, by the person who runs it, and by nothing else: a schedule says no more
than `kernel = "patch"`, and is refused where no file was given, or another one.
"""

from __future__ import annotations

import linecache
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import attrs

from sim.kvm.x86 import Kvm
from sim.scenarios.model import note_patch
from sim.scenarios.recipe import UsageError

PATCH = "patch"
_MODULE = "tdpsim_patch"


@attrs.frozen
class Patch:
    """A kernel from a file: what the file is called, and what is in it, for those who do not have it."""

    name: str
    source: str


def read_patch(path: Path) -> Patch:
    """What is in the file now. Raises UsageError."""
    try:
        return Patch(path.name, path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not a text in UTF-8: {error.reason}") from None


def load_patch(path: Path) -> type[Kvm]:
    """Run the file and take its kernel. Raises UsageError, with the line at fault where there is one."""
    return load(read_patch(path), path)


def load(patch: Patch, path: Path | None = None) -> type[Kvm]:
    """Run this very text, which is what the model's digest is of from now on, and take its kernel.

    It is compiled here: neither the file, which may be another one by now, nor a __pycache__ beside it is looked at.
    Raises UsageError; whatever was loaded before is in place then.
    """
    path, before = path or Path(patch.name), sys.modules.get(_MODULE)
    try:
        kernel = _kernel(_module(patch, path), path)
    except BaseException as error:
        sys.modules.pop(_MODULE, None)
        if before is not None:
            sys.modules[_MODULE] = before
        if isinstance(error, UsageError) or not isinstance(error, Exception):
            raise
        if isinstance(error, SyntaxError):
            raise UsageError(f"{path}:{error.lineno}: {error.msg}") from None
        raise UsageError(f"{path}:{_line(error, path)}: {type(error).__name__}: {error}") from None
    note_patch(patch.source)
    return kernel


def loaded() -> Patch | None:
    """What was loaded last."""
    module = sys.modules.get(_MODULE)
    return None if module is None else vars(module)["__patch__"]


def patched() -> type[Kvm]:
    """The kernel that was loaded. Raises UsageError if none was."""
    module = sys.modules.get(_MODULE)
    if module is None:
        raise UsageError(f"kernel={PATCH} is the kernel of a file: --patch FILE names it")
    return next(_kernels(module))


def _module(patch: Patch, path: Path) -> ModuleType:
    """The text, run. A traceback shows the lines that ran, whatever is in the file by then."""
    code = compile(patch.source, str(path), "exec", dont_inherit=True)
    module = ModuleType(_MODULE)
    vars(module).update(__file__=str(path), __patch__=patch)
    linecache.cache[str(path)] = (len(patch.source), None, patch.source.splitlines(keepends=True), str(path))
    sys.modules[_MODULE] = module
    exec(code, vars(module))  # noqa: S102 - the person who runs this has named the file
    return module


def _kernel(module: ModuleType, path: Path) -> type[Kvm]:
    kernels = list(_kernels(module))
    if len(kernels) != 1:
        names = ", ".join(kernel.__name__ for kernel in kernels) or "none"
        raise UsageError(f"{path}: a patch is one class with a VERSION, on top of a kernel of sim.kvm; found {names}")
    return kernels[0]


def _kernels(module: ModuleType) -> Iterator[type[Kvm]]:
    """The classes that the file itself defines and gives a version."""
    for found in vars(module).values():
        if isinstance(found, type) and issubclass(found, Kvm) and found.__module__ == module.__name__:
            if not hasattr(found, "__attrs_attrs__") or "VERSION" not in vars(found):
                raise UsageError(f"{module.__file__}: {found.__name__} needs @attrs.frozen(eq=False) and a VERSION")
            yield found


def _line(error: BaseException, path: Path) -> int:
    """The last line of the file that an error passed."""
    line, trace = 0, error.__traceback__
    while trace is not None:
        if Path(trace.tb_frame.f_code.co_filename) == path:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
