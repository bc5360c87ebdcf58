"""All readers, in the order in which they are tried. A new reader is a module and a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam2_video.errors import RecordingError
from napari_sam2_video.frames import (
    animation,
    dicom,
    folder,
    image,
    image_stream,
    nibabel_volume,
    numpy_file,
    ome_zarr,
    tiff,
    unread_formats,
    video,
)
from napari_sam2_video.frames.reader import HEAD_BYTES, Reader

if TYPE_CHECKING:
    from pathlib import Path

READERS: tuple[Reader, ...] = (
    ome_zarr.READER,
    dicom.READER,
    tiff.READER,
    numpy_file.READER,
    nibabel_volume.READER,
    animation.READER,
    image_stream.READER,
    image.READER,
    folder.READER,
    unread_formats.READER,
    video.READER,
)
"""The first that matches opens a file or folder; `folder` and `video` accept any folder or file that is left."""


def reader_of(path: Path) -> Reader:
    """Reader of a file or folder, by its content.

    Raises
    ------
    RecordingError
        If the file is empty.
    OSError
        If it cannot be read.
    """
    head = None
    if not path.is_dir():
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
        if not head:
            raise RecordingError(f"{path} is empty; copy or write it again.")
    return next(reader for reader in READERS if reader.matches(head, path))
