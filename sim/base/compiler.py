"""Compiles a C file that lies beside a module, with the C compiler of the machine, and loads it.

What comes of it is kept in the cache directory, under a name that is made of the file's text and of
how it is compiled: no other text's machine code is ever taken for it. A checksum beside it says
whether it is still whole. Where nothing can be kept, each process compiles the file itself.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import shutil
import subprocess
import tempfile
from hashlib import sha256
from pathlib import Path

from sim.base.errors import CompilerError
from sim.base.files import cache_directory

FLAGS = ("-std=gnu11", "-O2", "-fPIC", "-shared")
_COMPILERS = ("cc", "gcc", "clang")
_SECONDS = 300


def compiler() -> str:
    """The C compiler: what $CC names, or the first that is there. Raises CompilerError."""
    wanted = [name] if (name := os.environ.get("CC", "")) else list(_COMPILERS)
    for name in wanted:
        if found := shutil.which(name):
            return found
    raise CompilerError(
        f"a search over many states needs a C compiler, and {' or '.join(wanted)} is not there: "
        "install one, or name it by CC="
    )


def loaded(source: Path) -> ctypes.CDLL:
    """The functions of a C file. Raises CompilerError."""
    text = source.read_bytes()
    machine = f"{platform.system()} {platform.machine()} {FLAGS}".encode()
    name = f"{source.stem}-{sha256(machine + text).hexdigest()[:16]}"
    kept = cache_directory() / f"{name}.so"
    if _is_whole(kept):
        with contextlib.suppress(OSError):  # of a machine that shares no more than the directory
            return ctypes.CDLL(str(kept))
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        return _compiled(source, kept)
    except OSError:
        with tempfile.TemporaryDirectory(prefix="tdpsim-") as folder:
            return _compiled(source, Path(folder) / kept.name)


def _sum_of(kept: Path) -> Path:
    return kept.with_suffix(".sha256")


def _is_whole(kept: Path) -> bool:
    try:
        said = _sum_of(kept).read_text(encoding="ascii", errors="replace")
        return said == sha256(kept.read_bytes()).hexdigest()
    except OSError:
        return False


def _compiled(source: Path, kept: Path) -> ctypes.CDLL:
    """Compile a file, keep what comes of it, and load it. Raises OSError, CompilerError."""
    handle, name = tempfile.mkstemp(dir=kept.parent, prefix=f".{kept.stem}.", suffix=".so")
    os.close(handle)
    new = Path(name)
    try:
        command = [compiler(), *FLAGS, "-o", str(new), str(source)]
        done = subprocess.run(  # noqa: S603 - the user's own compiler, and our own file
            command, capture_output=True, text=True, check=False, timeout=_SECONDS
        )
        if done.returncode:
            said = (done.stderr.strip() or f"status {done.returncode}").splitlines()[0]
            raise CompilerError(f"{command[0]} does not compile {source.name}: {said}")
        library = ctypes.CDLL(str(new))
        new.replace(kept)
        _sum_of(kept).write_text(sha256(kept.read_bytes()).hexdigest(), encoding="ascii")
    except subprocess.TimeoutExpired:
        raise CompilerError(f"{compiler()} takes too long over {source.name}") from None
    finally:
        new.unlink(missing_ok=True)
    return library
