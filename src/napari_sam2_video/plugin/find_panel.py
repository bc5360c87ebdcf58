"""Find objects without clicks, and decide on the proposals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QItemSelectionModel, Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QDoubleSpinBox,
    QHeaderView,
    QSpinBox,
    QTreeWidget,
    QTreeWidgetItem,
    QWidget,
)

from napari_sam2_video.plugin.detector_fields import DetectorFields
from napari_sam2_video.plugin.tracking import FINDING
from napari_sam2_video.plugin.widgets import (
    IN_A_RUN,
    allow,
    area_box,
    button,
    form,
    narrow_spin,
    note,
    row,
    set_note,
    stack,
)
from napari_sam2_video.plugin.worker import Job

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam2_video.plugin.controller import Controller
    from napari_sam2_video.session.finding.proposal import Proposal

LIST_HEIGHT = 150
USUAL_SCORE = 0.8
NOTHING_CHOSEN = "Select proposals in the list first."
NOTHING_OPEN = "There is no open proposal."
DECIDING = "The last decision is still being saved."
KIND, FRAME, SCORE = 0, 1, 2


class FindPanel(QWidget):
    """The detector, the frames it looks on, and the list of proposals.

    Parameters
    ----------
    controller : Controller
        The shown session.
    start : callable
        Starts a session, then calls its argument.
    """

    def __init__(self, controller: Controller, start: Callable[[Callable[[], Any]], None]) -> None:
        super().__init__()
        self._controller = controller
        self._start = start
        self._deciding = False
        self.fields = DetectorFields(controller)
        self.every_box = QSpinBox()
        self.every_box.setRange(1, 10_000)
        self.every_box.setPrefix("every ")
        self.every_box.setSuffix(" frames")
        self.every_box.setToolTip(
            "The detector looks on every Nth frame. With 1, its own masks are kept and only what is "
            "missing is tracked; else objects are tracked from what it finds."
        )
        self.first_box, self.last_box = QSpinBox(), QSpinBox()
        for box in (self.first_box, self.last_box):
            box.setToolTip("First and last frame to look on.")
        self.area_box = area_box("What has fewer pixels on a frame is not proposed.")
        self.find_button = button(
            "Find", self.look, "Run the detector and propose what it finds; nothing else changes."
        )
        self.stop_button = button("Stop", controller.actions.stop, "Stop, and propose what was found so far.")
        self.list = QTreeWidget()
        self.list.setHeaderLabels(["Proposal", "Frame", "Score"])
        self.list.setRootIsDecorated(False)
        self.list.setFixedHeight(LIST_HEIGHT)
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.list.setToolTip("Proposals; click one to go there.")
        header = self.list.header()
        assert header is not None
        header.setSectionResizeMode(KIND, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(FRAME, QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(SCORE, QHeaderView.ResizeMode.ResizeToContents)
        header.setStretchLastSection(False)
        self.why = note()
        self.accept_button = button("Accept", self.accept, "Accept the selected proposals; Track then tracks them.")
        self.reject_button = button("Reject", self.reject, "Reject the selected proposals.")
        self.accept_all_button = button(
            "Accept all from", self.accept_all, "Accept all proposals with at least this score, as one step."
        )
        self.score_box = QDoubleSpinBox()
        self.score_box.setRange(0, 1)
        self.score_box.setSingleStep(0.05)
        self.score_box.setValue(USUAL_SCORE)
        self.score_box.setToolTip("The lowest score to accept, from 0 to 1.")
        self.outcome = note()
        frames = row(narrow_spin(self.first_box), narrow_spin(self.last_box))
        self.decisions = QWidget()
        stack(
            self.decisions,
            self.list,
            self.why,
            row(self.accept_button, self.reject_button),
            row(self.accept_all_button, narrow_spin(self.score_box)),
        )
        self.decisions.layout().setContentsMargins(0, 0, 0, 0)  # type: ignore[union-attr]
        stack(
            self,
            self.fields,
            form(("Look on", self.every_box), ("From, to", frames), ("Smallest area", self.area_box)),
            row(self.find_button, self.stop_button),
            self.outcome,
            self.decisions,
        )
        self.fields.box.currentIndexChanged.connect(lambda *_: self.every_box.setValue(self.fields.usual_step))
        self.every_box.setValue(self.fields.usual_step)
        self.fields.changed.connect(self.update_state)
        self.list.itemSelectionChanged.connect(self._on_chosen)
        # With the arrow keys, Qt selects a proposal before making it current.
        self.list.currentItemChanged.connect(self._on_chosen)
        self.score_box.valueChanged.connect(self.update_state)
        controller.session_changed.connect(self._on_session)
        controller.run_changed.connect(self.update_state)
        controller.changed.connect(self._on_changed)
        self._on_session()

    def _on_session(self) -> None:
        session = self._controller.session
        last = 0 if session is None else session.n_frames - 1
        for box, value in ((self.first_box, 0), (self.last_box, last)):
            box.setRange(0, last)
            box.setValue(value)
        set_note(self.outcome, "")
        self._deciding = False
        self.update_list()

    def _on_changed(self, topic: str) -> None:
        if topic in ("proposals", "objects"):
            self.update_list()

    # Finding

    def look(self) -> None:
        """Find in the background, starting a session first if there is none."""
        from napari_sam2_video.types import FindSettings

        controller = self._controller
        if controller.session is None:
            self._start(self.look)
            return
        first, last = sorted((self.first_box.value(), self.last_box.value()))
        set_note(self.outcome, "")
        detector = controller.perform(self.fields.detector, "choosing the detector")
        settings = controller.perform(
            lambda: FindSettings(self.every_box.value(), first, last + 1, self.area_box.value()), "finding"
        )
        if detector is not None and settings is not None:
            controller.actions.find(detector, settings)

    # The list

    def update_list(self) -> None:
        """Make the list show the open proposals."""
        session = self._controller.session
        proposals = () if session is None else session.proposals
        chosen, current = self._chosen(), _id(self.list.currentItem())
        blocked = self.list.blockSignals(True)
        self.list.clear()
        for one in proposals:
            item = _item(one)
            self.list.addTopLevelItem(item)
            if one.id == current:
                self.list.setCurrentItem(item, KIND, QItemSelectionModel.SelectionFlag.NoUpdate)
            item.setSelected(one.id in chosen)
        self.list.blockSignals(blocked)
        self._show_chosen()

    def _chosen(self) -> list[int]:
        return [_id(item) for item in self.list.selectedItems()]

    def _on_chosen(self, *_: Any) -> None:
        self._show_chosen()
        item = self.list.currentItem()
        if item is not None and item.isSelected():
            self._controller.go_to(int(item.text(FRAME)))

    def _show_chosen(self) -> None:
        item = self.list.currentItem()
        set_note(self.why, item.toolTip(KIND) if item is not None and item.isSelected() else "")
        if self._controller.view is not None:
            self._controller.view.proposals.choose(set(self._chosen()))
        self.update_state()

    # Decisions

    def accept(self) -> None:
        """Accept the selected proposals."""
        self._decide("accepting proposals", self._chosen(), None, accept=True)

    def accept_all(self) -> None:
        """Accept all proposals with at least the chosen score."""
        self._decide("accepting proposals", None, self.score_box.value(), accept=True)

    def reject(self) -> None:
        """Reject the selected proposals."""
        self._decide("rejecting proposals", self._chosen(), None, accept=False)

    def _decide(self, doing: str, ids: list[int] | None, least_score: float | None, *, accept: bool) -> None:
        session = self._controller.session
        if session is None or self._deciding:
            return
        before = len(session.proposals)

        def work(_: Job) -> int:
            if not accept:
                session.reject_proposals(ids)
                return 0
            return len(session.accept_proposals(ids, least_score=least_score))

        def done(made: int) -> None:
            if self._controller.session is not session:
                return
            self._controller.perform()
            count = before - len(session.proposals)
            word = "accepted" if accept else "rejected"
            objects = {0: "", 1: " 1 object was added."}.get(made, f" {made} objects were added.")
            track = " Press Track to complete their tracks." if session.dirty() else ""
            set_note(self.outcome, f"{count} proposal{'' if count == 1 else 's'} {word}.{objects}{track}")

        def ended() -> None:
            self._deciding = False
            self.update_state()

        self._deciding = True
        self.update_state()
        self._controller.runner.submit(
            Job(doing, work, done=done, failed=self._controller.error, finished=ended), "files"
        )

    def update_state(self, *_: Any) -> None:
        """Enable the controls that can be used now."""
        run, running = self._controller.run, self._controller.running
        finding = running and run is not None and run.doing == FINDING
        allow(self.find_button, IN_A_RUN if running else self.fields.problem())
        self.stop_button.setVisible(finding)
        count = self.list.topLevelItemCount()
        self.decisions.setVisible(count > 0)
        scores = (float(self.list.topLevelItem(n).text(SCORE)) for n in range(count))  # type: ignore[union-attr]
        busy = DECIDING if self._deciding else IN_A_RUN if running else "" if count else NOTHING_OPEN
        for made in (self.accept_button, self.reject_button):
            allow(made, busy or ("" if self.list.selectedItems() else NOTHING_CHOSEN))
        enough = any(score >= self.score_box.value() - 0.005 for score in scores)
        allow(self.accept_all_button, busy or ("" if enough else "No proposal has this score."))


def _id(item: QTreeWidgetItem | None) -> int:
    """Number of the proposal of a row; -1 for no row."""
    return -1 if item is None else int(item.data(KIND, Qt.ItemDataRole.UserRole))


def _item(one: Proposal) -> QTreeWidgetItem:
    about = "" if one.object_id is None else f" (object {one.object_id})"
    item = QTreeWidgetItem([f"{one.kind}{about}", str(one.frame), f"{one.score:.2f}"])
    item.setData(KIND, Qt.ItemDataRole.UserRole, one.id)
    reason = f"{one.reason[:1].upper()}{one.reason[1:]}."
    for column in (KIND, FRAME, SCORE):
        item.setToolTip(column, reason)
    return item
