"""Objects and their prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QComboBox, QGridLayout, QInputDialog, QVBoxLayout, QWidget

from napari_sam2_video.plugin.layers import labels_on_frame
from napari_sam2_video.plugin.objects_table import ObjectsTable
from napari_sam2_video.plugin.ui import button, fill, narrow, note, row, set_note
from napari_sam2_video.types import BoxPrompt, MaskPrompt, PointPrompt

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam2_video.plugin.controller import Controller

TOOLS = ("point", "not", "box", "outline", "paint", "erase")


class ObjectsPanel(QWidget):
    """The table of objects, the tools to prompt with, the preview's candidates and seeds."""

    def __init__(self, controller: Controller, start: Callable[[Callable[[], Any]], None]) -> None:
        super().__init__()
        self._controller = controller
        self._start = start
        self.table = ObjectsTable(controller)
        self.new_button = button("New object", self.new_object, "Add an object and click it in the image (N).")
        self.delete_button = button("Delete", self.delete_object, "Delete the selected object and its masks.")
        self.parent_button = button("Parent…", self.choose_parent, "Say which object this one came from by division.")
        self.tools = {
            "point": self._tool("Point +", "point", "Click on the object (Q switches the sign)."),
            "not": self._tool("Point −", "not", "Click on what is not the object (Q switches the sign)."),
            "box": self._tool("Box", "box", "Drag a box around the object."),
            "outline": self._tool("Outline", "outline", "Draw a closed outline; it is taken as the object's mask."),
            "paint": self._tool("Paint", "paint", "Paint the object's mask; your pixels are never changed."),
            "erase": self._tool("Erase", "erase", "Erase; your pixels are never changed."),
        }
        grid = QWidget()
        cells = QGridLayout(grid)
        cells.setContentsMargins(0, 0, 0, 0)
        cells.setSpacing(3)
        for number, tool in enumerate(self.tools.values()):
            cells.addWidget(tool, number // 3, number % 3)
        self.here = note()
        self.cycle_button = button("Other candidate", self.cycle, "Show the model's next candidate mask (K).")
        self.take_button = button("Take it", self.take, "Use the candidate that is shown as the object's mask (U).")
        self.clear_button = button("Clear frame", self.clear, "Remove this object's prompts and paint on this frame.")
        self.seeds_box = narrow(QComboBox())
        self.seeds_box.setToolTip("Every label of this layer on the shown frame becomes an object.")
        self.seeds_button = button("Seeds from labels", self.add_seeds, self.seeds_box.toolTip())
        self.restore_button = button("Restore layers", controller.restore_layers, "Add the session's layers again.")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 0, 2, 6)
        layout.setSpacing(4)
        layout.addWidget(row(self.new_button, self.delete_button, self.parent_button, stretch=0))
        for widget in (self.table, grid, self.here):
            layout.addWidget(widget)
        layout.addWidget(row(self.cycle_button, self.take_button, self.clear_button, stretch=0))
        self._seeds_row = row(self.seeds_button, self.seeds_box, stretch=1)
        layout.addWidget(self._seeds_row)
        layout.addWidget(self.restore_button)
        self.restore_button.hide()
        controller.listen(controller.viewer.layers.events.inserted, self.update_seeds)
        controller.listen(controller.viewer.layers.events.removed, self.update_seeds)
        controller.session_changed.connect(self._on_session)
        controller.changed.connect(self._on_changed)
        controller.figures_changed.connect(self.table.objects.update_figures)
        controller.active_changed.connect(self.describe)
        controller.frame_changed.connect(self.describe)
        controller.preview_changed.connect(self.describe)
        controller.run_changed.connect(self._on_run)
        controller.layers_lost.connect(lambda sentence: self.restore_button.setVisible(bool(sentence)))
        self.update_seeds()
        self._on_session()

    def _tool(self, text: str, name: str, tip: str) -> Any:
        return button(text, lambda: self.choose_tool(name), tip, checkable=True)

    # Objects

    def new_object(self) -> None:
        """Add an object, starting a session first if there is none, and arm the point tool."""
        if self._controller.session is None:
            self._start(self.new_object)
            return
        if self._controller.new_object():
            self.choose_tool("point")

    def delete_object(self) -> None:
        """Delete the active object."""
        controller = self._controller
        session, active = controller.session, controller.active
        if session is not None and active:
            controller.guarded(lambda: session.remove_object(active), "deleting the object")
            controller.tell_changes()

    def choose_parent(self) -> None:
        """Ask which object the active one came from; it starts on the shown frame."""
        controller = self._controller
        session, active = controller.session, controller.active
        if session is None or not active:
            return
        others = [entry for entry in session.objects if entry.id != active]
        names = ["none", *(f"{entry.id} · {entry.name}" for entry in others)]
        chosen, accepted = QInputDialog.getItem(
            self, "Parent", "The object this one came from, on the shown frame", names, 0, False
        )
        if accepted:
            number = names.index(chosen)
            self.set_parent(others[number - 1].id if number else None)

    def set_parent(self, parent: int | None) -> None:
        """The active object came from `parent` on the shown frame."""
        controller = self._controller
        session, active = controller.session, controller.active
        if session is not None and active:
            frame = controller.frame if parent is not None else None
            controller.guarded(
                lambda: session.edit_object(active, parent=parent, parent_frame=frame), "setting the parent"
            )
            controller.tell_changes()

    # Tools

    def choose_tool(self, name: str) -> None:
        """Arm a tool: its layer is selected in the right mode."""
        controller = self._controller
        prompts, masks = controller.prompts, controller.masks
        if prompts is None or masks is None:
            self._start(lambda: self.choose_tool(name))
            self._check_tools(None)
            return
        if prompts.points not in controller.viewer.layers or prompts.shapes not in controller.viewer.layers:
            controller.restore_layers()
        if not controller.active:
            controller.new_object()
        layer: Any
        if name in ("point", "not"):
            prompts.set_positive(name == "point")
            layer, mode = prompts.points, "add"
        elif name in ("box", "outline"):
            layer, mode = prompts.shapes, "add_rectangle" if name == "box" else "add_polygon_lasso"
        else:
            layer, mode = masks.masks, name
        if layer is not None:
            controller.viewer.layers.selection.active = layer
            layer.mode = mode
        self._check_tools(name)

    def switch_sign(self) -> None:
        """Change between points on the object and points beside it."""
        prompts = self._controller.prompts
        if prompts is not None:
            self.choose_tool("not" if prompts.positive else "point")

    def _check_tools(self, chosen: str | None) -> None:
        for name, tool in self.tools.items():
            tool.setChecked(name == chosen)

    # Preview

    def cycle(self) -> None:
        """Show the next candidate."""
        if self._controller.preview is not None:
            self._controller.preview.cycle()

    def take(self) -> None:
        """Make the shown candidate the object's mask prompt on this frame."""
        controller = self._controller
        preview, session = controller.preview, controller.session
        mask = preview.chosen_mask() if preview is not None else None
        if session is None or mask is None:
            return
        controller.guarded(lambda: session.set_prompts(mask.object_id, mask.frame, [mask]), "taking the candidate")
        controller.tell_changes()
        controller.update_preview()

    def clear(self) -> None:
        """Remove the active object's prompts and paint on the shown frame."""
        controller = self._controller
        session, active, frame = controller.session, controller.active, controller.frame
        if session is None or not active:
            return

        def remove() -> None:
            if session.prompts(active, frame):
                session.set_prompts(active, frame, [])
            if frame in session.masks.painted(active):
                session.clear_paint(frame, active)

        controller.guarded(remove, "clearing the frame")
        controller.tell_changes()
        if controller.masks is not None:
            controller.masks.refresh()
        controller.update_preview()

    # Seeds

    def update_seeds(self, *_: Any) -> None:
        """Offer the Labels layers that are not the session's own."""
        from napari.layers import Labels

        masks = self._controller.masks
        own = () if masks is None else (masks.masks, masks.preview)
        layers = [
            layer
            for layer in self._controller.viewer.layers
            if isinstance(layer, Labels) and not any(layer is mine for mine in own)
        ]
        fill(self.seeds_box, [(layer.name, layer) for layer in layers], self.seeds_box.currentData())
        self._seeds_row.setVisible(bool(layers))

    def add_seeds(self) -> None:
        """Make every label of the chosen layer on the shown frame an object."""
        controller = self._controller
        if controller.session is None:
            self._start(self.add_seeds)
            return
        session, geometry, frame = controller.session, controller.geometry, controller.frame
        layer = self.seeds_box.currentData()
        if layer is None or geometry is None:
            return

        def seed() -> list[int]:
            made: list[int] = session.add_seeds(labels_on_frame(layer, geometry, frame), frame)
            return made

        made = controller.guarded(seed, "making objects of the labels")
        controller.tell_changes()
        if made:
            controller.set_active(made[0])
            controller.told.emit("info", f"{len(made)} objects were made of the labels of {layer.name}.")

    # What is shown

    def _on_session(self) -> None:
        self.table.reload()
        self.update_seeds()
        self._check_tools(None)
        self.restore_button.hide()
        self.describe()

    def _on_changed(self, topic: str) -> None:
        if topic == "objects":
            self.table.reload()
        if topic != "masks":
            self.describe()

    def _on_run(self) -> None:
        run = self._controller.run
        running = run is not None and run.running
        self.delete_button.setEnabled(bool(self._controller.active) and not running)

    def describe(self, *_: Any) -> None:
        """Say what the active object has on the shown frame."""
        controller = self._controller
        session, active, frame = controller.session, controller.active, controller.frame
        preview = controller.preview
        found = preview.preview if preview is not None else None
        several = found is not None and len(found.candidates) > 1
        self.cycle_button.setEnabled(several)
        self.take_button.setEnabled(found is not None and bool(found.candidates))
        for widget in (self.delete_button, self.parent_button, self.clear_button):
            widget.setEnabled(bool(active))
        self._on_run()
        if session is None or not active:
            set_note(self.here, "")
            return
        prompts = session.prompts(active, frame)
        parts = [
            _count(sum(isinstance(p, PointPrompt) for p in prompts), "point"),
            _count(sum(isinstance(p, BoxPrompt) for p in prompts), "box", "boxes"),
            _count(sum(isinstance(p, MaskPrompt) for p in prompts), "mask"),
            "paint" if frame in session.masks.painted(active) else "",
        ]
        given = ", ".join(part for part in parts if part) or "no prompts"
        text = f"Object {active} on frame {frame}: {given}."
        if preview is not None and preview.waiting:
            text += " Computing the preview…"
        elif found is not None and preview is not None and found.candidates:
            iou = found.candidates[preview.chosen].predicted_iou
            text += f" Candidate {preview.chosen + 1} of {len(found.candidates)}, predicted IoU {iou:.2f}."
        set_note(self.here, text)


def _count(number: int, word: str, plural: str | None = None) -> str:
    return f"{number} {word if number == 1 else plural or word + 's'}" if number else ""
