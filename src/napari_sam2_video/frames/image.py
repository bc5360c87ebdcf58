"""Single images: what they are from their header, and their pixels without loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.errors import RecordingError
from napari_sam2_video.frames.array import ArrayRecording
from napari_sam2_video.frames.reader import Reader
from napari_sam2_video.frames.tiff import check_opaque

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
"""Names under which images lie in folders, and what they are called."""

_GREY = {"1": "u1", "L": "u1", "I;16": "u2", "I;16B": "u2", "I;16L": "u2", "I": "i4", "F": "f4"}
_COLOUR = {"RGB": False, "P": False, "YCbCr": False, "CMYK": False, "LAB": False, "HSV": False, "RGBA": True}
_DEEP_PNG = {2: 3, 4: 2, 6: 4}


@dataclass(frozen=True)
class ImageKind:
    """Shape ``(Y, X)`` or ``(Y, X, 3)``, type, and whether an alpha channel was there besides."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    alpha: bool = False
    deep: bool = False

    def __str__(self) -> str:
        colour = " RGB" if len(self.shape) == 3 else ""
        return f"{self.shape[0]} × {self.shape[1]}{colour} {self.dtype}{' with alpha' if self.alpha else ''}"


def is_image(head: bytes) -> bool:
    """Whether a file that begins with `head` is a still image other than TIFF."""
    return (
        head[:8] == b"\x89PNG\r\n\x1a\n"
        or head[:3] == b"\xff\xd8\xff"
        or (head[:2] == b"BM" and head[6:10] == b"\0\0\0\0")
        or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")
    )


def probe_image(path: Path) -> ImageKind:
    """Read what the header says.

    Raises
    ------
    RecordingError
        If the file is no image, or of a kind that is not supported.
    """
    from PIL import Image

    try:
        with path.open("rb") as file:
            head = file.read(26)
            file.seek(0)
            with Image.open(file) as image:
                mode, (width, height) = image.mode, image.size
                clear = "transparency" in image.info
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise RecordingError(f"{path} is no image that can be read; remove it or write it again.") from error
    if head[:8] == b"\x89PNG\r\n\x1a\n" and head[24] == 16 and head[25] in _DEEP_PNG:
        samples = _DEEP_PNG[head[25]]
        shape = (height, width) if samples == 2 else (height, width, 3)
        return ImageKind(shape, np.dtype("u2"), alpha=samples in (2, 4), deep=True)
    if mode in _GREY:
        return ImageKind((height, width), np.dtype(_GREY[mode]))
    if mode == "LA":
        return ImageKind((height, width), np.dtype("u1"), alpha=True)
    if mode in _COLOUR:
        return ImageKind((height, width, 3), np.dtype("u1"), alpha=_COLOUR[mode] or (clear and mode == "P"))
    raise RecordingError(f"{path} has pixels of mode {mode}; save it as grey or RGB.")


def read_image(path: Path, expected: ImageKind) -> npt.NDArray[Any]:
    """Pixels of an image.

    Returns
    -------
    ndarray
        Of the shape and type of `expected`.

    Raises
    ------
    RecordingError
        If the image is damaged, is not as expected, or is partly transparent.
    """
    from PIL import Image

    kind = probe_image(path)
    if kind != expected:
        raise RecordingError(
            f"{path} is {kind}, but others of the folder are {expected}; put only images of one size and type into it."
        )
    try:
        if kind.deep:
            values = _deep_png(path)
        else:
            with path.open("rb") as file, Image.open(file) as image:
                if image.mode == "P" and kind.alpha:
                    values = np.array(image.convert("RGBA"))
                elif len(kind.shape) == 3 and image.mode not in ("RGB", "RGBA"):
                    values = np.array(image.convert("RGB"))
                elif image.mode == "1":
                    values = np.array(image.convert("L"))
                else:
                    values = np.array(image)
    except (OSError, ValueError, SyntaxError) as error:
        raise RecordingError(f"{path} is damaged and cannot be read; write or copy it again.") from error
    if kind.alpha:
        check_opaque(values[..., -1], path)
        values = values[..., :3] if len(kind.shape) == 3 else values[..., 0]
    return values.astype(kind.dtype, copy=False)


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
    """Open a picture as a recording of one frame.

    Raises
    ------
    RecordingError
        If it is damaged, or of a kind that is not supported.
    """
    kind = probe_image(path)
    axes = "YXS" if len(kind.shape) == 3 else "YX"
    return ArrayRecording(read_image(path, kind), name=path.stem, axes=axes, path=path)


READER = Reader(
    name="image",
    patterns=("*.png", "*.jpg", "*.jpeg", "*.bmp", "*.webp"),
    matches=lambda head, path: head is not None and is_image(head),
    open=lambda path, series: open_image(path),
)
