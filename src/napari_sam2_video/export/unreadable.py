"""Handle frames that cannot be read: they keep their places in an export, which lists them."""

from __future__ import annotations

import os
from itertools import islice
from typing import TYPE_CHECKING

from napari_sam2_video.errors import ExportError, FrameError

if TYPE_CHECKING:
    from pathlib import Path

    from napari_sam2_video.export.format import ExportJob
    from napari_sam2_video.results import Array, PictureReader

NAMED = 3


class Unreadable:
    """Frames of a recording that an export could not read.

    Parameters
    ----------
    source : Path, optional
        The recording.

    Attributes
    ----------
    frames : set of int
        The frames; it grows during the export.
    """

    def __init__(self, source: Path | None) -> None:
        self.frames: set[int] = set()
        self._source = source
        self._first = ""
        self._some_are_read = False

    def around(self, reader: PictureReader | None) -> PictureReader | None:
        """A reader that returns None for an unreadable frame, and continues while the recording exists."""
        if reader is None:
            return None

        def read(frame: int) -> Array | None:
            try:
                values = reader(frame)
            except FrameError as error:
                self._check_source(error)
                self._first = self._first or str(error)
                self.frames.add(frame)
                return None
            self._some_are_read = True
            return values

        return read

    def settle(self, job: ExportJob) -> None:
        """Note which frames are missing from a finished export.

        Raises
        ------
        ExportError
            If no frame could be read.
        """
        if not self.frames:
            return
        if not self._some_are_read:
            raise ExportError(
                f"{job.target.name} was not written, because none of the frames that it needs can be read: "
                f"{self._first}"
            )
        listed = ", ".join(map(str, islice(sorted(self.frames), NAMED)))
        more = len(self.frames) - NAMED
        which = f"{listed} and {more} more" if more > 0 else listed
        job.note(
            f"{len(self.frames)} of the recording's {len(job.result.frames)} frames cannot be read ({which}); each "
            f"keeps its place in {job.target.name}, black or without intensities."
        )

    def _check_source(self, error: FrameError) -> None:
        """Raise if not the frame is damaged but the file or its disk is gone."""
        if self._source is None:
            return
        try:
            if self._source.is_dir():
                with os.scandir(self._source) as entries:
                    there = next(entries, None) is not None
            else:
                with self._source.open("rb", buffering=0) as stream:
                    there = bool(stream.read(1))
        except OSError:
            there = False
        if not there:
            raise ExportError(f"The recording {self._source} is missing or unreadable; put it back.") from error
