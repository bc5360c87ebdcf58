"""The values of one DICOM image."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.frames import dicom_codecs
from napari_sam2_video.frames.rescale import Rescale, smallest_type

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_sam2_video.frames.dicom_slices import Slice

PALETTE = "PALETTE COLOR"
_LOOKUP = 0x00283000
_TABLES = [
    _LOOKUP,
    *(0x00281101 + n for n in range(3)),
    *(0x00281201 + n for n in range(3)),
    *(0x00281221 + n for n in range(3)),
]
_DEFLATED = "1.2.840.10008.1.2.1.99"
_PACKED = 12
_EXACT_BITS = 24


def value_type(slices: Sequence[Slice]) -> np.dtype[Any]:
    """Smallest type that holds every value after rescaling."""
    ends = []
    whole, wide = True, False
    for values, slope, intercept in {(part.values, part.slope, part.intercept) for part in slices}:
        whole = whole and values is not None and slope == int(slope) and intercept == int(intercept)
        wide = wide or (values is not None and values[1] - values[0] >= 2**_EXACT_BITS)
        ends += [slope * end + intercept for end in values or ()]
    found = smallest_type(ends) if whole else np.dtype(np.float32)
    return np.dtype(np.float64) if wide and found.kind == "f" else found


def read_values(part: Slice, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Rescaled values of an image, of shape ``(Y, X)`` or ``(Y, X, 3)``.

    Raises
    ------
    Exception
        Of any type, if they cannot be decoded.
    """
    if part.photometric == PALETTE:
        return _coloured(part)
    values = _unpack(part) if part.allocated == _PACKED else _looked_up(part) if part.lookup else _decoded(part)
    if part.tile is not None:
        top, left = part.tile
        values = values[top : top + part.size[0], left : left + part.size[1]]
    return Rescale(part.slope, part.intercept)(values, dtype)


def _decoded(part: Slice, about: Any = None) -> npt.NDArray[Any]:
    """Stored values of one image."""
    utils: Any = importlib.import_module("pydicom.pixels.utils")
    dicom_codecs.register()
    if part.syntax == _DEFLATED:  # pydicom finds the pixels of a deflated file only after unpacking all of it
        pydicom: Any = importlib.import_module("pydicom")
        whole = pydicom.dcmread(part.file, force=True)
        if about is not None:
            about.update(whole)
        return np.asarray(utils.pixel_array(whole, index=part.frame))
    return np.asarray(
        utils.pixel_array(
            part.file, index=part.frame, ds_out=about, specific_tags=_TABLES, transfer_syntax_uid=part.syntax
        )
    )


def _coloured(part: Slice) -> npt.NDArray[np.uint8]:
    """8-bit colours of an image whose values are palette indices."""
    pydicom: Any = importlib.import_module("pydicom")
    processing: Any = importlib.import_module("pydicom.pixels.processing")
    about = pydicom.Dataset()
    values = processing.apply_color_lut(_decoded(part, about), about)
    return np.asarray(values >> 8 if values.dtype == np.uint16 else values, np.uint8)


def _looked_up(part: Slice) -> npt.NDArray[Any]:
    """Values from the modality lookup table."""
    pydicom: Any = importlib.import_module("pydicom")
    processing: Any = importlib.import_module("pydicom.pixels.processing")
    about = pydicom.Dataset()
    return np.asarray(processing.apply_modality_lut(_decoded(part, about), about))


def _unpack(part: Slice) -> npt.NDArray[np.uint16]:
    """Unpack 12-bit values stored as two in three bytes, which pydicom does not read."""
    pydicom: Any = importlib.import_module("pydicom")
    data = np.frombuffer(pydicom.dcmread(part.file, force=True).PixelData, np.uint8)
    count = part.size[0] * part.size[1]
    first = part.frame * count
    pairs = data[first // 2 * 3 : (first + count + 1) // 2 * 3].reshape(-1, 3).astype(np.uint16)
    low, high = pairs[:, 0] | (pairs[:, 1] & 15) << 8, pairs[:, 1] >> 4 | pairs[:, 2] << 4
    values = np.stack([low, high], 1).reshape(-1)[first % 2 :][:count]
    return values.reshape(part.size[:2])
