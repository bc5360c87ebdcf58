"""The table of objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QItemSelectionModel, QModelIndex, QPoint, Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView

from napari_sam2_video.plugin.object_menu import object_menu, objects_menu
from napari_sam2_video.plugin.objects_model import (
    COLOR,
    COLUMNS,
    ID,
    LOCK,
    NAME,
    STATE,
    ObjectsInView,
    ObjectsModel,
    Roles,
)

if TYPE_CHECKING:
    from napari_sam2_video.plugin.controller import Controller

WIDEST = ("00", "000", "", "000", "00000", "0.00", "00", "00")
ROW_HEIGHT = 22
MARGIN = 10
FEWEST_ROWS, MOST_ROWS = 3, 8


class ObjectsTable(QTableView):
    """The table; the current row is the active object, and others can be selected with it.

    A click on the title of a column sorts by it.
    """

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self._controller = controller
        self.objects = ObjectsModel(controller)
        self.shown = ObjectsInView(self.objects)
        self.setModel(self.shown)
        self.setToolTip("The objects; new prompts and paint go to the selected one.")
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setShowGrid(False)
        numbers: Any = self.verticalHeader()
        numbers.hide()
        numbers.setDefaultSectionSize(ROW_HEIGHT)
        header: Any = self.horizontalHeader()
        header.setMinimumSectionSize(18)
        # Fixed widths: to fit the contents, Qt would query every cell of every row each time.
        letters = header.fontMetrics()
        for column, widest in enumerate(WIDEST):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
            width = max(letters.horizontalAdvance(text) for text in (widest, COLUMNS[column]))
            header.resizeSection(column, width + MARGIN)
        header.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        header.moveSection(header.visualIndex(STATE), header.visualIndex(NAME))
        header.setHighlightSections(False)
        self.setSortingEnabled(True)
        self.sortByColumn(ID, Qt.SortOrder.AscendingOrder)
        self._fit()
        self._showing = False
        selection: Any = self.selectionModel()
        selection.currentRowChanged.connect(self._on_row)
        selection.selectionChanged.connect(self._on_selection)
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

    def search(self, text: str) -> None:
        """Show only objects whose number, name or state contains the words searched for."""
        self._showing = True
        self.shown.search(text)
        self._showing = False
        self.show_active(self._controller.active)

    def show_active(self, object_id: int) -> None:
        """Select the row of an object, and no other unless it is part of a selection of several."""
        numbers = {entry.id: row for row, entry in enumerate(self.objects.rows)}
        index = self.shown.mapFromSource(self.objects.index(numbers.get(object_id, -1), NAME))
        selection: Any = self.selectionModel()
        self._showing = True
        if not index.isValid():
            self.clearSelection()
            selection.setCurrentIndex(QModelIndex(), QItemSelectionModel.SelectionFlag.NoUpdate)
        # Selecting it again would close an open editor.
        elif not selection.isRowSelected(index.row(), QModelIndex()):
            self.selectRow(index.row())
        elif self.currentIndex().row() != index.row():
            selection.setCurrentIndex(index, QItemSelectionModel.SelectionFlag.NoUpdate)
        self._showing = False
        self._on_selection()

    def selected(self) -> tuple[int, ...]:
        """Ids of the selected objects, in ascending order."""
        selection: Any = self.selectionModel()
        return tuple(sorted(self.shown.ids(selection.selectedRows())))

    def _on_selection(self, *_: Any) -> None:
        if not self._showing:
            chosen, active = self.selected(), self._controller.active
            self._controller.select(chosen if active in chosen else (active,) if active else ())

    def _on_row(self, current: QModelIndex, _: QModelIndex) -> None:
        if not self._showing and current.isValid():
            self._controller.set_active(*self.shown.ids([current]))

    def _on_menu(self, place: QPoint) -> None:
        index = self.indexAt(place)
        viewport = self.viewport()
        if not index.isValid() or viewport is None:
            return
        (object_id,) = self.shown.ids([index])
        chosen = self.selected()
        several = len(chosen) > 1 and object_id in chosen
        menu = (
            objects_menu(self, self._controller, chosen) if several else object_menu(self, self._controller, object_id)
        )
        if menu is not None:
            menu.popup(viewport.mapToGlobal(place))

    def _on_click(self, index: QModelIndex) -> None:
        if index.column() == LOCK:
            source = self.shown.mapToSource(index)
            locked = self.objects.rows[source.row()].locked
            state = Qt.CheckState.Unchecked if locked else Qt.CheckState.Checked
            self.objects.setData(source, state, Roles.CheckStateRole)

    def _on_double(self, index: QModelIndex) -> None:
        if index.column() == COLOR:
            from qtpy.QtWidgets import QColorDialog

            source = self.shown.mapToSource(index)
            chosen = QColorDialog.getColor(QColor(*self.objects.rows[source.row()].color), self, "Colour of the object")
            if chosen.isValid():
                self.objects.setData(source, (chosen.red(), chosen.green(), chosen.blue()))
