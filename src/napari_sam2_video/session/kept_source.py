"""Sessions of arrays in memory: store a copy of the array beside the masks, or open the masks without it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.errors import FrameError, SourceChangedError
from napari_sam2_video.frames.array import ArrayRecording
from napari_sam2_video.storage.atomic import move, writing

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from napari_sam2_video.frames.recording import Recording

FILE = "source.npy"


def keep_source(folder: Path, recording: Recording) -> None:
    """Copy an array in memory into its session's folder, frame by frame; recordings in files are not copied.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    if recording.path is not None:
        return
    part = folder / f".{FILE}.part"
    with writing(folder / FILE):
        copy: Any = np.lib.format.open_memmap(part, mode="w+", dtype=recording.dtype, shape=recording.shape)
        first = recording.axes[0]
        if first in "YXS":
            copy[...] = recording.read({})
        else:
            for index in range(recording.length(first)):
                copy[index] = recording.read({first: index})
        copy.flush()
        del copy
        move(part, folder / FILE)


def kept_array(folder: Path) -> npt.NDArray[Any] | None:
    """The array copied into a session's folder, read on demand; None if there is none.

    Raises
    ------
    SourceChangedError
        If the copy is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        array: npt.NDArray[Any] = np.load(path, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise SourceChangedError(f"{path} is damaged; delete it, and give the array to open the session.") from error
    return array


class LostRecording(ArrayRecording):
    """Stands in for an array that is no longer available: masks can be read, pixels cannot.

    Parameters
    ----------
    kept : dict
        The source as described in the session's manifest.
    """

    def __init__(self, kept: dict[str, Any]) -> None:
        self._kept = kept
        array = _Nothing(tuple(kept["shape"]), np.dtype(kept["dtype"]))
        super().__init__(array, name=kept["name"], axes=kept["axes"], scale=kept["scale"], units=kept["units"])

    def fingerprint(self) -> dict[str, Any]:
        """Fingerprint of the original array."""
        found: dict[str, Any] = self._kept["fingerprint"]
        return found


class _Nothing:
    """Shape and type of an array."""

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.shape, self.dtype, self.ndim = shape, dtype, len(shape)

    def __getitem__(self, index: Any) -> Any:
        raise FrameError(
            "The session was made from an array in memory, which is missing; open the session with it, or make "
            "sessions with keep_source=True."
        )
