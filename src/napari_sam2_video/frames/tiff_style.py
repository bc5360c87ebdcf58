"""Convert the stored values of a TIFF plane: colours, transparency, orientation and scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.errors import RecordingError
from napari_sam2_video.frames import orientation
from napari_sam2_video.frames.alpha import NOTE, on_white
from napari_sam2_video.frames.rescale import AS_STORED, Rescale

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_sam2_video.frames.tiff_metadata import TiffAbout

_WHITE_IS_ZERO, _RGB, _PALETTE, _CMYK, _YCBCR, _LAB, _ICC_LAB = 0, 2, 3, 5, 6, 8, 9
_JPEG = (6, 7, 34892)
_ASSOCIATED, _UNASSOCIATED = 1, 2
_COLOURS = {_PALETTE: "palette", _CMYK: "CMYK", _YCBCR: "YCbCr", _LAB: "L*a*b*", _ICC_LAB: "L*a*b*"}


@dataclass(frozen=True)
class PlaneStyle:
    """How a plane of the file is converted.

    Parameters
    ----------
    stored : tuple of int
        Shape of a stored plane, ``(Y, X)``, ``(Y, X, samples)`` or, where `planar`, ``(samples, Y, X)``.
    dtype : dtype
        Type of the stored values.
    planar : bool
        Whether the samples are the first axis.
    colour : str
        ``"RGB"``, ``"grey"``, ``"channels"``, or the colour space that is turned into RGB.
    alpha : bool
        Whether the last sample is transparency.
    palette : ndarray of uint8, shape (n, 3), optional
        Colour of each stored value.
    orientation : int
        TIFF orientation; 1 is upright.
    rescale : Rescale
        Calibration of the values.
    """

    stored: tuple[int, ...]
    dtype: np.dtype[Any]
    planar: bool = False
    colour: str = "grey"
    alpha: bool = False
    palette: npt.NDArray[np.uint8] | None = None
    orientation: int = orientation.UPRIGHT
    rescale: Rescale = AS_STORED

    @property
    def channels(self) -> int:
        """Number of interleaved channels; 1 if the samples are a colour."""
        return self._samples - self.alpha if self.colour == "channels" else 1

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a converted plane: ``(Y, X)`` or ``(Y, X, 3)``; channels are separate planes."""
        height, width = self.stored[1:] if self.planar else self.stored[:2]
        if orientation.swaps(self.orientation):
            height, width = width, height
        return (height, width) if self.colour in ("grey", "channels") else (height, width, 3)

    @property
    def result(self) -> np.dtype[Any]:
        """Type of the converted values."""
        if self.colour in _COLOURS.values():
            return np.dtype(np.uint8) if self.colour != "CMYK" else self.dtype
        return self.rescale.dtype(self.dtype)

    @property
    def plain(self) -> bool:
        """Whether rows can be read as stored."""
        same = self.orientation == orientation.UPRIGHT and not self.alpha and not self.planar
        return same and self.colour in ("grey", "RGB")

    @property
    def _samples(self) -> int:
        return 1 if len(self.stored) == 2 else self.stored[0] if self.planar else self.stored[-1]

    def notes(self) -> list[str]:
        """Notes about the conversion."""
        found = []
        if self.alpha:
            found.append(NOTE)
        if self.colour in _COLOURS.values():
            found.append(f"The colours are stored as {self.colour} and are shown as RGB.")
        if self.orientation != orientation.UPRIGHT:
            found.append("The images are rotated upright, following their orientation tag.")
        if self.rescale != AS_STORED:
            found.append(
                f"The values are calibrated: {self.rescale.slope:g} × stored value {self.rescale.intercept:+g}."
            )
        return found

    def __call__(self, plane: npt.NDArray[Any], channel: int = 0) -> npt.NDArray[Any]:
        """Convert a stored plane, or rows of it if `plain`."""
        if self.planar:
            plane = np.moveaxis(plane, 0, -1)
        if self.alpha:
            plane = on_white(plane)
        if self.colour == "channels":
            plane = plane[..., channel] if plane.ndim == 3 else plane
        elif self.colour not in ("grey", "RGB"):
            plane = self._coloured(plane)
        elif self.colour == "grey" and plane.ndim == 3:
            plane = plane[..., 0]
        plane = self.rescale(plane, self.result)
        return plane if self.orientation == orientation.UPRIGHT else orientation.upright(plane, self.orientation)

    def _coloured(self, plane: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if self.palette is not None:
            return np.asarray(self.palette[np.minimum(plane, len(self.palette) - 1)])
        if self.colour == "CMYK":
            full = np.iinfo(plane.dtype).max
            ink, black = plane[..., :3].astype(np.float64), plane[..., 3:4].astype(np.float64)
            return np.rint((full - ink) * (full - black) / full).astype(plane.dtype)
        if self.colour == "YCbCr":
            from PIL import Image

            size = (plane.shape[1], plane.shape[0])
            return np.asarray(Image.frombytes("YCbCr", size, plane[..., :3].tobytes()).convert("RGB"))
        from skimage.color import lab2rgb

        light = plane[..., :1] * (100 / 255)
        across = plane[..., 1:3].astype(np.uint8).view(np.int8).astype(np.float64)
        return np.asarray(np.rint(lab2rgb(np.concatenate([light, across], axis=-1)) * 255), np.uint8)


def style_of(path: object, page: Any, about: TiffAbout, *, numbers: bool = False) -> PlaneStyle:
    """Style of the planes that are stored like `page`.

    Parameters
    ----------
    path : Path
        The file, for error messages.
    page : tifffile.TiffPage
        First page of the series, whose axes are ``YX``, ``YXS`` or ``SYX``.
    about : TiffAbout
        What the file says. A palette written by a microscope or ImageJ is only a display setting, not colour.
    numbers : bool
        Keep the stored values: palettes, colours and transparency stay samples.

    Raises
    ------
    RecordingError
        If the values are stored in an unsupported way.
    """
    planar = page.axes == "SYX"
    samples = {"YX": 1, "YXS": page.shape[-1], "SYX": page.shape[0]}[page.axes]
    extra = tuple(page.extrasamples or ())
    photometric = int(page.photometric)
    alpha = bool(extra) and extra[-1] in (_ASSOCIATED, _UNASSOCIATED)
    colours = samples - len(extra)
    palette = None
    colour = "grey" if samples == 1 else "channels"
    if numbers:
        alpha = False
    elif photometric == _PALETTE and about.kind == "tiff":
        palette = _palette(page)
        colour = "grey" if palette is None else "palette"
    elif planar and samples == 4 and page.is_shaped:
        alpha = False
    elif photometric in (_RGB, _YCBCR) and samples in (3, 4) and (colours == 3 or alpha or samples == 4):
        alpha = samples == 4
        colour = "YCbCr" if photometric == _YCBCR and page.compression not in _JPEG else "RGB"
    elif samples == 3 and photometric not in _COLOURS:
        colour = "RGB"
    elif photometric in (_CMYK, _LAB, _ICC_LAB) and colours == (4 if photometric == _CMYK else 3):
        colour = _COLOURS[photometric]
    elif alpha and colours == 1:
        colour = "grey"
    else:
        alpha = False
    if colour in ("YCbCr", "L*a*b*") and page.dtype != np.uint8:
        raise RecordingError(f"{path} holds {colour} colours of type {page.dtype}; save it as RGB.")
    if colour == "YCbCr" and tuple(page.subsampling or (1, 1)) != (1, 1):
        raise RecordingError(f"{path} holds YCbCr colours at reduced resolution without JPEG; save it as RGB.")
    tag = page.tags.get(orientation.TAG)
    return PlaneStyle(
        stored=tuple(page.shape),
        dtype=np.dtype(page.dtype),
        planar=planar,
        colour=colour,
        alpha=alpha,
        palette=palette,
        orientation=orientation.valid(None if tag is None else int(tag.value)),
        rescale=about.rescale if colour in ("grey", "channels") else AS_STORED,
    )


def white_is_zero(page: Any) -> bool:
    """Whether low values are bright."""
    return int(page.photometric) == _WHITE_IS_ZERO


def _palette(page: Any) -> npt.NDArray[np.uint8] | None:
    """Colours of a palette, shape (n, 3); None if it only runs from low to high values in one colour."""
    if page.colormap is None:
        return None
    colours = np.asarray(page.colormap, np.uint16).T
    bright = colours @ (0.299, 0.587, 0.114)
    if (np.diff(bright) >= 0).all() or (np.diff(bright) <= 0).all():
        return None
    return (colours >> 8).astype(np.uint8)
