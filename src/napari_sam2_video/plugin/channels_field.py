"""Choose which channels the model sees together, with their colours and contrast windows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import QCheckBox, QComboBox, QGridLayout, QLineEdit, QWidget

from napari_sam2_video.plugin.widgets import narrow
from napari_sam2_video.types import ChannelColor, ContrastWindow
from napari_sam2_video.types.contrast import COLORS, checked_channels

if TYPE_CHECKING:
    from collections.abc import Sequence

CHOSEN_AT_FIRST = 2
ICON = 12
WIDEST_WINDOW = "00000,00000  "


class ChannelsField(QWidget):
    """A row for each channel: whether the model sees it, its colour, and its contrast window.

    Signals
    -------
    changed
        The user changed something.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[tuple[QCheckBox, QComboBox, QLineEdit]] = []
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(3)

    def offer(self, count: int, preset: Sequence[ChannelColor] = ()) -> None:
        """Show rows for a number of channels; choices are kept if the number is the same and there is no preset."""
        if len(self.rows) == count and not preset:
            return
        for row in self.rows:
            for part in row:
                part.setParent(None)
                part.deleteLater()
        known = {one.channel: one for one in preset}
        self.rows = [self._row(number, known.get(number), chosen=not preset) for number in range(count)]

    def _row(self, number: int, known: ChannelColor | None, *, chosen: bool) -> tuple[QCheckBox, QComboBox, QLineEdit]:
        seen = QCheckBox(str(number))
        seen.setChecked(known is not None or (chosen and number < CHOSEN_AT_FIRST))
        seen.setToolTip(f"Whether the model sees channel {number}.")
        color = narrow(QComboBox())
        for name, rgb in COLORS.items():
            swatch = QPixmap(ICON, ICON)
            swatch.fill(QColor(*rgb))
            color.addItem(QIcon(swatch), name)
        color.setCurrentIndex(number % len(COLORS))
        if known is not None:
            if color.findText(known.color_name) < 0:
                color.addItem(known.color_name)
            color.setCurrentText(known.color_name)
        color.setToolTip(f"The colour in which the model sees channel {number}.")
        window = QLineEdit()
        window.setMinimumWidth(window.fontMetrics().horizontalAdvance(WIDEST_WINDOW))
        window.setPlaceholderText("its percentiles")
        window.setToolTip(
            f"Contrast of channel {number}, such as 100,4000, the same on every frame. Empty: percentiles of this "
            "channel over the whole recording."
        )
        if known is not None and known.window is not None:
            window.setText(f"{known.window.low:g},{known.window.high:g}")
        for column, part in enumerate((seen, color, window)):
            self._grid.addWidget(part, number, column)
        self._grid.setColumnStretch(2, 1)
        seen.toggled.connect(self._tell)
        color.currentIndexChanged.connect(self._tell)
        window.editingFinished.connect(self._tell)
        return seen, color, window

    def _tell(self, *_: Any) -> None:
        self.changed.emit()

    def channels(self) -> tuple[ChannelColor, ...]:
        """The chosen channels.

        Raises
        ------
        SettingsError
            If no channel is chosen, or a window is invalid.
        """
        found = []
        for number, (seen, color, window) in enumerate(self.rows):
            if seen.isChecked():
                text = window.text().strip()
                found.append(
                    ChannelColor(number, color.currentText(), ContrastWindow.from_text(text) if text else None)  # type: ignore[arg-type]
                )
        if not found:
            # An empty sequence means a single channel in grey.
            from napari_sam2_video.errors import SettingsError

            raise SettingsError("No channel is ticked; tick two or more, or choose one of them under Channel.")
        return checked_channels(found)
