"""Single images: their properties from the header, and their pixels without loss."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.errors import RecordingError
from napari_sam2_video.frames import orientation
from napari_sam2_video.frames.alpha import NOTE, on_white
from napari_sam2_video.frames.array import ArrayRecording
from napari_sam2_video.frames.reader import Reader

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from napari_sam2_video.frames.recording import Recording

SUFFIXES = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
    ".webp": "WebP",
    ".jp2": "JPEG 2000",
    ".pgm": "PNM",
    ".ppm": "PNM",
    ".pnm": "PNM",
    ".tga": "TGA",
}
"""File name extensions of images, and the name of each format."""

_GREY = {"1": "u1", "L": "u1", "LA": "u1", "I;16": "u2", "I;16B": "u2", "I;16L": "u2", "I": "i4", "F": "f4"}
_COLOUR = ("RGB", "RGBA", "P", "PA", "YCbCr", "CMYK", "HSV")
_CLEAR = {"L": "LA", "1": "LA", "P": "RGBA", "PA": "RGBA", "RGB": "RGBA"}
_DEEP_PNG = {2: 3, 4: 2, 6: 4}


@dataclass(frozen=True)
class ImageKind:
    """Shape, ``(Y, X)`` or ``(Y, X, 3)``, and dtype of an image; how it is stored does not count when comparing.

    Parameters
    ----------
    shape : tuple of int
        Shape of the upright image.
    dtype : dtype
        Type of the values.
    alpha : bool
        Whether it has transparency, which becomes white.
    deep : bool
        Whether it is a PNG of 16-bit colours.
    orientation : int
        EXIF orientation.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    alpha: bool = field(default=False, compare=False)
    deep: bool = field(default=False, compare=False)
    orientation: int = field(default=orientation.UPRIGHT, compare=False)

    def __str__(self) -> str:
        colour = " RGB" if len(self.shape) == 3 else ""
        return f"{self.shape[0]} × {self.shape[1]}{colour} {self.dtype}"

    def notes(self) -> tuple[str, ...]:
        """Notes about how the stored image is changed."""
        found = (NOTE,) if self.alpha else ()
        return found if self.orientation == orientation.UPRIGHT else (*found, TURNED)


TURNED = "Images are rotated upright, following their EXIF orientation."


def is_image(head: bytes) -> bool:
    """Whether a file that begins with `head` is a still image other than TIFF."""
    return (
        head[:8] == b"\x89PNG\r\n\x1a\n"
        or head[:3] == b"\xff\xd8\xff"
        or (head[:2] == b"BM" and head[6:10] == b"\0\0\0\0")
        or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")
    )


def probe_image(path: Path) -> ImageKind:
    """Read the header.

    Raises
    ------
    RecordingError
        If the file is not an image of a supported kind.
    """
    from PIL import Image

    try:
        with path.open("rb") as file:
            head = file.read(26)
            file.seek(0)
            with Image.open(file) as image:
                mode, size = image.mode, image.size
                clear = "transparency" in image.info
                # Otherwise Pillow decodes the whole image to look for it.
                known = image.format != "PNG" or "exif" in image.info
                turned = orientation.valid(image.getexif().get(orientation.TAG) if known else None)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise RecordingError(f"{path} cannot be read as an image; remove it or write it again.") from error
    shape_yx = size if orientation.swaps(turned) else size[::-1]
    if head[:8] == b"\x89PNG\r\n\x1a\n" and head[24] == 16 and head[25] in _DEEP_PNG:
        samples = _DEEP_PNG[head[25]]
        shape = shape_yx if samples == 2 else (*shape_yx, 3)
        return ImageKind(shape, np.dtype("u2"), alpha=samples in (2, 4), deep=True, orientation=turned)
    alpha = mode in ("LA", "PA", "RGBA") or (clear and mode in _CLEAR)
    if mode in _GREY:
        return ImageKind(shape_yx, np.dtype(_GREY[mode]), alpha=alpha, orientation=turned)
    if mode in _COLOUR:
        return ImageKind((*shape_yx, 3), np.dtype("u1"), alpha=alpha, orientation=turned)
    raise RecordingError(f"{path} has pixels of mode {mode}; save it as grey or RGB.")


def read_image(path: Path, expected: ImageKind) -> npt.NDArray[Any]:
    """Pixels of an image, upright, its transparent parts on white.

    Returns
    -------
    ndarray
        With the shape and dtype of `expected`.

    Raises
    ------
    RecordingError
        If the image is damaged, or differs from `expected`.
    """
    from PIL import Image

    kind = probe_image(path)
    if kind != expected:
        raise RecordingError(
            f"{path} is {kind}, but other images in the folder are {expected}; use only images of one size and type."
        )
    try:
        if kind.deep:
            values = _deep_png(path)
        else:
            with path.open("rb") as file, Image.open(file) as image:
                values = np.array(image.convert(wanted) if (wanted := _mode(image.mode, kind)) else image)
    except (OSError, ValueError, SyntaxError) as error:
        raise RecordingError(f"{path} is damaged and cannot be read; write or copy it again.") from error
    if kind.alpha:
        values = on_white(values)
    return orientation.upright(values.astype(kind.dtype, copy=False), kind.orientation)


def _mode(mode: str, kind: ImageKind) -> str | None:
    """Pillow mode to convert an image of `mode` to; None to keep it."""
    if kind.alpha:
        return _CLEAR.get(mode)
    if len(kind.shape) == 3:
        return None if mode == "RGB" else "RGB"
    return "L" if mode == "1" else None


def _deep_png(path: Path) -> npt.NDArray[np.uint16]:
    try:
        import imagecodecs
    except ImportError as error:
        raise RecordingError(
            f"{path} is a 16-bit colour PNG; install the package imagecodecs to read it without loss."
        ) from error
    try:
        values: npt.NDArray[np.uint16] = imagecodecs.png_decode(path.read_bytes())
    except imagecodecs.PngError as error:
        raise RecordingError(f"{path} is damaged and cannot be read; write or copy it again.") from error
    return values


def open_image(path: Path) -> Recording:
    """Open an image as a recording of one frame.

    Raises
    ------
    RecordingError
        If it is damaged or not of a supported kind.
    """
    kind = probe_image(path)
    axes = "YXS" if len(kind.shape) == 3 else "YX"
    return ArrayRecording(read_image(path, kind), name=path.stem, axes=axes, path=path, notes=kind.notes())


READER = Reader(
    name="image",
    patterns=("*.png", "*.jpg", "*.jpeg", "*.bmp", "*.webp"),
    matches=lambda head, path: head is not None and is_image(head),
    open=lambda path, series: open_image(path),
)
