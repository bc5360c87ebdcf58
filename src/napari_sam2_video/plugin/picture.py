"""A picture that keeps its shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QPoint, QRect, QSize, Qt
from qtpy.QtGui import QImage, QPainter, QPixmap
from qtpy.QtWidgets import QSizePolicy, QWidget

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

FILLING = QSize(340, 230)


class Picture(QWidget):
    """A picture that keeps its aspect ratio: its height follows its width, or it `fills` the room it has."""

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
        """Height that keeps the aspect ratio."""
        return 0 if self.pixmap is None else round(width * self.pixmap.height() / self.pixmap.width())

    def sizeHint(self) -> QSize:
        """Preferred size."""
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
