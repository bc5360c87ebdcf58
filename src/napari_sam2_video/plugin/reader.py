"""napari readers for videos, volumes, OME-TIFF, OME-Zarr, image folders and sessions, all lazy."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from napari_sam2_video.plugin.recording_layers import LayerData, recording_layer, reopened
from napari_sam2_video.plugin.settings import PLUGIN, SESSION_SUFFIX
from napari_sam2_video.plugin.waiting import while_window_draws
from napari_sam2_video.session.kept_source import FILE as SOURCE_FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari.layers import Image

Reader: TypeAlias = "Callable[[Any], list[LayerData]]"
IMAGES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"}
FEWEST_IMAGES = 2
LOOKED_AT = 64
MOST_SERIES = 16


def _single(path: Any) -> Path | None:
    return Path(path) if isinstance(path, str | os.PathLike) else None


def open_as_layers(source: str | os.PathLike[str] | Sequence[str]) -> list[LayerData]:
    """Open a recording as image layers, one for each of its series, whose frames are read when shown.

    Parameters
    ----------
    source : str, Path or sequence of str
        A file or a folder, or the files of one frame each.

    Raises
    ------
    RecordingError
        As for `napari_sam2_video.frames.open.open_recording`.
    """
    from napari.utils.notifications import show_info

    from napari_sam2_video.errors import Sam2VideoError, SeveralSeriesError
    from napari_sam2_video.frames.open import open_recording

    name = Path(source).name if isinstance(source, str | os.PathLike) else f"{len(source)} files"

    def work() -> tuple[list[str], list[LayerData]]:
        notes: list[str] = []
        try:
            recordings = [open_recording(source)]
        except SeveralSeriesError as error:
            shown = error.series[:MOST_SERIES]
            recordings = []
            for one in shown:
                try:
                    recordings.append(open_recording(source, series=one))
                except Sam2VideoError as broken:
                    notes.append(str(broken))
            if not recordings:
                raise
            what = "each is" if len(shown) == len(error.series) else f"each of the first {len(shown)} is"
            notes.append(
                f"{name} holds {len(error.series)} series; {what} a layer of its own: choose the one to "
                "track in as Image."
            )
        for recording in recordings:
            notes.extend(recording.notes)
        return notes, [recording_layer(recording) for recording in recordings]

    notes, layers = while_window_draws(work, f"Opening {name}…")
    for sentence in dict.fromkeys(notes):
        show_info(sentence)
    return layers


def video_reader(path: Any) -> Reader | None:
    """Reader of a video, frame-accurate."""
    return None if _single(path) is None else open_as_layers


def volume_reader(path: Any) -> Reader | None:
    """Reader of a NIfTI volume, or of the DICOM series that a file belongs to, with its voxel size."""
    return None if _single(path) is None else open_as_layers


def tiff_reader(path: Any) -> Reader | None:
    """Lazy reader of an OME-TIFF or a BigTIFF with its pixel sizes; napari itself reads other TIFFs."""
    return None if _single(path) is None else open_as_layers


def folder_reader(path: Any) -> Reader | None:
    """Reader of an image sequence, a DICOM series or an OME-Zarr image; other readers handle the rest better."""
    from napari_sam2_video.frames.dicom_files import holds_dicom
    from napari_sam2_video.frames.ome_zarr import is_ome_image

    folder = _single(path)
    if folder is None or not folder.is_dir() or folder.suffix.lower() == SESSION_SUFFIX:
        return None
    if is_ome_image(folder):
        return open_as_layers
    if folder.suffix.lower() == ".zarr":
        return None
    count = 0
    with os.scandir(folder) as entries:
        for _, entry in zip(range(LOOKED_AT), entries, strict=False):
            if entry.name in {".zattrs", ".zgroup", "zarr.json"}:
                return None
            count += Path(entry.name).suffix.lower() in IMAGES or (entry.is_file() and holds_dicom(entry.path))
    return open_as_layers if count >= FEWEST_IMAGES else None


def session_reader(path: Any) -> Reader | None:
    """Reader of a session: opens it in the widget, which is shown if needed."""
    folder = _single(path)
    if folder is None or not (folder / "session.json").is_file():
        return None
    return _open_session


def _open_session(path: Any) -> list[LayerData]:
    from napari import current_viewer
    from napari.viewer import Viewer

    viewer = current_viewer()
    if isinstance(viewer, Viewer):
        _, widget = viewer.window.add_plugin_dock_widget(PLUGIN)
        widget.open_session(Path(path))
        # napari requires at least one layer; this value means that there is nothing to add.
        return [(None,)]  # type: ignore[list-item]
    return _session_layers(Path(path))


def _session_layers(folder: Path) -> list[LayerData]:
    """Layers of a session, if there is no window for the widget."""
    import numpy as np

    from napari_sam2_video.session import Session

    session = Session.open(folder, read_only=True)
    image = recording_layer(reopened(session), window=session.view.settings.window)
    labels = np.asarray(session.labels)
    session.close()
    return [image, (labels, {"name": f"{folder.stem} masks"}, "labels")]


@dataclass(frozen=True)
class SessionArray:
    """An array that a session was made from: the layer's name, and the shape of the recording."""

    name: str
    shape: tuple[int, ...]

    def fits(self, layer: Image) -> bool:
        """Whether a layer may be that array; the pixels are compared when the session is opened."""
        data = layer.data[0] if layer.multiscale else layer.data
        shape = tuple(int(n) for n in data.shape)
        rgba = (*shape[:-1], 3) if layer.rgb else shape
        return self.shape in (shape, rgba, (1, *shape), (1, *rgba))


def array_of_session(folder: Path) -> SessionArray | None:
    """The array that a session was made from, which must be in the viewer to open the session again.

    None if the recording is a file, or the session keeps a copy.
    """
    source = _source(folder)
    if "path" not in source or source["path"] is not None or (folder / SOURCE_FILE).is_file():
        return None
    return SessionArray(str(source.get("name", "")), tuple(int(n) for n in source.get("shape", ())))


def axes_of_session(folder: Path, ndim: int) -> str:
    """Axes of a session's recording without RGB samples; empty if their number is not `ndim`."""
    axes = str(_source(folder).get("axes", "")).removesuffix("S")
    return axes if len(axes) == ndim else ""


def _source(folder: Path) -> dict[str, Any]:
    """The recording as described in the manifest; errors in it are reported when the session is opened."""
    try:
        return dict(json.loads((folder / "session.json").read_bytes())["source"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}
