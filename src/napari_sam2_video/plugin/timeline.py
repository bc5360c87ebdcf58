"""The timeline: objects × frames, coloured by how much to trust them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QPointF, QRectF, QSize, Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QColor, QFont, QFontMetricsF, QImage, QPainter, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

from napari_sam2_video.plugin.timeline_rows import UNGROUPED, colors_of, lines_of, lowest_trust
from napari_sam2_video.spans import frame_runs

if TYPE_CHECKING:
    from napari_sam2_video.plugin.timeline_rows import Line, TimelineRow

ROW = 14
GAP = 3
HEAD = 13
LEAST_LABEL, MOST_LABEL = 46, 90
NAME_LEFT = 12
FEWEST_FRAMES = 10
ZOOM = 1.25
MARK = QColor("#ffffff")
NOW = QColor("#ff5c39")


class Timeline(QWidget):
    """Rows of objects; a click goes to the frame and activates the object, or folds a group.

    Ctrl+wheel zooms around the mouse, and Shift+wheel scrolls.

    Signals
    -------
    picked : int, int
        Object (0 for none) and frame that the user clicked.
    zoomed
        The range of shown frames changed.
    """

    picked = Signal(int, int)
    zoomed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._rows: tuple[TimelineRow, ...] = ()
        self._lines: tuple[Line, ...] = ()
        self._grouping = UNGROUPED
        self._folded: set[str] = set()
        self._n_frames = 1
        self._first, self._count = 0, 1
        self._frame = 0
        self._active = 0
        self._pictures: dict[int, QImage] = {}
        self._label = LEAST_LABEL
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip("Click to go to a frame of an object. Ctrl+wheel zooms, Shift+wheel moves.")

    def sizeHint(self) -> QSize:  # noqa: D102
        return QSize(240, HEAD + max(1, len(self._lines)) * (ROW + GAP) + 4)

    minimumSizeHint = sizeHint

    def set_rows(self, rows: tuple[TimelineRow, ...], n_frames: int) -> None:
        """Show these objects."""
        if n_frames != self._n_frames:
            self._n_frames = max(1, n_frames)
            self._first, self._count = 0, self._n_frames
        self._rows = rows
        self._arrange()

    def set_grouping(self, grouping: str) -> None:
        """Show the objects in groups (see `lines_of`), all of them open."""
        if grouping != self._grouping:
            self._grouping = grouping
            self._folded.clear()
            self._arrange()

    def _arrange(self) -> None:
        before = len(self._lines)
        self._lines = lines_of(self._rows, self._grouping, self._folded)
        self._pictures.clear()
        longest = max((_label(row) for row in self._rows), key=len, default="")
        room = QFontMetricsF(_small(self.font(), bold=True)).horizontalAdvance(longest) + NAME_LEFT + 4
        self._label = round(min(max(LEAST_LABEL, room), MOST_LABEL))
        if len(self._lines) != before:
            self.updateGeometry()
        self.update()

    def set_position(self, frame: int, active: int) -> None:
        """Mark the active object and the shown frame, and scroll to the frame."""
        if (frame, active) != (self._frame, self._active):
            moved = frame != self._frame
            self._frame, self._active = frame, active
            if moved and not self._first <= frame < self._first + self._count:
                self.show_frames(frame - self._count // 2, self._count)
            self.update()

    @property
    def active(self) -> int:
        """The marked object."""
        return self._active

    @property
    def rows(self) -> tuple[TimelineRow, ...]:
        """The objects."""
        return self._rows

    @property
    def lines(self) -> tuple[Line, ...]:
        """The shown lines, from top to bottom."""
        return self._lines

    @property
    def frames(self) -> range:
        """The range of shown frames."""
        return range(self._first, self._first + self._count)

    @property
    def n_frames(self) -> int:
        """How many frames there are."""
        return self._n_frames

    def show_frames(self, first: int, count: int) -> None:
        """Show a range of frames, clipped to the recording."""
        count = min(max(count, min(FEWEST_FRAMES, self._n_frames)), self._n_frames)
        first = min(max(first, 0), self._n_frames - count)
        if (first, count) != (self._first, self._count):
            self._first, self._count = first, count
            self._pictures.clear()
            self.update()
            self.zoomed.emit()

    def zoom(self, factor: float, around: int | None = None) -> None:
        """Show fewer frames (a factor above 1) or more around a frame, by default the one in the viewer."""
        centre = self._frame if around is None else around
        count = round(self._count / factor)
        share = (centre - self._first) / self._count if centre in self.frames else 0.5
        self.show_frames(round(centre - share * count), count)

    def wheelEvent(self, event: Any) -> None:  # noqa: D102
        turned = event.angleDelta().y() or event.angleDelta().x()
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.zoom(ZOOM if turned > 0 else 1 / ZOOM, self.frame_at(event.position().x()))
        elif event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            step = max(1, self._count // 10)
            self.show_frames(self._first + (-step if turned > 0 else step), self._count)
        else:
            event.ignore()
            return
        event.accept()

    def _columns(self) -> int:
        return max(1, self.width() - self._label - 4)

    def frame_at(self, x: float) -> int:
        """Frame under a horizontal position of the widget."""
        inside = (x - self._label) / self._columns() * self._count
        return int(min(max(self._first + inside, self._first), self._first + self._count - 1))

    def x_of(self, frame: float) -> float:
        """Horizontal position of a frame's left edge."""
        return self._label + (frame - self._first) / self._count * self._columns()

    def y_of(self, line: int) -> int:
        """Vertical position of a line's upper edge."""
        return HEAD + line * (ROW + GAP)

    def line_of(self, object_id: int) -> int | None:
        """The line of an object, None if it is in a folded group."""
        return next(
            (at for at, line in enumerate(self._lines) if line.group is None and line.rows[0].object_id == object_id),
            None,
        )

    def _line_at(self, y: float) -> int | None:
        line = int((y - HEAD) // (ROW + GAP))
        return line if 0 <= line < len(self._lines) else None

    def mousePressEvent(self, event: Any) -> None:  # noqa: D102
        at = self._line_at(event.position().y())
        group = None if at is None else self._lines[at].group
        if group is not None and event.position().x() < self._label + 60:
            self._folded ^= {group}
            self._arrange()
        else:
            self._pick(event)

    def mouseMoveEvent(self, event: Any) -> None:  # noqa: D102
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._pick(event)
            return
        at = self._line_at(event.position().y())
        if at is not None and event.position().x() >= self._label:
            QToolTip.showText(event.globalPosition().toPoint(), self._about(at, self.frame_at(event.position().x())))

    def _pick(self, event: Any) -> None:
        at = self._line_at(event.position().y())
        single = at is not None and self._lines[at].group is None
        object_id = self._lines[at].rows[0].object_id if at is not None and single else 0
        self.picked.emit(object_id, self.frame_at(event.position().x()))

    def _about(self, at: int, frame: int) -> str:
        line = self._lines[at]
        if line.group is not None:
            return f"{line.title}, frame {frame}: click the name to {'open' if line.folded else 'fold'} the group"
        entry = line.rows[0]
        trust = entry.trust[frame]
        state = "not tracked" if np.isnan(trust) else "absent" if trust < 0 else f"trust {trust:.2f}"
        marks = [name for name in ("prompted", "accepted", "painted") if getattr(entry, name)[frame]]
        return f"{entry.name}, frame {frame}: {', '.join([state, *marks])}"

    def paintEvent(self, event: Any) -> None:  # noqa: D102
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        text = self.palette().text().color()
        self._paint_ruler(painter, text)
        seen = event.rect()
        for at, line in enumerate(self._lines):
            if seen.top() < self.y_of(at + 1) and self.y_of(at) <= seen.bottom():
                self._paint_line(painter, text, at, line)
        painter.setPen(QPen(NOW, 2))
        if self._frame in self.frames:
            x = (self.x_of(self._frame) + self.x_of(self._frame + 1)) / 2
            painter.drawLine(QPointF(x, HEAD - 4), QPointF(x, self.height() - 2))
        painter.end()

    def _paint_ruler(self, painter: Any, text: QColor) -> None:
        painter.setFont(_small(painter.font()))
        painter.setPen(text)
        painter.drawText(QRectF(self._label, 0, 60, HEAD - 2), Qt.AlignmentFlag.AlignLeft, str(self._first))
        last = QRectF(self.width() - 64, 0, 60, HEAD - 2)
        painter.drawText(last, Qt.AlignmentFlag.AlignRight, str(self._first + self._count - 1))

    def _paint_line(self, painter: Any, text: QColor, at: int, line: Line) -> None:
        y, columns = self.y_of(at), self._columns()
        if at not in self._pictures or self._pictures[at].width() != columns:
            self._pictures[at] = self._picture(line, columns)
        grouped = line.group is not None
        entry = line.rows[0]
        if not grouped or line.folded:
            painter.drawImage(QRectF(self._label, y, columns, ROW), self._pictures[at], QRectF(0, 0, columns, 1))
        font = painter.font()
        font.setBold(grouped or entry.object_id == self._active)
        painter.setFont(font)
        if grouped:
            self._paint_title(painter, text, y, line)
            return
        painter.fillRect(QRectF(2, y + 2, 8, ROW - 4), QColor(*entry.color))
        painter.setPen(text)
        name = painter.fontMetrics().elidedText(_label(entry), Qt.TextElideMode.ElideRight, self._label - 14)
        painter.drawText(QRectF(NAME_LEFT, y, self._label - 14, ROW), Qt.AlignmentFlag.AlignVCenter, name)
        self._paint_marks(painter, y, entry)

    def _paint_title(self, painter: Any, text: QColor, y: int, line: Line) -> None:
        painter.setBrush(text)
        painter.setPen(Qt.PenStyle.NoPen)
        middle = y + ROW / 2
        arrow = (
            [(3, middle - 4), (9, middle), (3, middle + 4)] if line.folded else [(2, y + 5), (10, y + 5), (6, y + 10)]
        )
        painter.drawPolygon(QPolygonF([QPointF(*corner) for corner in arrow]))
        painter.setPen(text)
        room = self._label - 14 if line.folded else self.width() - 16
        title = painter.fontMetrics().elidedText(line.title, Qt.TextElideMode.ElideRight, room)
        painter.drawText(QRectF(NAME_LEFT, y, room, ROW), Qt.AlignmentFlag.AlignVCenter, title)

    def _paint_marks(self, painter: Any, y: int, row: TimelineRow) -> None:
        first, stop = self.frames.start, self.frames.stop
        for span in frame_runs(np.flatnonzero(row.accepted[first:stop]).tolist()):
            left, right = self.x_of(first + span.start), self.x_of(first + span.stop)
            painter.fillRect(QRectF(left, y + ROW - 4, max(1.0, right - left), 4), QColor(0, 0, 0))
            painter.fillRect(QRectF(left, y + ROW - 3, max(1.0, right - left), 2), MARK)
        painter.setBrush(MARK)
        painter.setPen(QPen(QColor(0, 0, 0), 0.8))
        for x in self._places(row.prompted):
            painter.drawPolygon(QPolygonF([QPointF(x - 4, y), QPointF(x + 4, y), QPointF(x, y + 6)]))
        for x in self._places(row.painted):
            painter.drawEllipse(QPointF(x, y + ROW / 2 + 1), 2.6, 2.6)

    def _places(self, marked: Any) -> list[int]:
        """Where marks of the shown frames are drawn, at most one per pixel."""
        frames = np.flatnonzero(marked[self._first : self._first + self._count]) + self._first
        return sorted({round((self.x_of(int(f)) + self.x_of(int(f) + 1)) / 2) for f in frames})

    def _picture(self, line: Line, columns: int) -> QImage:
        trust = lowest_trust(line.rows, self._first, self._first + self._count, columns)
        colors = np.ascontiguousarray(colors_of(trust))
        return QImage(colors.tobytes(), columns, 1, 3 * columns, QImage.Format.Format_RGB888).copy()


def _label(row: TimelineRow) -> str:
    """Number and name; the number is not repeated if the name contains it."""
    return row.name if str(row.object_id) in row.name.split() else f"{row.object_id} {row.name}"


def _small(font: QFont, *, bold: bool = False) -> QFont:
    made = QFont(font)
    made.setPointSizeF(max(6.5, made.pointSizeF() * 0.8))
    made.setBold(bold)
    return made
