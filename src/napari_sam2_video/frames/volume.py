"""Medical volumes: NIfTI files and DICOM series."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam2_video.errors import RecordingError

if TYPE_CHECKING:
    from pathlib import Path

    from napari_sam2_video.frames.recording import Recording


def is_dicom(head: bytes) -> bool:
    """Whether a file that begins with `head` is a DICOM file."""
    return head[128:132] == b"DICM"


def is_dicom_folder(folder: Path) -> bool:
    """Whether a folder holds a DICOM file."""
    return False


def is_nifti(path: Path, head: bytes) -> bool:
    """Whether a file that begins with `head`, perhaps compressed, is a NIfTI volume."""
    return False


def open_nifti(path: Path) -> Recording:
    """Open a NIfTI volume."""
    raise RecordingError(f"{path} cannot be read.")


def open_dicom(path: Path) -> Recording:
    """Open a DICOM series."""
    raise RecordingError(f"{path} cannot be read.")
