"""Objects and their prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QLineEdit, QWidget

from napari_sam2_video.plugin.daughter_dialog import ask_for_mother
from napari_sam2_video.plugin.hover import HoverPreview
from napari_sam2_video.plugin.objects_table import MOST_ROWS, ObjectsTable
from napari_sam2_video.plugin.preview_options import PreviewOptions
from napari_sam2_video.plugin.prompt_tools import NO_OBJECT, PromptTools
from napari_sam2_video.plugin.seeds_row import SeedsRow
from napari_sam2_video.plugin.widgets import IN_A_RUN, allow, button, row, stack

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam2_video.plugin.controller import Controller

ONE_OBJECT = "There is no other object it could have come from."


class ObjectsPanel(QWidget):
    """The table of objects, the tools to prompt with, and objects from labels."""

    def __init__(self, controller: Controller, start: Callable[[Callable[[], Any]], None]) -> None:
        super().__init__()
        self._controller = controller
        self._start = start
        actions = controller.actions
        self.table = ObjectsTable(controller)
        self.new_button = button("New object", self.new_object, "Add an object, then click it in the image (N).")
        self.delete_button = button("Delete", actions.delete_objects, "Delete the selected objects and their masks.")
        self.parent_button = button(
            "Daughter of…",
            self.choose_parent,
            "The selected object comes from another one by division on this frame; the daughter is removed before it.",
        )
        self.search_field = QLineEdit()
        self.search_field.setPlaceholderText("Search: number, name or state")
        self.search_field.setToolTip("Show only the objects whose number, name or state contains these words.")
        self.search_field.setClearButtonEnabled(True)
        self.search_field.textChanged.connect(self.table.search)
        self.prompting = PromptTools(controller, start)
        self.hover = HoverPreview(controller, self.prompting)
        controller.hover = self.hover
        self.options = PreviewOptions(self.hover)
        self.seeds = SeedsRow(controller, start)
        self.restore_button = button("Restore layers", actions.restore_layers, "Add the session's layers again.")
        self.tools, self.here = self.prompting.tools, self.prompting.here
        self.take_button, self.clear_button = self.prompting.take_button, self.prompting.clear_button
        self.seeds_button, self.seeds_box = self.seeds.button, self.seeds.box
        buttons = row(self.new_button, self.delete_button, self.parent_button, stretch=0)
        stack(
            self, buttons, self.search_field, self.table, self.prompting, self.options, self.seeds, self.restore_button
        )
        controller.session_changed.connect(self._on_session)
        controller.changed.connect(self._on_changed)
        controller.summary_changed.connect(self.table.objects.update_summary)
        controller.active_changed.connect(self.update_state)
        controller.run_changed.connect(self.update_state)
        controller.layers_lost.connect(lambda sentence: self.restore_button.setVisible(bool(sentence)))
        self._on_session()

    def new_object(self) -> None:
        """Add an object, starting a session first if there is none, and arm the point tool."""
        if self._controller.session is None:
            self._start(self.new_object)
        elif self._controller.actions.new_object():
            self.prompting.arm("point")

    def point_at_mouse(self) -> None:
        """Add an object with a point where the mouse is in the image, starting a session first if there is none."""
        world = tuple(self._controller.viewer.cursor.position)
        if self._controller.session is None:
            self._start(lambda: self._point_at(world))
        else:
            self._point_at(world)

    def _point_at(self, world: tuple[float, ...]) -> None:
        if self._controller.actions.new_object_at(world):
            self.prompting.arm("point")

    def choose_parent(self) -> None:
        """Ask which object the active one came from, on the shown frame."""
        chosen = ask_for_mother(self, self._controller)
        if chosen is not None:
            self._controller.actions.set_mother(chosen.mother, ends=chosen.ends)

    def set_parent(self, parent: int | None) -> None:
        """Make the active object a daughter of `parent` from the shown frame on; None removes the parent."""
        self._controller.actions.set_mother(parent, ends=False)

    def _on_session(self) -> None:
        self.search_field.clear()
        self.table.reload()
        self.restore_button.hide()
        self.update_state()

    def _on_changed(self, topic: str) -> None:
        if topic == "objects":
            self.table.reload()
            self.update_state()

    def update_state(self, *_: Any) -> None:
        """Enable the controls that can be used now; the search appears if not all objects are in sight."""
        self.search_field.setVisible(len(self.table.objects.rows) > MOST_ROWS)
        reason = IN_A_RUN if self._controller.running else "" if self._controller.active else NO_OBJECT
        allow(self.delete_button, reason)
        alone = len(self.table.objects.rows) < 2
        allow(self.parent_button, reason or (ONE_OBJECT if alone else ""))
