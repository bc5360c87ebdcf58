"""Choose a detector and its argument."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QComboBox, QFileDialog, QLineEdit, QWidget

from napari_sam2_video.plugin.layers import labels_on_frame, level_zero
from napari_sam2_video.plugin.seeds_row import other_labels
from napari_sam2_video.plugin.widgets import button, fill, narrow, row, stack

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy.typing as npt

    from napari_sam2_video.detect.protocol import Detection, Detector, DetectorFrame
    from napari_sam2_video.plugin.controller import Controller

EVERYTHING, LIKE, FILE, LAYER, TEXT = "everything", "like", "labels", "layer", "text"
TITLES = {
    EVERYTHING: "Everything",
    LIKE: "More like some objects",
    FILE: "Labels of a file or folder",
    LAYER: "Labels of a layer",
    TEXT: "Text description",
}
ANY_HINT = "Input for the detector, if any"
HINTS = {
    LIKE: "Object numbers; the selected objects if empty",
    FILE: "A label image, a stack or a folder",
    TEXT: "Such as: red cell",
}


class DetectorFields(QWidget):
    """The choice of a detector and its argument.

    Signals
    -------
    changed
        Another detector or argument was chosen.
    """

    changed = Signal()

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self._controller = controller
        self.box = narrow(QComboBox())
        self.box.setToolTip("What finds objects.")
        self.argument = QLineEdit()
        self.browse = button("…", self._browse, "Choose the file.")
        self.layer_box = narrow(QComboBox())
        self.layer_box.setToolTip("The layer whose labels are the objects of each frame.")
        self.argument_row = row(self.argument, self.browse, stretch=0)
        stack(self, self.box, self.argument_row, self.layer_box)
        layout = self.layout()
        assert layout is not None
        layout.setContentsMargins(0, 0, 0, 0)
        self._offer()
        self.box.currentIndexChanged.connect(self._show)
        self.argument.textChanged.connect(self.changed)
        self.layer_box.currentIndexChanged.connect(self.changed)
        events = controller.viewer.layers.events
        for event in (events.inserted, events.removed, events.renamed):
            controller.listen(event, self.update_layers)
        controller.session_changed.connect(self.update_layers)
        controller.active_changed.connect(self.changed)
        controller.selection_changed.connect(self.changed)
        self.update_layers()
        self._show()

    @property
    def kind(self) -> str:
        """Name of the detector."""
        return str(self.box.currentData())

    @property
    def usual_step(self) -> int:
        """Default number of frames between those that the detector looks at."""
        return 1 if self.kind in (FILE, LAYER) else 5

    def _offer(self) -> None:
        from napari_sam2_video.detect.registry import detector_names

        names = detector_names()
        entries = [(title, name) for name, title in TITLES.items() if name in (*names, LAYER)]
        fill(self.box, [*entries, *((name, name) for name in names if name not in TITLES)])

    def update_layers(self, *_: Any) -> None:
        """Offer the Labels layers that are not the session's own."""
        fill(self.layer_box, other_labels(self._controller), self.layer_box.currentData())
        self.changed.emit()

    def _show(self, *_: Any) -> None:
        self.argument_row.setVisible(self.kind not in (EVERYTHING, LAYER))
        self.browse.setVisible(self.kind == FILE)
        self.layer_box.setVisible(self.kind == LAYER)
        hint = HINTS.get(self.kind, ANY_HINT)
        self.argument.setPlaceholderText(hint)
        self.argument.setToolTip(hint)
        self.changed.emit()

    def _browse(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Labels")
        if path:
            self.argument.setText(path)

    def problem(self) -> str:
        """Why the detector cannot run with this argument; empty if it can."""
        text = self.argument.text().strip()
        if self.kind == LAYER and self.layer_box.currentData() is None:
            return "Open a label image as a Labels layer first."
        if self.kind == LIKE and not text and not self._controller.selected:
            return "Select the objects to find more of, or write their numbers."
        if self.kind in (FILE, TEXT) and not text:
            return "Choose a file first." if self.kind == FILE else "Write what to find first."
        return ""

    def detector(self) -> Detector | str:
        """The chosen detector, as `Session.find` takes it."""
        text = self.argument.text().strip()
        if self.kind == LAYER:
            layer, geometry = self.layer_box.currentData(), self._controller.geometry
            assert geometry is not None
            read = partial(labels_on_frame, level_zero(layer), layer.name, geometry)
            return LayerLabels(layer.name, read)
        if self.kind == LIKE and not text:
            text = ",".join(str(number) for number in self._controller.selected)
        if self.kind == TEXT:
            text = f'"{text}"'
        return f"{self.kind}:{text}" if text and self.kind != EVERYTHING else self.kind


class LayerLabels:
    """A detector that reads the labels of a layer.

    Parameters
    ----------
    layer : str
        Its name.
    read : callable
        Returns the label image ``(Y, X)`` of a frame.
    """

    name = "labels"

    def __init__(self, layer: str, read: Callable[[int], npt.NDArray[Any]]) -> None:
        self._read = read
        self.settings: Mapping[str, Any] = {"layer": layer}

    def detect(self, frame: DetectorFrame) -> list[Detection]:
        """Every label of the frame."""
        from napari_sam2_video.detect.protocol import Detection
        from napari_sam2_video.linking.shapes import shapes_of

        found = shapes_of(np.asarray(self._read(frame.index)))
        return [Detection(1.0, shape.mask, shape.origin_yx) for shape in found.values()]
