"""All keys of the widget, in the order of the key sheet."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from napari_sam2_video.plugin.keys import Key
from napari_sam2_video.plugin.object_menu import show_object_menu
from napari_sam2_video.types import CT_WINDOWS

if TYPE_CHECKING:
    from napari_sam2_video.plugin.widget import TrackingWidget


def all_keys(widget: TrackingWidget) -> list[Key]:
    """The keys; only those with `on_layers` have another meaning in napari."""
    objects, review, actions = widget.objects, widget.review, widget.controller.actions
    volume = widget.planes.volume
    return [
        Key("n", "New object", objects.new_object, group="Objects"),
        Key("m", "New object, as napari's key for a new label", objects.new_object, on_layers=True, group="Objects"),
        Key("Shift-n", "New object with a point at the mouse", objects.point_at_mouse, group="Objects"),
        Key(".", "Next object", partial(actions.step_object, 1), group="Objects"),
        Key(",", "Previous object", partial(actions.step_object, -1), group="Objects"),
        Key(
            "Shift-o",
            "Menu of the object: merge, split…",
            partial(show_object_menu, objects, widget.controller),
            group="Objects",
        ),
        Key("Shift-s", "Show only the selected object, or all", actions.show_only_active, group="Objects"),
        Key("q", "Switch between prompts on the object and beside it", objects.prompting.switch_sign, group="Prompts"),
        Key("Shift-e", "Scribble", partial(objects.prompting.arm, "scribble"), group="Prompts"),
        Key("Escape", "Put the tool away", objects.prompting.escape, on_layers=True, group="Prompts"),
        Key("k", "Next candidate of the preview", actions.next_candidate, group="Prompts"),
        Key("u", "Use the shown candidate as mask", actions.use_candidate, group="Prompts"),
        Key("Shift-c", "Copy the mask of the frame before", actions.copy_from_previous, group="Prompts"),
        Key("Shift-d", "Not on this frame", partial(actions.mark_absent, "here"), group="Prompts"),
        Key("Shift-f", "Gone from this frame on", partial(actions.mark_absent, "on"), group="Prompts"),
        Key("Shift-b", "Not there up to this frame", partial(actions.mark_absent, "until"), group="Prompts"),
        Key("g", "Track, or continue", widget.run_bar.start, group="Run"),
        Key("h", "Stop", actions.stop, group="Run"),
        Key("j", "Next doubtful frame", review.next_doubtful, group="Review"),
        Key("w", "Accept the object on this frame", review.accept, group="Review"),
        Key("Shift-j", "Accept, and go to the next doubtful frame", review.accept_and_next, group="Review"),
        Key("Shift-k", "Mark as wrong, and correct it", review.walk.wrong, group="Review"),
        Key("Shift-h", "Later: move to the end of the list", review.walk.later, group="Review"),
        Key("Shift-w", "Accept all objects on this frame", actions.accept_all, group="Review"),
        Key("Shift-Right", "Next prompted frame", partial(actions.go_to_prompted, 1), group="Review"),
        Key("Shift-Left", "Previous prompted frame", partial(actions.go_to_prompted, -1), group="Review"),
        *(
            Key(f"Alt-{axis.lower()}", f"Planes across {axis}", partial(volume.show_across, axis), group="Volume")
            for axis in "ZYX"
        ),
        Key("Alt-v", "3D, and back", volume.show_in_3d, group="Volume"),
        *(
            Key(f"Alt-{number}", f"CT contrast window: {name}", partial(actions.show_window, name), group="Volume")
            for number, name in enumerate(CT_WINDOWS, start=1)
        ),
        Key("Control-z", "Undo", actions.undo, on_layers=True, group="Session"),
        Key("Control-Shift-z", "Redo", actions.redo, on_layers=True, group="Session"),
    ]
