"""Formats that are not read, refused with advice on how to convert them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NoReturn

from napari_sam2_video.errors import RecordingError
from napari_sam2_video.frames.reader import HEAD_BYTES, Reader

if TYPE_CHECKING:
    from pathlib import Path

_CONVERT = "which is not read directly; save it as OME-TIFF, for instance with Fiji or bfconvert"
_CONVERT_VOLUME = "which is not read directly; save it as NIfTI, for instance with 3D Slicer"
# How the files begin, and what they are.
_KINDS: tuple[tuple[bytes, str], ...] = (
    (rb"ZISRAWFILE", f"a CZI file of Zeiss, {_CONVERT}"),
    (rb"\xda\xce\xbe\n", f"an ND2 file of Nikon, {_CONVERT}"),
    (rb"\x70\0\0\0.{4}\*", f"a LIF file of Leica, {_CONVERT}"),
    (rb"OLYMPUSRAWFORMAT", f"an OIR file of Olympus, {_CONVERT}"),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", f"an OLE file, such as OIB of Olympus and ZVI of Zeiss, {_CONVERT}"),
    (rb"NRRD\d{4}", f"an NRRD file, {_CONVERT_VOLUME}"),
    (rb"ObjectType\s*=", f"a MetaImage (MHA, MHD), {_CONVERT_VOLUME}"),
    (rb".{208}MAP ", "an MRC file, which is not read directly; save it as TIFF, or in a script pass its array"),
    (
        rb"\x89HDF\r\n\x1a\n",
        "an HDF5 file; save the data set as TIFF or OME-Zarr, or in a script open it with h5py and pass it",
    ),
    (rb"PK\x03\x04", "a ZIP archive; unpack it and open what it holds"),
)


def _kind_of(head: bytes | None) -> str | None:
    return next((kind for begin, kind in _KINDS if head and re.match(begin, head, re.DOTALL)), None)


def _refuse(path: Path, series: int | str | None) -> NoReturn:
    with path.open("rb") as file:
        raise RecordingError(f"{path} is {_kind_of(file.read(HEAD_BYTES))}.")


READER = Reader(
    name="formats that are not read",
    patterns=(),
    matches=lambda head, path: _kind_of(head) is not None,
    open=_refuse,
    has_series=True,
)
