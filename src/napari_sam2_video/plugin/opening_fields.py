"""Fields for metadata that the file lacks or has wrong, and what the file says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QLineEdit, QWidget

from napari_sam2_video.errors import Sam2VideoError
from napari_sam2_video.plugin.layer_source import LayerSource
from napari_sam2_video.plugin.layers import axes_are_labelled, axes_of
from napari_sam2_video.plugin.recording_layers import known_recording
from napari_sam2_video.plugin.widgets import form
from napari_sam2_video.plugin.worker import Job
from napari_sam2_video.types import OpenSettings

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_sam2_video.frames.recording import Recording
    from napari_sam2_video.plugin.controller import Controller

LANE = KEY = "look"
UNKNOWN = "unknown"


@dataclass(frozen=True)
class FileFacts:
    """Metadata of a file: axes without RGB samples, and sizes as typed text; empty if unknown."""

    axes: str
    pixel_size: str
    interval: str

    @classmethod
    def of(cls, recording: Recording) -> FileFacts:
        """Collect it."""
        sizes = [letter for letter in "ZYX" if letter in recording.axes and recording.scale[letter] is not None]
        unit = next((recording.units[letter] for letter in sizes if recording.units[letter]), None)
        numbers = [f"{recording.scale[letter]:.4g}" for letter in sizes]
        if len(set(numbers)) == 1:
            numbers = numbers[:1]
        size = f"{','.join(numbers)} {unit}" if numbers and unit else ""
        step = recording.scale.get("T")
        interval = f"{step:.4g} {recording.units['T']}" if step is not None and recording.units["T"] else ""
        return cls(recording.axes.removesuffix("S"), size, interval)


class OpeningFields(QWidget):
    """Fields for axes, pixel size and interval; empty fields use the file's values, shown in grey.

    Signals
    -------
    changed
        The user typed something.
    found
        The file's metadata are known now.
    """

    changed = Signal()
    found = Signal()

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self._controller = controller
        self._layer: Image | None = None
        self._facts: FileFacts | None = None
        self.axes_field = _field("One letter per axis, such as TYX or ZYX, if the detected ones are wrong.")
        self.size_field = _field("Such as 0.25 um, or 2,0.5,0.5 mm for Z, Y, X. Empty: as in the file.")
        self.interval_field = _field("Time between frames, such as 2.5 s. Empty: as in the file.")
        self._form = form(
            ("Axes", self.axes_field),
            ("Pixel size", self.size_field),
            ("Interval", self.interval_field),
            like="Frames along",
        )
        self.setLayout(self._form)
        for field in (self.axes_field, self.size_field, self.interval_field):
            field.textChanged.connect(lambda *_: self.changed.emit())
        self._show()

    def settings(self) -> OpenSettings:
        """The user's entries.

        Raises
        ------
        SettingsError
            If an entry is invalid.
        """
        return OpenSettings.of(
            axes=self.axes_field.text().strip() or None,
            pixel_size=self.size_field.text().strip() or None,
            interval=self.interval_field.text().strip() or None,
        )

    def axes_of(self, layer: Image) -> str | None:
        """Axes of a layer from the user or its file; None if neither states them."""
        ndim = layer.ndim
        try:
            typed = self.settings().axes
        except Sam2VideoError:
            typed = None
        if typed is not None and len(typed) == ndim:
            return typed
        facts = self._facts if self._layer is layer else None
        return facts.axes if facts is not None and len(facts.axes) == ndim and not axes_are_labelled(layer) else None

    def look_at(self, layer: Image | None) -> None:
        """Read the metadata of a layer's file in the background."""
        if layer is self._layer:
            return
        self._layer, self._facts = layer, None
        for field in (self.axes_field, self.size_field, self.interval_field):
            blocked = field.blockSignals(True)
            field.clear()
            field.blockSignals(blocked)
        if layer is None:
            self._show()
            return
        recording = known_recording(layer)
        if recording is not None:
            self._facts = FileFacts.of(recording)
        elif layer.source.path:
            source = LayerSource.of(layer, axes_of(layer), axes_known=axes_are_labelled(layer))
            job = Job("looking at the file", lambda _: _facts_of(source), done=self._on_found, key=KEY)
            self._controller.runner.submit(job, LANE)
        self._show()

    def _on_found(self, facts: FileFacts | None) -> None:
        self._facts = facts
        self._show()
        if facts is not None:
            self.found.emit()

    def _show(self) -> None:
        facts = self._facts
        known = facts if facts is not None else FileFacts("", "", "")
        guess = "" if self._layer is None else f"{axes_of(self._layer)} (a guess)"
        self.axes_field.setPlaceholderText(known.axes or guess)
        self.size_field.setPlaceholderText(known.pixel_size or UNKNOWN)
        self.interval_field.setPlaceholderText(known.interval or UNKNOWN)


def _facts_of(source: LayerSource) -> FileFacts | None:
    recording = source.open_file()
    if recording is None:
        return None
    try:
        return FileFacts.of(recording)
    finally:
        recording.close()


def _field(tip: str) -> Any:
    field = QLineEdit()
    field.setToolTip(tip)
    return field
