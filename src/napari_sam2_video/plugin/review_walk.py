"""Go from one place of the review to the next: by key, after an answer, and after a correction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]

from napari_sam2_video.plugin.tracking import TRACKING
from napari_sam2_video.session.verdicts import key_of_item

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam2_video.analysis.review import ReviewItem
    from napari_sam2_video.plugin.controller import Controller
    from napari_sam2_video.plugin.tracking import TrackRun

NO_DOUBT = "There is no doubtful frame."
ALL_SEEN = "Every doubtful frame has been reviewed."


class ReviewWalk(QObject):
    """The current place of the review, and the next ones.

    Signals
    -------
    moved : str
        The current place changed; with a message about it.

    Attributes
    ----------
    current : ReviewItem or None
        The place visited last, until it is settled.
    """

    moved = Signal(str)

    def __init__(self, controller: Controller, correct: Callable[[], Any]) -> None:
        super().__init__()
        self._controller = controller
        self._correct = correct
        self.current: ReviewItem | None = None
        self._seen: set[str] = set()
        self._judged: set[str] = set()
        self._corrected: ReviewItem | None = None
        self._done = False
        self._run: TrackRun | None = None
        controller.session_changed.connect(self._on_session)
        controller.summary_changed.connect(self._on_summary)
        controller.changed.connect(self._on_changed)

    @property
    def here(self) -> bool:
        """Whether the viewer shows the current place."""
        item = self.current
        return (
            item is not None
            and item.frame == self._controller.frame
            and self._controller.shown_elsewhere() is None
            and (not item.object_id or item.object_id == self._controller.active)
        )

    def go_to(self, item: ReviewItem) -> None:
        """Go to a place."""
        self.current = item
        self._corrected = None
        self._seen.add(key_of_item(item))
        if item.object_id:
            self._controller.set_active(item.object_id)
        self._controller.go_to(item.frame)
        where = f"Object {item.object_id}, frame {item.frame}" if item.object_id else f"Frame {item.frame}"
        review = self._controller.summary.review
        rows = [review.rows.get(key) for key in self._seen | self._judged]
        more = len(review.left) - sum(row is not None and row < len(review.left) for row in rows)
        self.moved.emit(f"{where}: {item.reason} (doubt {item.doubt:.2f}); {more} more.")

    def next(self) -> None:
        """Go to the first place that was not visited since the last run."""
        review = self._controller.summary.review
        visited = self._seen | self._judged
        for item in review.left:
            if key_of_item(item) not in visited:
                self.go_to(item)
                return
        text = ALL_SEEN if self._seen or review.reviewed else NO_DOUBT
        self._seen.clear()
        self.current = None
        self.moved.emit(text)

    def judge(self, verdict: str) -> None:
        """Give an answer to the current place, and go to the next one."""
        if self._say(verdict):
            self.next()

    def later(self) -> None:
        """Postpone the current place, and go to the next one."""
        if self._say("later"):
            self.next()

    def wrong(self) -> None:
        """Mark the current place as wrong: stay there with a tool to correct it, or reject the proposal."""
        item = self.current
        if item is not None and item.kind == "proposal":
            self.judge("wrong")
            return
        if self._say("wrong") and item is not None:
            self.current = item
            if not self.here:
                self.go_to(item)
            self._correct()
            self.moved.emit("Correct it, then press Track (G); the next place follows.")

    def _say(self, verdict: str) -> bool:
        item, session = self.current, self._controller.session
        if item is None or session is None:
            self._controller.notified.emit("info", "Go to a place of the review list first (J).")
            return False

        def say() -> bool:
            session.judge(item, verdict)
            return True

        if not self._controller.perform(say, "saving your answer"):
            return False
        self._judged.add(key_of_item(item))
        self.current = None
        return True

    def _on_session(self) -> None:
        self._seen.clear()
        self._judged.clear()
        self.current = self._corrected = None
        self.moved.emit("")
        run = self._controller.run
        if run is not None and run is not self._run:
            run.started.connect(self._on_started)
            run.ended.connect(self._on_ended)
        self._run = run

    def _on_started(self) -> None:
        """When a run begins, remember a corrected place until the run is done."""
        run, session, item = self._controller.run, self._controller.session, self.current
        self._done = False
        self._seen.clear()
        self.moved.emit("")
        if item is None or session is None or run is None or run.doing != TRACKING or not item.object_id:
            return
        known = item.object_id in {entry.id for entry in session.objects}
        given = known and session.prompt_sets(item.object_id, item.frame)
        if given or (known and item.frame in session.masks.painted(item.object_id)):
            self._corrected = item

    def _on_ended(self, how: str, _: str) -> None:
        self._done = how == "done"

    def _on_changed(self, topic: str) -> None:
        """Leave the current place if its object or proposal is gone."""
        item, session = self.current, self._controller.session
        if item is None or session is None or topic not in ("objects", "proposals"):
            return
        objects = {entry.id for entry in session.objects}
        open_proposals = {f"proposal {one.id}" for one in session.proposals}
        decided = item.kind == "proposal" and item.component not in open_proposals
        if decided or (item.object_id and item.object_id not in objects):
            self.current = self._corrected = None
            self.moved.emit("")

    def _on_summary(self) -> None:
        view = self._controller.view
        if view is None or not view.summary.fresh:
            return
        self._judged.clear()
        if view.run.running or self._corrected is None or not self._done:
            return
        # If the user went elsewhere meanwhile, leave the view alone.
        stays, self._corrected = not self.here, None
        if not stays:
            self.current = None
            self.next()
