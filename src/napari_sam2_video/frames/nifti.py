"""NIfTI volumes, read plane by plane."""

from __future__ import annotations

import gzip
import importlib
import math
import tempfile
import threading
import zlib
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from napari_sam2_video.errors import FrameError, RecordingError
from napari_sam2_video.frames.fingerprint import files_fingerprint
from napari_sam2_video.frames.rawfile import RawFile
from napari_sam2_video.frames.recording import PlanesRecording
from napari_sam2_video.frames.tiff import cut_short
from napari_sam2_video.frames.volume import GZIP_MAGIC

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

_UNITS = {"mm": "mm", "micron": "µm", "meter": "m", "unknown": "mm", "sec": "s", "msec": "ms", "usec": "µs"}
_IN_MEMORY = 64 << 20
_PIECE = 1 << 20


class NiftiRecording(PlanesRecording):
    """A NIfTI volume.

    The voxel axes i, j, k and t of the file are called ``X``, ``Y``, ``Z`` and ``T`` however the body lies in them, so
    that labels can be written into the same place; `affine` maps (i, j, k) to the world as nibabel does, and
    ``metadata["orientation"]`` tells where the axes point. A compressed file is unpacked when it is first read, to
    memory or, beyond 64 MB, to a temporary file.
    """

    def __init__(self, path: Path) -> None:
        nibabel: Any = importlib.import_module("nibabel")
        try:
            image = load_nifti(path)
            header, proxy = image.header, image.dataobj
            stored = header.get_data_dtype()
            shape_ijk = tuple(int(n) for n in header.get_data_shape())
            zooms = [float(zoom) for zoom in header.get_zooms()]
            space_unit, time_unit = header.get_xyzt_units()
            affine = np.array(image.affine, np.float64)
            orientation = "".join(code or "?" for code in nibabel.aff2axcodes(affine))
            data_path = type(path)(image.file_map["image"].filename or path)
        except Exception as error:
            raise RecordingError(f"{path} is a damaged NIfTI file ({error}); write or copy it again.") from error
        while len(shape_ijk) > 3 and shape_ijk[-1] == 1:
            shape_ijk = shape_ijk[:-1]
        if min(shape_ijk, default=0) < 1:
            raise RecordingError(f"{path} is a damaged NIfTI file (its shape is {shape_ijk}); write or copy it again.")
        if not 2 <= len(shape_ijk) <= 5:
            raise RecordingError(f"{path} has {len(shape_ijk)} axes; choose a volume of three or four.")
        colour = stored.names is not None
        self._stored = np.dtype("u1") if colour else stored
        samples = len(stored.names) if colour else 1
        if colour and samples != 3:
            raise RecordingError(f"{path} holds transparent colours; save it as RGB or as one channel.")
        self._slope, self._intercept = float(proxy.slope), float(proxy.inter)
        self._scaled = not colour and (self._slope, self._intercept) != (1.0, 0.0)
        axes = {2: "YX", 3: "ZYX", 4: "TZYX", 5: "CTZYX"}[len(shape_ijk)] + ("S" if colour else "")
        shape = shape_ijk[::-1] + ((3,) if colour else ())
        self.plane_ndim = 3 if colour else 2
        self._offset = int(proxy.offset)
        self._row = math.prod(shape[len(shape) - self.plane_ndim + 1 :]) * self._stored.itemsize
        self._plane_bytes = self._row * shape[-self.plane_ndim]
        with data_path.open("rb") as file:
            self._packed = file.read(2) == GZIP_MAGIC
        notes: tuple[str, ...] = ()
        if not self._packed:
            present = max(0, data_path.stat().st_size - self._offset) // self._plane_bytes
            shape, notes = cut_short(path, shape, self.plane_ndim, present)
        wide = self._stored.itemsize > 4 or (self._stored.kind in "ui" and self._stored.itemsize == 4)
        super().__init__(
            name=path.name.removesuffix(".gz").removesuffix(".nii").removesuffix(".hdr"),
            axes=axes,
            shape=shape,
            dtype=(np.float64 if wide else np.float32) if self._scaled else self._stored,
            scale=dict(zip("XYZT", zooms, strict=False)),
            units=dict.fromkeys("XYZ", _UNITS.get(space_unit)) | {"T": _UNITS.get(time_unit.replace("unknown", ""))},
            path=path,
            notes=notes,
            affine=affine,
            metadata={"format": "nifti", "orientation": orientation},
        )
        self._data_path = data_path
        self._lock = threading.Lock()
        self._raw = None if self._packed else RawFile(data_path)

    def _plane(self, number: int, rows: slice) -> npt.NDArray[Any]:
        shape = (rows.stop - rows.start, *self.shape[len(self.shape) - self.plane_ndim + 1 :])
        offset = self._offset + number * self._plane_bytes + rows.start * self._row
        try:
            values = self._unpacked().read(offset, shape, self._stored)
        except (OSError, EOFError, ValueError) as error:
            raise FrameError(
                f"Plane {number} of {self.path} cannot be read: the file is cut short or damaged, so copy it again."
            ) from error
        if self._scaled:
            values = values.astype(self.dtype)
            values *= self._slope
            values += self._intercept
        return values

    def _unpacked(self) -> RawFile:
        with self._lock:
            self._check_open()
            if self._raw is None:
                self._raw = RawFile(self._data_path, self._unpack())
            return self._raw

    def _unpack(self) -> Any:
        needed = self._offset + math.prod(self.shape[: -self.plane_ndim]) * self._plane_bytes
        target = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY, prefix="napari-sam2-video-")  # noqa: SIM115
        try:
            with self._data_path.open("rb") as source:
                for piece in _unpacked_pieces(source, needed):
                    target.write(piece)
        except OSError:
            target.close()
            raise
        return target

    def _source(self) -> dict[str, Any]:
        if self.path is None or self._data_path == self.path:
            return super()._source()
        files = files_fingerprint(self.path.parent, [self.path, self._data_path])
        return files | {"path": str(self.path.absolute())}

    def _close(self) -> None:
        with self._lock:
            if self._raw is not None:
                self._raw.close()


def load_nifti(path: Path) -> Any:
    """Open a NIfTI file as nibabel does, by its content, whatever its name says; its voxels are read in another way."""
    nibabel: Any = importlib.import_module("nibabel")
    with path.open("rb") as file:
        packed = file.read(2) == GZIP_MAGIC
        file.seek(0)
        stream: Any = gzip.GzipFile(fileobj=file) if packed else file
        kind = {b"n+1\0": nibabel.Nifti1Image, b"n+2\0": nibabel.Nifti2Image}
        head = stream.read(348)
        found = kind.get(head[344:348]) or kind.get(head[4:8])
        if found is None:
            return nibabel.load(path)
        stream.seek(0)
        return found.from_file_map({"image": nibabel.FileHolder(fileobj=stream)})


def _unpacked_pieces(source: BinaryIO, needed: int) -> Iterator[bytes]:
    """The first `needed` bytes of a gzip file, or those before its end or damage."""
    unpack, packed = zlib.decompressobj(31), b""
    while needed > 0:
        packed = packed or source.read(_PIECE)
        if not packed:
            yield unpack.flush()[:needed]
            break
        try:
            piece = unpack.decompress(packed, min(_PIECE, needed))
        except zlib.error:
            break
        needed -= len(piece)
        yield piece
        packed = unpack.unconsumed_tail
        if unpack.eof:
            unpack, packed = zlib.decompressobj(31), unpack.unused_data
