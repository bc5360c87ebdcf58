"""What the measurements of the widget compute in the background: a table, its tracks, and plots of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_sam2_video.errors import SessionError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt
    from napari.layers import Image

    from napari_sam2_video.analysis.table import Table
    from napari_sam2_video.analysis.tracks import Tracks
    from napari_sam2_video.frames.recording import Recording
    from napari_sam2_video.plugin.layers import Geometry
    from napari_sam2_video.session import Session

LARGE_PIXELS = 1500
SMALL_PIXELS, SMALL_INCHES = 900, (4.4, 3.4)
NOT_PLOTTED = ("object_id", "frame", "position", "walk")


@dataclass(frozen=True)
class Values:
    """Where intensities come from: channels of the session's recording (None: the tracked one) or other recordings."""

    channels: tuple[int, ...] | None = None
    recording: Path | Image | None = None


class Measured(NamedTuple):
    """The measurements: the table, its tracks, and inconsistencies of the lineage."""

    table: Table
    tracks: Tracks
    problem: str


class Plot(NamedTuple):
    """One plot as RGBA pixels ``(Y, X, 4)``, for a dock and for the widget."""

    large: npt.NDArray[np.uint8]
    small: npt.NDArray[np.uint8]


def measure_session(
    session: Session, values: Values | None, shape: bool, progress: Callable[[int, int], None]
) -> Measured:
    """Measure a session; without `values` no intensities, without `shape` no perimeters and shapes."""
    from napari_sam2_video.analysis.measure import measure
    from napari_sam2_video.analysis.tracks import tracks
    from napari_sam2_video.api.intensities import readers_of

    source = None if values is None else _recording(session, values.recording)
    with readers_of(session, None if values is None else values.channels, source) as readers:
        table = measure(session.result(), intensity=values is not None, shape=shape, readers=readers, progress=progress)
    return Measured(table, tracks(table, session.objects), _odd_lineage(session, table))


def _recording(session: Session, source: Path | Image | None) -> Path | Recording | None:
    """What `readers_of` opens: a file, or the recording of a layer."""
    from napari_sam2_video.frames.open import open_recording
    from napari_sam2_video.plugin.layers import level_zero
    from napari_sam2_video.plugin.recording_layers import known_recording

    if source is None or isinstance(source, Path):
        return source
    data, axes = level_zero(source), session.recording.axes
    letters = [axes, axes.replace("C", ""), axes.replace("S", ""), axes.replace("C", "").replace("S", "") + "S"]
    fitting = next((found for found in letters if len(found) == data.ndim and ("S" in found) == source.rgb), None)
    return known_recording(source) or open_recording(data, axes=fitting, name=source.name)


def plotted_columns(table: Table) -> list[str]:
    """Columns of numbers that can be drawn over the walked axis."""
    return [name for name in table.names if table[name].dtype.kind in "fi" and name not in NOT_PLOTTED]


def plot_of(session: Session, table: Table, kind: str) -> Plot:
    """Draw one of `napari_sam2_video.export.plots.PLOTS`, or a column of the table."""
    from napari_sam2_video.export.plots import PLOTS, draw, plot_column, plot_trajectories

    colors = {entry.id: entry.color for entry in session.objects}
    if kind == "plot-trajectories":
        figure = plot_trajectories(table, colors, shape_yx=session.shape_yx)
    else:
        figure = PLOTS[kind][1](table, colors) if kind in PLOTS else plot_column(table, kind, colors)
    large = draw(figure, width=LARGE_PIXELS)
    figure.set_size_inches(*SMALL_INCHES)
    return Plot(large, draw(figure, width=SMALL_PIXELS))


def _odd_lineage(session: Session, table: Table) -> str:
    """Inconsistencies of the lineage with where the objects were found; empty if there are none."""
    from napari_sam2_video.analysis.lineage import check_lineage, first_frames

    try:
        check_lineage(session.objects, first_frames(table))
    except SessionError as error:
        return str(error)
    return ""


def in_layer(found: Tracks, geometry: Geometry) -> npt.NDArray[np.float64]:
    """Vertices of tracks as ``(id, data coordinates of the image layer)``."""
    ids, frames, y, x = found.data.T
    points = np.tile(geometry.to_data(0, 0.0, 0.0), (len(ids), 1))
    assert geometry.walk is not None
    points[:, geometry.walk] = frames
    points[:, geometry.plane[0]] = y
    points[:, geometry.plane[1]] = x
    return np.column_stack([ids, points])
