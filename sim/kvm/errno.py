"""Error codes as KVM returns them, with (ours) what brought them about."""

from __future__ import annotations

import attrs

from sim.tdx.status import Status


@attrs.frozen(cache_hash=True)
class Errno:
    """-EBUSY and the like. `None` is 0."""

    name: str
    causes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"-{self.name}"


def EBUSY(because: Status | None = None) -> Errno:
    return Errno("EBUSY", because.causes if because else ())


def EIO(because: Status | None = None) -> Errno:
    return Errno("EIO", because.causes if because else ())


EINVAL = Errno("EINVAL")

UNSUPPORTED = Errno("EIO", ("unsupported",))
"""-EIO for what this version cannot do, in whatever order things happen."""
