"""Options: show masks before the click, and track corrections at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QWidget

from napari_sam2_video.plugin.hover import QUICK_SECONDS
from napari_sam2_video.plugin.settings import read_settings, write_setting

if TYPE_CHECKING:
    from napari_sam2_video.plugin.hover import HoverPreview

HOVER_TIP = (
    "While the mouse moves, show what a click would select on frames without a mask of the object. Shift+wheel, "
    "or K, show other candidates."
)
AUTO_TIP = (
    "After a correction, automatically track the changed object up to the next frame that is accepted, painted or "
    "prompted. A new prompt stops the run and restarts it from there."
)


class PreviewOptions(QWidget):
    """Two check boxes: preview under the mouse, and automatic tracking of corrections."""

    def __init__(self, hover: HoverPreview) -> None:
        super().__init__()
        self._hover = hover
        self.hover_box = QCheckBox("Preview on hover")
        self.auto_box = QCheckBox("Auto-track")
        self.auto_box.setToolTip(AUTO_TIP)
        self.auto_box.setChecked(read_settings().auto_track)
        self.hover_box.clicked.connect(self._on_clicked)
        self.auto_box.toggled.connect(lambda on: write_setting("interface", "auto_track", on))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.hover_box)
        layout.addWidget(self.auto_box)
        layout.addStretch(1)
        hover.changed.connect(self.update_state)
        self.update_state()

    def _on_clicked(self, on: bool) -> None:
        write_setting("interface", "hover_preview", "on" if on else "off")
        self._hover.clear()
        self.update_state()

    def update_state(self) -> None:
        """Show the current settings, and why they apply."""
        self.hover_box.setChecked(self._hover.on)
        seconds = self._hover.seconds
        slow = seconds is not None and seconds > QUICK_SECONDS
        took = f" A preview takes {seconds:.2g} s on this machine." if seconds is not None else ""
        off = (
            " That is too slow to follow the mouse; tick this to use it anyway." if slow and not self._hover.on else ""
        )
        self.hover_box.setToolTip(f"{HOVER_TIP}{took}{off}")
