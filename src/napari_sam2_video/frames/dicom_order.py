"""Where the slices of a DICOM series lie, and in which order they make a volume."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.errors import RecordingError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_SAME_PLACE = 1e-2
_SAME_OF_PIXEL = 0.1
_GAP = 1.5
_UNEVEN = 0.02


@dataclass(frozen=True)
class Slice:
    """One image of a series: its place in mm (left, posterior, superior), its rescaling, and when it was taken.

    `syntax` is how its values are stored where its file does not say it.
    """

    file: Path
    frame: int
    slope: float
    intercept: float
    spacing: tuple[float, float]
    taken: tuple[float, ...]
    position: tuple[float, ...] | None = None
    orientation: tuple[float, ...] | None = None
    frame_seconds: float | None = None
    syntax: str | None = None


@dataclass(frozen=True)
class Arrangement:
    """Slices in the order of a volume, and what that volume is."""

    slices: list[Slice]
    axes: str
    shape: tuple[int, ...]
    scale: dict[str, float]
    units: dict[str, str | None]
    affine: npt.NDArray[np.float64] | None = None
    notes: list[str] = field(default_factory=list)


def slices_of(file: Path, header: Any) -> list[Slice]:
    """Images of one file: one, or as many as a multi-frame file has."""
    count = int(getattr(header, "NumberOfFrames", 1) or 1)
    shared = (getattr(header, "SharedFunctionalGroupsSequence", None) or [None])[0]
    frames = getattr(header, "PerFrameFunctionalGroupsSequence", None) or [None] * count

    def of(frame: int, group: str, name: str) -> Any:
        for part in (frames[frame], shared):
            if part is not None and group in part and name in part[group].value[0]:
                return part[group].value[0][name].value
        return getattr(header, name, None)

    syntax = _unsaid_syntax(header)
    found = []
    for frame in range(count):
        spacing = of(frame, "PixelMeasuresSequence", "PixelSpacing") or getattr(header, "ImagerPixelSpacing", None)
        slope = of(frame, "PixelValueTransformationSequence", "RescaleSlope")
        intercept = of(frame, "PixelValueTransformationSequence", "RescaleIntercept")
        seconds = getattr(header, "FrameTime", None)
        found.append(
            Slice(
                file=file,
                frame=frame,
                slope=float(slope) if slope not in (None, "") else 1.0,
                intercept=float(intercept) if intercept not in (None, "") else 0.0,
                spacing=(float(spacing[0]), float(spacing[1])) if spacing else (1.0, 1.0),
                taken=_taken(header, frame),
                position=_vector(of(frame, "PlanePositionSequence", "ImagePositionPatient"), 3),
                orientation=_vector(of(frame, "PlaneOrientationSequence", "ImageOrientationPatient"), 6),
                frame_seconds=float(seconds) / 1000 if seconds else None,
                syntax=syntax,
            )
        )
    return found


def _unsaid_syntax(header: Any) -> str | None:
    """How the values of a file without a header are stored: as its elements are; None where there is a header."""
    if "TransferSyntaxUID" in header.file_meta:
        return None
    from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

    return ImplicitVRLittleEndian if header.original_encoding[0] else ExplicitVRLittleEndian


def arrange(path: Path, slices: list[Slice], modality: str) -> Arrangement:
    """Put slices in the order in which they lie.

    Raises
    ------
    RecordingError
        If they are of different orientation, or lie on one another without being repetitions of a whole volume.
    """
    scale: dict[str, float] = {"Y": slices[0].spacing[0], "X": slices[0].spacing[1]}
    units: dict[str, str | None] = {"Y": "mm", "X": "mm"} if slices[0].spacing != (1.0, 1.0) else {}
    if any(part.position is None or part.orientation is None for part in slices):
        ordered = sorted(slices, key=lambda part: part.taken)
        letter = "Z" if modality in ("CT", "MR", "PT", "NM") else "T"
        notes = [f"The files do not say where the {len(slices)} images lie: they are in the order of their numbers."]
        if letter == "T" and slices[0].frame_seconds:
            scale["T"], units["T"] = slices[0].frame_seconds, "s"
        return Arrangement(ordered, letter, (len(ordered),), scale, units, None, notes if len(slices) > 1 else [])
    directions = np.array([part.orientation for part in slices], np.float64)
    turned = np.flatnonzero(np.abs(directions - directions[0]).max(1) > 1e-3)
    if len(turned):
        raise RecordingError(
            f"{slices[turned[0]].file} is tilted against {slices[0].file.name} of the same series; put images of one "
            "direction into a folder of their own."
        )
    along_row, along_column = directions[0, :3], directions[0, 3:]
    normal = np.cross(along_row, along_column)
    heights = np.array([part.position for part in slices], np.float64) @ normal
    if not np.isfinite(heights).all():
        raise ValueError("the place of an image is not a number")
    same_place = min(_SAME_PLACE, _SAME_OF_PIXEL * min(slices[0].spacing))
    upward = np.argsort(heights, kind="stable")
    place = np.zeros(len(slices), np.intp)
    place[upward[1:]] = np.cumsum(np.diff(heights[upward]) > same_place)
    order = sorted(range(len(slices)), key=lambda n: (place[n], slices[n].taken))
    heights, slices = heights[order], [slices[n] for n in order]
    starts = np.flatnonzero(np.diff(place[order], prepend=-1))
    repeats = np.diff([*starts, len(slices)])
    if len(set(repeats)) > 1:
        odd = slices[int(starts[np.argmax(repeats != np.bincount(repeats).argmax())])]
        raise RecordingError(
            f"{odd.file} lies where other images of {path} lie, and not all places were imaged equally often; put each "
            "pass into a folder of its own."
        )
    notes = _spacing_notes(slices, heights, starts)
    step = float(np.median(np.diff(heights[starts]))) if len(starts) > 1 else 1.0
    times = int(repeats[0])
    if times > 1:
        slices = [slices[start + time] for time in range(times) for start in starts]
    scale["Z"], units["Z"] = step, "mm"
    places = [np.array(part.position, np.float64) for part in (slices[0], slices[len(starts) - 1])]
    per_slice = (places[1] - places[0]) / (len(starts) - 1) if len(starts) > 1 else normal * step
    affine = np.eye(4)
    affine[:3, 0] = along_row * scale["X"]
    affine[:3, 1] = along_column * scale["Y"]
    affine[:3, 2] = per_slice
    affine[:3, 3] = places[0]
    axes, shape = ("TZ", (times, len(starts))) if times > 1 else ("Z", (len(starts),))
    return Arrangement(slices, axes, shape, scale, units, LPS_TO_RAS @ affine, notes)


def _spacing_notes(slices: list[Slice], heights: npt.NDArray[np.float64], starts: npt.NDArray[np.intp]) -> list[str]:
    steps = np.diff(heights[starts])
    if not len(steps):
        return []
    usual = float(np.median(steps))
    holes = np.flatnonzero(steps > _GAP * usual)
    if len(holes):
        before, after = (slices[int(starts[holes[0] + side])] for side in (0, 1))
        more = f", and {len(holes) - 1} more" if len(holes) > 1 else ""
        return [
            f"Slices are missing between {before.file.name} and {after.file.name} ({steps[holes[0]]:.4g} mm apart, "
            f"where {usual:.4g} mm is usual){more}; the others are used as they are."
        ]
    if np.ptp(steps) > _UNEVEN * usual:
        return [f"The slices are {steps.min():.4g} to {steps.max():.4g} mm apart: sizes along Z are approximate."]
    return []


def _taken(header: Any, frame: int) -> tuple[float, ...]:
    names = ("TemporalPositionIdentifier", "TriggerTime", "AcquisitionNumber", "AcquisitionTime", "InstanceNumber")
    return (*(_number(getattr(header, name, None)) for name in names), float(frame))


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return 0.0


def _vector(values: Any, length: int) -> tuple[float, ...] | None:
    return tuple(float(value) for value in values) if values is not None and len(values) == length else None
