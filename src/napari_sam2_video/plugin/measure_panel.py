"""Measure the result: plots in the widget or in a dock of their own, a table to save, and a Tracks layer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QCheckBox, QComboBox, QFileDialog, QWidget

from napari_sam2_video.plugin.background_task import BackgroundTask
from napari_sam2_video.plugin.layers import take_off, transform_of
from napari_sam2_video.plugin.measuring import (
    Measured,
    Plot,
    Values,
    in_layer,
    measure_session,
    plot_of,
    plotted_columns,
)
from napari_sam2_video.plugin.own_layers import mark_own, own_layers
from napari_sam2_video.plugin.picture import Picture
from napari_sam2_video.plugin.widgets import (
    NO_SESSION,
    allow,
    button,
    choose,
    fill,
    fill_grouped,
    narrow,
    row,
    set_note,
    stack,
)

if TYPE_CHECKING:
    from napari_sam2_video.plugin.background_task import Progress
    from napari_sam2_video.plugin.controller import Controller
    from napari_sam2_video.session import Session

TRACKS_NAME, TRACKS = "SAM 2 tracks", "tracks"
UNDER_WAY = "Measuring is under way."
MEASURE_FIRST = "Measure first."
CHANGED = "The masks have changed since they were measured: measure again."
DOCK_NAME = "SAM 2 measurements"
KINDS = [("Area", "plot-areas"), ("Trajectories", "plot-trajectories"), ("Mean squared displacement", "plot-msd")]
A_FILE = "file"


class MeasurePanel(QWidget):
    """Measure the objects in the background, plot them, save the table, and show their tracks."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self._controller = controller
        self._measured: Measured | None = None
        self._plot: Plot | None = None
        self._dock: Any = None
        self.kind_box = narrow(QComboBox())
        self.kind_box.setToolTip("The quantity to plot; after measuring, any column of the table.")
        self.values_box = narrow(QComboBox())
        self.values_box.setToolTip(
            "Where raw values are measured: in the recording, or in another layer or file of the same size."
        )
        self.shape_check = QCheckBox("Shape")
        self.shape_check.setToolTip("Also measure perimeter, circularity, solidity, orientation and Feret diameter.")
        self.measure_button = button("Measure", self.measure, "Measure all objects and plot the chosen figure.")
        self.task = BackgroundTask(controller, "Cancel", "Stop measuring.")
        self.tracks_button = button("Tracks layer", self.show_tracks, "Show where each object went as a Tracks layer.")
        self.larger_button = button("Pop out", self.show_larger, "Show the plot in a dock of its own.")
        self.save_button = button("Save table…", self.choose_target, "Save the measurements as CSV or Parquet.")
        self.picture = Picture()
        asked = row(self.values_box, self.shape_check, stretch=0)
        work = row(self.kind_box, self.measure_button, self.task.stop_button, stretch=0)
        found = row(self.tracks_button, self.larger_button, self.save_button)
        stack(self, asked, work, self.task.bar, self.picture, found, self.task.outcome)
        self._offer_plots()
        self.kind_box.currentIndexChanged.connect(self._on_kind)
        self.values_box.activated.connect(self._on_values)
        controller.session_changed.connect(self._on_session)
        controller.changed.connect(self._on_changed)
        controller.run_changed.connect(self.update_state)
        controller.listen(controller.viewer.layers.events.inserted, self._offer_values)
        controller.listen(controller.viewer.layers.events.removed, self._offer_values)
        self.task.changed.connect(self.update_state)
        controller.at_close(self._close_dock)
        self._offer_values()
        self.update_state()

    def measure(self) -> None:
        """Measure in the background and show the chosen plot."""
        session, kind = self._controller.session, self.kind_box.currentData()
        if session is None:
            return
        values, shape = self.values_box.currentData(), self.shape_check.isChecked()

        def work(progress: Progress) -> tuple[Measured, str, Plot]:
            found = measure_session(session, values, shape, progress)
            shown = kind if kind.startswith("plot-") or kind in found.table else KINDS[0][1]
            return found, shown, plot_of(session, found.table, shown)

        self.task.begin(
            "measuring",
            work,
            done=lambda result: self._done(session, *result),
            stopped="The measurement was cancelled.",
        )

    def _done(self, session: Session, found: Measured, kind: str, plot: Plot) -> None:
        if self._controller.session is not session:
            return
        self._controller.deliver()
        self._measured = found
        self._offer_plots(kind)
        self._show(plot)
        count, unit = len(found.table.object_ids()), found.table.calibration.length_unit
        objects = "1 object" if count == 1 else f"{count} objects"
        text = f"{objects}, {len(found.table)} measurements, lengths in {unit}."
        set_note(self.task.outcome, f"{text} {found.problem}".strip())

    def _on_kind(self) -> None:
        """Plot another quantity of the measurements."""
        session, found, kind = self._controller.session, self._measured, self.kind_box.currentData()
        if session is None or found is None or kind is None:
            return
        before = self.task.outcome.text()

        def done(plot: Plot) -> None:
            if self._measured is found:
                self._show(plot)
                set_note(self.task.outcome, before)

        self.task.begin("plotting", lambda _: plot_of(session, found.table, kind), done=done, stopped=before)

    def _show(self, plot: Plot) -> None:
        self._plot = plot
        self.picture.show_pixels(plot.small)

    def _offer_plots(self, chosen: str = KINDS[0][1]) -> None:
        """Offer the plots, and every column of the measurements."""
        columns = [] if self._measured is None else plotted_columns(self._measured.table)
        entries = [(name.replace("_", " ").capitalize(), name) for name in columns]
        blocked = self.kind_box.blockSignals(True)
        fill_grouped(self.kind_box, [("Plots", KINDS), *([("Columns", entries)] if entries else [])])
        choose(self.kind_box, chosen)
        self.kind_box.blockSignals(blocked)

    def _offer_values(self, *_: Any) -> None:
        """Offer the recording, its channels, the other image layers, and a file."""
        from napari.layers import Image

        controller, session, chosen = self._controller, self._controller.session, self.values_box.currentData()
        entries: list[tuple[str, Any]] = [("No raw values", None), ("Values of the recording", Values())]
        recording = None if session is None else session.recording
        if recording is not None and "C" in recording.axes:
            channels = range(recording.shape[recording.axes.index("C")])
            entries += [(f"Values of channel {channel}", Values(channels=(channel,))) for channel in channels]
        others = [layer for layer in controller.viewer.layers if isinstance(layer, Image)]
        entries += [
            (f"Values of {layer.name}", Values(recording=layer)) for layer in others if layer is not controller.image
        ]
        if isinstance(chosen, Values) and isinstance(chosen.recording, Path):
            entries.append((f"Values of {chosen.recording.name}", chosen))
        fill(self.values_box, [*entries, ("Values of a file…", A_FILE)], chosen)

    def _on_values(self) -> None:
        """Ask for a file if that entry was chosen."""
        if self.values_box.currentData() == A_FILE:
            path, _ = QFileDialog.getOpenFileName(self, "Recording to measure, of the same size")
            place = self.values_box.currentIndex()
            if path:
                self.values_box.insertItem(place, f"Values of {Path(path).name}", Values(recording=Path(path)))
            self.values_box.setCurrentIndex(place if path else 0)

    def choose_target(self) -> None:
        """Ask for a file and save the table."""
        session = self._controller.session
        if session is None:
            return
        proposal = str(session.folder.with_name(f"{session.folder.stem} measurements.csv"))
        path, _ = QFileDialog.getSaveFileName(self, "Save the table", proposal, "Tables (*.csv *.parquet)")
        if path:
            self.save(Path(path))

    def save(self, target: Path) -> None:
        """Save the measurements; the file dialog has already asked about replacing a file."""
        from napari_sam2_video.export.csv_tables import save_table

        found = self._measured
        if found is not None and self._controller.perform(
            lambda: save_table(found.table, target, overwrite=True), "saving the table"
        ):
            set_note(self.task.outcome, f"Written: {target}.")

    def show_tracks(self) -> None:
        """Add a Tracks layer of the measurements, in place of an earlier one."""
        controller, found = self._controller, self._measured
        if found is None or controller.image is None or controller.geometry is None:
            return
        geometry = controller.geometry
        if geometry.walk != 0 or geometry.ndim not in (3, 4):
            text = "A Tracks layer follows the first axis, but this session tracks along another one."
            set_note(self.task.outcome, text)
            return
        from napari.layers import Tracks as TracksLayer

        take_off(controller.viewer, *own_layers(controller.viewer, TRACKS))
        data = in_layer(found.tracks, geometry)
        if not len(data):
            set_note(self.task.outcome, "No object has a pixel, so there is no track to show.")
            return
        place = transform_of(controller.image)
        layer = TracksLayer(
            data, graph=found.tracks.graph, properties=found.tracks.properties, name=TRACKS_NAME, **place
        )
        mark_own(layer, TRACKS, locked=False)
        controller.viewer.add_layer(layer)

    def show_larger(self) -> None:
        """Show the plot in a dock below the image."""
        if self._plot is None:
            return
        self._close_dock()
        large = Picture(fills=True)
        large.show_pixels(self._plot.large)
        self._dock = self._controller.viewer.window.add_dock_widget(large, name=DOCK_NAME, area="bottom")

    def _close_dock(self) -> None:
        dock, self._dock = self._dock, None
        if dock is not None:
            try:
                self._controller.viewer.window.remove_dock_widget(dock)
            except (LookupError, RuntimeError):
                return

    def _on_changed(self, topic: str) -> None:
        if self._measured is not None and topic == "masks":
            set_note(self.task.outcome, CHANGED)

    def _on_session(self) -> None:
        self._measured = self._plot = None
        self._offer_plots()
        self._offer_values()
        set_note(self.task.outcome, "")
        self._close_dock()
        self.update_state()

    def update_state(self) -> None:
        """Enable the controls that can be used now."""
        session = self._controller.session
        allow(self.measure_button, NO_SESSION if session is None else UNDER_WAY if self.task.working else "")
        self.picture.setVisible(self._plot is not None)
        for made in (self.tracks_button, self.larger_button, self.save_button):
            allow(made, "" if self._measured is not None else MEASURE_FIRST)
