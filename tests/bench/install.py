"""Fetch the peers into a build directory. Nothing of them becomes a dependency of the project."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from tests.bench.measure import run
from tests.bench.peer import Trouble

BUILD = Path("build/bench").absolute()
SITE = BUILD / "site"
PATIENCE = 600


def scratch(name: str) -> Path:
    """A directory of that name to work in."""
    path = BUILD / name
    path.mkdir(parents=True, exist_ok=True)
    return path


def python_package(name: str, version: str) -> None:
    """Have one package of that very version in SITE, without what it depends on."""
    if (SITE / f"{name}-{version}.dist-info").is_dir():
        return
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
    ]
    run(
        [*pip, "--target", SITE, "--upgrade", f"{name}=={version}"],
        limit=PATIENCE,
        cwd=scratch("."),
    )


def program(name: str, package: str) -> Path:
    """A program from the path, or from its Debian package: installed by root, else unpacked."""
    found = shutil.which(name) or shutil.which(name, path=scratch("debian") / "usr/bin")
    if found:
        return Path(found)
    if not shutil.which("apt-get"):
        raise Trouble(f"{name} is not on the path, and there is no apt-get to fetch it with")
    if os.geteuid() == 0:
        run(
            ["apt-get", "install", "--yes", "--no-install-recommends", package],
            limit=PATIENCE,
            cwd=BUILD,
        )
    else:
        _unpack(package)
    found = shutil.which(name) or shutil.which(name, path=scratch("debian") / "usr/bin")
    if not found:
        raise Trouble(f"the package {package} brought no {name}")
    return Path(found)


def _unpack(package: str) -> None:
    where = scratch("debian")
    run(["apt-get", "download", package], limit=PATIENCE, cwd=where)
    for archive in where.glob(f"{package}_*.deb"):
        run(["dpkg-deb", "-x", archive, where], limit=PATIENCE, cwd=where)


def program_of_root(name: str, package: str) -> Path:
    """A program that is of no use unpacked: from the path, or installed by root."""
    if not shutil.which(name) and os.geteuid() != 0:
        raise Trouble(f"{name} is not on the path (Debian: {package})")
    return program(name, package)
