"""Recognize files that nibabel reads by their first bytes, and find the second file of a pair."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

from napari_sam2_video.frames.compressed_file import unpacked_head

if TYPE_CHECKING:
    from pathlib import Path

PATTERNS = (
    *("*.nii", "*.nii.gz", "*.hdr", "*.img", "*.mgh", "*.mgz", "*.mnc", "*.HEAD", "*.BRIK", "*.BRIK.gz"),
    *("*.PAR", "*.REC", "*.v"),
)
_HEAD = 1024
_ANALYZE = 348
_MGH_TYPES = (0, 1, 3, 4, 10)
_MOST = 1 << 20
_PAIRS = {".img": (".hdr",), ".brik": (".HEAD", ".head"), ".rec": (".PAR", ".par")}
_AFNI = re.compile(rb"\s*type\s*=\s*(string|integer|float)-attribute\s+name\s*=")


def volume_format(head: bytes, path: Path) -> str | None:
    """Format of the volume in a file that begins with `head`, compressed or not; None for other files."""
    head = unpacked_head(head, _HEAD)
    if is_nifti(head):
        return "NIfTI"
    if head[:7] == b"MATRIX7":
        return "ECAT"
    if head.startswith(b"# === DATA DESCRIPTION FILE ==="):
        return "PAR/REC"
    if _AFNI.match(head):
        return "AFNI"
    if head[:3] == b"CDF" and head[3:4] in (b"\x01", b"\x02"):
        return "MINC1"
    if head[:8] == b"\x89HDF\r\n\x1a\n" and (path.suffix.lower() in (".mnc", ".mnc2") or b"minc-2.0" in head):
        return "MINC2"
    if _is_mgh(head):
        return "MGH"
    return "Analyze" if _is_analyze(head) else None


def is_nifti(head: bytes) -> bool:
    """Whether uncompressed content that begins with `head` is a NIfTI header or volume."""
    sizes = (head[:4], head[:4][::-1])
    if _ANALYZE.to_bytes(4, "little") in sizes:
        return head[344:348] in (b"n+1\0", b"ni1\0")
    return (540).to_bytes(4, "little") in sizes and head[4:7] in (b"n+2", b"ni2")


def _is_mgh(head: bytes) -> bool:
    if len(head) < 30:
        return False
    version, *lengths, kind, _, placed = struct.unpack_from(">7ih", head)
    return version == 1 and all(0 < n < _MOST for n in lengths) and kind in _MGH_TYPES and placed in (0, 1)


def _is_analyze(head: bytes) -> bool:
    for order in "<>":
        if len(head) >= _ANALYZE and struct.unpack_from(f"{order}i", head)[0] == _ANALYZE:
            count, *lengths = struct.unpack_from(f"{order}8h", head, 40)
            return 1 <= count <= 7 and all(n > 0 for n in lengths[:count])
    return False


def header_beside(path: Path) -> Path | None:
    """Header file that belongs to the voxel file `path`; None if there is none."""
    packed = path.suffix.lower() == ".gz"
    name = path.with_suffix("") if packed else path
    for suffix in _PAIRS.get(name.suffix.lower(), ()):
        for header in (name.with_suffix(suffix), name.with_suffix(suffix + ".gz")):
            if header.is_file():
                with header.open("rb") as file:
                    return header if volume_format(file.read(_HEAD), header) else None
    return None


def data_beside(header: Path) -> Path | None:
    """Voxel file that belongs to the header file `header`; None if there is none."""
    name = header.with_suffix("") if header.suffix.lower() == ".gz" else header
    for voxels, headers in _PAIRS.items():
        if name.suffix.lower() == headers[0].lower():
            for suffix in (voxels, voxels.upper()):
                for data in (name.with_suffix(suffix), name.with_suffix(suffix + ".gz")):
                    if data.is_file():
                        return data
    return None
