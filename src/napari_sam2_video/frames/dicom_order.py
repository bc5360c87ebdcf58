"""Order the slices of a DICOM series into a volume, or volumes over time."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.frames.times import UNKNOWN, FrameTimes, frame_times

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt

    from napari_sam2_video.frames.dicom_slices import Slice

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_SAME_PLACE = 1e-2
_SAME_OF_PIXEL = 0.1
_SAME_DIRECTION = 1e-3
_SAME_SIZE = 0.01
_GAP = 1.5
_UNEVEN = 0.02
_SLANTED = math.tan(math.radians(0.5))


@dataclass(frozen=True)
class SliceOrder:
    """Slices in the order of a recording, and its geometry; None where a time point lacks a slice.

    `scale` is in mm and seconds, None where unknown; `affine` maps (column, row, slice) to the world in mm, with axes
    right, anterior and superior.
    """

    slices: list[Slice | None]
    axes: str
    shape: tuple[int, ...]
    scale: dict[str, float | None]
    times: npt.NDArray[np.float64] | None = None
    affine: npt.NDArray[np.float64] | None = None
    notes: list[str] = field(default_factory=list)


def by_direction(slices: Sequence[Slice]) -> list[list[Slice]]:
    """Group slices that are parallel and have pixels of one size; those of unknown direction are a group, too."""
    groups: list[list[Slice]] = []
    for part in slices:
        for group in groups:
            if _parallel(part, group[0]):
                group.append(part)
                break
        else:
            groups.append([part])
    return groups


def _parallel(part: Slice, other: Slice) -> bool:
    if not np.allclose(part.spacing or (0, 0), other.spacing or (0, 0), rtol=_SAME_SIZE, atol=0):
        return False
    if part.orientation is None or other.orientation is None:
        return part.orientation is other.orientation
    return bool(np.abs(np.subtract(part.orientation, other.orientation)).max() <= _SAME_DIRECTION)


def places(slices: Sequence[Slice]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float64]]:
    """Index of each slice's position along the common normal, counted upward, and the height of each position in mm."""
    along = np.array(slices[0].orientation, np.float64).reshape(2, 3)
    heights = np.array([part.position for part in slices], np.float64) @ np.cross(*along)
    near = min(_SAME_PLACE, _SAME_OF_PIXEL * min(slices[0].spacing or (1.0, 1.0)))
    upward = np.argsort(heights, kind="stable")
    starts = np.diff(heights[upward], prepend=-np.inf) > near
    numbers = np.empty(len(slices), np.intp)
    numbers[upward] = np.cumsum(starts) - 1
    return numbers, heights[upward][starts]


def by_kind(slices: Sequence[Slice]) -> list[list[Slice]]:
    """Separate images that differ in type, echo or segment at one position; keep others together.

    Mosaics at other positions than the first are separated, too.
    """
    if slices[0].orientation is None:
        return [list(slices)]
    numbers = places(slices)[0].tolist()
    if len(set(numbers)) == len(slices):
        return [list(slices)]
    covered: dict[Path, list[int]] = {}
    for number, part in zip(numbers, slices, strict=True):
        covered.setdefault(part.file, []).append(number if part.tile else -1)
    kinds: dict[Any, list[Slice]] = {}
    for part in slices:
        kinds.setdefault((part.kind, tuple(covered[part.file]) if part.tile else None), []).append(part)
    return list(kinds.values())


def arrange(slices: Sequence[Slice], letter: str, clip: FrameTimes = UNKNOWN) -> SliceOrder:
    """Put parallel slices in spatial order.

    Parameters
    ----------
    slices : sequence of Slice
        Slices of one direction.
    letter : str
        Axis of images that do not state their position.
    clip : FrameTimes
        When the images were taken, if the file has them in this order.
    """
    spacing = slices[0].spacing or slices[0].aspect or (None, None)
    scale: dict[str, float | None] = {"Y": spacing[0], "X": spacing[1]}
    if slices[0].orientation is None:
        return _unplaced(slices, letter, clip, scale)
    numbers, heights = places(slices)
    volumes, notes = _volumes(slices, numbers, len(heights))
    first = volumes[0]
    notes += _spacing_notes(first, heights)
    step = float(np.median(np.diff(heights))) if len(heights) > 1 else slices[0].step
    affine, slant = _affine(first, scale, step)
    notes += slant
    times = _times(volumes) if len(volumes) > 1 else UNKNOWN
    if len(volumes) > 1 and len(heights) == 1 and times.interval is None and len(volumes) == len(slices):
        times = clip
    axes, shape = ("TZ", (len(volumes), len(heights))) if len(volumes) > 1 else ("Z", (len(heights),))
    scale |= {"Z": step, "T": times.interval}
    return SliceOrder(
        [part for volume in volumes for part in volume], axes, shape, scale, times.times, LPS_TO_RAS @ affine, notes
    )


def _unplaced(slices: Sequence[Slice], letter: str, clip: FrameTimes, scale: dict[str, float | None]) -> SliceOrder:
    ordered = sorted(slices, key=lambda part: part.taken)
    one_file = len({part.file for part in slices}) == 1
    times = clip if one_file else UNKNOWN
    if times.interval is None:
        times = _times([[part] for part in ordered])
    step = _step(ordered)
    if step is not None:
        letter, times = "Z", UNKNOWN
        scale["Z"] = step
    elif letter == "T":
        scale["T"] = times.interval
    else:
        scale[letter], times = slices[0].step, UNKNOWN
    note = f"The files do not give the positions of the {len(slices)} images: they are ordered by their numbers."
    notes = [] if one_file else [note]
    return SliceOrder([*ordered], letter, (len(ordered),), scale, times.times, None, notes)


def _step(slices: Sequence[Slice]) -> float | None:
    """Spacing in mm of slices that lie on a straight line in any direction; None for others."""
    places = [part.position for part in slices if part.position is not None]
    if len(places) < max(2, len(slices)):
        return None
    steps = np.diff(np.array(places, np.float64), axis=0)
    lengths = np.linalg.norm(steps, axis=1)
    straight = lengths.min() > 0 and (steps @ steps[0] > (1 - _SAME_SIZE) * lengths * lengths[0]).all()
    return float(np.median(lengths)) if straight else None


def _volumes(
    slices: Sequence[Slice], numbers: npt.NDArray[np.intp], count: int
) -> tuple[list[list[Slice | None]], list[str]]:
    """Slices of each time by position, and notes about missing and surplus ones."""
    repeats = np.bincount(numbers, minlength=count)
    for counted in range(len(slices[0].passes) if repeats.max() > 1 else 0):
        found = _by_number(slices, numbers, counted, count, int(repeats.max()))
        if found is not None:
            return found
    order = sorted(range(len(slices)), key=lambda n: (numbers[n], slices[n].taken))
    columns: list[list[Slice]] = [[] for _ in range(count)]
    for n in order:
        columns[numbers[n]].append(slices[n])
    passes = int(repeats.min())
    extra = [part for column in columns for part in column[passes:]]
    volumes: list[list[Slice | None]] = [[column[time] for column in columns] for time in range(passes)]
    if not extra:
        return volumes, []
    note = f"{len(extra)} images repeat the positions of others, but not all of them, and are left out"
    return volumes, [f"{note}, such as {extra[0].file.name}."]


def _by_number(
    slices: Sequence[Slice], numbers: npt.NDArray[np.intp], counted: int, count: int, times: int
) -> tuple[list[list[Slice | None]], list[str]] | None:
    """Volumes by a number with which the files count passes; None if it does not distinguish passes."""
    values = [part.passes[counted] for part in slices]
    if any(math.isnan(value) for value in values):
        return None
    passes = sorted(set(values))
    if len(passes) != times or len(set(zip(values, numbers.tolist(), strict=True))) != len(slices):
        return None
    volumes: dict[float, list[Slice | None]] = {value: [None] * count for value in passes}
    for value, number, part in zip(values, numbers, slices, strict=True):
        volumes[value][number] = part
    whole = {value: volume for value, volume in volumes.items() if volume.count(None) * 2 < count}
    if not whole:
        return None
    notes = []
    if len(whole) < len(volumes):
        notes.append(f"{len(volumes) - len(whole)} of {len(volumes)} passes lack most slices and are left out.")
    holes = Counter({time: volume.count(None) for time, volume in enumerate(whole.values())})
    if holes.total():
        time = next(time for time, missing in holes.items() if missing)
        notes.append(
            f"{holes.total()} slices are missing, the first at time {time}; the others keep their positions and times."
        )
    return [*whole.values()], notes


def _times(volumes: Sequence[Sequence[Slice | None]]) -> FrameTimes:
    """When the volumes were acquired, by the first clock that differs between all of them."""
    moments = np.array(
        [np.min([part.moments for part in volume if part is not None], axis=0) for volume in volumes], np.float64
    )
    for clock in moments.T:
        times = frame_times(clock)
        if times.interval is not None:
            return times
    return UNKNOWN


def _affine(
    volume: Sequence[Slice | None], scale: dict[str, float | None], step: float | None
) -> tuple[npt.NDArray[np.float64], list[str]]:
    """Affine to DICOM's patient coordinates, and a note if the slices are not stacked along their normal."""
    placed = [(number, part) for number, part in enumerate(volume) if part is not None]
    (low, first), (high, last) = placed[0], placed[-1]
    along = np.array(first.orientation, np.float64).reshape(2, 3)
    start, end = (np.array(part.position, np.float64) for part in (first, last))
    normal = np.cross(*along)
    per_slice = (end - start) / (high - low) if high > low else normal * (step or 1.0)
    if step is not None:
        per_slice *= step / abs(float(per_slice @ normal))
    affine = np.eye(4)
    affine[:3, 0] = along[0] * (scale["X"] or 1.0)
    affine[:3, 1] = along[1] * (scale["Y"] or 1.0)
    affine[:3, 2] = per_slice
    affine[:3, 3] = start - low * per_slice
    aside = float(np.linalg.norm(per_slice - (per_slice @ normal) * normal))
    if aside <= _SLANTED * abs(float(per_slice @ normal)):
        return affine, []
    angle = math.degrees(math.atan2(aside, abs(float(per_slice @ normal))))
    return affine, [f"The slices are sheared, as by a gantry tilted by {angle:.1f}°."]


def _spacing_notes(volume: Sequence[Slice | None], heights: npt.NDArray[np.float64]) -> list[str]:
    steps = np.diff(heights)
    if not len(steps):
        return []
    usual = float(np.median(steps))
    holes = np.flatnonzero(steps > _GAP * usual)
    if len(holes):
        before, after = (
            "a missing slice" if part is None else part.file.name for part in volume[holes[0] : holes[0] + 2]
        )
        more = f", and {len(holes) - 1} more" if len(holes) > 1 else ""
        return [
            f"Slices are missing between {before} and {after} ({steps[holes[0]]:.4g} mm apart, "
            f"where {usual:.4g} mm is usual){more}; the others are used unchanged."
        ]
    if np.ptp(steps) > _UNEVEN * usual:
        return [f"The slices are {steps.min():.4g} to {steps.max():.4g} mm apart: sizes along Z are approximate."]
    return []
