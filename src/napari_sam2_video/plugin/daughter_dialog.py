"""Ask which object another one came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from qtpy.QtWidgets import QCheckBox, QComboBox, QDialog, QDialogButtonBox, QVBoxLayout

from napari_sam2_video.plugin.widgets import fill, form, note

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from napari_sam2_video.plugin.controller import Controller


class Mother(NamedTuple):
    """The answer: the mother's id (None for none), and whether the mother ends on the daughter's first frame."""

    mother: int | None
    ends: bool


def ask_for_mother(parent: QWidget, controller: Controller) -> Mother | None:
    """Ask for the mother of the active object; None if nothing should change.

    The dialog starts with the current values.
    """
    session, active, frame = controller.session, controller.active, controller.frame
    if session is None or not active:
        return None
    own = session.object(active)
    others = [entry for entry in session.objects if entry.id != active]
    dialog = QDialog(parent)
    dialog.setWindowTitle("Mark as daughter")
    box = QComboBox()
    fill(box, [("no other object", None), *((f"{entry.id} · {entry.name}", entry.id) for entry in others)], own.parent)
    ends = QCheckBox("The mother ends there")
    ends.setToolTip("Tick it if a cell divides; leave it if a part splits off and the mother remains.")
    buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel)
    buttons.accepted.connect(dialog.accept)
    buttons.rejected.connect(dialog.reject)
    layout = QVBoxLayout(dialog)
    layout.addLayout(form((f"Object {active} came from", box)))
    layout.addWidget(
        note(f"It then begins on frame {frame}: its masks before that frame are removed. Undo brings them back.")
    )
    layout.addWidget(ends)
    layout.addWidget(buttons)
    if not dialog.exec():
        return None
    chosen: int | None = box.currentData()
    if chosen == own.parent and not ends.isChecked() and (chosen is None or own.parent_frame is not None):
        # Confirmed without a change.
        return None
    return Mother(chosen, ends.isChecked())
