"""The images of one DICOM file: their positions, pixel sizes, value rescaling and times."""

from __future__ import annotations

import importlib
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from napari_sam2_video.errors import RecordingError
from napari_sam2_video.frames.dicom_header import PASSES, FrameHeader, frame_count, pair, transfer_syntax, vector

if TYPE_CHECKING:
    from pathlib import Path

_Place: TypeAlias = "tuple[tuple[float, ...] | None, tuple[float, ...] | None]"
_CM, _FLAT = 3, 1
_ITEM = 8
_MOST_BITS = 64
_WHOLE_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"


@dataclass(frozen=True)
class Slice:
    """One image of a series.

    Parameters
    ----------
    file, frame
        Where its values are: a file, and the index of the image in it.
    size : tuple of int
        Rows, columns and samples of a pixel.
    values : tuple of float, optional
        Lowest and highest value that can be stored; None for real numbers.
    slope, intercept : float
        Rescaling of stored values.
    spacing : tuple of float, optional
        Spacing of rows and of columns in mm; None if unknown.
    taken : tuple of float
        Order in which the images were taken.
    kind : tuple of str
        Type, echo time and segment: what distinguishes images at one position other than their time.
    passes : tuple of float
        Numbers that count passes over a volume; NaN where missing.
    moments : tuple of float
        Seconds, one for each clock that a file may have; NaN where missing.
    position, orientation : tuple of float, optional
        Centre of the first pixel in mm (left, posterior, superior); directions along a row and along a column, which
        are never known without the position.
    aspect : tuple of float, optional
        Height and width of a pixel without a unit, if only their ratio is known.
    step : float, optional
        Distance to the next slice in mm, as stated in the file.
    syntax : str
        Transfer syntax, which is how the values are encoded.
    photometric, allocated : str and int
        Photometric interpretation (``PALETTE COLOR``: palette indices), and bits per value.
    lookup : bool
        Whether stored values are indices into a lookup table in the file.
    tile : tuple of int, optional
        Row and column of the first pixel, for an image that is part of a mosaic.
    """

    file: Path
    frame: int
    size: tuple[int, int, int]
    values: tuple[float, float] | None
    slope: float
    intercept: float
    spacing: tuple[float, float] | None
    taken: tuple[float, ...]
    kind: tuple[str, ...]
    passes: tuple[float, ...]
    moments: tuple[float, ...]
    syntax: str
    photometric: str
    allocated: int
    position: tuple[float, ...] | None = None
    orientation: tuple[float, ...] | None = None
    step: float | None = None
    aspect: tuple[float, float] | None = None
    lookup: bool = False
    tile: tuple[int, int] | None = None


def slices_of(file: Path, header: Any) -> list[Slice]:
    """Images of one file: one, or all of a multi-frame file or mosaic.

    Raises
    ------
    RecordingError
        If it is a whole-slide image.
    Exception
        Of any other type, if the header is damaged.
    """
    if str(header.get("SOPClassUID", "")) == _WHOLE_SLIDE:
        raise RecordingError(f"{file} is a whole-slide image, which is stored in tiles; export the region of interest.")
    count = frame_count(header)
    size = int(header.Rows or 0), int(header.Columns or 0), int(header.get("SamplesPerPixel") or 1)
    if min(size) < 1 or count < 1 or size[2] not in (1, 3):
        raise ValueError(f"its images are {size[0]} × {size[1]} with {size[2]} samples")
    if count > _most_images(file, header, size):
        raise ValueError(f"it declares {count} images, many more than it has room for")
    common: dict[str, Any] = {}
    places = _places(header, count, common)
    first = _image(file, header, 0, size, places[0], common)
    if hasattr(header, "whole") and (cut := _mosaic(header.whole)) is not None:
        return list(cut(first))
    if not header.get("PerFrameFunctionalGroupsSequence"):
        return [
            replace(
                first, frame=frame, taken=(*first.taken[:-1], float(frame)), position=place[0], orientation=place[1]
            )
            for frame, place in enumerate(places)
        ]
    rest = (_image(file, header, frame, size, places[frame], common) for frame in range(1, count))
    return [first, *rest]


def _most_images(file: Path, header: Any, size: tuple[int, int, int]) -> int:
    """Largest plausible number of images: twice as many as fit in the file, because its end may be missing."""
    fitting = images_in(header, size)
    return file.stat().st_size // _ITEM if fitting is None else 2 * fitting + _ITEM


def images_in(header: Any, size: tuple[int, int, int]) -> int | None:
    """How many images fit in the file after the header; None if they are compressed."""
    syntax = importlib.import_module("pydicom.uid").UID(transfer_syntax(header))
    if syntax.is_private or not syntax.is_transfer_syntax or syntax.is_compressed or syntax.is_deflated:
        return None
    return int(8 * header.pixel_bytes // (math.prod(size) * int(header.get("BitsAllocated") or 8)))


def _image(
    file: Path, header: Any, frame: int, size: tuple[int, int, int], place: _Place, common: dict[str, Any]
) -> Slice:
    about = FrameHeader(header, frame, common)
    slope, intercept = about.number("RescaleSlope", 1.0), about.number("RescaleIntercept", 0.0)
    if header.get("DoseGridScaling") not in (None, ""):
        slope = float(header.DoseGridScaling)
    if not math.isfinite(slope) or not math.isfinite(intercept):
        raise ValueError("its rescale values are not numbers")
    position, orientation = place
    lookup = bool(header.get("ModalityLUTSequence"))
    return Slice(
        file=file,
        frame=frame,
        size=size,
        values=_table_range(header) if lookup else _stored_range(header),
        slope=1.0 if lookup else slope,
        intercept=0.0 if lookup else intercept,
        spacing=_spacing(about),
        taken=(*(about.number(name, 0.0) for name in (*PASSES, "AcquisitionTime", "InstanceNumber")), float(frame)),
        kind=about.kind(),
        passes=tuple(about.number(name, math.nan) for name in PASSES),
        moments=about.moments(),
        syntax=transfer_syntax(header),
        photometric=str(header.get("PhotometricInterpretation", "")),
        allocated=int(header.get("BitsAllocated") or 0),
        position=position,
        orientation=orientation,
        step=abs(about.number("SpacingBetweenSlices", 0.0)) or None,
        aspect=pair(about.get("PixelAspectRatio")),
        lookup=lookup,
    )


def _stored_range(header: Any) -> tuple[float, float] | None:
    bits = int(header.get("BitsStored") or 0)
    if bits == 0:  # only floating-point images omit it
        return None
    if not 1 <= bits <= _MOST_BITS:
        raise ValueError(f"its values have {bits} bits")
    signed = bool(int(header.get("PixelRepresentation") or 0))
    return (-(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1) if signed else (0.0, 2.0**bits - 1)


def _table_range(header: Any) -> tuple[float, float]:
    return 0.0, 2.0 ** int(header.ModalityLUTSequence[0].LUTDescriptor[2]) - 1


def _spacing(about: FrameHeader) -> tuple[float, float] | None:
    """Spacing of rows and columns in mm: in the body, in ultrasound, at the detector, or of scanned film."""
    for name in ("PixelSpacing", "", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        found = pair(about.get(name) if name else _ultrasound_spacing(about.header))
        if found is not None:
            enlarged = about.number("EstimatedRadiographicMagnificationFactor", 1.0) or 1.0
            factor = enlarged if name == "ImagerPixelSpacing" else 1.0
            return found[0] / factor, found[1] / factor
    return None


def _ultrasound_spacing(header: Any) -> tuple[float, ...] | None:
    """Size of a pixel in mm if all regions of two-dimensional ultrasound agree on it."""
    sizes = {
        (abs(float(region.PhysicalDeltaY)) * 10, abs(float(region.PhysicalDeltaX)) * 10)
        for region in header.get("SequenceOfUltrasoundRegions") or ()
        if region.get("RegionSpatialFormat") == _FLAT
        and region.get("PhysicalUnitsXDirection") == region.get("PhysicalUnitsYDirection") == _CM
    }
    return sizes.pop() if len(sizes) == 1 else None


def _places(header: Any, count: int, common: dict[str, Any]) -> list[_Place]:
    """Position and orientation of every image of a file."""
    places = []
    for frame in range(count):
        about = FrameHeader(header, frame, common)
        for system in ("Patient", "Volume"):
            position = vector(about.get(f"ImagePosition{system}"), 3)
            orientation = vector(about.get(f"ImageOrientation{system}"), 6)
            if position is not None:
                break
        if position is not None and not np.isfinite([*position, *(orientation or ())]).all():
            raise ValueError("the position of an image is not a number")
        places.append((position, orientation if position is not None else None))
    if count > 1 and all(places[0] == place for place in places):
        first, steps = places[0], _frame_steps(header, count)
        if first[0] is None and header.get("DetectorInformationSequence"):
            detector = header.DetectorInformationSequence[0]
            first = (
                vector(detector.get("ImagePositionPatient"), 3),
                vector(detector.get("ImageOrientationPatient"), 6),
            )
        if first[0] is None or first[1] is None or steps is None:
            return places
        start, direction = np.array(first[0]), np.cross(first[1][:3], first[1][3:])
        return [(tuple((start + step * direction).tolist()), first[1]) for step in steps]
    return places


def _frame_steps(header: Any, count: int) -> list[float] | None:
    """Distance in mm of each image of a dose grid or nuclear tomogram from the first; None if unknown."""
    offsets = vector(header.get("GridFrameOffsetVector"), count)
    if offsets is not None:  # from the first plane, or absolute along z
        return [offset - offsets[0] for offset in offsets]
    numbers = vector(header.get("SliceVector"), count)
    if numbers is not None and header.get("SpacingBetweenSlices"):
        return [(number - numbers[0]) * float(header.SpacingBetweenSlices) for number in numbers]
    return None


def _mosaic(header: Any) -> Any:
    """A function that cuts a Siemens mosaic (one volume in one image) into its slices; None for other images.

    Raises
    ------
    ValueError
        If the image cannot be cut into equal tiles.
    """
    try:
        wrapper = importlib.import_module("nibabel.nicom.dicomwrappers").wrapper_from_data(header)
        rows, columns, count = (int(n) for n in wrapper.image_shape)
        first, normal, step = wrapper.image_position, wrapper.slice_normal, float(wrapper.voxel_sizes[2])
        across = int(wrapper.mosaic_size)
    except Exception:
        return None
    if (rows * across, columns * across) != (int(header.Rows), int(header.Columns)):
        raise ValueError(f"its mosaic of {count} slices does not divide into {across} × {across} equal tiles")
    starts = [(n // across * rows, n % across * columns) for n in range(count)]

    def cut(image: Slice) -> list[Slice]:
        return [
            replace(
                image,
                size=(rows, columns, 1),
                tile=start,
                position=tuple(float(part) for part in first + normal * step * number),
                taken=(*image.taken, float(number)),
            )
            for number, start in enumerate(starts)
        ]

    return cut
