"""Medical volumes: which files are NIfTI or DICOM, and the packages that read them."""

from __future__ import annotations

import importlib
import os
import zlib
from typing import TYPE_CHECKING

from napari_sam2_video.errors import RecordingError

if TYPE_CHECKING:
    from pathlib import Path

    from napari_sam2_video.frames.recording import Recording

GZIP_MAGIC = b"\x1f\x8b"
_HEAD = 560
_LOOKED_AT = 32


def is_dicom(head: bytes) -> bool:
    """Whether a file that begins with `head` is a DICOM file."""
    return head[128:132] == b"DICM"


def is_dicom_folder(folder: Path) -> bool:
    """Whether one of the first files of a folder is a DICOM file."""
    looked_at = 0
    for name in sorted(os.listdir(folder)):
        item = folder / name
        if looked_at == _LOOKED_AT:
            break
        if item.is_file():
            looked_at += 1
            with item.open("rb") as file:
                if is_dicom(file.read(132)):
                    return True
    return False


def is_nifti(head: bytes) -> bool:
    """Whether a file that begins with `head`, perhaps compressed, is a NIfTI header or volume."""
    if head.startswith(GZIP_MAGIC):
        try:
            head = zlib.decompressobj(31).decompress(head, _HEAD)
        except zlib.error:
            return False
    sizes = (head[:4], head[:4][::-1])
    if (348).to_bytes(4, "little") in sizes:
        return head[344:348] in (b"n+1\0", b"ni1\0")
    return (540).to_bytes(4, "little") in sizes and head[4:7] in (b"n+2", b"ni2")


def header_beside(path: Path) -> Path | None:
    """Header of the NIfTI pair whose voxels are in `path`, None where there is none."""
    name = path.name.removesuffix(".gz")
    if not name.endswith(".img"):
        return None
    for suffix in (".hdr", ".hdr.gz"):
        header = path.with_name(name.removesuffix(".img") + suffix)
        if header.is_file():
            with header.open("rb") as file:
                return header if is_nifti(file.read(_HEAD)) else None
    return None


def open_nifti(path: Path) -> Recording:
    """Open a NIfTI volume or series: ``ZYX`` or ``TZYX`` in the order of the file, whatever its orientation.

    Raises
    ------
    RecordingError
        If it is damaged, or nibabel is missing.
    """
    _package("nibabel", path)
    from napari_sam2_video.frames.nifti import NiftiRecording

    return NiftiRecording(path)


def open_dicom(path: Path) -> Recording:
    """Open the DICOM series of a folder, or the one that a file belongs to.

    Raises
    ------
    RecordingError
        If there are several, their images do not fit together, or pydicom is missing.
    """
    _package("pydicom", path)
    from napari_sam2_video.frames.dicom import open_series

    return open_series(path)


def _package(name: str, path: Path) -> None:
    try:
        importlib.import_module(name)
    except ImportError as error:
        raise RecordingError(
            f"{path} needs the package {name}; install it with: pip install 'napari-sam2-video[medical]'"
        ) from error
