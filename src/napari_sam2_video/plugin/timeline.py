"""The timeline: objects × frames, coloured by how much to trust them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QPointF, QRectF, QSize, Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QColor, QImage, QPainter, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

if TYPE_CHECKING:
    import numpy.typing as npt

ROW = 14
GAP = 3
HEAD = 13
LABEL = 46
MARK = QColor("#ffffff")
EMPTY_COLOR = (90, 90, 96)
ABSENT_COLOR = (52, 52, 58)
# cividis, which people with any colour vision read alike: doubtful is dark blue, certain is yellow.
SCALE = np.array(
    [(0, 34, 78), (18, 53, 112), (59, 73, 108), (87, 93, 109), (112, 113, 115), (138, 134, 120), (165, 156, 116),
     (195, 179, 105), (225, 204, 85), (254, 232, 56)],
    float,
)  # fmt: skip


@dataclass(frozen=True)
class TimelineRow:
    """What the timeline shows of an object.

    Parameters
    ----------
    object_id : int
        The object.
    trust : ndarray of float, shape (n_frames,)
        From 0 to 1; NaN where nothing is tracked, -1 where the object is absent.
    prompted, accepted, painted : ndarray of bool, shape (n_frames,)
        Marks.
    """

    object_id: int
    name: str
    color: tuple[int, int, int]
    trust: npt.NDArray[np.float64]
    prompted: npt.NDArray[np.bool_]
    accepted: npt.NDArray[np.bool_]
    painted: npt.NDArray[np.bool_]


class Timeline(QWidget):
    """Rows of objects; a click goes to the frame and makes the object active.

    Signals
    -------
    picked : int, int
        Object (0 for none) and frame that the person clicked.
    """

    picked = Signal(int, int)

    def __init__(self) -> None:
        super().__init__()
        self._rows: tuple[TimelineRow, ...] = ()
        self._n_frames = 1
        self._frame = 0
        self._active = 0
        self._image: QImage | None = None
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip("Click to go to a frame of an object.")

    def sizeHint(self) -> QSize:  # noqa: D102
        return QSize(240, HEAD + max(1, len(self._rows)) * (ROW + GAP) + 4)

    minimumSizeHint = sizeHint

    def set_rows(self, rows: tuple[TimelineRow, ...], n_frames: int) -> None:
        """Show these objects."""
        resized = len(rows) != len(self._rows)
        self._rows, self._n_frames, self._image = rows, max(1, n_frames), None
        if resized:
            self.updateGeometry()
        self.update()

    def set_position(self, frame: int, active: int) -> None:
        """Mark the shown frame and the active object."""
        if (frame, active) != (self._frame, self._active):
            self._frame, self._active = frame, active
            self.update()

    @property
    def rows(self) -> tuple[TimelineRow, ...]:
        """What is shown."""
        return self._rows

    def frame_at(self, x: float) -> int:
        """Frame under a horizontal position of the widget."""
        width = max(1.0, self.width() - LABEL - 4)
        return int(min(max((x - LABEL) / width * self._n_frames, 0), self._n_frames - 1))

    def x_of(self, frame: float) -> float:
        """Horizontal position of a frame's left edge."""
        return LABEL + frame / self._n_frames * max(1.0, self.width() - LABEL - 4)

    def y_of(self, row: int) -> int:
        """Vertical position of a row's upper edge."""
        return HEAD + row * (ROW + GAP)

    def _row_at(self, y: float) -> int | None:
        row = int((y - HEAD) // (ROW + GAP))
        return row if 0 <= row < len(self._rows) else None

    def mousePressEvent(self, event: Any) -> None:  # noqa: D102
        self._pick(event)

    def mouseMoveEvent(self, event: Any) -> None:  # noqa: D102
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._pick(event)
            return
        row = self._row_at(event.position().y())
        if row is not None and event.position().x() >= LABEL:
            QToolTip.showText(event.globalPosition().toPoint(), self._about(row, self.frame_at(event.position().x())))

    def _pick(self, event: Any) -> None:
        row = self._row_at(event.position().y())
        self.picked.emit(0 if row is None else self._rows[row].object_id, self.frame_at(event.position().x()))

    def _about(self, row: int, frame: int) -> str:
        entry = self._rows[row]
        trust = entry.trust[frame]
        state = "not tracked" if np.isnan(trust) else "absent" if trust < 0 else f"trust {trust:.2f}"
        marks = [name for name in ("prompted", "accepted", "painted") if getattr(entry, name)[frame]]
        return f"{entry.name}, frame {frame}: {', '.join([state, *marks])}"

    def paintEvent(self, event: Any) -> None:  # noqa: D102
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        text = self.palette().text().color()
        columns = max(1, self.width() - LABEL - 4)
        if self._image is None or self._image.width() != columns:
            self._image = _picture([row.trust for row in self._rows], columns)
        self._paint_ruler(painter, text)
        seen = event.rect()
        for number in range(len(self._rows)):
            if seen.top() < self.y_of(number + 1) and self.y_of(number) <= seen.bottom():
                self._paint_row(painter, text, number, self._rows[number], columns)
        painter.setPen(QPen(QColor("#ff5c39"), 2))
        x = (self.x_of(self._frame) + self.x_of(self._frame + 1)) / 2
        painter.drawLine(QPointF(x, HEAD - 4), QPointF(x, self.height() - 2))
        painter.end()

    def _paint_ruler(self, painter: Any, text: QColor) -> None:
        font = painter.font()
        font.setPointSizeF(max(6.5, font.pointSizeF() * 0.8))
        painter.setFont(font)
        painter.setPen(text)
        painter.drawText(QRectF(LABEL, 0, 60, HEAD - 2), Qt.AlignmentFlag.AlignLeft, "0")
        last = QRectF(self.width() - 64, 0, 60, HEAD - 2)
        painter.drawText(last, Qt.AlignmentFlag.AlignRight, str(self._n_frames - 1))

    def _paint_row(self, painter: Any, text: QColor, number: int, row: TimelineRow, columns: int) -> None:
        assert self._image is not None
        y = self.y_of(number)
        painter.fillRect(QRectF(2, y + 2, 8, ROW - 4), QColor(*row.color))
        painter.setPen(text)
        font = painter.font()
        font.setBold(row.object_id == self._active)
        painter.setFont(font)
        name = painter.fontMetrics().elidedText(f"{row.object_id} {row.name}", Qt.TextElideMode.ElideRight, LABEL - 14)
        painter.drawText(QRectF(12, y, LABEL - 14, ROW), Qt.AlignmentFlag.AlignVCenter, name)
        painter.drawImage(QRectF(LABEL, y, columns, ROW), self._image, QRectF(0, number, columns, 1))
        for frame in np.flatnonzero(row.accepted):
            left, right = self.x_of(int(frame)), self.x_of(int(frame) + 1)
            painter.fillRect(QRectF(left, y + ROW - 4, max(1.0, right - left), 4), QColor(0, 0, 0))
            painter.fillRect(QRectF(left, y + ROW - 3, max(1.0, right - left), 2), MARK)
        painter.setBrush(MARK)
        painter.setPen(QPen(QColor(0, 0, 0), 0.8))
        for frame in np.flatnonzero(row.prompted):
            x = (self.x_of(int(frame)) + self.x_of(int(frame) + 1)) / 2
            painter.drawPolygon(QPolygonF([QPointF(x - 4, y), QPointF(x + 4, y), QPointF(x, y + 6)]))
        for frame in np.flatnonzero(row.painted):
            x = (self.x_of(int(frame)) + self.x_of(int(frame) + 1)) / 2
            painter.drawEllipse(QPointF(x, y + ROW / 2 + 1), 2.6, 2.6)


def colors_of(trust: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """RGB of trust values, shape ``(..., 3)``; grey where nothing is tracked, darker where the object is absent."""
    known = np.clip(np.nan_to_num(trust), 0, 1) * (len(SCALE) - 1)
    low = np.floor(known).astype(int).clip(0, len(SCALE) - 2)
    share = (known - low)[..., None]
    colors = SCALE[low] * (1 - share) + SCALE[low + 1] * share
    colors[np.isnan(trust)] = EMPTY_COLOR
    colors[trust < 0] = ABSENT_COLOR
    rounded: npt.NDArray[np.uint8] = np.rint(colors).astype(np.uint8)
    return rounded


def narrowed(trust: npt.NDArray[np.float64], columns: int) -> npt.NDArray[np.float64]:
    """One value a column: the lowest of the frames it stands for, so that no doubtful frame hides."""
    n = len(trust)
    if n <= columns:
        return trust[(np.arange(columns) * n) // columns]
    edges = (np.arange(columns) * n) // columns
    filled = np.where(np.isnan(trust), np.inf, trust)
    lowest = np.minimum.reduceat(filled, edges)
    return np.where(np.isinf(lowest), np.nan, lowest)


def _picture(trusts: list[npt.NDArray[np.float64]], columns: int) -> QImage:
    if not trusts:
        return QImage(columns, 1, QImage.Format.Format_RGB888)
    colors = np.ascontiguousarray(np.stack([colors_of(narrowed(trust, columns)) for trust in trusts]))
    height, width, _ = colors.shape
    return QImage(colors.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888).copy()
