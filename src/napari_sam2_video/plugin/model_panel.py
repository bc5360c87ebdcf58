"""Which model runs where; downloads; and what a run will cost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QComboBox, QFileDialog, QProgressBar, QWidget

from napari_sam2_video.plugin.estimate import Estimate
from napari_sam2_video.plugin.server_fields import ServerFields
from napari_sam2_video.plugin.settings import read_settings, write_setting
from napari_sam2_video.plugin.widgets import (
    button,
    choose,
    fill,
    form,
    narrow,
    note,
    row,
    set_note,
    stack,
)
from napari_sam2_video.plugin.worker import Job
from napari_sam2_video.server.known import known_servers
from napari_sam2_video.types import ModelSettings

if TYPE_CHECKING:
    from napari_sam2_video.devices import DeviceReport
    from napari_sam2_video.errors import Sam2VideoError
    from napari_sam2_video.models.catalogue import ModelEntry
    from napari_sam2_video.plugin.controller import Controller

FILE = "file"
ANOTHER = "another machine"
ARITHMETICS = (("Exact", "exact"), ("Fast", "fast"), ("Automatic", "auto"))
SIZES = (256, 512, 768, 1024)
PRECISIONS = (("Automatic", "auto"), ("fp32", "fp32"), ("bf16", "bf16"), ("fp16", "fp16"))
WINDOWS = (128, 256, 512)
PROGRESS_STEPS = 1000


class ModelPanel(QWidget):
    """Model, device, precision and image size of the session, or of the next one."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self._controller = controller
        self._files: list[str] = []
        self._job: Job | None = None
        self.report: DeviceReport | None = None
        settings = read_settings()
        controller.model_settings = ModelSettings(settings.model, settings.device)
        self.model_box = narrow(QComboBox())
        self.device_box = narrow(QComboBox())
        self.precision_box = narrow(QComboBox())
        self.arithmetic_box = narrow(QComboBox())
        self.size_box = narrow(QComboBox())
        self.window_box = narrow(QComboBox())
        self.window_box.setToolTip(
            "Whether small objects are tracked in a window that follows each of them, at full resolution."
        )
        self.model_box.setToolTip("The model that tracks; larger ones are more accurate and slower.")
        self.device_box.setToolTip("Where the model runs: the CPU, a GPU, or a server.")
        self.precision_box.setToolTip("Number format; bf16 is faster on most GPUs.")
        self.arithmetic_box.setToolTip(
            "Exact: a single object gets the same numbers as Meta's predictor, bit for bit. Fast: equal up to "
            "rounding, in less time. Automatic: fast, with bf16 where this CPU is faster with it and a check finds the "
            "same masks. They differ only on a CPU."
        )
        self.size_box.setToolTip("Side of the image that the model sees; smaller is faster and coarser.")
        self.about = note()
        self.warning = note()
        self.advice = note()
        self.server = ServerFields(controller.runner)
        self.estimating = Estimate(controller)
        self.download_button = button("Download", self.download, "Download the weights of this model.")
        self.cancel_button = button("Cancel", self.cancel, "Stop the download; it can be resumed.")
        self.bar = QProgressBar()
        self.bar.setRange(0, PROGRESS_STEPS)
        self._download_row = row(self.download_button, self.bar, self.cancel_button, stretch=1)
        choices = form(
            ("Model", self.model_box),
            ("Device", self.device_box),
            ("Precision", self.precision_box),
            ("Arithmetic", self.arithmetic_box),
            ("Image size", self.size_box),
            ("Small objects", self.window_box),
        )
        notes = (self.about, self.warning, self._download_row, self.advice)
        stack(self, choices, self.server, *notes, self.estimating)
        fill(self.precision_box, list(PRECISIONS), "auto")
        fill(self.arithmetic_box, list(ARITHMETICS), "exact")
        self._offer_windows()
        self.update_models()
        self._offer_devices()
        self.model_box.currentIndexChanged.connect(self._on_model)
        self.device_box.currentIndexChanged.connect(self._on_device)
        self.server.chosen.connect(self._on_server)
        self.server.answered.connect(self.update_models)
        for box in (self.precision_box, self.arithmetic_box, self.size_box, self.window_box):
            box.currentIndexChanged.connect(self._apply)
        controller.session_changed.connect(self._on_session)
        controller.run_changed.connect(self._enable)
        for signal in (controller.preview_changed, controller.run_changed):
            signal.connect(self._show_notes)
        controller.model_missing = self.missing
        self._describe()

    # Models

    def update_models(self) -> None:
        """Offer the catalogue, and files chosen before, with what is downloaded."""
        from napari_sam2_video.models.catalogue import CATALOGUE

        chosen = self._controller.model_settings.model
        if chosen not in CATALOGUE and chosen not in self._files:
            self._files.append(chosen)
        entries: list[tuple[str, Any]] = [
            (entry.title + self._where(entry), entry.name) for entry in CATALOGUE.values()
        ]
        entries.extend((Path(file).name, file) for file in self._files)
        entries.append(("A checkpoint file…", FILE))
        fill(self.model_box, entries, chosen)
        self._offer_sizes()

    def _where(self, entry: ModelEntry) -> str:
        """Whether a model is available, in brackets; a server reports it when the connection is tested."""
        from napari_sam2_video.models.catalogue import is_downloaded

        if self._controller.model_settings.is_remote:
            facts = self.server.facts
            return "" if facts is None or entry.name in facts.models else " (not on the server)"
        size = f", {entry.size / 1e6:.0f} MB" if entry.size else ""
        return " (ready)" if is_downloaded(entry) else f" (to download{size})"

    def _entry(self) -> ModelEntry | None:
        from napari_sam2_video.models.catalogue import CATALOGUE

        return CATALOGUE.get(self._controller.model_settings.model)

    def _offer_sizes(self) -> None:
        entry = self._entry()
        own = f"The model's own ({entry.image_size} px)" if entry is not None else "The model's own"
        sizes = [(own, None), *((f"{size} px", size) for size in SIZES)]
        fill(self.size_box, sizes, self._controller.model_settings.image_size)

    def _offer_windows(self) -> None:
        chosen = self._controller.model_settings.window
        sizes = sorted({*WINDOWS, *([chosen] if isinstance(chosen, int) else [])})
        entries = [("Automatic", "auto"), ("Whole frame", "off"), *((f"A window of {n} px", n) for n in sizes)]
        fill(self.window_box, entries, chosen)

    def _on_model(self, *_: Any) -> None:
        chosen = self.model_box.currentData()
        if chosen == FILE:
            path, _filter = QFileDialog.getOpenFileName(self, "Choose a checkpoint", "", "Checkpoints (*.pt *.pth)")
            if path:
                self.choose_file(path)
            else:
                self.update_models()
            return
        self._apply()
        self._offer_sizes()

    def choose_file(self, path: str) -> None:
        """Use a checkpoint file of the user."""
        if path not in self._files:
            self._files.append(path)
        self._controller.model_settings = replace(self._controller.model_settings, model=path)
        self.update_models()
        self._apply()

    def _apply(self, *_: Any) -> None:
        controller = self._controller
        device = self.device_box.currentData()
        if device == ANOTHER:
            device = self.server.url or controller.model_settings.device
        settings = replace(
            controller.model_settings,
            model=self.model_box.currentData(),
            device=device,
            precision=self.precision_box.currentData(),
            arithmetic=self.arithmetic_box.currentData(),
            image_size=self.size_box.currentData(),
            window=self.window_box.currentData(),
        )
        controller.model_settings = settings
        session = controller.session
        if session is not None and session.model_settings != settings:
            controller.perform(lambda: session.set_model(settings), "changing the model")
        for name in ("model", "device"):
            write_setting("sessions", name, getattr(settings, name))
        self.estimating.forget()
        controller.model_changed.emit()
        self._describe()

    def choose(self, name: str) -> None:
        """Choose a model of the catalogue, and download it if this machine needs it and does not have it yet."""
        from napari_sam2_video.models.catalogue import CATALOGUE, is_downloaded

        choose(self.model_box, name)
        if not self._controller.model_settings.is_remote and not is_downloaded(CATALOGUE[name]):
            self.download()

    def missing(self) -> str:
        """Why no run can start with this model; empty if one can."""
        from napari_sam2_video.models.catalogue import is_downloaded

        if self._controller.loader.options or self._controller.model_settings.is_remote:
            return ""
        entry = self._entry()
        if entry is not None and not is_downloaded(entry):
            return f"{entry.title} is not downloaded yet: open Model and press Download."
        return ""

    # Downloads

    def download(self) -> None:
        """Fetch the chosen model in the background."""
        entry = self._entry()
        if entry is None or self._job is not None:
            return

        def work(job: Job) -> None:
            from napari_sam2_video.models.download import download
            from napari_sam2_video.models.folder import model_folder

            def report(done: int, total: int | None) -> None:
                job.report((done, total or entry.size or 0))

            download(entry, model_folder(), progress=report, cancel=job.stopping)

        self._job = Job(
            f"downloading {entry.title}", work,
            failed=self._on_failed, reported=self._on_bytes, finished=self._on_download_end, key="download",
        )  # fmt: skip
        self._controller.runner.submit(self._job, "download")
        self._describe()

    def cancel(self) -> None:
        """Stop the download; the part that arrived is kept for the next time."""
        if self._job is not None:
            self._job.stop()
            self.bar.setFormat("Stopping…")
            self._describe()

    def _on_bytes(self, value: tuple[int, int]) -> None:
        if self._job is None or self._job.stopping():
            return
        done, total = value
        self.bar.setFormat(f"{done / 1e6:.0f} of {total / 1e6:.0f} MB" if total else f"{done / 1e6:.0f} MB")
        self.bar.setValue(round(PROGRESS_STEPS * done / total) if total else 0)

    def _on_failed(self, error: Sam2VideoError) -> None:
        if self._job is not None and self._job.stopping():
            self._controller.notified.emit("info", str(error))
        else:
            self._controller.error(error)

    def _on_download_end(self) -> None:
        self._job = None
        self.update_models()
        self._describe()
        self._controller.run_changed.emit()
        self._controller.update_preview()

    # Devices

    def probe(self) -> None:
        """Find the available devices in the background; imports torch."""
        if self.report is not None:
            return

        def work(_: Job) -> DeviceReport:
            from napari_sam2_video.devices import probe_devices

            return probe_devices()

        self._controller.runner.submit(
            Job("looking for devices", work, done=self._on_devices, failed=self._controller.error, key="devices"),
            "devices",
        )

    def _on_devices(self, report: DeviceReport) -> None:
        self.report = report
        self._offer_devices()
        set_note(self.advice, report.advice or "")

    def _offer_devices(self) -> None:
        entries: list[tuple[str, Any]] = [("Automatic", "auto")]
        if self.report is not None:
            entries.extend(
                (f"{name} · {title}", name) for name, title in zip(self.report.devices, self.report.titles, strict=True)
            )
        entries.extend((address.partition("//")[2], address) for address in known_servers())
        chosen = self._controller.model_settings.device
        if chosen not in {data for _, data in entries}:
            entries.append((chosen, chosen))
        entries.append(("Another machine…", ANOTHER))
        fill(self.device_box, entries, chosen)
        if self._controller.model_settings.is_remote:
            self.server.show_server(chosen)

    def _on_device(self, *_: Any) -> None:
        if self.device_box.currentData() == ANOTHER:
            self.server.setVisible(True)
            self.server.address_field.setFocus()
            return
        self._apply()
        self._offer_devices()
        self.update_models()

    def _on_server(self, url: str) -> None:
        if self.device_box.currentData() == url:
            return
        self._controller.model_settings = replace(self._controller.model_settings, device=url)
        self._offer_devices()
        self._apply()
        self.update_models()

    # What is shown

    def _on_session(self) -> None:
        session = self._controller.session
        self.estimating.forget()
        if session is not None:
            settings = session.model_settings
            self.update_models()
            self._offer_devices()
            fill(self.precision_box, list(PRECISIONS), settings.precision)
            fill(self.arithmetic_box, list(ARITHMETICS), settings.arithmetic)
            self._offer_windows()
        self._describe()

    def _show_notes(self) -> None:
        """Show the notes of the loaded network, and once outside this panel, which may be folded."""
        session = self._controller.session
        text = " ".join(session.model_notes) if session is not None else ""
        if text and text != self.warning.text():
            self._controller.notified.emit("info", text)
        set_note(self.warning, text)

    def _enable(self) -> None:
        running = self._controller.running
        boxes = (self.precision_box, self.arithmetic_box, self.size_box, self.window_box)
        for field in (self.model_box, self.device_box, *boxes, self.server):
            field.setEnabled(not running)
        self.estimating.update_state()

    def _describe(self) -> None:
        from napari_sam2_video.models.catalogue import is_downloaded

        entry = self._entry()
        remote = self._controller.model_settings.is_remote
        needed = entry is not None and entry.url is not None and not remote and not is_downloaded(entry)
        self.server.setVisible(remote or self.device_box.currentData() == ANOTHER)
        self._download_row.setVisible(needed or self._job is not None)
        self.bar.setVisible(self._job is not None)
        self.cancel_button.setVisible(self._job is not None)
        self.cancel_button.setEnabled(self._job is not None and not self._job.stopping())
        self.download_button.setEnabled(self._job is None)
        if entry is None:
            set_note(self.about, self._controller.model_settings.model)
        else:
            text = f"{entry.note[:1].upper()}{entry.note[1:]}."
            set_note(self.about, f"{text} Licence {entry.licence}.")
        self._show_notes()
        self._enable()
