"""Recordings whose file ends early."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from napari_sam2_video.errors import RecordingError

if TYPE_CHECKING:
    from pathlib import Path


def cut_short(
    path: Path, shape: tuple[int, ...], plane_ndim: int, present: int
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Shape of the readable part if only the first `present` planes exist, and a note about it.

    Raises
    ------
    RecordingError
        If not even one position along the first axis is complete.
    """
    leading = shape[: len(shape) - plane_ndim]
    promised = math.prod(leading)
    if present >= promised:
        return shape, ()
    whole = present // math.prod(leading[1:])
    if whole < 1:
        raise RecordingError(f"{path} is truncated: it holds {present} of {promised} planes; copy or write it again.")
    return (whole, *shape[1:]), (
        f"{whole} of {leading[0]} frames are readable: {path.name} is truncated; copy or write it again to get all of "
        "them.",
    )
