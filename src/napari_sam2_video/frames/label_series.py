"""Labels of a whole recording or of one frame, from files, folders, arrays and Cellpose."""

from __future__ import annotations

import pickle
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.errors import RecordingError, first_line
from napari_sam2_video.frames.file_stack import FileStack
from napari_sam2_video.frames.mask_image import PaletteLabels, read_labels, single_plane, whole_numbers
from napari_sam2_video.frames.reader import HEAD_BYTES
from napari_sam2_video.frames.tiff import is_tiff, open_tiff
from napari_sam2_video.frames.voxel_order import in_order_of, place_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from napari_sam2_video.frames.recording import Recording

_NUMPY = b"\x93NUMPY"
_HARMLESS = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "scalar"),
    ("_codecs", "encode"),
}


class LabelSeries:
    """Label images by frame, read on demand.

    Parameters
    ----------
    source : str, Path or array-like
        A label image, a volume or a series of them; a folder of label images; a ``_seg.npy`` of Cellpose; or an array
        ``(T, Y, X)``, ``(Z, Y, X)`` or ``(Y, X)``. Floating-point values must be whole numbers.

    Raises
    ------
    RecordingError
        If it cannot be read, or has more axes.
    """

    def __init__(self, source: Any) -> None:
        self._planes: Any = None
        self._recording: Recording | None = None
        self._close: Callable[[], Any] = lambda: None
        if isinstance(source, str | Path):
            path = Path(source).expanduser()
            self.name = str(path)
            self._open(path)
        else:
            self.name = "The label array"
            self._planes = _whole(source, self.name)

    @property
    def n_frames(self) -> int:
        """Number of label images along the axis outside the plane; 1 for a single image."""
        if self._planes is not None:
            return 1 if len(self._planes.shape) == 2 else int(self._planes.shape[0])
        assert self._recording is not None
        return max((self._recording.length(letter) for letter in self._spare()), default=1)

    def read(self, frame: int, axis: str = "T") -> npt.NDArray[Any]:
        """Labels of a frame.

        Parameters
        ----------
        frame : int
            The frame.
        axis : str
            The walked axis. If it is ``Y`` or ``X``, the volume is cut across that axis.

        Returns
        -------
        ndarray of integers, shape (Y, X)

        Raises
        ------
        RecordingError
            If there is no such frame, or its values are not whole numbers.
        """
        count = self._length(axis)
        if not 0 <= frame < count:
            raise RecordingError(f"{self.name} has no labels for frame {frame}; it has {count} frames, from 0.")
        if self._planes is not None:
            planes = self._planes
            if len(planes.shape) == 2:
                return whole_numbers(np.asarray(planes), self.name)
            index = {"Y": (slice(None), frame), "X": (..., frame)}.get(axis, (frame,))
            return whole_numbers(np.asarray(planes[index]), self.name)
        assert self._recording is not None
        letter = axis if axis in "YX" else next(iter(self._spare()), None)
        values = self._recording.read({} if letter is None else {letter: frame})
        return whole_numbers(values.reshape([n for n in values.shape if n > 1] or [1]), self.name)

    def volume(self) -> npt.NDArray[Any]:
        """All label images, integers of shape ``(T, Y, X)`` or ``(Z, Y, X)``."""
        return np.stack([self.read(frame) for frame in range(self.n_frames)])

    @property
    def affine(self) -> npt.NDArray[np.float64] | None:
        """From ``(x, y, z)`` voxels of a volume to the world, None if the file does not say it."""
        return place_of(self._recording) if self._recording is not None and self._spare() == ["Z"] else None

    def align(self, affine: npt.NDArray[np.float64] | None) -> None:
        """Bring a volume that says where it lies into the voxel order of a recording with that affine.

        Raises
        ------
        RecordingError
            If it does not lie on the voxels of the recording.
        """
        own = self.affine
        if affine is None or own is None or np.array_equal(affine, own):
            return
        volume = in_order_of(self.volume(), own, affine, self.name)
        self.close()
        self._recording, self._planes = None, volume

    def close(self) -> None:
        """Close the files."""
        self._close()

    def _open(self, path: Path) -> None:
        from napari_sam2_video.frames.open import open_recording

        try:
            head = b"" if path.is_dir() else _head(path)
        except OSError as error:
            raise RecordingError(f"The labels {path} cannot be read ({error.strerror}); check the name.") from error
        if head.startswith(_NUMPY) and _is_pickled(path):
            self._planes = _whole(cellpose_masks(path), self.name)
            return
        if head and not is_tiff(head) and single_plane(path):
            self._planes = read_labels(path)
            return
        recording = open_tiff(path, numbers=True) if is_tiff(head) else open_recording(path)
        if isinstance(recording, FileStack) and "S" in recording.axes:
            first = path / recording.metadata["first"]
            recording = recording.read_as(PaletteLabels(first)) if PaletteLabels.fits(first) else recording
        self._recording = recording
        self._close = weakref.finalize(self, recording.close)
        spare = self._spare()
        if "S" in recording.axes and not spare:
            self.close()
            self._recording, self._planes = None, read_labels(path)
        elif len(spare) > 1 or "S" in recording.axes or set("YX") - set(recording.axes):
            self.close()
            raise RecordingError(
                f"{path} has the axes {recording.axes} where label images of one plane, (T, Y, X) or (Z, Y, X), are "
                "needed."
            )

    def _spare(self) -> list[str]:
        """Axes outside the plane with more than one position."""
        assert self._recording is not None
        return [a for a in self._recording.axes if a not in "YXS" and self._recording.length(a) > 1]

    def _length(self, axis: str) -> int:
        if axis not in "YX":
            return self.n_frames
        if self._planes is None:
            assert self._recording is not None
            return self._recording.length(axis)
        return int(self._planes.shape["YX".index(axis) - 2])


def cellpose_masks(path: Path) -> npt.NDArray[Any]:
    """The masks in a pickled ``_seg.npy`` file of Cellpose; only arrays and plain values are unpickled.

    Raises
    ------
    RecordingError
        If it is not such a file, or holds other objects.
    """
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            reader(file)
            held = _Unpickler(file).load()
        content = held.item() if isinstance(held, np.ndarray) else held
        masks = content["masks"]
    except Exception as error:
        raise RecordingError(
            f"{path} cannot be read as a Cellpose segmentation ({first_line(error)}); save its masks as a TIFF."
        ) from error
    if not isinstance(masks, np.ndarray):
        raise RecordingError(f"{path} holds masks that are not an array; save them as a TIFF.")
    return masks


class _Unpickler(pickle.Unpickler):
    """Unpickles arrays and plain values only, nothing that could run code."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _HARMLESS:
            raise pickle.UnpicklingError(f"it holds a {module}.{name}")
        return super().find_class(module, name)


def _whole(source: Any, name: str) -> Any:
    """Check an array of label images; it is sliced frame by frame, so it may be lazy."""
    shape = tuple(getattr(source, "shape", ())) or np.shape(source)
    planes = source if hasattr(source, "shape") and hasattr(source, "__getitem__") else np.asarray(source)
    if len(shape) not in (2, 3):
        raise RecordingError(f"{name} has the shape {shape} where (T, Y, X), (Z, Y, X) or (Y, X) was expected.")
    return planes


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def _is_pickled(path: Path) -> bool:
    """Whether an array file holds objects instead of numbers."""
    with path.open("rb") as file:
        try:
            version = np.lib.format.read_magic(file)
            reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            return bool(reader(file)[2].hasobject)
        except ValueError:
            return False
