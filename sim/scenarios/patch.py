"""A kernel from a file: the patch under review, as a class that overrides what it changes (docs/adding-a-patch.md).

The file is named on the command line, by the person who runs it, and by nothing else: a schedule says `order = "patch"`
and no more, and is refused where no file was given, or another one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from sim.kvm.x86 import Kvm
from sim.scenarios.model import note_patch
from sim.scenarios.recipe import UsageError

PATCH = "patch"
_MODULE = "tdpsim_patch"


def load_patch(path: Path) -> type[Kvm]:
    """Run the file and take its kernel. Raises UsageError, with the line at fault where there is one."""
    try:
        source = path.read_text(encoding="utf-8")
        module = _module(path)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except SyntaxError as error:
        raise UsageError(f"{path}:{error.lineno}: {error.msg}") from None
    except Exception as error:  # noqa: BLE001 - whatever a stranger's file raises is its author's to see
        raise UsageError(f"{path}:{_line(error, path)}: {type(error).__name__}: {error}") from None
    kernels = list(_kernels(module))
    if len(kernels) != 1:
        names = ", ".join(kernel.__name__ for kernel in kernels) or "none"
        raise UsageError(f"{path}: a patch is one class with a VERSION, on top of a kernel of sim.kvm; found {names}")
    note_patch(source)
    return kernels[0]


def patched() -> type[Kvm]:
    """The kernel that was loaded. Raises UsageError if none was."""
    module = sys.modules.get(_MODULE)
    if module is None:
        raise UsageError(f"order={PATCH} is the kernel of a file: --patch FILE names it")
    return next(_kernels(module))


def _module(path: Path) -> ModuleType:
    spec = spec_from_file_location(_MODULE, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path}: not a Python file")
    module = module_from_spec(spec)
    sys.modules[_MODULE] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[_MODULE]
        raise
    return module


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
