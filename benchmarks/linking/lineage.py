"""Tracks and mothers as the Cell Tracking Challenge wants them: a mother's track ends at a division."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


def true_lineage(labels: NDArray[np.uint16], mothers: Mapping[int, int]) -> tuple[NDArray[np.uint16], dict[int, int]]:
    """Give a mother that keeps her id a new one from each division on.

    Parameters
    ----------
    labels : (T, Y, X) array
        Truth of a `SyntheticClip`.
    mothers : mapping of int to int
        Mother of each cell that is born in the recording.

    Returns
    -------
    labels, mothers
        In a copy both daughters have ids of their own. A birth that is seen on one side only is none.
    """
    out = labels.copy()
    lineage: dict[int, int] = {}
    following = int(out.max()) + 1
    seen = {child: np.flatnonzero((labels == child).any((1, 2))) for child in mothers}
    births = sorted((int(frames[0]), child) for child, frames in seen.items() if frames.size)
    current = {mother: mother for mother in mothers.values()}
    for moment, child in births:
        mother = mothers[child]
        held = current[mother]
        late = out[moment:] == held
        if moment == 0 or not (out[moment - 1] == held).any() or not late[0].any():
            continue
        out[moment:][late] = following
        lineage |= {child: held, following: held}
        current[mother] = following
        following += 1
    return out, lineage


def proper_mothers(labels: NDArray[np.uint16], mothers: Mapping[int, int]) -> dict[int, int]:
    """The mothers whose track ends before that of their daughter begins; others are no divisions."""
    seen = {int(i): np.flatnonzero((labels == i).any((1, 2))) for i in np.unique(labels) if i}
    return {
        child: mother
        for child, mother in mothers.items()
        if child in seen and mother in seen and seen[mother][-1] < seen[child][0]
    }
