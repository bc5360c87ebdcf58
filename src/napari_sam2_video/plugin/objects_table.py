"""The table of objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QAbstractTableModel, QModelIndex, QPoint, Qt
from qtpy.QtGui import QColor, QIcon, QPainter, QPen, QPixmap
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView

from napari_sam2_video.plugin.object_menu import object_menu
from napari_sam2_video.plugin.session_summary import ObjectSummary

if TYPE_CHECKING:
    from napari_sam2_video.plugin.controller import Controller
    from napari_sam2_video.session import Session, TrackedObject

COLUMNS = ("", "#", "Name", "Given", "Done", "IoU", "")
COLOR, ID, NAME, PROMPTS, FRAMES, LOWEST, LOCK = range(len(COLUMNS))
WIDEST = ("00", "000", "", "000", "00000", "0.00", "00")
TIPS = (
    "Colour; double-click to change it",
    "Number of the object, and its value in the masks",
    "Name, and after an arrow the mother; double-click to change the name",
    "Prompts that you gave, on all frames",
    "Frames that are tracked",
    "Lowest predicted IoU of any frame; look there first",
    "Click to lock or unlock: a locked object is neither tracked nor changed",
)
Roles = Qt.ItemDataRole
ROW_HEIGHT = 22
MARGIN = 10
FEWEST_ROWS, MOST_ROWS = 3, 8


class ObjectsModel(QAbstractTableModel):
    """Rows are the objects of the session, with the controller's newest summary."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self._controller = controller
        self.rows: list[TrackedObject] = []

    @property
    def _session(self) -> Session | None:
        return self._controller.session

    def reload(self) -> None:
        """Read the objects again; rows and editors stay where the objects are the same."""
        session = self._session
        rows = list(session.objects) if session is not None else []
        if [entry.id for entry in rows] == [entry.id for entry in self.rows]:
            before, self.rows = self.rows, rows
            for row in range(len(rows)):
                if rows[row] != before[row]:
                    self.dataChanged.emit(self.index(row, 0), self.index(row, len(COLUMNS) - 1))
            return
        self.beginResetModel()
        self.rows = rows
        self.endResetModel()

    def update_summary(self) -> None:
        """Show a new summary, and leave rows and editors alone."""
        if self.rows:
            self.dataChanged.emit(self.index(0, PROMPTS), self.index(len(self.rows) - 1, LOWEST))

    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008, D102
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008, D102
        return 0 if parent.isValid() else len(COLUMNS)

    def headerData(self, section: int, orientation: Any, role: int = Roles.DisplayRole) -> Any:  # noqa: D102
        if orientation == Qt.Orientation.Horizontal and role == Roles.DisplayRole:
            return COLUMNS[section]
        if orientation == Qt.Orientation.Horizontal and role == Roles.ToolTipRole:
            return TIPS[section]
        return None

    def flags(self, index: QModelIndex) -> Any:  # noqa: D102
        flags = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        if index.column() == NAME:
            flags |= Qt.ItemFlag.ItemIsEditable
        return flags

    def data(self, index: QModelIndex, role: int = Roles.DisplayRole) -> Any:  # noqa: D102
        entry = self.rows[index.row()]
        column = index.column()
        if role in (Roles.DisplayRole, Roles.EditRole):
            text = self._text(entry, column)
            born = role == Roles.DisplayRole and column == NAME and entry.parent is not None
            return f"{text} ← {entry.parent}" if born else text
        if role == Roles.DecorationRole and column == COLOR:
            swatch = QPixmap(12, 12)
            swatch.fill(QColor(*entry.color))
            icon = QIcon(swatch)
            # Else it is tinted in the row that is selected.
            icon.addPixmap(swatch, QIcon.Mode.Selected)
            return icon
        if role == Roles.DecorationRole and column == LOCK:
            return QIcon(_padlock(closed=entry.locked))
        if role == Roles.ToolTipRole:
            return f"{entry.name}\n{TIPS[column]}" if column == NAME else TIPS[column]
        if role == Roles.TextAlignmentRole and column in (ID, PROMPTS, FRAMES, LOWEST):
            return Qt.AlignmentFlag.AlignCenter
        return None

    def _text(self, entry: TrackedObject, column: int) -> str | None:
        known = self._controller.summary.objects.get(entry.id, ObjectSummary())
        texts = {
            ID: str(entry.id),
            NAME: entry.name,
            PROMPTS: str(known.prompts),
            FRAMES: str(known.frames),
            LOWEST: "–" if np.isnan(known.lowest) else f"{known.lowest:.2f}",
        }
        return texts.get(column)

    def setData(self, index: QModelIndex, value: Any, role: int = Roles.EditRole) -> bool:  # noqa: D102
        session = self._session
        if session is None:
            return False
        entry = self.rows[index.row()]
        if index.column() == NAME and role == Roles.EditRole and str(value).strip():
            change: dict[str, Any] = {"name": str(value).strip()}
        elif index.column() == LOCK and role == Roles.CheckStateRole:
            change = {"locked": Qt.CheckState(value) == Qt.CheckState.Checked}
        elif index.column() == COLOR and role == Roles.EditRole:
            change = {"color": tuple(value)}
        else:
            return False
        self._controller.perform(lambda: session.edit_object(entry.id, **change), "changing the object")
        return True


class ObjectsTable(QTableView):
    """The table; the selected row is the active object."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self._controller = controller
        self.objects = ObjectsModel(controller)
        self.setModel(self.objects)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setShowGrid(False)
        numbers: Any = self.verticalHeader()
        numbers.hide()
        numbers.setDefaultSectionSize(ROW_HEIGHT)
        header: Any = self.horizontalHeader()
        header.setMinimumSectionSize(18)
        # Widths of their own: to fit the contents Qt asks for every cell of every row each time.
        letters = header.fontMetrics()
        for column, widest in enumerate(WIDEST):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
            width = max(letters.horizontalAdvance(text) for text in (widest, COLUMNS[column]))
            header.resizeSection(column, width + MARGIN)
        header.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        self._fit()
        self._showing = False
        selection: Any = self.selectionModel()
        selection.currentRowChanged.connect(self._on_row)
        self.clicked.connect(self._on_click)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._on_menu)
        self.doubleClicked.connect(self._on_double)
        controller.active_changed.connect(self.show_active)

    def reload(self) -> None:
        """Read everything again and keep the selection."""
        self._showing = True
        self.objects.reload()
        self._showing = False
        self._fit()
        self.show_active(self._controller.active)

    def _fit(self) -> None:
        rows = min(max(len(self.objects.rows), FEWEST_ROWS), MOST_ROWS)
        self.setFixedHeight((rows + 1) * ROW_HEIGHT + 6)

    def show_active(self, object_id: int) -> None:
        """Select the row of an object."""
        numbers = [entry.id for entry in self.objects.rows]
        self._showing = True
        if object_id in numbers:
            row = numbers.index(object_id)
            selection: Any = self.selectionModel()
            # Selecting it again would close an editor.
            if not selection.isRowSelected(row, QModelIndex()):
                self.selectRow(row)
        else:
            self.clearSelection()
        self._showing = False

    def _on_row(self, current: QModelIndex, _: QModelIndex) -> None:
        if not self._showing and current.isValid():
            self._controller.set_active(self.objects.rows[current.row()].id)

    def _on_menu(self, place: QPoint) -> None:
        index = self.indexAt(place)
        if index.isValid():
            menu = object_menu(self, self._controller, self.objects.rows[index.row()].id)
            viewport = self.viewport()
            if menu is not None and viewport is not None:
                menu.popup(viewport.mapToGlobal(place))

    def _on_click(self, index: QModelIndex) -> None:
        if index.column() == LOCK:
            locked = self.objects.rows[index.row()].locked
            state = Qt.CheckState.Unchecked if locked else Qt.CheckState.Checked
            self.objects.setData(index, state, Roles.CheckStateRole)

    def _on_double(self, index: QModelIndex) -> None:
        if index.column() == COLOR:
            from qtpy.QtWidgets import QColorDialog

            chosen = QColorDialog.getColor(QColor(*self.objects.rows[index.row()].color), self, "Colour of the object")
            if chosen.isValid():
                self.objects.setData(index, (chosen.red(), chosen.green(), chosen.blue()))


def _padlock(*, closed: bool) -> QPixmap:
    """A padlock that is seen in both themes: closed in orange, open in grey."""
    picture = QPixmap(14, 14)
    picture.fill(QColor(0, 0, 0, 0))
    painter = QPainter(picture)
    color = QColor("#e69f00") if closed else QColor("#8a8f98")
    painter.setPen(QPen(color, 1.6))
    painter.drawArc(4 if closed else 7, 1, 6, 9, 0, 180 * 16)
    painter.fillRect(2, 6, 10, 7, color)
    painter.end()
    return picture
