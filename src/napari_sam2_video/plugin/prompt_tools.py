"""Prompting tools, the prompts of the active object on the shown frame, and the candidates of the preview."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QGridLayout, QWidget

from napari_sam2_video.plugin.frame_actions import ELSEWHERE
from napari_sam2_video.plugin.widgets import IN_A_RUN, allow, button, note, row, set_note, stack

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam2_video.plugin.controller import Controller
    from napari_sam2_video.plugin.frame_actions import Where

NO_OBJECT = "There is no object yet: press New object."
NO_PREVIEW = "There is no preview yet: click, scribble, or draw a box or a lasso."
ONE_CANDIDATE = "The model has only one candidate for these prompts."
COMPUTING = "Computing the preview…"
PUT_DOWN = "pan_zoom"
COLUMNS = 4
TOOLS = {
    "point": ("Point +", "Click on the object; with Ctrl, on what is not the object (Q switches)."),
    "not": ("Point −", "Click on what is not the object; with Ctrl, on the object (Q switches)."),
    "scribble": ("Scribble +", "Draw a stroke along the object; with Ctrl, along what is not the object (Shift+E)."),
    "not_scribble": ("Scribble −", "Draw a stroke along what is not the object; with Ctrl, along the object."),
    "box": ("Box", "Drag a box around the object."),
    "lasso": ("Lasso", "Draw around the object; what is inside becomes its mask on this frame."),
    "paint": ("Paint", "Paint the object's mask; the model never changes your pixels. [ and ] change the brush."),
    "erase": ("Erase", "Erase pixels of the mask; the model never changes them again. [ and ] change the brush."),
}

SIGNED = ("point", "not", "scribble", "not_scribble")
ABSENT: dict[Where, tuple[str, str]] = {
    "here": ("Not here", "The object is not on this frame: its mask is removed (Shift+D)."),
    "on": ("From here on", "The object is gone from this frame on: its masks are removed (Shift+F)."),
    "until": ("Until here", "The object is not there yet up to this frame: its masks are removed (Shift+B)."),
}


class PromptTools(QWidget):
    """Arms tools, describes the prompts on the shown frame, and acts on them.

    Signals
    -------
    armed_changed
        Another tool is armed, or none.
    """

    armed_changed = Signal()

    def __init__(self, controller: Controller, start: Callable[[Callable[[], Any]], None]) -> None:
        super().__init__()
        self._controller = controller
        self._start = start
        self._watched: Any = None
        self.armed: str | None = None
        actions = controller.actions
        self.tools = {
            name: button(text, self._toggling(name), f"{tip} Press again, or Escape, to put it away.", checkable=True)
            for name, (text, tip) in TOOLS.items()
        }
        grid = QWidget()
        cells = QGridLayout(grid)
        cells.setContentsMargins(0, 0, 0, 0)
        cells.setSpacing(3)
        for number, tool in enumerate(self.tools.values()):
            cells.addWidget(tool, number // COLUMNS, number % COLUMNS)
        self.here = note()
        self.cycle_button = button("Next candidate", actions.next_candidate, "Show the model's next candidate (K).")
        self.take_button = button("Use as mask", actions.use_candidate, "Make the shown candidate the mask (U).")
        self.clear_button = button(
            "Clear frame", actions.clear_frame, "Remove this object's prompts and paint on this frame or plane."
        )
        self.absent_buttons = {
            where: button(text, partial(actions.mark_absent, where), tip) for where, (text, tip) in ABSENT.items()
        }
        candidates = row(self.cycle_button, self.take_button, self.clear_button, stretch=0)
        stack(self, grid, self.here, candidates, row(*self.absent_buttons.values(), stretch=0))
        self.layout().setContentsMargins(0, 0, 0, 0)  # type: ignore[union-attr]
        controller.listen(controller.viewer.layers.selection.events.active, self._on_selected)
        controller.at_close(lambda: self._watch(None))
        controller.session_changed.connect(self._on_session)
        controller.changed.connect(self._on_changed)
        for signal in (controller.active_changed, controller.frame_changed, controller.preview_changed):
            signal.connect(self.describe)
        for other in (controller.run_changed, controller.plane_changed):
            other.connect(self.describe)
        self._on_session()

    # Tools

    def _toggling(self, name: str) -> Callable[[], None]:
        return lambda: self.put_down() if self.armed == name and not self._lost(name) else self.arm(name)

    def _lost(self, name: str) -> bool:
        """Whether a layer that a tool needs is missing from the viewer."""
        view = self._controller.view
        if view is None:
            return False
        painting = name in ("paint", "erase")
        needed = [view.prompts.points, view.prompts.shapes, view.masks.preview, *([view.masks.masks] * painting)]
        return any(layer is None or layer not in self._controller.viewer.layers for layer in needed)

    def arm(self, name: str) -> None:
        """Arm a tool: select its layer in the right mode."""
        controller = self._controller
        view = controller.view
        if view is None:
            self._start(lambda: self.arm(name))
            self._check(None)
            return
        painting = name in ("paint", "erase")
        if painting and self._locked():
            controller.notified.emit("info", f"Object {controller.active} is locked; unlock it to paint it.")
            self._check_armed()
            return
        if self._lost(name):
            controller.actions.restore_layers()
        if not controller.active:
            controller.actions.new_object()
        layer: Any
        if name in SIGNED:
            view.prompts.set_positive(name in ("point", "scribble"))
        if name in ("point", "not"):
            layer, mode = view.prompts.points, "add"
        elif name in ("scribble", "not_scribble"):
            layer, mode = view.prompts.shapes, "add_path"
        elif name in ("box", "lasso"):
            layer, mode = view.prompts.shapes, "add_rectangle" if name == "box" else "add_polygon_lasso"
        else:
            layer, mode = view.masks.masks, name
        if layer is not None:
            # napari allows no tool on a hidden layer.
            layer.visible = True
            controller.viewer.layers.selection.active = layer
            layer.mode = mode
            if layer.mode != mode:
                text = "The viewer shows three dimensions; boxes, scribbles and lassos are drawn in two."
                controller.notified.emit("info", text)
        self._check_armed()

    def put_down(self) -> None:
        """Disarm the tool: the mouse moves the view again."""
        if self.armed is not None and self._watched is not None:
            self._watched.mode = PUT_DOWN
        self._check_armed()

    def escape(self) -> None:
        """Put away the tool, or end a drawing with one of napari's own tools, as its layer does."""
        if self.armed is not None or self._watched is None:
            self.put_down()
            return
        for key, action in type(self._watched).class_keymap.items():
            if str(key) == "Escape":
                action(self._watched)

    def switch_sign(self) -> None:
        """Switch between positive and negative points or scribbles."""
        prompts = self._controller.prompts
        if prompts is None:
            return
        if self.armed in ("scribble", "not_scribble"):
            self.arm("not_scribble" if prompts.positive else "scribble")
        else:
            self.arm("not" if prompts.positive else "point")

    def _locked(self) -> bool:
        session, active = self._controller.session, self._controller.active
        return session is not None and any(entry.id == active and entry.locked for entry in session.objects)

    def _on_selected(self, event: Any) -> None:
        """Follow the mode of the selected layer, which is the armed tool no matter who set it."""
        self._watch(event.value)
        self._check_armed()

    def _watch(self, layer: Any) -> None:
        if self._watched is not None:
            self._watched.events.mode.disconnect(self._check_armed)
        self._watched = layer
        if layer is not None:
            layer.events.mode.connect(self._check_armed)

    def _check_armed(self) -> None:
        view = self._controller.view
        if view is None:
            self._check(None)
            return
        tools = {
            (view.prompts.points, "add"): "point" if view.prompts.positive else "not",
            (view.prompts.shapes, "add_path"): "scribble" if view.prompts.positive else "not_scribble",
            (view.prompts.shapes, "add_rectangle"): "box",
            (view.prompts.shapes, "add_polygon_lasso"): "lasso",
            (view.masks.masks, "paint"): "paint",
            (view.masks.masks, "erase"): "erase",
        }
        layer = self._watched
        self._check(None if layer is None else tools.get((layer, str(layer.mode))))

    def _check(self, chosen: str | None) -> None:
        before, self.armed = self.armed, chosen
        if chosen != before:
            self.armed_changed.emit()
        for name, tool in self.tools.items():
            tool.setChecked(name == chosen)

    # What is shown

    def _on_session(self) -> None:
        self._check_armed()
        self.describe()

    def _on_changed(self, topic: str) -> None:
        if topic == "objects" and self.armed in ("paint", "erase") and self._locked():
            self.put_down()
        if topic != "masks" or not self._controller.running:
            self.describe()

    def describe(self, *_: Any) -> None:
        """Describe the prompts of the active object on the shown frame, and enable matching controls."""
        controller = self._controller
        session, active, frame = controller.session, controller.active, controller.frame
        preview = controller.preview
        shown = preview.preview if preview is not None else None
        waiting = preview is not None and preview.waiting
        none = COMPUTING if waiting else NO_PREVIEW
        several = shown is not None and len(shown.candidates) > 1
        allow(self.cycle_button, "" if several else ONE_CANDIDATE if shown is not None else none)
        allow(self.take_button, "" if shown is not None and shown.candidates else none)
        allow(self.clear_button, "" if active else NO_OBJECT)
        elsewhere = controller.shown_elsewhere()
        other = "" if elsewhere is None else f"{ELSEWHERE} across {elsewhere[0]}."
        for made in self.absent_buttons.values():
            allow(made, IN_A_RUN if controller.running else other if active else NO_OBJECT)
        if session is None or not active:
            set_note(self.here, "")
            return
        own = session.planes.axes[0]
        axis, plane = elsewhere or (own, frame)
        where = f"frame {frame}" if axis == own else f"plane {axis} {plane}"
        there = [one for one in session.planes.prompt_sets(axis) if (one.object_id, one.frame) == (active, plane)]
        kinds = [kind for found in there for kind in found.kinds]
        parts = [
            _count(kinds.count("point"), "point"),
            _count(kinds.count("box"), "box", "boxes"),
            _count(kinds.count("scribble"), "scribble"),
            _count(kinds.count("mask"), "mask"),
            "paint" if axis == own and frame in session.masks.painted(active) else "",
        ]
        given = ", ".join(part for part in parts if part) or "no prompts"
        text = f"Object {active} on {where}: {given}."
        if waiting:
            text += " Computing the preview…"
        elif shown is not None and preview is not None and shown.candidates:
            iou = shown.candidates[preview.chosen].predicted_iou
            text += f" Candidate {preview.chosen + 1} of {len(shown.candidates)}, predicted IoU {iou:.2f}."
        set_note(self.here, text)


def _count(number: int, word: str, plural: str | None = None) -> str:
    return f"{number} {word if number == 1 else plural or word + 's'}" if number else ""
