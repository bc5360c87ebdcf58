"""Objects and their prompts."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QComboBox, QGridLayout, QInputDialog, QWidget

from napari_sam2_video.plugin.layers import labels_on_frame, level_zero
from napari_sam2_video.plugin.objects_table import ObjectsTable
from napari_sam2_video.plugin.widgets import IN_A_RUN, allow, button, fill, narrow, note, row, set_note, stack
from napari_sam2_video.plugin.worker import Job

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam2_video.plugin.controller import Controller

NO_OBJECT = "There is no object yet: press New object."
NO_PREVIEW = "There is no preview: it comes after a click, a box or an outline."


class ObjectsPanel(QWidget):
    """The table of objects, the tools to prompt with, the preview's candidates and seeds."""

    def __init__(self, controller: Controller, start: Callable[[Callable[[], Any]], None]) -> None:
        super().__init__()
        self._controller = controller
        self._start = start
        self._seeding = False
        self._watched: Any = None
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
        objects = row(self.new_button, self.delete_button, self.parent_button, stretch=0)
        candidates = row(self.cycle_button, self.take_button, self.clear_button, stretch=0)
        self._seeds_row = row(self.seeds_button, self.seeds_box, stretch=1)
        stack(self, objects, self.table, grid, self.here, candidates, self._seeds_row, self.restore_button)
        self.restore_button.hide()
        controller.listen(controller.viewer.layers.events.inserted, self.update_seeds)
        controller.listen(controller.viewer.layers.events.removed, self.update_seeds)
        controller.listen(controller.viewer.layers.events.renamed, self.update_seeds)
        controller.listen(controller.viewer.layers.selection.events.active, self._on_selected)
        controller.at_close(lambda: self._watch(None))
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
        painting = name in ("paint", "erase")
        needed = [prompts.points, prompts.shapes, masks.preview, *([masks.masks] if painting else [])]
        if any(layer is None or layer not in controller.viewer.layers for layer in needed):
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
            # napari gives no tool to a layer that is hidden.
            layer.visible = True
            controller.viewer.layers.selection.active = layer
            layer.mode = mode
            if layer.mode != mode:
                controller.told.emit("info", "The viewer shows three dimensions; boxes and outlines are drawn in two.")
        self._check_armed()

    def switch_sign(self) -> None:
        """Change between points on the object and points beside it."""
        prompts = self._controller.prompts
        if prompts is not None:
            self.choose_tool("not" if prompts.positive else "point")

    def _on_selected(self, event: Any) -> None:
        """The armed tool is the mode of the selected layer, whoever chose it."""
        self._watch(event.value)
        self._check_armed()

    def _watch(self, layer: Any) -> None:
        if self._watched is not None:
            self._watched.events.mode.disconnect(self._check_armed)
        self._watched = layer
        if layer is not None:
            layer.events.mode.connect(self._check_armed)

    def _check_armed(self) -> None:
        prompts, masks = self._controller.prompts, self._controller.masks
        if prompts is None or masks is None:
            self._check_tools(None)
            return
        armed = {
            (prompts.points, "add"): "point" if prompts.positive else "not",
            (prompts.shapes, "add_rectangle"): "box",
            (prompts.shapes, "add_polygon_lasso"): "outline",
            (masks.masks, "paint"): "paint",
            (masks.masks, "erase"): "erase",
        }
        layer = self._watched
        self._check_tools(None if layer is None else armed.get((layer, str(layer.mode))))

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
            if session.prompt_sets(active, frame):
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
        """Make every label of the chosen layer on the shown frame an object, in the background."""
        controller = self._controller
        if controller.session is None:
            self._start(self.add_seeds)
            return
        session, geometry, frame = controller.session, controller.geometry, controller.frame
        layer = self.seeds_box.currentData()
        if layer is None or geometry is None or self._seeding:
            return
        name, labels = layer.name, partial(labels_on_frame, level_zero(layer), layer.name, geometry, frame)

        def made(numbers: list[int]) -> None:
            if controller.session is session:
                controller.tell_changes()
                controller.set_active(numbers[0])
                controller.told.emit("info", f"{len(numbers)} objects were made of the labels of {name}.")

        self._seed(True)
        controller.runner.submit(
            Job(
                "making objects of the labels", lambda _: session.add_seeds(labels(), frame),
                done=made, failed=controller.error, finished=lambda: self._seed(False),
            ),
            "files",
        )  # fmt: skip

    def _seed(self, under_way: bool) -> None:
        self._seeding = under_way
        self.seeds_button.setEnabled(not under_way)

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
        run = self._controller.run
        if topic != "masks" or run is None or not run.running:
            self.describe()

    def _on_run(self) -> None:
        run = self._controller.run
        running = run is not None and run.running
        allow(self.delete_button, IN_A_RUN if running else "" if self._controller.active else NO_OBJECT)

    def describe(self, *_: Any) -> None:
        """Say what the active object has on the shown frame."""
        controller = self._controller
        session, active, frame = controller.session, controller.active, controller.frame
        preview = controller.preview
        shown = preview.preview if preview is not None else None
        several = shown is not None and len(shown.candidates) > 1
        allow(self.cycle_button, "" if several else NO_PREVIEW)
        allow(self.take_button, "" if shown is not None and shown.candidates else NO_PREVIEW)
        allow(self.parent_button, "" if active else NO_OBJECT)
        allow(self.clear_button, "" if active else NO_OBJECT)
        self._on_run()
        if session is None or not active:
            set_note(self.here, "")
            return
        kinds = [kind for found in session.prompt_sets(active, frame) for kind in found.kinds]
        parts = [
            _count(kinds.count("point"), "point"),
            _count(kinds.count("box"), "box", "boxes"),
            _count(kinds.count("mask"), "mask"),
            "paint" if frame in session.masks.painted(active) else "",
        ]
        given = ", ".join(part for part in parts if part) or "no prompts"
        text = f"Object {active} on frame {frame}: {given}."
        if preview is not None and preview.waiting:
            text += " Computing the preview…"
        elif shown is not None and preview is not None and shown.candidates:
            iou = shown.candidates[preview.chosen].predicted_iou
            text += f" Candidate {preview.chosen + 1} of {len(shown.candidates)}, predicted IoU {iou:.2f}."
        set_note(self.here, text)


def _count(number: int, word: str, plural: str | None = None) -> str:
    return f"{number} {word if number == 1 else plural or word + 's'}" if number else ""
