"""Measure the result: plots in the widget or in a dock of their own, and a Tracks layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from qtpy.QtCore import QPoint, QRect, QSize, Qt
from qtpy.QtGui import QImage, QPainter, QPixmap
from qtpy.QtWidgets import QComboBox, QSizePolicy, QWidget

from napari_sam2_video.errors import SessionError
from napari_sam2_video.plugin.background_task import BackgroundTask
from napari_sam2_video.plugin.layers import take_off, transform_of
from napari_sam2_video.plugin.widgets import NO_SESSION, allow, button, fill, narrow, row, set_note, stack

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_sam2_video.analysis.table import Table
    from napari_sam2_video.analysis.tracks import Tracks
    from napari_sam2_video.plugin.controller import Controller
    from napari_sam2_video.plugin.layers import Geometry
    from napari_sam2_video.session import Session

TRACKS_NAME = "SAM 2 tracks"
UNDER_WAY = "Measuring is under way."
CHANGED = "The masks changed since they were measured: measure again."
DOCK_NAME = "SAM 2 measurements"
KINDS = [("Area", "plot-areas"), ("Trajectories", "plot-trajectories"), ("Mean squared displacement", "plot-msd")]
FILLING = QSize(340, 230)
LARGE_PIXELS = 1500
SMALL_PIXELS, SMALL_INCHES = 900, (4.4, 3.4)


class Measured(NamedTuple):
    """What the background hands over: the table, its tracks, one plot for a dock and for the widget, what is odd."""

    table: Table
    tracks: Tracks
    large: npt.NDArray[np.uint8]
    small: npt.NDArray[np.uint8]
    problem: str


class Picture(QWidget):
    """A picture that keeps its shape: as high as its width asks for, or, if it `fills`, as large as there is room."""

    def __init__(self, *, fills: bool = False) -> None:
        super().__init__()
        self.pixmap: QPixmap | None = None
        self._fills = fills
        if fills:
            self.setMinimumSize(FILLING)
        policy = QSizePolicy(
            QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored if fills else QSizePolicy.Policy.Fixed
        )
        policy.setHeightForWidth(not fills)
        self.setSizePolicy(policy)

    def show_pixels(self, pixels: npt.NDArray[np.uint8]) -> None:
        """Show RGBA pixels of shape ``(Y, X, 4)``."""
        height, width = pixels.shape[:2]
        image = QImage(pixels.tobytes(), width, height, 4 * width, QImage.Format.Format_RGBA8888)
        self.pixmap = QPixmap.fromImage(image.copy())
        self.updateGeometry()
        self.update()

    def hasHeightForWidth(self) -> bool:
        """Whether the height follows from the width."""
        return not self._fills

    def heightForWidth(self, width: int) -> int:
        """Height that keeps the picture's shape."""
        return 0 if self.pixmap is None else round(width * self.pixmap.height() / self.pixmap.width())

    def sizeHint(self) -> QSize:
        """Usual size."""
        return FILLING if self._fills else QSize(self.width(), self.heightForWidth(self.width()))

    def drawn_at(self) -> QRect:
        """Where the picture is drawn: as large as fits, in the middle."""
        if self.pixmap is None:
            return QRect()
        size = self.pixmap.size().scaled(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
        return QRect(QPoint((self.width() - size.width()) // 2, (self.height() - size.height()) // 2), size)

    def paintEvent(self, event: Any) -> None:
        """Draw the picture."""
        if self.pixmap is not None:
            painter = QPainter(self)
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawPixmap(self.drawn_at(), self.pixmap)
            painter.end()


class MeasurePanel(QWidget):
    """Measure the objects in the background, plot them, and show their tracks."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self._controller = controller
        self._measured: Measured | None = None
        self._dock: Any = None
        self.kind_box = narrow(QComboBox())
        fill(self.kind_box, KINDS)
        self.measure_button = button("Measure", self.measure, "Measure all objects and plot the chosen figure.")
        self.task = BackgroundTask(controller, "Cancel", "Stop measuring.")
        self.tracks_button = button("Tracks layer", self.show_tracks, "Show where each object went as a Tracks layer.")
        self.larger_button = button("Own window", self.show_larger, "Show the plot in a dock, as large as you make it.")
        self.picture = Picture()
        work = row(self.kind_box, self.measure_button, self.task.stop_button, stretch=0)
        found = row(self.tracks_button, self.larger_button)
        stack(self, work, self.task.bar, self.picture, found, self.task.outcome)
        controller.session_changed.connect(self._on_session)
        controller.changed.connect(self._on_changed)
        controller.run_changed.connect(self.update_state)
        self.task.changed.connect(self.update_state)
        controller.at_close(self._close_dock)
        self.update_state()

    def measure(self) -> None:
        """Measure in the background and show the chosen plot."""
        session, kind = self._controller.session, self.kind_box.currentData()
        if session is None:
            return
        self.task.begin(
            "measuring",
            lambda progress: measured(session, kind, progress),
            done=lambda found: self._done(session, found),
            stopped="The measurement was cancelled.",
        )

    def show_tracks(self) -> None:
        """Add a Tracks layer of what was measured, in place of an earlier one."""
        controller, found = self._controller, self._measured
        if found is None or controller.image is None or controller.geometry is None:
            return
        geometry = controller.geometry
        if geometry.walk != 0 or geometry.ndim not in (3, 4):
            text = "A Tracks layer runs along the first axis, and this session walks another one."
            set_note(self.task.outcome, text)
            return
        from napari.layers import Tracks as TracksLayer

        if TRACKS_NAME in controller.viewer.layers:
            take_off(controller.viewer, controller.viewer.layers[TRACKS_NAME])
        data = in_layer(found.tracks, geometry)
        if not len(data):
            set_note(self.task.outcome, "No object has a pixel, so there is no track to show.")
            return
        place = transform_of(controller.image)
        layer = TracksLayer(
            data, graph=found.tracks.graph, properties=found.tracks.properties, name=TRACKS_NAME, **place
        )
        controller.viewer.add_layer(layer)

    def show_larger(self) -> None:
        """Show the plot in a dock below the image."""
        if self._measured is None:
            return
        self._close_dock()
        large = Picture(fills=True)
        large.show_pixels(self._measured.large)
        self._dock = self._controller.viewer.window.add_dock_widget(large, name=DOCK_NAME, area="bottom")

    def _close_dock(self) -> None:
        dock, self._dock = self._dock, None
        if dock is not None:
            try:
                self._controller.viewer.window.remove_dock_widget(dock)
            except (LookupError, RuntimeError):
                return

    def _done(self, session: Session, found: Measured) -> None:
        if self._controller.session is not session:
            return
        self._controller.deliver()
        self._measured = found
        self.picture.show_pixels(found.small)
        count, unit = len(found.table.object_ids()), found.table.calibration.length_unit
        objects = "1 object" if count == 1 else f"{count} objects"
        text = f"{objects}, {len(found.table)} measurements, lengths in {unit}."
        set_note(self.task.outcome, f"{text} Export them as Measurements. {found.problem}".strip())

    def _on_changed(self, topic: str) -> None:
        if self._measured is not None and topic == "masks":
            set_note(self.task.outcome, CHANGED)

    def _on_session(self) -> None:
        self._measured = None
        set_note(self.task.outcome, "")
        self._close_dock()
        self.update_state()

    def update_state(self) -> None:
        """Enable what can be done now."""
        known = self._measured is not None
        session = self._controller.session
        allow(self.measure_button, NO_SESSION if session is None else UNDER_WAY if self.task.working else "")
        self.picture.setVisible(known)
        allow(self.tracks_button, "" if known else "Measure first.")
        allow(self.larger_button, "" if known else "Measure first.")


def measured(session: Session, kind: str, progress: Any) -> Measured:
    """Measure a session and draw one plot; runs in the background."""
    from napari_sam2_video.analysis.measure import measure
    from napari_sam2_video.analysis.tracks import tracks
    from napari_sam2_video.export.plots import PLOTS, draw, plot_trajectories

    table = measure(session.result(), intensity=False, shape=False, progress=progress)
    colors = {entry.id: entry.color for entry in session.objects}
    plot = PLOTS[kind][1]
    figure = plot(table, colors)
    if plot is plot_trajectories:
        figure = plot_trajectories(table, colors, shape_yx=session.shape_yx)
    large = draw(figure, width=LARGE_PIXELS)
    figure.set_size_inches(*SMALL_INCHES)
    small = draw(figure, width=SMALL_PIXELS)
    return Measured(table, tracks(table, session.objects), large, small, _odd_lineage(session, table))


def _odd_lineage(session: Session, table: Table) -> str:
    """What cannot be in the lineage, given where the objects were found; empty where nothing is odd."""
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
