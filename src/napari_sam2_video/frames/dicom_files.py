"""Which files and folders are DICOM."""

from __future__ import annotations

import os
import struct
from itertools import islice
from typing import TYPE_CHECKING

from napari_sam2_video.frames.image import SUFFIXES

if TYPE_CHECKING:
    from pathlib import Path

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
    """Whether a file is DICOM, given its first `DICOM_HEAD` bytes.

    Files older than the DICOM file format, or from programs that write the bare data set, lack the ``DICM`` mark.
    """
    return head[128:132] == b"DICM" or _begins_like_a_data_set(head)


def _begins_like_a_data_set(head: bytes) -> bool:
    """Whether `head` begins with elements of a little-endian data set: low group numbers, in ascending order."""
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
    """Whether a folder holds DICOM files.

    It does if one of its first files, or one of a sample of the rest, is DICOM. If it holds other images too, two of
    these files must be, so that a stray DICOM file among the images of a recording does not count.
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
    """Whether a file is readable and DICOM."""
    try:
        with open(path, "rb") as file:
            return is_dicom(file.read(DICOM_HEAD))
    except OSError:
        return False
