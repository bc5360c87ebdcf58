"""What the widget, the layers and the session of a viewer have to agree on."""

from __future__ import annotations

import gc
import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.plugin.layers import is_beyond

if TYPE_CHECKING:
    from collections.abc import Callable


def alive() -> int:
    """How many sessions are in memory once Qt has deleted what it deletes later."""
    from qtpy.QtCore import QEvent
    from qtpy.QtWidgets import QApplication

    from napari_sam2_video.session import Session

    for _ in range(2):
        QApplication.processEvents()
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
        gc.collect()
    return sum(type(one) is Session for one in gc.get_objects())


def disagreements(viewer: Any, widget: Any) -> list[str]:
    """Compare what widget, layers and session show, while nothing is under way; a sentence for each difference."""
    return _Comparison(viewer, widget).faults


def opened_again(widget: Any, settle: Callable[[], None]) -> list[str]:
    """Close the session of a widget, open it from its folder, and compare; a sentence for each difference."""
    from napari_sam2_video.plugin.layer_source import LayerSource
    from napari_sam2_video.session import Session

    controller = widget.controller
    if controller.session is None or controller.session.recording.path is not None:
        return []
    folder, image, geometry = controller.session.folder, controller.image, controller.geometry
    shown = _content(controller.session)
    source = LayerSource.of(image, geometry.axes)
    controller.close_session()
    settle()
    recording = source.open()
    session = Session.open(folder, recording=recording, **controller.loader.options)
    stored = _content(session)
    session.close()
    source.release(recording)
    differing = [name for name in shown if shown[name] != stored[name]]
    return [f"opened again: {name} {shown[name]} became {stored[name]}" for name in differing]


def _content(session: Any) -> dict[str, Any]:
    """All that a session holds, in a form that can be compared."""
    frames = range(session.n_frames)
    return {
        "objects": list(session.objects),
        "prompts": [_described(session, axis) for axis in session.planes.axes],
        "masks": [hashlib.sha256(np.ascontiguousarray(session.labels[t], np.int64)).hexdigest()[:8] for t in frames],
        "accepted": {entry.id: sorted(session.accepted(entry.id)) for entry in session.objects},
        "proposals": list(session.proposals),
        "dirty": sorted(session.dirty()),
        "undo": bool(session.can_undo),
    }


def _described(session: Any, axis: str) -> list[str]:
    return sorted(repr(prompt) for prompt in session.planes.prompts(axis, masks=False))


class _Comparison:
    def __init__(self, viewer: Any, widget: Any) -> None:
        self.viewer = viewer
        self.widget = widget
        self.controller = widget.controller
        self.faults: list[str] = []
        self.check_texts()
        self.check_buttons()
        if self.controller.session is None:
            self._agree("no rows", not widget.objects.table.objects.rows, "rows without a session")
        else:
            self.check_objects()
            self.check_summary()
            self.check_review()
            self.check_table()
            self.check_layers()
            self.check_prompts()
            self.check_pixels()
        self.check_up_to_date()

    def _agree(self, what: str, agrees: bool, found: object) -> None:
        if not agrees:
            self.faults.append(f"{what}: {found}")

    def check_texts(self) -> None:
        """No text waits for something while nothing is under way."""
        from qtpy.QtWidgets import QLabel

        texts = [label.text() for label in self.widget.findChildren(QLabel) if not label.isHidden()]
        waiting = [text for text in texts if text.endswith("…")]
        self._agree("nothing waits", not waiting, waiting)
        self._agree("stop button", self.widget.run_bar.stop_button.isHidden(), "a run")

    def check_buttons(self) -> None:
        """What can be pressed is what the session allows."""
        widget, session, active = self.widget, self.controller.session, self.controller.active
        opened = session is not None
        expected = {
            "undo": (widget.undo_button, opened and session.can_undo),
            "redo": (widget.redo_button, opened and session.can_redo),
            "delete": (widget.objects.delete_button, bool(active)),
            "daughter": (widget.objects.parent_button, bool(active) and len(session.objects) > 1),
            "export": (widget.export.export_button, opened),
            "measure": (widget.measurements.measure_button, opened),
            "accept": (widget.review.accept_button, bool(active)),
            "next": (widget.review.next_button, opened and bool(session.review_progress().left)),
            "fuse": (widget.planes.fuse_button, opened and len(session.planes.begun) > 1),
            "continue": (widget.run_bar.track_button, True) if widget.run_bar.continues() else None,
        }
        for name, (button, allowed) in ((name, found) for name, found in expected.items() if found is not None):
            self._agree(f"{name} button", button.isEnabled() == bool(allowed), f"enabled {button.isEnabled()}")

    def check_objects(self) -> None:
        """The rows of the table, the active object, and the colours and the label of the masks."""
        session, active, view = self.controller.session, self.controller.active, self.controller.view
        rows, objects = list(self.widget.objects.table.objects.rows), list(session.objects)
        numbers = [entry.id for entry in objects]
        self._agree("rows", rows == objects, (rows, objects))
        self._agree("active object", active in numbers or (not numbers and active == 0), (active, numbers))
        layer = view.masks.masks
        if layer is not None:
            if numbers:
                colors = {number for number in layer.colormap.color_dict if number}
                self._agree("colours", colors == set(numbers), (colors, numbers))
            if active:
                self._agree("selected label", layer.selected_label == active, (layer.selected_label, active))

    def check_summary(self) -> None:
        """The summary that the panels show is that of the session now."""
        from napari_sam2_video.plugin.summarizer import Summarizer

        known = self.controller.summary
        now = Summarizer(self.controller.session).summarize()
        assert now is not None
        for name in ("objects", "ready", "dirty", "queue", "review"):
            shown, true = repr(getattr(known, name)), repr(getattr(now, name))
            self._agree(f"summary of {name}", shown == true, (shown, true))
        for name in ("trust", "prompted", "accepted", "painted"):
            same = all(
                np.array_equal(getattr(shown, name), getattr(true, name), equal_nan=name == "trust")
                for shown, true in zip(known.rows, now.rows, strict=True)
            )
            self._agree(f"{name} in the summary", same, "other frames")

    def check_review(self) -> None:
        """The review and the timeline."""
        session, panel = self.controller.session, self.widget.review
        review = session.review_progress()
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
        current = panel.walk.current
        known = {item.object_id for item in (*review.left, *review.wrong)} | {0, *numbers}
        self._agree("place", current is None or current.object_id in known, current)

    def check_table(self) -> None:
        """What is selected, and the proposals."""
        table, controller, finding = self.widget.objects.table, self.controller, self.widget.finding
        chosen = table.selected()
        if controller.active in chosen:
            self._agree("selected", chosen == controller.selected, (chosen, controller.selected))
        else:
            # The search hides the active object.
            self._agree("selected", controller.selected in ((), (controller.active,)), controller.selected)
        listed, proposed = finding.list.topLevelItemCount(), len(controller.session.proposals)
        self._agree("proposals", listed == proposed, (listed, proposed))

    def check_layers(self) -> None:
        """The layers of the session are there, or can be restored."""
        view = self.controller.view
        for layer in (view.masks.masks, view.masks.preview):
            self._agree("layer", layer is None or layer in self.viewer.layers, layer)
        restorable = not self.widget.objects.restore_button.isHidden()
        self._agree("restore", restorable or view.masks.masks is not None, restorable)

    def check_prompts(self) -> None:
        """Points and shapes are the session's prompts."""
        session, prompts = self.controller.session, self.controller.view.prompts
        known = [(axis, one) for axis in session.planes.axes for one in session.planes.prompts(axis, masks=False)]
        layer, kinds = prompts.points, [type(one).__name__ for _, one in known]
        features = layer.features
        drawn = []
        for data, owner, positive, axis in zip(
            layer.data, features["object"], features["positive"], features["axis"], strict=True
        ):
            frame, y, x = prompts._planes[axis].to_pixel(data)
            drawn.append((axis, int(owner), frame, round(y, 1), round(x, 1), bool(positive)))
        given = [
            (axis, one.object_id, one.frame, round(one.y, 1), round(one.x, 1), one.positive)
            for (axis, one), kind in zip(known, kinds, strict=True)
            if kind == "PointPrompt"
        ]
        close = len(drawn) == len(given) and all(
            a[:3] == b[:3] and a[5] == b[5] and abs(a[3] - b[3]) + abs(a[4] - b[4]) < 0.5
            for a, b in zip(sorted(drawn), sorted(given), strict=True)
        )
        self._agree("points", close, (drawn, given))
        shapes = kinds.count("BoxPrompt") + kinds.count("ScribblePrompt")
        drawing = prompts.shapes._is_creating
        self._agree("shapes", drawing or len(prompts.shapes.data) == shapes, (len(prompts.shapes.data), kinds))
        preview = self.controller.view.preview.preview
        if preview is not None:
            place = preview.object_id, preview.frame
            axis, plane = self.controller.view.shown_plane()
            self._agree("preview", place == (self.controller.active, plane), (place, axis, plane))

    def check_pixels(self) -> None:
        """The masks that are drawn are the session's."""
        session, view = self.controller.session, self.controller.view
        layer = view.masks.masks
        if layer is None or not layer.visible or self.viewer.dims.ndisplay != 2:
            return
        axis, plane = view.shown_plane()
        shown = tuple(self.viewer.dims.order[-2:])
        first = self.viewer.dims.ndim - layer.ndim
        if {number - first for number in shown} not in [set(one.plane) for one in view.prompts._planes.values()]:
            return
        own, geometry = session.planes.axes[0], view.geometry
        stored = np.asarray(session.labels[self.controller.frame])
        if axis != own:
            across = [geometry.axes[number] for number in (geometry.walk, *geometry.plane)].index(axis)
            stored = np.stack([np.asarray(session.labels[t]) for t in range(session.n_frames)]).take(plane, across)
        drawn = np.asarray(layer._slice.image.raw)
        same = np.array_equal(drawn, stored) or np.array_equal(drawn, stored.T)
        stands = np.round(layer.world_to_data(self.viewer.dims.point)[-layer.ndim :], 3).tolist()
        if is_beyond(self.viewer, layer):
            # Another layer goes on where the recording has ended.
            same = not drawn.any()
        where = f"plane {plane} across {axis}, frame {self.controller.frame}, viewer at {stands}"
        self._agree("pixels", same, f"not those of {where}")

    def check_up_to_date(self) -> None:
        """A panel that is brought up to date once more shows the same."""
        widget = self.widget
        before = _shown(widget)
        for update in (
            widget.run_bar.update_state, widget.objects.update_state, widget.objects.prompting.describe,
            widget.finding.update_list, widget.review.update_rows, widget.planes.update_state,
            widget.clean_up.update_state, widget.measurements.update_state, widget.export.update_state,
            widget.session.update_state, widget.guide.update_step, widget.model_line.update_state,
            widget.recording.update_layers, widget.objects.seeds.update_layers,
        ):  # fmt: skip
            update()
        for (part, old), (_, new) in zip(before, _shown(widget), strict=False):
            self._agree("up to date", old == new, f"{part} showed {old} and then {new}")


def _shown(widget: Any) -> list[tuple[str, tuple[Any, ...]]]:
    """What every button, line and list of the widget shows."""
    from qtpy.QtWidgets import QAbstractButton, QComboBox, QLabel

    buttons = [
        (f"button {one.toolTip()[:40]!r}", (one.text(), one.isEnabled(), one.isHidden()))
        for one in widget.findChildren(QAbstractButton)
    ]
    labels = [("line", (one.text(), one.isHidden())) for one in widget.findChildren(QLabel)]
    lists = [("list", (one.currentText(), one.count(), one.isHidden())) for one in widget.findChildren(QComboBox)]
    return [*buttons, *labels, *lists]
