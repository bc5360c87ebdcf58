"""Choose the memories of an object that agree: those that show it in the same place.

The network combines all memories of where the object is. If it was prompted far from where it was on another frame, the
two memories contradict each other, and the object is lost between them. Likewise, the frames before a correction
remember what the correction rejects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam2_video.engine.plan import REACH, step_of
from napari_sam2_video.engine.windows import looked_at

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_sam2_video.engine.memory import ConditioningEntry, MemoryEntry
    from napari_sam2_video.engine.plan import PassDirection
    from napari_sam2_video.engine.windows import Place

NEAR = 0.5
"""Largest distance between two places that agree, as a fraction of the object's size."""


def agreeing(conditioning: Mapping[int, ConditioningEntry], frame: int) -> dict[int, ConditioningEntry]:
    """Conditioning entries that an object attends to on a frame, in order.

    These are the nearest one in time and those that show the object in the same place of a window of the same size.

    Parameters
    ----------
    conditioning : mapping of int to ConditioningEntry
        All conditioning entries of the object by frame, in order.
    frame : int
        Frame to be computed.
    """
    if len(conditioning) < 2:
        return dict(conditioning)
    nearest = min(conditioning, key=lambda t: (abs(t - frame), t))
    place = conditioning[nearest].memory.place
    return {t: entry for t, entry in conditioning.items() if t == nearest or _same_view(place, entry.memory.place)}


def unbroken(
    entries: Mapping[int, MemoryEntry], prompted: ConditioningEntry, direction: PassDirection
) -> dict[int, MemoryEntry]:
    """Entries of the frames that lead up to a prompted one without a gap or a jump of the object.

    Parameters
    ----------
    entries : mapping of int to MemoryEntry
        Entries by frame.
    prompted : ConditioningEntry
        The prompted frame, from which a pass begins.
    direction : {"forward", "backward"}
        Direction of the pass.
    """
    kept: dict[int, MemoryEntry] = {}
    place, back = prompted.memory.place, step_of(direction)
    for age in range(1, REACH + 1):
        entry = entries.get(prompted.frame - back * age)
        if entry is None or place is None or entry.place is None or not _near(place, entry.place, (0, 0), (0, 0)):
            break
        kept[entry.frame], place = entry, entry.place
    return kept


def _same_view(one: Place | None, other: Place | None) -> bool:
    """Whether two places look the same to the network, each in its window."""
    if one is None or other is None:
        return False
    (*first, side), (*second, other_side) = looked_at(one.window), looked_at(other.window)
    return side == other_side and _near(one, other, first, second)


def _near(one: Place, other: Place, first: Sequence[int], second: Sequence[int]) -> bool:
    """Whether two places are close, each relative to a point; nothing is close to an absent object."""
    if one.extent_yx is None or other.extent_yx is None:
        return False
    apart = max(abs((one.centre_yx[axis] - first[axis]) - (other.centre_yx[axis] - second[axis])) for axis in (0, 1))
    return apart <= NEAR * max(one.size, other.size)
