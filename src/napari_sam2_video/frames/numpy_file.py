"""NumPy array files, read plane by plane."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.errors import FrameError, RecordingError, first_line
from napari_sam2_video.frames.array import ArrayRecording
from napari_sam2_video.frames.axes import guess_axes
from napari_sam2_video.frames.planes_recording import PlanesRecording
from napari_sam2_video.frames.raw_file import RawFile
from napari_sam2_video.frames.reader import Reader

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from napari_sam2_video.frames.recording import Recording

_MAGIC = b"\x93NUMPY"


def open_numpy(path: Path) -> Recording:
    """Open a NumPy array file without reading its values.

    Raises
    ------
    RecordingError
        If it is damaged, or holds no numbers.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:
        raise RecordingError(f"{path} cannot be read as an array file ({first_line(error)}); save it again.") from error
    transparent = guess_axes(array.shape).endswith("S") and array.shape[-1] != 3
    if array.ndim > 2 and array.flags.c_contiguous and not transparent:
        return _NumpyRecording(path, array)
    return ArrayRecording(array, name=path.stem, path=path, metadata={"format": "npy"})


class _NumpyRecording(PlanesRecording):
    """An array read plane by plane; a memory map would crash the process if the file became shorter."""

    def __init__(self, path: Path, array: np.memmap[Any, Any]) -> None:
        axes = guess_axes(array.shape)
        self.plane_ndim = 3 if axes.endswith("S") else 2
        self._stored, self._offset = array.dtype, int(array.offset)
        self._row = math.prod(array.shape[array.ndim - self.plane_ndim + 1 :]) * self._stored.itemsize
        super().__init__(
            name=path.stem,
            axes=axes,
            shape=array.shape,
            dtype=array.dtype,
            path=path,
            metadata={"format": "npy"},
        )
        self._raw = RawFile(path)

    def _plane(self, number: int, rows: slice) -> npt.NDArray[Any]:
        height, *rest = self.shape[-self.plane_ndim :]
        offset = self._offset + (number * height + rows.start) * self._row
        try:
            return self._raw.read(offset, (rows.stop - rows.start, *rest), self._stored)
        except (OSError, EOFError, ValueError) as error:
            raise FrameError(f"Plane {number} of {self.path} cannot be read; check the file and its disk.") from error

    def _close(self) -> None:
        self._raw.close()


READER = Reader(
    name="NumPy",
    patterns=("*.npy",),
    matches=lambda head, path: head is not None and head.startswith(_MAGIC),
    open=lambda path, series: open_numpy(path),
)
