"""Write the result in any of the export formats."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QMessageBox,
    QWidget,
)

from napari_sam2_video.errors import TargetExistsError
from napari_sam2_video.plugin.background_task import BackgroundTask
from napari_sam2_video.plugin.option_fields import option_field, option_name
from napari_sam2_video.plugin.widgets import NO_SESSION, allow, button, fill, narrow, note, row, set_note, stack

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam2_video.errors import Sam2VideoError
    from napari_sam2_video.export.format import ExportFormat, ExportReport
    from napari_sam2_video.plugin.background_task import Told
    from napari_sam2_video.plugin.controller import Controller


UNDER_WAY = "An export is under way."


class ExportPanel(QWidget):
    """Format, its options, and the export in the background."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self._controller = controller
        self._values: dict[str, Callable[[], Any]] = {}
        self.format_box = narrow(QComboBox())
        self.about = note()
        self.options = QWidget()
        self._form = QFormLayout(self.options)
        self._form.setContentsMargins(0, 0, 0, 0)
        self.export_button = button("Export…", self.choose_target, "Choose a file or a folder and write it.")
        self.task = BackgroundTask(controller, "Cancel", "Stop writing; nothing is left behind.")
        buttons = row(self.export_button, self.task.stop_button, stretch=0)
        stack(self, self.format_box, self.about, self.options, buttons, self.task.bar, self.task.outcome)
        self._offered = False
        controller.session_changed.connect(self._on_session)
        self.format_box.currentIndexChanged.connect(self._on_format)
        for signal in (controller.session_changed, controller.run_changed, self.task.changed):
            signal.connect(self.update_state)
        self.update_state()

    def offer_formats(self) -> None:
        """Fill the list of formats; the modules that write them are imported only now."""
        if self._offered:
            return
        from napari_sam2_video.export.registry import FORMATS

        self._offered = True
        fill(self.format_box, [(chosen.title, chosen.name) for chosen in FORMATS.values()])
        self._on_format()

    @property
    def format(self) -> ExportFormat | None:
        """The chosen format."""
        from napari_sam2_video.export.registry import FORMATS

        return FORMATS.get(self.format_box.currentData())

    def _on_format(self, *_: Any) -> None:
        chosen = self.format
        while self._form.rowCount():
            self._form.removeRow(0)
        self._values = {}
        if chosen is None:
            return
        for option in chosen.options:
            field, self._values[option.name] = option_field(option)
            self._form.addRow(option_name(option), field)
        self.options.setVisible(bool(chosen.options))
        set_note(self.about, chosen.about)

    def choose_target(self) -> None:
        """Ask for a target and export."""
        chosen, session = self.format, self._controller.session
        if chosen is None or session is None:
            return
        suffix = chosen.suffixes[0] if chosen.suffixes else ""
        proposal = str(session.folder.with_name(f"{session.folder.stem}-{chosen.name}{suffix}"))
        patterns = " ".join(f"*{one}" for one in chosen.suffixes) or "*"
        # The dialog's own question about replacing would come before the format's suffix is known.
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
        options = {name: value() for name, value in self._values.items() if value() is not None}

        def work(told: Told) -> ExportReport:
            from napari_sam2_video.export.registry import export

            return export(
                session.result(), target, format=chosen.name, overwrite=overwrite, progress=told, options=options
            )

        self.task.begin(
            "exporting",
            work,
            done=self._done,
            failed=lambda error: self._failed(error, target),
            said=f"Writing {target.name}…",
            stopped="The export was cancelled; nothing was written.",
        )

    def _done(self, report: ExportReport) -> None:
        set_note(self.task.outcome, " ".join([f"Written: {report.path}.", *report.notes]))
        self._controller.notified.emit("info", f"Written: {report.path}.")

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

    def update_state(self) -> None:
        """Enable what can be done now."""
        session = self._controller.session
        allow(self.export_button, NO_SESSION if session is None else UNDER_WAY if self.task.working else "")
