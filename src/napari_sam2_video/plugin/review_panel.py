"""Where to look next: the timeline, doubtful frames, and accepting what is right."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QScrollArea, QVBoxLayout, QWidget

from napari_sam2_video.plugin.timeline import Timeline, TimelineRow
from napari_sam2_video.plugin.ui import button, note, row, set_note

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_sam2_video.masks.review import ReviewItem
    from napari_sam2_video.masks.table import Table
    from napari_sam2_video.plugin.controller import Controller
    from napari_sam2_video.session import Session

LEAST_DOUBT = 0.2
SPACING = 3
REFRESH_SECONDS = 1.0
TIMELINE_HEIGHT = 190


class ReviewPanel(QWidget):
    """The timeline and the review queue of the session."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self._controller = controller
        self._last = 0.0
        self._visited: set[tuple[int, int]] = set()
        self.queue: tuple[ReviewItem, ...] = ()
        self.timeline = Timeline()
        self.timeline.picked.connect(self._on_picked)
        holder = QScrollArea()
        holder.setWidgetResizable(True)
        holder.setWidget(self.timeline)
        holder.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        holder.setMaximumHeight(TIMELINE_HEIGHT)
        self._holder = holder
        self.legend = note(
            "Yellow is trusted, dark blue doubtful, grey not tracked. ▼ prompted, ● painted, white line accepted."
        )
        self.next_button = button("Next doubtful frame", self.next_doubtful, "Go to the most doubtful frame left (J).")
        self.accept_button = button(
            "Accept", self.accept, "Accept the selected object on this frame (W); runs leave it as it is."
        )
        self.span_button = button(
            "Accept to here", self.accept_span, "Accept the selected object from the last accepted frame to this one."
        )
        self.undo_accept_button = button("Take back", self.unaccept, "This frame is not accepted any more.")
        self.why = note()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 0, 2, 6)
        layout.setSpacing(4)
        layout.addWidget(holder)
        layout.addWidget(self.next_button)
        layout.addWidget(self.why)
        layout.addWidget(row(self.accept_button, self.span_button, self.undo_accept_button))
        layout.addWidget(self.legend)
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.timeout.connect(self.update_rows)
        controller.session_changed.connect(self._on_session)
        controller.changed.connect(self._on_changed)
        controller.active_changed.connect(self._on_position)
        controller.frame_changed.connect(self._on_position)
        controller.run_changed.connect(self._on_run)
        self._on_session()

    def _on_session(self) -> None:
        self._visited.clear()
        self.update_rows()
        set_note(self.why, "")

    def _on_changed(self, _: str) -> None:
        # A run changes masks many times a second; the figures of all objects are read once a second then.
        wait = REFRESH_SECONDS - (time.monotonic() - self._last)
        if wait <= 0:
            self.update_rows()
        elif not self._later.isActive():
            self._later.start(round(1000 * wait) + 1)

    def _on_run(self) -> None:
        run = self._controller.run
        if run is not None and not run.running:
            self._visited.clear()
            self.update_rows()

    def _on_position(self, *_: Any) -> None:
        self.timeline.set_position(self._controller.frame, self._controller.active)
        active = bool(self._controller.active)
        for widget in (self.accept_button, self.span_button, self.undo_accept_button):
            widget.setEnabled(active)

    def update_rows(self) -> None:
        """Read the figures of all objects again."""
        self._later.stop()
        self._last = time.monotonic()
        session = self._controller.session
        if session is None:
            self.timeline.set_rows((), 1)
            self.queue = ()
        else:
            table = _table(session)
            doubts = _doubts(table)
            rows = tuple(_row(session, entry, table, doubts) for entry in session.objects)
            self.timeline.set_rows(rows, session.n_frames)
            self.queue = _queue(table)
        height = self.timeline.sizeHint().height() + 4
        self._holder.setMinimumHeight(min(height, TIMELINE_HEIGHT))
        self.next_button.setEnabled(bool(self.queue))
        self._on_position()

    def _on_picked(self, object_id: int, frame: int) -> None:
        if object_id:
            self._controller.set_active(object_id)
        self._controller.go_to(frame)

    def next_doubtful(self) -> None:
        """Go to the most doubtful frame that was not visited since the last run."""
        self.update_rows()
        left = [item for item in self.queue if (item.object_id, item.frame) not in self._visited]
        if not left:
            text = "Every doubtful frame was looked at." if self._visited else "There is no doubtful frame."
            set_note(self.why, text)
            self._visited.clear()
            return
        item = left[0]
        self._visited.add((item.object_id, item.frame))
        self._controller.set_active(item.object_id)
        self._controller.go_to(item.frame)
        where = f"Object {item.object_id}, frame {item.frame}"
        set_note(self.why, f"{where}: {item.reason} (doubt {item.doubt:.2f}); {len(left) - 1} more.")

    def accept(self) -> None:
        """Accept the active object on the shown frame."""
        frame = self._controller.frame
        self._mark(frame, frame + 1, accept=True)

    def accept_span(self) -> None:
        """Accept the active object from the accepted frame before this one (or the first) up to this one."""
        session, frame = self._controller.session, self._controller.frame
        if session is not None and self._controller.active:
            before = [f for f in session.accepted(self._controller.active) if f < frame]
            self._mark(max(before, default=0), frame + 1, accept=True)

    def unaccept(self) -> None:
        """The active object is not accepted on the shown frame any more."""
        frame = self._controller.frame
        self._mark(frame, frame + 1, accept=False)

    def _mark(self, start: int, stop: int, *, accept: bool) -> None:
        controller = self._controller
        session, active = controller.session, controller.active
        if session is None or not active:
            return
        mark = session.accept if accept else session.unaccept
        controller.guarded(lambda: mark(active, start, stop), "accepting frames")
        controller.tell_changes()
        self.update_rows()


def _table(session: Session) -> Table:
    from napari_sam2_video.masks.review import review_table

    tables = {}
    for entry in session.objects:
        scores = session.scores(entry.id)
        boxes = np.stack([scores[name] for name in ("y0", "x0", "y1", "x1")], axis=-1)
        tables[entry.id] = {**scores, "centroid_y": scores["y"], "centroid_x": scores["x"], "bbox": boxes}
    return review_table(tables, session.shape_yx)


def _doubts(table: Table) -> npt.NDArray[np.float64]:
    from napari_sam2_video.masks.review import doubt

    return doubt(table)


def _queue(table: Table) -> tuple[ReviewItem, ...]:
    from napari_sam2_video.masks.review import review_queue

    return review_queue(table, threshold=LEAST_DOUBT, spacing=SPACING)


def _row(session: Session, entry: Any, table: Table, doubts: npt.NDArray[np.float64]) -> TimelineRow:
    own = table["object_id"] == entry.id
    frames = table["frame"][own]
    trust = np.full(session.n_frames, np.nan)
    trust[frames] = np.where(table["area_px"][own] > 0, 1 - doubts[own], -1.0)
    marks = {name: np.zeros(session.n_frames, bool) for name in ("prompted", "accepted", "painted")}
    marks["prompted"][sorted({prompt.frame for prompt in session.prompts(entry.id)})] = True
    marks["accepted"][sorted(session.accepted(entry.id))] = True
    marks["painted"][session.masks.painted(entry.id)] = True
    return TimelineRow(entry.id, entry.name, entry.color, trust, **marks)
