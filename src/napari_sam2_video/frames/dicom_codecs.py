"""JPEG images in DICOM that pydicom cannot decode itself, and which package decodes which compression."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from napari_sam2_video.errors import RecordingError

_JPEG = ("1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70")
_REMEDIES = {
    **dict.fromkeys(("1.2.840.10008.1.2.4.50", *_JPEG), "imagecodecs"),
    **dict.fromkeys(("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"), "pyjpegls"),
    **dict.fromkeys(("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"), "pylibjpeg pylibjpeg-openjpeg"),
    **dict.fromkeys((f"1.2.840.10008.1.2.4.20{n}" for n in (1, 2, 3)), "pylibjpeg pylibjpeg-openjpeg"),
}
_VIDEO = tuple(f"1.2.840.10008.1.2.4.10{n}" for n in range(9))
DECODER_DEPENDENCIES = dict.fromkeys(_JPEG, ("imagecodecs",))
"""Required packages by transfer syntax, as pydicom expects of a decoder plugin."""


def is_available(syntax: str) -> bool:
    """Whether this module decodes a transfer syntax; part of pydicom's plugin interface."""
    return syntax in _JPEG


def decode_frame(source: bytes, runner: Any) -> bytearray:
    """Decode a frame of 12-bit or lossless JPEG for pydicom."""
    import imagecodecs

    values = np.asarray(imagecodecs.jpeg_decode(source))
    unused = values.dtype.itemsize * 8 - int(runner.bits_stored)
    if runner.pixel_representation and unused > 0:
        values = np.left_shift(values, unused).view(f"i{values.itemsize}") >> unused
    runner.set_option("bits_allocated", values.dtype.itemsize * 8)
    if values.ndim == 3:
        runner.set_option("planar_configuration", 0)
    return bytearray(values.tobytes())


def register() -> None:
    """Register this module as a decoder with pydicom."""
    pixels: Any = importlib.import_module("pydicom.pixels")
    for syntax in _JPEG:
        decoder = pixels.get_decoder(syntax)
        if "imagecodecs" not in decoder.available_plugins:
            decoder.add_plugin("imagecodecs", (__name__, decode_frame.__name__))


def check_decodable(syntax: str, file: str) -> None:
    """Refuse a compression that no installed package decodes.

    Raises
    ------
    RecordingError
        With the package to install, if there is one.
    """
    uid: Any = importlib.import_module("pydicom.uid")
    pixels: Any = importlib.import_module("pydicom.pixels")
    name = uid.UID(syntax).name
    if syntax in _VIDEO:
        raise RecordingError(
            f"{file} holds a video ({name}), which cannot be read from DICOM; extract it (with dcmtk: dcmdump +W . "
            f"{file}) and open the video."
        )
    try:
        available = pixels.get_decoder(syntax).is_available
    except NotImplementedError:
        available = False
    if not available:
        remedy = _REMEDIES.get(syntax)
        what = f"install its decoder with: pip install {remedy}" if remedy else "convert it to an uncompressed file"
        raise RecordingError(f"{file} is compressed ({name}), and no installed package decodes it; {what}.")
