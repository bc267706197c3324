"""A kernel from a file: the patch under review,
as a class that overrides what it changes (docs/adding-a-patch.md).

The file is named on the command line, by the person who runs it, and by nothing else: a schedule
says `kernel = "patch"` and no more, and is refused where no file was given, or another one.
"""

from __future__ import annotations

import linecache
import sys
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import attrs

from sim.base.errors import UsageError
from sim.kvm.x86 import Kvm
from sim.scenarios.recipe import Settings

PATCH = "patch"
"""The kernel's name where it comes from a file."""


@attrs.frozen
class Patch:
    """A kernel's text: what its file is called, and what was in it when it was read.

    The text is carried as a value to wherever the kernel is run, so that neither a file that has
    changed since, nor a `__pycache__` beside it, nor another patch decides what runs.
    """

    path: str
    source: str

    @property
    def kernel(self) -> type[Kvm]:
        """The class. Raises UsageError, with the line at fault where there is one."""
        return _kernel_of(self)


def load_patch(path: Path) -> Patch:
    """Read the file, run it, and refuse one that is no patch. Raises UsageError."""
    patch = read_patch(path)
    _kernel_of(patch)
    return patch


def patched(settings: Settings) -> type[Kvm]:
    """The kernel of the file that was given. Raises UsageError if none was."""
    if settings.patch is None:
        raise UsageError(f"kernel={PATCH} is the kernel of a file: --patch FILE names it")
    return settings.patch.kernel


def read_patch(path: Path) -> Patch:
    """What is in the file now. Raises UsageError."""
    try:
        return Patch(str(path), path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not a text in UTF-8: {error.reason}") from None


@cache
def _kernel_of(patch: Patch) -> type[Kvm]:
    """Run the text, once in a process."""
    module = _module(patch)
    try:
        exec(compile(patch.source, patch.path, "exec", dont_inherit=True), vars(module))  # noqa: S102 - the person who runs this has named the file
        return _kernel(module, patch.path)
    except BaseException as error:
        del sys.modules[module.__name__]
        if isinstance(error, UsageError) or not isinstance(error, Exception):
            raise
        if isinstance(error, SyntaxError):
            raise UsageError(f"{patch.path}:{error.lineno}: {error.msg}") from None
        line = _line(error, patch.path)
        raise UsageError(f"{patch.path}:{line}: {type(error).__name__}: {error}") from None


@attrs.frozen
class _PatchText:
    """What a module's text is asked of (PEP 302)."""

    source: str

    def get_source(self, _name: str) -> str:
        return self.source


def _module(patch: Patch) -> ModuleType:
    """An empty module for the text, with a name of its own.

    A traceback shows the lines that ran, whatever is in the file by then.
    """
    name = f"tdpsim_patch_{sha256(repr(patch).encode()).hexdigest()[:16]}"
    module = ModuleType(name)
    spec = ModuleSpec(name, _PatchText(patch.source), origin=patch.path)  # type: ignore[arg-type] # asked for its text alone
    vars(module).update(__file__=patch.path, __spec__=spec)
    lines = patch.source.splitlines(keepends=True)
    linecache.cache[patch.path] = (len(patch.source), None, lines, patch.path)
    sys.modules[name] = module
    return module


def _kernel(module: ModuleType, path: str) -> type[Kvm]:
    kernels = list(_kernels(module))
    if len(kernels) != 1:
        names = ", ".join(kernel.__name__ for kernel in kernels) or "none"
        raise UsageError(
            f"{path}: a patch is one class with a VERSION, on top of a kernel of sim.kvm; "
            f"found {names}"
        )
    return kernels[0]


def _kernels(module: ModuleType) -> Iterator[type[Kvm]]:
    """The classes that the file itself defines and gives a version."""
    for found in vars(module).values():
        if (
            isinstance(found, type)
            and issubclass(found, Kvm)
            and found.__module__ == module.__name__
        ):
            if not hasattr(found, "__attrs_attrs__") or "VERSION" not in vars(found):
                raise UsageError(
                    f"{module.__file__}: {found.__name__} needs @attrs.frozen(eq=False) and a "
                    "VERSION"
                )
            yield found


def _line(error: BaseException, path: str) -> int:
    """The last line of the file that an error passed."""
    line, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == path:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
