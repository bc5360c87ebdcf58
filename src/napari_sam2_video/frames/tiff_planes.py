"""TIFF recordings, read plane by plane: contiguous uncompressed planes, or pages."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_sam2_video.errors import FrameError
from napari_sam2_video.frames.axes import name_unknown
from napari_sam2_video.frames.fingerprint import files_fingerprint
from napari_sam2_video.frames.planes_recording import PlanesRecording
from napari_sam2_video.frames.raw_file import RawFile
from napari_sam2_video.frames.truncated import cut_short

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt

    from napari_sam2_video.frames.tiff_style import PlaneStyle

_OPEN_FILES = 4


class _TiffRecording(PlanesRecording):
    """Planes that are all stored the same way; interleaved channels become separate planes."""

    def __init__(
        self, path: Path, axes: str, leading: tuple[int, ...], style: PlaneStyle, about: dict[str, Any]
    ) -> None:
        self._style = style
        self.plane_ndim = len(style.shape)
        if style.channels > 1:
            axes += "Q" if "C" in axes else "C"
            leading = (*leading, style.channels)
        axes = name_unknown(axes + "YX") + ("S" if self.plane_ndim == 3 else "")
        super().__init__(axes=axes, shape=(*leading, *style.shape), dtype=style.result, path=path, **about)

    def _plane(self, number: int, rows: slice) -> npt.NDArray[Any]:
        page, channel = divmod(number, self._style.channels)
        if self._style.plain:
            return self._style(self._stored(page, rows))
        return self._style(self._stored(page, None), channel)[rows]

    def _stored(self, page: int, rows: slice | None) -> npt.NDArray[Any]:
        """Rows of a stored plane; the whole plane for None."""
        raise NotImplementedError


class RunRecording(_TiffRecording):
    """Planes that follow one another without gaps or compression.

    Parameters
    ----------
    path : Path
        The file.
    axes : str
        Letters of the leading axes.
    leading : tuple of int
        Their lengths.
    style : PlaneStyle
        How a plane is stored.
    offset : int
        Where the first plane begins, in bytes.
    byteorder : str
        ``"<"`` or ``">"``.
    about : dict
        Further arguments for `Recording`.
    """

    def __init__(
        self,
        path: Path,
        axes: str,
        leading: tuple[int, ...],
        style: PlaneStyle,
        offset: int,
        byteorder: Literal["<", ">"],
        about: dict[str, Any],
    ) -> None:
        self._dtype = style.dtype.newbyteorder(byteorder)
        self._offset = offset
        self._row_shape = style.stored[1:]
        self._row = math.prod(self._row_shape) * self._dtype.itemsize
        self._plane_bytes = self._row * style.stored[0]
        present = max(0, path.stat().st_size - offset) // self._plane_bytes
        shape, note = cut_short(path, (*leading, *style.stored), len(style.stored), present)
        leading = shape[: len(leading)]
        about["notes"] = (*about["notes"], *note)
        super().__init__(path, axes, leading, style, about)
        self._raw = RawFile(path)

    def _stored(self, page: int, rows: slice | None) -> npt.NDArray[Any]:
        start, stop = (0, self._style.stored[0]) if rows is None else (rows.start, rows.stop)
        offset = self._offset + page * self._plane_bytes + start * self._row
        try:
            return self._raw.read(offset, (stop - start, *self._row_shape), self._dtype)
        except (OSError, EOFError, ValueError) as error:
            raise FrameError(f"Plane {page} of {self.path} cannot be read; check the file and its disk.") from error

    def _close(self) -> None:
        self._raw.close()


class PagesRecording(_TiffRecording):
    """Planes that are pages, compressed or not, of one or several files.

    Parameters
    ----------
    path : Path
        The file that was opened.
    file : tifffile.TiffFile
        The open file, which the recording closes.
    axes, leading, style, about
        As for `RunRecording`.
    pages : sequence of tifffile.TiffPage
        Page of each plane; None if it is missing.
    files : sequence of Path
        All files of the recording that exist.
    missing : sequence of str
        Names of those that do not.
    """

    def __init__(
        self,
        path: Path,
        file: Any,
        axes: str,
        leading: tuple[int, ...],
        style: PlaneStyle,
        pages: Sequence[Any],
        files: Sequence[Path],
        missing: Sequence[str],
        about: dict[str, Any],
    ) -> None:
        self._file, self._pages, self._files = file, pages, list(files)
        self._missing = ", ".join(missing)
        self._opened: OrderedDict[int, Any] = OrderedDict()
        self._lock = threading.Lock()
        file.filehandle.set_lock(True)
        super().__init__(path, axes, leading, style, about)

    def _stored(self, page: int, rows: slice | None) -> npt.NDArray[Any]:
        found = None
        try:
            with self._lock:
                found = self._pages[page]
                elsewhere = found is not None and found.parent is not self._file
                if elsewhere:
                    self._keep_open(found.parent.filehandle)
                    values = found.asarray()
            if found is not None:
                values = (values if elsewhere else found.asarray()).reshape(self._style.stored)
        except Exception as error:
            where = self.path if found is None else found.parent.filehandle.path
            raise FrameError(f"Plane {page} of {where} cannot be read ({error}); write or copy it again.") from error
        if found is None:
            why = f"put back {self._missing}, which holds it" if self._missing else "copy the file again"
            raise FrameError(f"Plane {page} of {self.path} is missing; {why}.")
        return np.asarray(values if rows is None else values[rows])

    def _keep_open(self, handle: Any) -> None:
        """Open another file of the recording, and close the least recently read one."""
        if handle.closed:
            handle.open()
        self._opened[id(handle)] = handle
        self._opened.move_to_end(id(handle))
        while len(self._opened) > _OPEN_FILES:
            self._opened.popitem(last=False)[1].close()

    def _source(self) -> dict[str, Any]:
        if len(self._files) < 2 or self.path is None:
            return super()._source()
        return files_fingerprint(self.path.parent, self._files) | {"path": str(self.path.absolute())}

    def _close(self) -> None:
        with self._lock:
            for handle in (*self._opened.values(), self._file):
                handle.close()
