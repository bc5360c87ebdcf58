"""Medical volumes: which files are NIfTI or DICOM, and the packages that read them."""

from __future__ import annotations

import importlib
import os
import struct
import zlib
from itertools import islice
from typing import TYPE_CHECKING

from napari_sam2_video.errors import RecordingError
from napari_sam2_video.frames.image import SUFFIXES
from napari_sam2_video.frames.reader import Reader

if TYPE_CHECKING:
    from pathlib import Path

    from napari_sam2_video.frames.recording import Recording

GZIP_MAGIC = b"\x1f\x8b"
_HEAD = 560
_LOOKED_AT = 32
_SPREAD = 128
DICOM_HEAD = 512
_FIRST_GROUPS = (0x02, 0x08)
_EARLY_GROUPS = frozenset({0x02, 0x08, 0x10, 0x18, 0x20, 0x28})
_SHORT_LENGTHS = frozenset(
    {b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS"}
    | {b"ST", b"TM", b"UI", b"UL", b"US"}
)
_LONG_LENGTHS = frozenset({b"OB", b"OW", b"SQ", b"UN", b"UT", b"UC", b"UR"})
_ENOUGH = 3


def is_dicom(head: bytes) -> bool:
    """Whether a file is a DICOM file, of which `head` is the first `DICOM_HEAD` bytes.

    Files that were written before there was a format for files, or by programs that write the data set alone, have
    no mark.
    """
    return head[128:132] == b"DICM" or _begins_like_a_data_set(head)


def _begins_like_a_data_set(head: bytes) -> bool:
    """Whether `head` begins with elements of a little-endian data set: early groups, ascending, each after the last."""
    at, found, before = 0, 0, (0, -1)
    while found < _ENOUGH and at + 12 <= len(head):
        group, element, kind, short = struct.unpack_from("<HH2sH", head, at)
        if (group, element) <= before or group not in (_EARLY_GROUPS if found else _FIRST_GROUPS):
            return False
        if kind in _SHORT_LENGTHS:
            at += 8 + short
        elif kind in _LONG_LENGTHS:
            at += 12 + int(struct.unpack_from("<I", head, at + 8)[0])
        else:
            at += 8 + int(struct.unpack_from("<I", head, at + 4)[0])
        found, before = found + 1, (group, element)
    return found == _ENOUGH


def is_dicom_folder(folder: Path) -> bool:
    """Whether a folder is one of DICOM files.

    It is if one of its first files is a DICOM file, or one of those spread over the rest where it has no images;
    where it has, two of them must be: one that was left among the images of a recording is not meant.
    """
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if entry.is_file())
    if any(holds_dicom(folder / name) for name in names[:_LOOKED_AT]):
        return True
    rest = names[_LOOKED_AT:]
    spread = rest[:: -(-len(rest) // _SPREAD) or 1]
    wanted = 2 if any(os.path.splitext(name)[1].lower() in SUFFIXES for name in names) else 1
    return len(list(islice((name for name in spread if holds_dicom(folder / name)), wanted))) == wanted


def holds_dicom(path: str | Path) -> bool:
    """Whether a file can be read and is a DICOM file."""
    try:
        with open(path, "rb") as file:
            return is_dicom(file.read(DICOM_HEAD))
    except OSError:
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


def open_dicom(path: Path, series: int | str | None = None) -> Recording:
    """Open the DICOM series of a folder, or the one that a file belongs to; `series` is its index or name.

    Raises
    ------
    RecordingError
        If there is none, several and none of them was named, or pydicom is missing.
    """
    _package("pydicom", path)
    from napari_sam2_video.frames.dicom import open_series

    return open_series(path, series)


def _package(name: str, path: Path) -> None:
    try:
        importlib.import_module(name)
    except ImportError as error:
        raise RecordingError(
            f"{path} needs the package {name}; install it with: pip install 'napari-sam2-video[medical]'"
        ) from error


DICOM = Reader(
    name="DICOM",
    patterns=("*.dcm", "*.dicom"),
    matches=lambda head, path: is_dicom_folder(path) if head is None else is_dicom(head),
    open=open_dicom,
    has_series=True,
)
NIFTI = Reader(
    name="NIfTI",
    patterns=("*.nii", "*.nii.gz"),
    matches=lambda head, path: head is not None and (header_beside(path) is not None or is_nifti(head)),
    open=lambda path, series: open_nifti(header_beside(path) or path),
)
