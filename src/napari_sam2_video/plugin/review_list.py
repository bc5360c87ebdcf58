"""The review queue as a list: what to look at, why, and a thumbnail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractListModel, QModelIndex, QRect, QSize, Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QListView, QStyle, QStyledItemDelegate

from napari_sam2_video.plugin.thumbnails import SIDE
from napari_sam2_video.plugin.widgets import single_shot
from napari_sam2_video.session.verdicts import key_of_item

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtGui import QPainter

    from napari_sam2_video.analysis.review import ReviewItem
    from napari_sam2_video.plugin.controller import Controller
    from napari_sam2_video.session.review import ReviewList

Roles = Qt.ItemDataRole
WRONG_COLOR = "#e69f00"
MARGIN = 4
WAIT_MS = 60


class ReviewModel(QAbstractListModel):
    """Rows are the places left to review, followed by those marked as wrong."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self._controller = controller
        self.items: tuple[ReviewItem, ...] = ()
        self.n_wrong = 0
        self.rows: dict[str, int] = {}
        self._names: dict[int, str] = {}

    def show(self, review: ReviewList) -> None:
        """Show these places."""
        self._names = {row.object_id: row.name for row in self._controller.summary.rows}
        items = (*review.left, *review.wrong)
        if (items, len(review.wrong)) == (self.items, self.n_wrong):
            return
        self.beginResetModel()
        self.items, self.n_wrong, self.rows = items, len(review.wrong), review.rows
        self.endResetModel()

    def is_wrong(self, row: int) -> bool:
        """Whether a row is marked as wrong and needs to be corrected."""
        return row >= len(self.items) - self.n_wrong

    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008, D102
        return 0 if parent.isValid() else len(self.items)

    def data(self, index: QModelIndex, role: int = Roles.DisplayRole) -> Any:  # noqa: D102
        if not index.isValid() or index.row() >= len(self.items):
            return None
        item = self.items[index.row()]
        if role == Roles.DisplayRole:
            return self.title(item)
        if role == Roles.ToolTipRole:
            return f"{self.title(item)}\n{self.why(index.row())}"
        return None

    def title(self, item: ReviewItem) -> str:
        """Which object and frame."""
        name = self._names.get(item.object_id, f"object {item.object_id}")
        return f"{name}, frame {item.frame}" if item.object_id else f"Frame {item.frame}"

    def why(self, row: int) -> str:
        """Why to look there."""
        item = self.items[row]
        reason = f"{item.reason[:1].upper()}{item.reason[1:]}"
        return f"Wrong, to be corrected. {reason}." if self.is_wrong(row) else f"{reason} (doubt {item.doubt:.2f})."


class ReviewView(QListView):
    """The list; a click goes to the place.

    Signals
    -------
    picked : object
        The `ReviewItem` that the user chose.
    """

    picked = Signal(object)

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self._controller = controller
        self.places = ReviewModel(controller)
        self.setModel(self.places)
        self.setItemDelegate(_Delegate(self))
        self.setUniformItemSizes(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.clicked.connect(lambda index: self.picked.emit(self.places.items[index.row()]))
        self._later = single_shot(self, self._ask, WAIT_MS)
        bar: Any = self.verticalScrollBar()
        bar.valueChanged.connect(self.ask)

    def show_review(self, review: ReviewList, current: ReviewItem | None) -> None:
        """Show the state of the review, and the current place."""
        self.places.show(review)
        self.show_current(current)
        self.ask()

    def show_current(self, current: ReviewItem | None) -> None:
        """Mark the current place."""
        row = None if current is None else self.places.rows.get(key_of_item(current))
        if row is not None:
            index = self.places.index(row)
            self.setCurrentIndex(index)
            self.scrollTo(index)
        else:
            self.clearSelection()
            self.setCurrentIndex(QModelIndex())

    def resizeEvent(self, event: Any) -> None:  # noqa: D102
        super().resizeEvent(event)
        self.ask()

    def showEvent(self, event: Any) -> None:  # noqa: D102
        super().showEvent(event)
        self.ask()

    def ask(self, *_: Any) -> None:
        """Request the visible thumbnails soon."""
        if self.isVisible() and not self._later.isActive():
            self._later.start()

    def _ask(self) -> None:
        view = self._controller.view
        if view is not None and self.isVisible():
            view.thumbnails.want(self.in_sight())

    def in_sight(self) -> Sequence[ReviewItem]:
        """The places visible without scrolling."""
        viewport: Any = self.viewport()
        first = self.indexAt(viewport.rect().topLeft())
        last = self.indexAt(viewport.rect().bottomLeft())
        start = max(first.row(), 0)
        stop = last.row() + 1 if last.isValid() else len(self.places.items)
        return self.places.items[start:stop]

    def thumbnail(self, row: int) -> Any:
        """The thumbnail of a row; None until there is one."""
        view = self._controller.view
        return None if view is None else view.thumbnails.picture(self.places.items[row])


class _Delegate(QStyledItemDelegate):
    """Draws a place: thumbnail, object and frame, and reason."""

    def __init__(self, view: ReviewView) -> None:
        super().__init__(view)
        self._view = view

    def sizeHint(self, option: Any, index: QModelIndex) -> QSize:
        return QSize(SIDE * 3, SIDE + 2 * MARGIN)

    def paint(self, painter: QPainter | None, option: Any, index: QModelIndex) -> None:
        if painter is None or index.row() >= len(self._view.places.items):
            return
        painter.save()
        area, row, places = option.rect, index.row(), self._view.places
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        if chosen:
            painter.fillRect(area, option.palette.highlight())
        picture = self._view.thumbnail(row)
        frame = QRect(area.left() + MARGIN, area.top() + MARGIN, SIDE, SIDE)
        if picture is None:
            painter.fillRect(frame, QColor(90, 90, 96))
        else:
            painter.drawPixmap(frame, picture)
        if places.is_wrong(row):
            painter.fillRect(QRect(frame.right() - 9, frame.top(), 10, 10), QColor(WRONG_COLOR))
        text = area.adjusted(SIDE + 3 * MARGIN, MARGIN, -MARGIN, -MARGIN)
        painter.setPen((option.palette.highlightedText() if chosen else option.palette.text()).color())
        font = painter.font()
        font.setBold(True)
        painter.setFont(font)
        line = painter.fontMetrics().height()
        title = painter.fontMetrics().elidedText(
            places.title(places.items[row]), Qt.TextElideMode.ElideMiddle, text.width()
        )
        painter.drawText(text, Qt.AlignmentFlag.AlignTop, title)
        font.setBold(False)
        painter.setFont(font)
        below = text.adjusted(0, line, 0, 0)
        painter.drawText(below, int(Qt.AlignmentFlag.AlignTop) | int(Qt.TextFlag.TextWordWrap), places.why(row))
        painter.restore()
