"""Read masks and label images in all their usual forms: palettes, colours, transparency, 0 and 255, floats, NaN."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.errors import RecordingError
from napari_sam2_video.frames import orientation
from napari_sam2_video.frames.reader import HEAD_BYTES
from napari_sam2_video.frames.tiff import is_tiff, open_tiff

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

_MOST_COLOURS = 4096
_HALF = 128
_LARGEST = 1 << 53


def read_mask(path: Path) -> npt.NDArray[np.bool_]:
    """Read a mask from an image file with one plane.

    The object is every pixel that is not 0, not NaN and not fully transparent. In a JPEG, where zeros are inexact, it
    is every pixel of at least half the range.

    Returns
    -------
    ndarray of bool, shape (Y, X)

    Raises
    ------
    RecordingError
        If the file cannot be read, holds several planes, or its mask covers the whole image.
    """
    values, lossy = _numbers(path)
    if values.ndim == 3:
        values, visible = _without_alpha(values)
    else:
        visible = np.ones(values.shape, bool)
    drawn = np.asarray(values >= _HALF if lossy else (values != 0) & (values == values))
    drawn = np.asarray(drawn.any(axis=-1)) if drawn.ndim == 3 else drawn
    if not visible.all() and drawn[visible].any() == drawn[visible].all():
        drawn = visible
    mask = np.asarray(drawn & visible)
    if mask.all():
        raise RecordingError(
            f"The mask {path} covers every pixel: give the object a number above 0 and the background 0, or make it "
            "transparent."
        )
    return mask


def read_labels(path: Path) -> npt.NDArray[Any]:
    """Read a label image from an image file with one plane.

    Floating-point values must be whole numbers; NaN is 0. If the file has colours, each is a label, numbered in the
    order of red, green and blue; black and transparent are 0.

    Returns
    -------
    ndarray of integers, shape (Y, X)

    Raises
    ------
    RecordingError
        If the file cannot be read, holds several planes, or holds values that are not whole numbers.
    """
    values, lossy = _numbers(path)
    if lossy:
        raise RecordingError(f"{path} is a JPEG, which changes the numbers of labels; save the labels as PNG or TIFF.")
    if values.ndim == 3:
        colours, visible = _without_alpha(values)
        same = (colours == colours[..., :1]).all()
        values = np.where(visible, colours[..., 0] if same else _numbered(path, colours), 0)
    return whole_numbers(values, str(path))


def single_plane(path: Path) -> bool:
    """Whether a file is a single image, which `read_labels` reads with its palette, colours and transparency."""
    return _picture(path) is not None


class PaletteLabels:
    """Label images of one plane each whose colours are a palette, for a `frames.file_stack.FileStack`."""

    axes = "YX"

    def __init__(self, first: Path) -> None:
        labels = read_labels(first)
        self.shape, self.dtype = labels.shape, labels.dtype

    @staticmethod
    def fits(file: Path) -> bool:
        """Whether a file is an image with a palette, or of grey values, and not of colours."""
        found = _picture(file)
        return found is not None and found[0].ndim == 2

    def check(self, file: Path) -> tuple[str, ...]:
        """See `FileContents`."""
        return ()

    def plane(self, file: Path, place: int, rows: slice) -> npt.NDArray[Any]:
        """See `FileContents`."""
        return read_labels(file)[rows]

    def close(self) -> None:
        """See `FileContents`."""


def whole_numbers(values: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
    """Labels as integers, from integers, booleans, or floats that are whole numbers; NaN is 0.

    Raises
    ------
    RecordingError
        If they are not whole numbers; the message starts with `name`.
    """
    if values.dtype.kind == "f":
        filled = np.where(np.isnan(values), 0, values)
        odd = filled[(filled != np.round(filled)) | (np.abs(filled) > _LARGEST)]
        if len(odd):
            raise RecordingError(f"{name} holds the value {odd[0]:g}, but labels must be whole numbers; convert it.")
        return filled.astype(np.int64)
    if values.dtype.kind not in "uib":
        raise RecordingError(
            f"{name} holds values of type {values.dtype}, but labels must be whole numbers; convert it."
        )
    return values.astype(np.uint8) if values.dtype.kind == "b" else values


def _numbered(path: Path, colours: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """A number for each colour, 0 for black."""
    found, places = np.unique(colours.reshape(-1, colours.shape[-1]), axis=0, return_inverse=True)
    if len(found) > _MOST_COLOURS:
        raise RecordingError(f"{path} is an image with {len(found)} colours, not a label image; choose another file.")
    numbers = np.cumsum(found.any(axis=-1)) * found.any(axis=-1)
    return np.asarray(numbers[places.reshape(colours.shape[:-1])], np.int64)


def _without_alpha(values: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    """Colours of shape (Y, X, 1 or 3), and which pixels can be seen."""
    if values.shape[-1] in (2, 4):
        return values[..., :-1], np.asarray(values[..., -1] != 0)
    return values, np.ones(values.shape[:2], bool)


def _numbers(path: Path) -> tuple[npt.NDArray[Any], bool]:
    """Stored values of shape (Y, X), or (Y, X, 2 to 4) for colours, and whether compression makes them inexact."""
    from napari_sam2_video.frames.open import open_recording

    with path.open("rb") as file:
        tiff = is_tiff(file.read(HEAD_BYTES))
    if not tiff:
        found = _picture(path)
        if found is not None:
            return found
    with open_tiff(path, numbers=True) if tiff else open_recording(path) as recording:
        recording.ensure_frames()
        pixels = recording.read({})
        axes = recording.axes
    spare = tuple(n for n, letter in enumerate(axes) if letter not in "CYXS" and pixels.shape[n] == 1)
    pixels = pixels.squeeze(spare)
    axes = "".join(letter for n, letter in enumerate(axes) if n not in spare)
    if "C" in axes and set(axes) == set("CYX") and pixels.shape[axes.index("C")] <= 4:
        pixels, axes = np.moveaxis(pixels, axes.index("C"), -1), axes.replace("C", "") + "C"
        pixels = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
    if axes not in ("YX", "YXS", "YXC"):
        raise RecordingError(f"{path} has the shape {pixels.shape} where an image of one plane was expected.")
    return pixels, False


def _picture(path: Path) -> tuple[npt.NDArray[Any], bool] | None:
    """Values of a file that Pillow reads as one image (palette indices, not colours); None for other files."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            if getattr(image, "n_frames", 1) != 1 or image.mode in ("CMYK", "YCbCr"):
                return None
            turned = orientation.valid(image.getexif().get(orientation.TAG))
            clear = "transparency" in image.info and image.mode in ("L", "RGB")
            values = np.asarray(image.convert({"L": "LA", "RGB": "RGBA"}[image.mode]) if clear else image)
            return orientation.upright(values, turned), image.format == "JPEG"
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError):
        return None
