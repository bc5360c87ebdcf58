"""Volumes that nibabel reads, plane by plane: NIfTI, Analyze, MGH, MINC, AFNI, PAR/REC, ECAT."""

from __future__ import annotations

import importlib
import math
import threading
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.errors import FrameError, RecordingError, first_line
from napari_sam2_video.frames.alpha import NOTE as ON_WHITE
from napari_sam2_video.frames.alpha import on_white
from napari_sam2_video.frames.compressed_file import PackedFile, open_unpacked, unpacked_head
from napari_sam2_video.frames.fingerprint import files_fingerprint
from napari_sam2_video.frames.nibabel_files import PATTERNS, data_beside, header_beside, volume_format
from napari_sam2_video.frames.nibabel_sizes import Sizes, sizes_of
from napari_sam2_video.frames.planes_recording import PlanesRecording
from napari_sam2_video.frames.reader import HEAD_BYTES, Reader, need
from napari_sam2_video.frames.truncated import cut_short

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

_AXES = "XYZTCUV"
_CIFTI = range(3000, 3100)
_SUFFIXES = (".gz", ".nii", ".hdr", ".img", ".mgz", ".mgh", ".mnc", ".HEAD", ".PAR", ".par", ".v")


@dataclass
class Volume:
    """A file that nibabel has opened.

    Parameters
    ----------
    array : object
        nibabel's proxy of the voxels, which reads only the indexed part.
    shape, dtype
        Lengths of the proxy's axes, and the type of the stored values.
    header, affine
        As nibabel has them; `affine` belongs to the proxy's three spatial axes in their order.
    files : list
        Open files, to be closed after the last read.
    paths : list of Path
        Paths of its files.
    slow_first : bool
        Whether the proxy's axes go from time to slice to column, as in MINC, instead of the reverse.
    notes : tuple of str
        Notes for the user.
    """

    array: Any
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    header: Any
    affine: npt.NDArray[np.float64]
    files: list[Any]
    paths: list[Path]
    slow_first: bool = False
    notes: tuple[str, ...] = ()


class NibabelRecording(PlanesRecording):
    """A volume or series of volumes.

    The voxel axes i, j, k and t of the file are called ``X``, ``Y``, ``Z`` and ``T`` regardless of the orientation of
    the body, so that labels can be written on the same grid; `affine` maps (i, j, k) to the world as nibabel does, and
    ``metadata["orientation"]`` says where the axes point, and ``metadata["placed"]`` whether the file says so itself.
    """

    def __init__(self, path: Path, kind: str, volume: Volume) -> None:
        shape_ijk = volume.shape[::-1] if volume.slow_first else volume.shape
        self._trimmed = 0
        while len(shape_ijk) > 3 and shape_ijk[-1] == 1:
            shape_ijk, self._trimmed = shape_ijk[:-1], self._trimmed + 1
        if min(shape_ijk, default=0) < 1:
            raise ValueError(f"its shape is {shape_ijk}")
        if not 2 <= len(shape_ijk) <= len(_AXES):
            raise ValueError(f"it has {len(shape_ijk)} axes")
        self._volume = volume
        self._colours, dtype, notes = _value_type(path, volume)
        affine = volume.affine[:, [2, 1, 0, 3]] if volume.slow_first else volume.affine
        sizes: Sizes = sizes_of(kind, volume.header, affine, len(shape_ijk))
        colour = (3,) if self._colours else ()
        shape = shape_ijk[::-1] + colour
        self.plane_ndim = 2 + len(colour)
        shape, cut = _present(path, volume, shape, self.plane_ndim)
        self._leading = shape[: -self.plane_ndim]
        name = path.name
        for suffix in _SUFFIXES:
            name = name.removesuffix(suffix)
        codes = importlib.import_module("nibabel").aff2axcodes(affine)
        super().__init__(
            name=name,
            axes=_AXES[: len(shape_ijk)][::-1] + "S" * len(colour),
            shape=shape,
            dtype=dtype,
            scale=sizes.scale,
            units=sizes.units,
            times=sizes.times,
            path=path,
            notes=(*volume.notes, *notes, *cut, *sizes.notes),
            affine=affine,
            metadata={
                "format": "nifti" if kind == "NIfTI" else kind.lower(),
                "orientation": "".join(code or "?" for code in codes),
                "placed": _is_placed(kind, volume.header),
            },
        )
        self._lock = threading.Lock()

    def _plane(self, number: int, rows: slice) -> npt.NDArray[Any]:
        leading = np.unravel_index(number, self._leading) if self._leading else ()
        before = (*(0,) * self._trimmed, *(int(n) for n in leading))
        index = (*before, rows, slice(None)) if self._volume.slow_first else (slice(None), rows, *before[::-1])
        try:
            with self._lock, warnings.catch_warnings():
                warnings.simplefilter("ignore")
                values = np.asarray(self._volume.array[index])
        except Exception as error:
            self._check_open()
            raise FrameError(
                f"Plane {number} of {self.path} cannot be read: the file is truncated or damaged; copy it again."
            ) from error
        if not self._volume.slow_first:
            values = values.T
        if self._colours:
            values = np.ascontiguousarray(values).view(np.uint8).reshape(*values.shape, self._colours)
            return on_white(values) if self._colours == 4 else values
        return values.astype(self.dtype, copy=False)

    def _source(self) -> dict[str, Any]:
        if self.path is None or len(self._volume.paths) == 1:
            return super()._source()
        return files_fingerprint(self.path.parent, self._volume.paths) | {"path": str(self.path.absolute())}

    def _close(self) -> None:
        with self._lock:
            for file in self._volume.files:
                file.close()


def _value_type(path: Path, volume: Volume) -> tuple[int, np.dtype[Any], tuple[str, ...]]:
    """Number of colour samples (0 if there are none), dtype of the rescaled values, and notes."""
    stored = volume.dtype
    if stored.names is not None:
        samples = len(stored.names)
        return samples, np.dtype("u1"), (ON_WHITE,) if samples == 4 else ()
    if stored.kind == "c":
        raise RecordingError(f"{path} holds complex values; save their magnitude.")
    plain = type(volume.array) is importlib.import_module("nibabel.arrayproxy").ArrayProxy
    if plain:
        scaled = (float(volume.array.slope), float(volume.array.inter)) != (1.0, 0.0)
    else:
        scaled = getattr(volume.array, "scaling", True) is not None
    if not scaled or (plain and stored.kind == "f" and stored.itemsize <= 8):
        return 0, np.dtype(np.float64) if stored.itemsize > 8 else stored.newbyteorder("="), ()
    wide = stored.itemsize > 4 or (stored.kind in "ui" and stored.itemsize == 4)
    return 0, np.dtype(np.float64 if wide else np.float32), ()


def _present(
    path: Path, volume: Volume, shape: tuple[int, ...], plane_ndim: int
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Shape of the planes that an uncompressed file is long enough for, and notes."""
    offset, file = getattr(volume.array, "offset", None), volume.files[-1] if volume.files else None
    if offset is None or volume.slow_first or file is None or isinstance(file, PackedFile):
        return shape, ()
    each = math.prod(shape[len(shape) - plane_ndim :][:2]) * volume.dtype.itemsize
    return cut_short(path, shape, plane_ndim, max(0, volume.paths[-1].stat().st_size - int(offset)) // each)


def open_volume(path: Path, series: int | str | None = None) -> NibabelRecording:
    """Open a volume or series: ``ZYX`` or ``TZYX`` in the order of the file, whatever its orientation.

    Raises
    ------
    RecordingError
        If it is damaged or half of a pair, or the package that reads it is missing.
    """
    path = header_beside(path) or path
    with path.open("rb") as file:
        kind = volume_format(file.read(HEAD_BYTES), path) or "NIfTI"
    need("nibabel", path)
    if kind == "MINC2":
        need("h5py", path)
    volume = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            volume = load_volume(path, kind)
            return NibabelRecording(path, kind, volume)
    except RecordingError:
        _close(volume)
        raise
    except Exception as error:
        _close(volume)
        raise RecordingError(
            f"{path} is a damaged {kind} file ({first_line(error)}); write or copy it again."
        ) from error


def _close(volume: Volume | None) -> None:
    for file in volume.files if volume is not None else ():
        file.close()


def load_volume(path: Path, kind: str) -> Volume:
    """Open a file with nibabel, by its content and not by its name.

    Raises
    ------
    RecordingError
        If the other file of a pair is missing.
    Exception
        Of any type, if it is damaged.
    """
    if kind in ("MINC1", "MINC2"):
        return _load_minc(path, kind)
    nibabel: Any = importlib.import_module("nibabel")
    image_class, paired = _image_class(nibabel, path, kind)
    data = data_beside(path) if paired else path
    if data is None:
        raise RecordingError(
            f"{path} is the header of a volume ({kind}), but the file with its voxels is not in the same "
            "folder; copy both files."
        )
    file = open_unpacked(data)
    holders = image_class.filespec_to_file_map(path.with_suffix("")) if kind == "Analyze" else {}
    holders["image"] = nibabel.FileHolder(fileobj=file)
    if paired or kind == "ECAT":
        holders["header"] = nibabel.FileHolder(filename=str(path)) if paired else holders["image"]
    notes: tuple[str, ...] = ()
    try:
        try:
            image = image_class.from_file_map(holders)
        except Exception:
            if kind != "PAR/REC":
                raise
            image = image_class.from_file_map(holders, permit_truncated=True)
            notes = (f"The scan of {path.name} was stopped early: only complete volumes are used.",)
        if kind == "NIfTI" and int(image.header["intent_code"]) in _CIFTI:
            raise RecordingError(f"{path} holds values on a surface (CIFTI), not images; open a volume.")
    except BaseException:
        file.close()
        raise
    array, shape = image.dataobj, tuple(map(int, image.shape))
    if isinstance(file, PackedFile) and hasattr(array, "offset"):
        file.limit = int(array.offset) + math.prod(shape) * np.dtype(image.get_data_dtype()).itemsize
    header = image.get_subheaders() if kind == "ECAT" else image.header
    dtype = np.dtype(image.get_data_dtype(0) if kind == "ECAT" else image.get_data_dtype())
    affine, paths = np.array(image.affine, np.float64), [path, data] if paired else [path]
    return Volume(array, shape, dtype, header, affine, [file], paths, notes=notes)


def _is_placed(kind: str, header: Any) -> bool:
    """Whether a file says where its voxels lie; nibabel assumes a place for one that does not."""
    if kind == "NIfTI":
        return bool(int(header["sform_code"]) or int(header["qform_code"]))
    return kind != "Analyze"


def _image_class(nibabel: Any, path: Path, kind: str) -> tuple[Any, bool]:
    """Nibabel's class for a file, and whether its voxels are in another file."""
    if kind == "NIfTI":
        with path.open("rb") as file:
            head = unpacked_head(file.read(HEAD_BYTES), HEAD_BYTES)
        second, single = b"2" in head[6:7], b"n+" in head[4:6] + head[344:346]
        version = "Nifti2" if second else "Nifti1"
        return getattr(nibabel, version + ("Image" if single else "Pair")), not single
    if kind == "Analyze":
        classes = importlib.import_module("nibabel.imageclasses").all_image_classes
        return next(one for one in classes if one.path_maybe_image(str(path))[0]), True
    one = {"MGH": "MGHImage", "AFNI": "brikhead.AFNIImage", "PAR/REC": "parrec.PARRECImage", "ECAT": "ecat.EcatImage"}
    module, _, name = one[kind].rpartition(".")
    source = importlib.import_module(f"nibabel.{module}") if module else nibabel
    return getattr(source, name), kind in ("AFNI", "PAR/REC")


def _load_minc(path: Path, kind: str) -> Volume:
    minc1: Any = importlib.import_module("nibabel.minc1")
    if kind == "MINC2":
        file: Any = importlib.import_module("h5py").File(path, "r")
    else:
        file = open_unpacked(path)
    try:
        if kind == "MINC2":
            minc = importlib.import_module("nibabel.minc2").Minc2File(file)
        else:
            netcdf: Any = importlib.import_module("nibabel.externals.netcdf")
            minc = minc1.Minc1File(netcdf.netcdf_file(file, mmap=False))
        array, affine = minc1.MincImageArrayProxy(minc), np.array(minc.get_affine(), np.float64)
        if affine.shape != (4, 4):
            raise ValueError("it does not have three spatial axes")
        shape, dtype = tuple(map(int, array.shape)), np.dtype(minc.get_data_dtype())
        return Volume(array, shape, dtype, minc, affine, [file], [path], slow_first=True)
    except BaseException:
        file.close()
        raise


READER = Reader(
    name="NIfTI and other volumes",
    patterns=PATTERNS,
    matches=lambda head, path: (
        head is not None and (header_beside(path) is not None or volume_format(head, path) is not None)
    ),
    open=open_volume,
)
