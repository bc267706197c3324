"""Types of the arrays that states and runs lie in, and how such an array grows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

U64 = npt.NDArray[np.uint64]
U32 = npt.NDArray[np.uint32]
Index = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


def grown(array: npt.NDArray[Any], size: int, fill: int = 0) -> npt.NDArray[Any]:
    """The array itself where it has enough rows, else one that has twice as many."""
    if size <= len(array):
        return array
    longer = np.full((max(size, 2 * len(array)), *array.shape[1:]), fill, array.dtype)
    longer[: len(array)] = array
    return longer


def address(array: npt.NDArray[Any] | None) -> int | None:
    """Where an array's numbers lie, one after the other, as a loop in C takes it; NULL for None."""
    return None if array is None else int(array.ctypes.data)
