"""The label images as a zarr array that anyone can read: derived from the records, a chunk a frame.

The array is never read back. Beside it stands the version of each frame's chunk; a frame whose version is not the
one the store has is written again. Versions are only said to be on disk after their chunks are.
"""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.storage.atomic import make_folder, move, replace_file, sync_file, sync_folder, writing

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

TILE = 2048
UNSURE = 2
"""Version of a frame whose chunk may be of any; no frame has it."""
_SYNC_EVERY = 256


class LabelsFile:
    """A zarr v3 array of shape ``(n_frames, Y, X)``, one chunk a frame or, for large frames, tiles of `TILE` pixels.

    Parameters
    ----------
    folder : Path
        The array's folder, ``labels.zarr``; the versions lie beside it.
    n_frames : int
        Number of frames.
    shape_yx : tuple of int
        Shape of a frame.
    dtype : dtype
        Unsigned integers.
    """

    def __init__(self, folder: Path, n_frames: int, shape_yx: tuple[int, int], dtype: np.dtype[Any]) -> None:
        self.folder = folder
        self.shape_yx = shape_yx
        self.dtype = np.dtype(dtype)
        self.tile_yx = (
            TILE if shape_yx[0] > 2 * TILE else shape_yx[0],
            TILE if shape_yx[1] > 2 * TILE else shape_yx[1],
        )
        self._n_frames = n_frames
        self._written: set[Path] = set()
        self._ahead: set[int] = set()
        self._doubted: set[int] = set()
        self._versions_path = folder.with_name("labels.versions")
        meta = self._metadata()
        self.versions = np.zeros(n_frames, np.uint64)
        if self._current() == meta:
            self._load_versions()
        else:
            with writing(self._versions_path):
                self._versions_path.unlink(missing_ok=True)
            make_folder(folder)
            with writing(folder):
                for path in folder.glob("c.*"):
                    path.unlink()
            replace_file(folder / "zarr.json", json.dumps(meta, indent=1).encode())

    def write(self, frame: int, labels_yx: npt.NDArray[Any], version: int) -> None:
        """Write a frame; it is made durable by `sync`, which this calls now and then.

        Raises
        ------
        StoreError
            If it cannot be written.
        """
        height, width = self.tile_yx
        little = self.dtype.newbyteorder("<")
        self._ahead.add(frame)
        with writing(self.folder):
            for row, top in enumerate(range(0, self.shape_yx[0], height)):
                for column, left in enumerate(range(0, self.shape_yx[1], width)):
                    tile = labels_yx[top : top + height, left : left + width]
                    path = self.folder / f"c.{frame}.{row}.{column}"
                    if not tile.any():
                        path.unlink(missing_ok=True)
                        continue
                    if tile.shape != self.tile_yx:
                        tile = np.pad(tile, ((0, height - tile.shape[0]), (0, width - tile.shape[1])))
                    engine = zlib.compressobj(1, zlib.DEFLATED, 31)
                    data = engine.compress(np.ascontiguousarray(tile, little).tobytes()) + engine.flush()
                    beside = self.folder / f".{path.name}.part"
                    beside.write_bytes(data)
                    move(beside, path)
                    self._written.add(path)
        self.versions[frame] = version
        if len(self._written) >= _SYNC_EVERY:
            self.sync()

    def sync(self) -> None:
        """Make what was written durable, then say so in the versions."""
        with writing(self.folder):
            for path in self._written:
                if path.exists():
                    sync_file(path)
            sync_folder(self.folder)
        self._written.clear()
        replace_file(self._versions_path, self.versions.astype("<u8").tobytes())
        self._ahead.clear()
        self._doubted.clear()

    def doubt(self) -> None:
        """Say on disk of which frames the chunks may be ahead of the versions there.

        Raises
        ------
        StoreError
            If it cannot be written.
        """
        if not self._ahead <= self._doubted:
            said = self.versions.astype("<u8")
            said[sorted(self._ahead)] = UNSURE
            replace_file(self._versions_path, said.tobytes())
            self._doubted = set(self._ahead)

    def _metadata(self) -> dict[str, Any]:
        return {
            "zarr_format": 3,
            "node_type": "array",
            "shape": [self._n_frames, *self.shape_yx],
            "data_type": self.dtype.name,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1, *self.tile_yx]}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "."}},
            "fill_value": 0,
            "codecs": [
                {"name": "bytes", "configuration": {"endian": "little"}},
                {"name": "gzip", "configuration": {"level": 1}},
            ],
            "dimension_names": ["frame", "y", "x"],
            "attributes": {},
        }

    def _current(self) -> Any:
        try:
            return json.loads((self.folder / "zarr.json").read_bytes())
        except (OSError, ValueError, RecursionError):
            return None

    def _load_versions(self) -> None:
        try:
            data = self._versions_path.read_bytes()
        except OSError:
            data = b""
        if len(data) == self._n_frames * 8:
            self.versions = np.frombuffer(data, "<u8").astype(np.uint64)
            return
        with writing(self.folder):
            there = {path.name.split(".")[1] for path in self.folder.glob("c.*")}
        frames = [int(number) for number in there if number.isdecimal()]
        self.versions[[frame for frame in frames if frame < self._n_frames]] = UNSURE
