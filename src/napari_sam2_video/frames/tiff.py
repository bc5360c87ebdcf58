"""TIFF of every kind that microscopes and ImageJ write, read plane by plane."""

from __future__ import annotations

import logging
import math
import operator
import re
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.errors import FrameError, RecordingError
from napari_sam2_video.frames.array import ArrayRecording
from napari_sam2_video.frames.axes import name_unknown
from napari_sam2_video.frames.rawfile import RawFile
from napari_sam2_video.frames.reader import Reader
from napari_sam2_video.frames.recording import PlanesRecording, Recording
from napari_sam2_video.frames.tiff_metadata import about_tiff

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

_MAGIC = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")


def is_tiff(head: bytes) -> bool:
    """Whether a file that begins with `head` is a TIFF."""
    return head[:4] in _MAGIC


def open_tiff(path: Path) -> Recording:
    """Open a TIFF without reading its pixels.

    Raises
    ------
    RecordingError
        If it is damaged or holds nothing that can be shown.
    """
    import tifffile

    _keep_quiet()
    try:
        file = tifffile.TiffFile(path)
    except Exception as error:
        raise RecordingError(f"{path} cannot be read as a TIFF ({error}); write or copy it again.") from error
    try:
        return _open(path, file)
    except RecordingError:
        file.close()
        raise
    except Exception as error:
        file.close()
        raise RecordingError(f"{path} is a damaged TIFF ({error}); write or copy it again.") from error


def _keep_quiet() -> None:
    """Keep off the screen what tifffile logs of damage, unless somebody listens: the notes say it in plain words."""
    logger = logging.getLogger("tifffile")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())


def _open(path: Path, file: Any) -> Recording:
    run = _imagej_run(file)
    notes = []
    if run is None:
        series = _first_series(path, file)
        if len(file.series) > 1:
            notes.append(f"{path.name} holds {len(file.series)} image series: the first one is used.")
        if series.is_pyramidal:
            notes.append(f"{path.name} is multiscale: level 0, the full resolution, is used.")
        if series.dataoffset is not None:
            run = series.axes, series.shape, series.dtype, operator.index(series.dataoffset)
    if run is not None and re.fullmatch(r"[^YXS]*YXS?", run[0]) and _is_image(run[0], run[1]):
        about = about_tiff(file, run[0])
        about["notes"] = (*notes, *about["notes"])
        return _RunRecording(path, file, *run, about)
    series = _first_series(path, file)
    keyframe = series.keyframe
    if keyframe.axes in ("YX", "YXS", "SYX") and series.axes.endswith(keyframe.axes) and len(series.pages) > 0:
        about = about_tiff(file, series.axes)
        about["notes"] = (*notes, *about["notes"])
        return _PagesRecording(path, file, series, about)
    import zarr

    about = about_tiff(file, series.axes)
    about["notes"] = (*notes, *about["notes"])
    store = series.aszarr(level=0) if series.is_pyramidal else series.aszarr()
    return ArrayRecording(
        zarr.open_array(store, mode="r"), axes=name_unknown(series.axes), path=path, on_close=file.close, **about
    )


def _first_series(path: Path, file: Any) -> Any:
    if not file.series:
        raise RecordingError(f"{path} holds no image; choose another file.")
    return file.series[0]


def _is_image(axes: str, shape: tuple[int, ...]) -> bool:
    return "S" not in axes or shape[-1] == 3


def _imagej_run(file: Any) -> tuple[str, tuple[int, ...], npt.DTypeLike, int] | None:
    """Axes, shape, type and offset of an ImageJ stack of one directory, whose pixels all follow on from the first.

    The way ImageJ writes stacks larger than 4 GB, and the only way to read one that was cut short.
    """
    about = file.imagej_metadata if file.is_imagej else None
    page = file.pages.first
    if not about or not page.is_final or file.pages.is_multipage:
        return None
    counts = [max(1, int(about.get(key, 1))) for key in ("frames", "slices", "channels")]
    images = int(about.get("images", 1))
    if page.axes == "YXS" and math.prod(counts) != images:
        counts[2] = 1
    letters = "TZC"
    if math.prod(counts) != images:
        counts, letters = [images], "I"
    leading = [(letter, n) for letter, n in zip(letters, counts, strict=True) if n > 1]
    axes = "".join(letter for letter, _ in leading) + page.axes
    return axes, (*(n for _, n in leading), *page.shape), page.dtype, operator.index(page.dataoffsets[0])


class _RunRecording(PlanesRecording):
    """Planes that follow one another without gaps or compression."""

    def __init__(
        self,
        path: Path,
        file: Any,
        axes: str,
        shape: tuple[int, ...],
        dtype: npt.DTypeLike,
        offset: int,
        about: dict[str, Any],
    ) -> None:
        self.plane_ndim = 3 if axes.endswith("S") else 2
        self._stored = np.dtype(dtype).newbyteorder(file.byteorder)
        self._offset = offset
        self._row = math.prod(shape[len(shape) - self.plane_ndim + 1 :]) * self._stored.itemsize
        self._plane_bytes = self._row * shape[-self.plane_ndim]
        present = max(0, path.stat().st_size - offset) // self._plane_bytes
        shape, note = cut_short(path, shape, self.plane_ndim, present)
        about["notes"] = (*about["notes"], *note)
        super().__init__(axes=name_unknown(axes), shape=shape, dtype=dtype, path=path, **about)
        self._raw = RawFile(path)
        file.close()

    def _plane(self, number: int, rows: slice) -> npt.NDArray[Any]:
        shape = (rows.stop - rows.start, *self.shape[len(self.shape) - self.plane_ndim + 1 :])
        try:
            return self._raw.read(
                self._offset + number * self._plane_bytes + rows.start * self._row, shape, self._stored
            )
        except (OSError, EOFError, ValueError) as error:
            raise FrameError(f"Plane {number} of {self.path} cannot be read; check the file and its disk.") from error

    def _close(self) -> None:
        self._raw.close()


class _PagesRecording(PlanesRecording):
    """Planes of which each is a page, compressed or not."""

    def __init__(self, path: Path, file: Any, series: Any, about: dict[str, Any]) -> None:
        keyframe = series.keyframe
        axes, shape = series.axes, tuple(series.shape)
        self._planar = keyframe.axes == "SYX"
        if self._planar:
            axes, shape = axes[:-3] + "YXS", (*shape[:-3], *shape[-2:], shape[-3])
        samples = shape[-1] if axes.endswith("S") else 1
        self._file, self._series = file, series
        self._lock = threading.Lock()
        file.filehandle.set_lock(True)
        self._channels = samples if samples > 1 and not _is_colour(keyframe, samples) else 1
        self._alpha = axes.endswith("S") and samples == 4 and self._channels == 1
        leading = shape[: len(shape) - len(keyframe.axes)]
        present, promised = _pages_present(file, series), max(_promised(file), math.prod(leading))
        if not leading and promised > present:
            axes, leading = "I" + axes, (promised,)
        elif math.prod(leading) < promised and len(leading) == 1:
            leading = (promised,)
        cut, note = cut_short(path, (*leading, 1, 1), 2, present)
        leading = cut[:-2]
        about["notes"] = (*about["notes"], *note)
        plane = shape[-len(keyframe.axes) :]
        self.plane_ndim = 3 if axes.endswith("S") and self._channels == 1 else 2
        if self._channels > 1:
            axes = f"{axes[: len(leading)]}{'Q' if 'C' in axes else 'C'}YX"
            leading = (*leading, self._channels)
            plane = plane[:2]
        elif self._alpha:
            plane = (*plane[:2], 3)
            check_opaque(self._page(0)[..., 3], path)
            about["notes"] = (*about["notes"], "The alpha channel is opaque and was left out.")
        super().__init__(axes=name_unknown(axes), shape=(*leading, *plane), dtype=keyframe.dtype, path=path, **about)

    def _plane(self, number: int, rows: slice) -> npt.NDArray[Any]:
        page, channel = divmod(number, self._channels)
        values = self._page(page)[rows]
        if self._channels > 1:
            return values[..., channel]
        return values[..., :3] if self._alpha else values

    def _page(self, number: int) -> npt.NDArray[Any]:
        try:
            with self._lock:
                page = self._series.pages[number]
            values = None if page is None else page.asarray().reshape(self._series.keyframe.shape)
        except Exception as error:
            raise FrameError(
                f"Plane {number} of {self._file.filehandle.path} cannot be read ({error}); write or copy it again."
            ) from error
        if values is None:
            raise FrameError(f"Plane {number} of {self._file.filehandle.path} is missing from the file.")
        return np.moveaxis(values, 0, -1) if self._planar else values

    def _close(self) -> None:
        with self._lock:
            self._file.close()


def check_opaque(alpha_yx: npt.NDArray[Any], path: Path) -> None:
    """Accept an alpha channel that hides nothing.

    Raises
    ------
    RecordingError
        If it does hide something.
    """
    full = np.iinfo(alpha_yx.dtype).max if alpha_yx.dtype.kind in "ui" else 1
    if (alpha_yx != full).any():
        raise RecordingError(
            f"{path} has a transparent alpha channel; save it as RGB on the background you want, or as one channel."
        )


def cut_short(
    path: Path, shape: tuple[int, ...], plane_ndim: int, present: int
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Shape of what can be read where only the first `present` planes exist, and what to say about it.

    Raises
    ------
    RecordingError
        If not even one position of the first axis is whole.
    """
    leading = shape[: len(shape) - plane_ndim]
    promised = math.prod(leading)
    if present >= promised:
        return shape, ()
    each = math.prod(leading[1:])
    whole = present // each
    if whole < 1:
        raise RecordingError(f"{path} is cut short: it holds {present} of {promised} planes; copy or write it again.")
    return (whole, *shape[1:]), (
        f"{whole} of {leading[0]} frames are readable: {path.name} is cut short, copy or write it again to have all.",
    )


def _is_colour(page: Any, samples: int) -> bool:
    return samples == 3 or (samples == 4 and page.photometric == 2)


def _pages_present(file: Any, series: Any) -> int:
    size = file.filehandle.size
    pages = series.pages
    present = len(pages)
    while present:
        page = pages[present - 1]
        if page is not None:
            if page.parent is not file:
                break
            ends = [offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False)]
            if ends and max(ends) <= size:
                break
        present -= 1
    return present


def _promised(file: Any) -> int:
    """Number of planes that the description speaks of; 0 if it does not."""
    if file.is_imagej:
        return int((file.imagej_metadata or {}).get("images", 0))
    match = re.search(r'"shape": \[([\d, ]+)\]', file.pages.first.description)
    if match is None:
        return 0
    shape = [int(n) for n in match[1].split(",")]
    return int(math.prod(shape) // max(1, math.prod(file.pages.first.shape)))


READER = Reader(
    name="TIFF",
    patterns=("*.tif", "*.tiff", "*.btf", "*.tf8", "*.lsm", "*.stk"),
    matches=lambda head, path: head is not None and is_tiff(head),
    open=lambda path, series: open_tiff(path),
)
