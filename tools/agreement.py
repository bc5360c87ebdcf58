"""What the widget, the layers and the session of a viewer have to agree on."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np


def alive() -> int:
    """How many sessions are in memory."""
    from napari_sam2_video.session import Session

    gc.collect()
    return sum(type(one) is Session for one in gc.get_objects())


def disagreements(viewer: Any, widget: Any) -> list[str]:
    """Compare what widget, layers and session show, while nothing is under way; a sentence for each difference."""
    return [*_Comparison(viewer, widget).faults]


class _Comparison:
    def __init__(self, viewer: Any, widget: Any) -> None:
        self.viewer = viewer
        self.widget = widget
        self.controller = widget.controller
        self.faults: list[str] = []
        self.check()
        if self.controller.session is not None:
            self.check_review()
            self.check_table()
            self.check_layers()

    def check_review(self) -> None:
        """The review and the timeline."""
        session, summary, panel = self.controller.session, self.controller.summary, self.widget.review
        review = session.review_progress()
        self._agree("review", summary.review == review, (summary.review, review))
        listed = panel.list.places.items
        self._agree("review list", listed == (*review.left, *review.wrong), (listed, review))
        text = f"{review.reviewed} of {review.total} reviewed" if review.total else ""
        self._agree("progress", panel.count.text() == text, (panel.count.text(), text))
        rows = [row.object_id for row in panel.timeline.rows]
        numbers = [entry.id for entry in session.objects]
        self._agree("timeline", rows == numbers, (rows, numbers))
        shown = {row.object_id for line in panel.timeline.lines for row in line.rows}
        self._agree("lines", shown == set(numbers), (shown, numbers))
        accepted = all(
            set(np.flatnonzero(row.accepted)) == session.accepted(row.object_id) for row in panel.timeline.rows
        )
        self._agree("accepted", accepted, "other frames in the timeline")

    def check_table(self) -> None:
        """What is selected, and the states."""
        table, controller = self.widget.objects.table, self.controller
        chosen = table.selected()
        if controller.active in chosen:
            self._agree("selected", chosen == controller.selected, (chosen, controller.selected))
        else:
            # The search hides the active object.
            self._agree("selected", controller.selected in ((), (controller.active,)), controller.selected)
        dirty = {number for number, known in controller.summary.objects.items() if known.state == "changed"}
        unlocked = {entry.id for entry in controller.session.objects if not entry.locked}
        expected = set(controller.session.dirty()) & controller.summary.ready & unlocked
        self._agree("changed", dirty == expected, (dirty, expected))

    def check_layers(self) -> None:
        """The layers of the session are there, or can be restored."""
        view = self.controller.view
        for layer in (view.masks.masks, view.masks.preview):
            self._agree("layer", layer is None or layer in self.viewer.layers, layer)
        restorable = self.widget.objects.restore_button.isVisibleTo(self.widget.objects)
        self._agree("restore", restorable == (view.masks.masks is None), restorable)

    def check(self) -> None:
        """Compare what widget, layers and session show; call it when nothing is under way."""
        session, widget = self.controller.session, self.widget
        texts = [widget.objects.here.text(), widget.run_bar.status.text(), widget.run_bar.reason.text()]
        self._agree("nothing waits", not any("…" in text for text in texts), texts)
        self._agree("stop button", not widget.run_bar.stop_button.isVisible(), "a run")
        if session is None:
            self._agree("no rows", not widget.objects.table.objects.rows, "rows without a session")
            return
        view, frame = self.controller.view, self.controller.frame
        numbers = [entry.id for entry in session.objects]
        shown = [entry.id for entry in widget.objects.table.objects.rows]
        self._agree("rows", shown == numbers, (shown, numbers))
        active = self.controller.active
        self._agree("active object", active in numbers or (not numbers and active == 0), (active, numbers))
        points = len(view.prompts.points.data)
        prompts = session.prompts(masks=False)
        kinds = [type(prompt).__name__ for prompt in prompts]
        self._agree("points", points == kinds.count("PointPrompt"), (points, kinds))
        drawing = view.prompts.shapes._is_creating
        shapes = kinds.count("BoxPrompt") + kinds.count("ScribblePrompt")
        self._agree("shapes", drawing or len(view.prompts.shapes.data) == shapes, kinds)
        undo = widget.session.undo_button.isEnabled()
        self._agree("undo", undo == bool(session.can_undo), (undo, session.can_undo))
        layer = view.masks.masks
        if layer is None:
            return
        if active:
            self._agree("selected label", layer.selected_label == active, (layer.selected_label, active))
        if self.viewer.dims.ndisplay == 2 and layer.visible:
            drawn, stored = np.asarray(layer._slice.image.raw), np.asarray(session.labels[frame])
            self._agree("pixels", np.array_equal(drawn, stored), f"{(drawn != stored).sum()} pixels of frame {frame}")
        preview = view.preview.preview
        if preview is not None:
            place = (preview.object_id, preview.frame)
            self._agree("preview", place == (active, frame), (place, active, frame))

    def _agree(self, what: str, agrees: bool, found: object) -> None:
        if not agrees:
            self.faults.append(f"{what}: {found}")
