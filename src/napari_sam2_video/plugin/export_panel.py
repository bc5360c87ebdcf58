"""Write the result in any of the export formats."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QLineEdit,
    QMessageBox,
    QWidget,
)

from napari_sam2_video.errors import TargetExistsError
from napari_sam2_video.plugin.background_task import BackgroundTask
from napari_sam2_video.plugin.option_fields import option_field, option_name
from napari_sam2_video.plugin.widgets import (
    NO_SESSION,
    allow,
    button,
    choose,
    fill,
    fill_grouped,
    form,
    narrow,
    note,
    row,
    set_note,
    stack,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam2_video.errors import Sam2VideoError
    from napari_sam2_video.export.format import ExportFormat, ExportReport
    from napari_sam2_video.export.selection import Objects
    from napari_sam2_video.plugin.background_task import Progress
    from napari_sam2_video.plugin.controller import Controller


UNDER_WAY = "An export is under way."
FIXED_ROWS = 2
"""Objects and frames, above the options of the format."""
WORDS = {"ome-tiff": "masks", "imagej": "masks", "nifti": "masks", "measurements-csv": "measurements", "mp4": "overlay"}
"""Suffix of the file name after the recording's name; the format's name if not listed."""
FRAMES = (
    ("First to last mask", "tracked"), ("All frames", "all"), ("This frame", "here"),
    ("A range…", "some"),
)  # fmt: skip
OBJECTS = (("All objects", "all"), ("The selected object", "active"), ("Some…", "some"))


class ExportPanel(QWidget):
    """Format, its options, and the export in the background.

    Attributes
    ----------
    written : Path or None
        The last export of the open session.
    """

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self._controller = controller
        self._values: dict[str, Callable[[], Any]] = {}
        self.format_box = narrow(QComboBox())
        self.format_box.setToolTip("The file format, and the programs that read it.")
        self.about = note()
        self.objects_box = narrow(QComboBox())
        self.frames_box = narrow(QComboBox())
        fill(self.objects_box, list(OBJECTS))
        fill(self.frames_box, list(FRAMES))
        self.objects_line, self.frames_line = QLineEdit(), QLineEdit()
        self.objects_line.setPlaceholderText("1,3-5")
        self.frames_line.setPlaceholderText("A:B")
        self.objects_line.setToolTip("Numbers of objects, such as 1,3-5.")
        self.frames_line.setToolTip("Frames A to B-1; A: goes to the end.")
        self.objects_box.setToolTip("Objects to write.")
        self.frames_box.setToolTip("Frames to write.")
        for box, line in ((self.objects_box, self.objects_line), (self.frames_box, self.frames_line)):
            line.hide()
            box.currentIndexChanged.connect(lambda _, box=box, line=line: line.setVisible(box.currentData() == "some"))
        self.folder_button = button("Open folder", self.open_folder, "Show what was written in the file manager.")
        self.folder_button.hide()
        self.written: Path | None = None
        self.export_button = button("Export…", self.choose_target, "Choose a file or a folder and write it.")
        self.task = BackgroundTask(controller, "Cancel", "Stop writing; no partial file remains.")
        buttons = row(self.export_button, self.task.stop_button, self.folder_button, stretch=0)
        objects, frames = row(self.objects_box, self.objects_line), row(self.frames_box, self.frames_line)
        self._form = form(("Objects", objects), ("Frames", frames))
        stack(self, self.format_box, buttons, self.task.bar, self.task.outcome, self.about, self._form)
        self._offered = False
        controller.session_changed.connect(self._on_session)
        self.format_box.currentIndexChanged.connect(self._on_format)
        for signal in (controller.session_changed, controller.run_changed, self.task.changed):
            signal.connect(self.update_state)
        self.update_state()

    def offer_formats(self) -> None:
        """Fill the list of formats; the export modules are only imported here."""
        if self._offered:
            return
        from napari_sam2_video.export.registry import FORMATS

        self._offered = True
        groups: dict[str, list[tuple[str, str]]] = {}
        for name, entry in FORMATS.items():
            groups.setdefault(entry.group, []).append((entry.title, name))
        fill_grouped(self.format_box, list(groups.items()))
        self._on_format()

    @property
    def format(self) -> ExportFormat | None:
        """The chosen format."""
        from napari_sam2_video.export.registry import FORMATS

        return FORMATS.get(self.format_box.currentData())

    def _on_format(self, *_: Any) -> None:
        chosen = self.format
        while self._form.rowCount() > FIXED_ROWS:
            self._form.removeRow(FIXED_ROWS)
        self._values = {}
        if chosen is None:
            return
        for option in chosen.options:
            field, self._values[option.name] = option_field(option)
            self._form.addRow(option_name(option), field)
        if self.frames_box.currentData() in ("tracked", "all"):
            choose(self.frames_box, "all" if chosen.whole else "tracked")
        set_note(self.about, chosen.about.replace("`", ""))

    def choose_target(self) -> None:
        """Ask for a target and export."""
        chosen, session = self.format, self._controller.session
        if chosen is None or session is None:
            return
        suffix = chosen.suffixes[0] if chosen.suffixes else ""
        word = WORDS.get(chosen.name, chosen.name)
        proposal = str(session.folder.with_name(f"{session.folder.stem} {word}{suffix}"))
        patterns = " ".join(f"*{one}" for one in chosen.suffixes) or "*"
        # The dialog would ask about replacing before the format's suffix is known.
        path, _filter = QFileDialog.getSaveFileName(
            self, chosen.title, proposal, f"{chosen.title} ({patterns})",
            options=QFileDialog.Option.DontConfirmOverwrite,
        )  # fmt: skip
        if path:
            self.export(Path(path))

    def export(self, target: Path, *, overwrite: bool = False) -> None:
        """Write the result in the background."""
        chosen, session = self.format, self._controller.session
        if chosen is None or session is None:
            return
        here, line = self._controller.frame, self.frames_line.text().strip()
        named: dict[str, Objects] = {"active": [self._controller.active], "some": self.objects_line.text().strip()}
        objects = named.get(self.objects_box.currentData())
        chosen_frames = self.frames_box.currentData()
        frames = {"here": (here, here + 1), "some": line}.get(chosen_frames, chosen_frames)
        options = {name: value() for name, value in self._values.items() if value() is not None}

        def work(progress: Progress) -> ExportReport:
            from napari_sam2_video.export.registry import export

            return export(
                session.result(),
                target,
                format=chosen.name,
                overwrite=overwrite,
                progress=progress,
                objects=objects,
                frames=frames,
                options=options,
            )

        self.task.begin(
            "exporting",
            work,
            done=self._done,
            failed=lambda error: self._failed(error, target),
            meanwhile=f"Writing {target.name}…",
            stopped="The export was cancelled; nothing was written.",
        )

    def _done(self, report: ExportReport) -> None:
        set_note(self.task.outcome, " ".join([f"Written: {report.path}.", *report.notes]))
        self._controller.notified.emit("info", f"Written: {report.path}.")
        self.written = Path(report.path)
        self.folder_button.show()

    def open_folder(self) -> None:
        """Show the last export in the file manager."""
        if self.written is not None:
            from qtpy.QtCore import QUrl
            from qtpy.QtGui import QDesktopServices

            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.written.parent)))

    def _failed(self, error: Sam2VideoError, target: Path) -> None:
        if not isinstance(error, TargetExistsError):
            self._controller.error(error)
            return
        answer = QMessageBox.question(self, "Replace it?", f"{target} exists. Replace it?")
        if answer == QMessageBox.StandardButton.Yes:
            self.export(target, overwrite=True)

    def _on_session(self) -> None:
        if not self.task.working:
            set_note(self.task.outcome, "")
        self.written = None
        self.folder_button.hide()

    def update_state(self) -> None:
        """Enable the controls that can be used now."""
        session = self._controller.session
        allow(self.export_button, NO_SESSION if session is None else UNDER_WAY if self.task.working else "")
