"""Show the model in use beside the Track button, with a note if it is the demo model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_sam2_video.models.demo import DEMO_REMARK
from napari_sam2_video.plugin.sample_data import is_sample
from napari_sam2_video.plugin.settings import read_settings, write_setting
from napari_sam2_video.plugin.widgets import button, note, row, set_note

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Image

    from napari_sam2_video.plugin.controller import Controller

DEMO, BETTER = "demo", "small"


class ModelLine(QWidget):
    """The model's name, which opens the model panel, and once a note about the demo model.

    Parameters
    ----------
    controller : Controller
        Provides the model.
    show_models : callable
        Opens the model panel.
    get : callable
        Called with the name of a model to choose and download.
    layer : callable
        Returns the image layer that is or will be tracked; None if there is none.
    """

    def __init__(
        self,
        controller: Controller,
        show_models: Callable[[], Any],
        get: Callable[[str], Any],
        layer: Callable[[], Image | None],
    ) -> None:
        super().__init__()
        self._layer = layer
        self._controller = controller
        self._get = get
        self._noted = read_settings().demo_noted
        self.name_button = button("", show_models, "The model in use; press to choose another one.")
        self.name_button.setFlat(True)
        self.remark = note()
        self.get_button = button("", self._get_better, "Choose this model and download it.")
        self.dismiss_button = button("Got it", self._dismiss, "Do not show this note again.")
        self._choice = row(self.get_button, self.dismiss_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 0, 6, 4)
        layout.setSpacing(2)
        for part in (self.name_button, self.remark, self._choice):
            layout.addWidget(part)
        for signal in (controller.session_changed, controller.model_changed, controller.run_changed):
            signal.connect(self.update_state)
        self.update_state()

    def _get_better(self) -> None:
        self._dismiss()
        self._get(BETTER)

    def _dismiss(self) -> None:
        self._noted = True
        write_setting("interface", "demo_noted", True)
        self.update_state()

    def update_state(self, *_: Any) -> None:
        """Show the model of the session, or of the next one."""
        from napari_sam2_video.models.catalogue import CATALOGUE, is_downloaded

        name = self._controller.model_settings.model
        entry = CATALOGUE.get(name)
        title = name.replace("\\", "/").rsplit("/", 1)[-1] if entry is None else entry.title
        self.name_button.setText(f"Model: {title}")
        better = CATALOGUE[BETTER]
        size = "" if is_downloaded(better) or not better.size else f" ({better.size / 1e6:.0f} MB)"
        self.get_button.setText(f"Get {better.title}{size}")
        layer = self._layer()
        remarked = layer is not None and not is_sample(layer) and name == DEMO
        remarked = remarked and not self._noted and not self._controller.running
        set_note(self.remark, DEMO_REMARK if remarked else "")
        self._choice.setVisible(remarked)
