"""The model of the table of objects: its rows, their order, and which are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QAbstractTableModel, QModelIndex, QSortFilterProxyModel, Qt
from qtpy.QtGui import QColor, QIcon, QPainter, QPen, QPixmap

from napari_sam2_video.plugin.object_state import STATES
from napari_sam2_video.plugin.summarizer import ObjectSummary

if TYPE_CHECKING:
    from napari_sam2_video.plugin.controller import Controller
    from napari_sam2_video.session import Session, TrackedObject

COLUMNS = ("", "#", "Name", "Given", "Done", "IoU", "", "")
COLOR, ID, NAME, PROMPTS, FRAMES, LOWEST, LOCK, STATE = range(len(COLUMNS))
TIPS = (
    "Colour; double-click to change it",
    "Number of the object, and its value in the masks",
    "Name, followed by an arrow and the mother; double-click to change the name",
    "Number of prompts, on all frames",
    "Tracked frames",
    "Lowest predicted IoU on any frame; check there first",
    "Click to lock or unlock: a locked object is neither tracked nor changed",
    "State: " + ", ".join(f"{state.sign} {state.title.lower()}" for state in STATES.values()),
)
Roles = Qt.ItemDataRole


class ObjectsModel(QAbstractTableModel):
    """One row per object of the session, with figures from the controller's newest summary."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self._controller = controller
        self.rows: list[TrackedObject] = []

    @property
    def _session(self) -> Session | None:
        return self._controller.session

    def reload(self) -> None:
        """Read the objects again; rows and open editors stay if the objects are the same."""
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
        """Show a new summary without touching rows and open editors."""
        if self.rows:
            self.dataChanged.emit(self.index(0, PROMPTS), self.index(len(self.rows) - 1, STATE))

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
            # Otherwise it is tinted in the selected row.
            icon.addPixmap(swatch, QIcon.Mode.Selected)
            return icon
        if role == Roles.DecorationRole and column == LOCK:
            return QIcon(_padlock(closed=entry.locked))
        if role == Roles.UserRole:
            return self._sortable(entry, column)
        if role == Roles.ForegroundRole and column == STATE:
            return QColor(self.state_color(entry))
        if role == Roles.ToolTipRole and column == STATE:
            known = self._known(entry)
            left = f", {known.doubtful} to look at" if known.doubtful else ""
            return f"{STATES[self._state(entry)].title}{left}\n{TIPS[STATE]}"
        if role == Roles.ToolTipRole:
            return f"{entry.name}\n{TIPS[column]}" if column == NAME else TIPS[column]
        if role == Roles.TextAlignmentRole and column in (ID, PROMPTS, FRAMES, LOWEST, STATE):
            return Qt.AlignmentFlag.AlignCenter
        return None

    def _known(self, entry: TrackedObject) -> ObjectSummary:
        return self._controller.summary.objects.get(entry.id, ObjectSummary())

    def _state(self, entry: TrackedObject) -> str:
        """The state of an object; a lock takes effect at once."""
        state = self._known(entry).state
        return "locked" if entry.locked else "tracked" if state == "locked" else state

    def state_color(self, entry: TrackedObject) -> str:
        """The colour of the state of an object."""
        return STATES[self._state(entry)].color

    def _sortable(self, entry: TrackedObject, column: int) -> Any:
        known = self._known(entry)
        order = list(STATES).index(self._state(entry))
        return {
            COLOR: QColor(*entry.color).hue(),
            NAME: entry.name.casefold(),
            PROMPTS: known.prompts,
            FRAMES: known.frames,
            LOWEST: 2.0 if np.isnan(known.lowest) else known.lowest,
            LOCK: int(entry.locked),
            STATE: 1_000_000 * order - known.doubtful,
        }.get(column, entry.id)

    def described(self, row: int) -> str:
        """Number, name and state of a row, as text to search."""
        entry = self.rows[row]
        return f"{entry.id} {entry.name} {STATES[self._state(entry)].title}".casefold()

    def _text(self, entry: TrackedObject, column: int) -> str | None:
        known = self._known(entry)
        texts = {
            ID: str(entry.id),
            NAME: entry.name,
            PROMPTS: str(known.prompts),
            FRAMES: str(known.frames),
            STATE: STATES[self._state(entry)].sign,
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


class ObjectsInView(QSortFilterProxyModel):
    """The rows that match the search, sorted by a column."""

    def __init__(self, objects: ObjectsModel) -> None:
        super().__init__()
        self.objects = objects
        self.setSourceModel(objects)
        self.setSortRole(Roles.UserRole)
        self._words: list[str] = []

    def search(self, text: str) -> None:
        """Show only objects whose number, name or state contains each of the words."""
        words = text.casefold().split()
        if words != self._words:
            self._words = words
            self.invalidateFilter()

    def filterAcceptsRow(self, source_row: int, source_parent: QModelIndex) -> bool:  # noqa: D102
        if not self._words:
            return True
        described = self.objects.described(source_row)
        return all(word in described for word in self._words)

    def ids(self, indexes: Any) -> tuple[int, ...]:
        """Objects of the given rows."""
        return tuple(self.objects.rows[self.mapToSource(index).row()].id for index in indexes)


def _padlock(*, closed: bool) -> QPixmap:
    """A padlock visible in both themes: closed in orange, open in grey."""
    picture = QPixmap(14, 14)
    picture.fill(QColor(0, 0, 0, 0))
    painter = QPainter(picture)
    color = QColor("#e69f00") if closed else QColor("#8a8f98")
    painter.setPen(QPen(color, 1.6))
    painter.drawArc(4 if closed else 7, 1, 6, 9, 0, 180 * 16)
    painter.fillRect(2, 6, 10, 7, color)
    painter.end()
    return picture
