"""Keep clicks in the image while a session is being prepared; they become points of its first object."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer

from napari_sam2_video.plugin.plane_views import FLAT
from napari_sam2_video.plugin.prompt_layers import IN_3D
from napari_sam2_video.types import PointPrompt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_sam2_video.plugin.controller import Controller


class EarlyClicks:
    """Listens to the mouse while the controller loads a session."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._clicks: list[tuple[tuple[float, ...], bool]] = []
        self._listening = False
        controller.session_changed.connect(self._on_session)
        controller.at_close(lambda: self._listen(on=False))

    def _on_session(self) -> None:
        loading = self._controller.loading
        if loading and not self._listening:
            self._clicks.clear()
        self._listen(on=loading)
        if not loading and self._clicks:
            # The object is added after the session.
            QTimer.singleShot(0, self._add)

    def _listen(self, *, on: bool) -> None:
        callbacks = self._controller.viewer.mouse_drag_callbacks
        if on and not self._listening:
            callbacks.append(self._on_press)
        elif not on and self._listening:
            callbacks.remove(self._on_press)
        self._listening = on

    def _on_press(self, _: Any, event: Any) -> Iterator[None]:
        position, negative = tuple(event.position), "Control" in event.modifiers
        yield
        if event.type == "mouse_move":
            # The mouse is moving the view.
            return
        if self._controller.viewer.dims.ndisplay > FLAT:
            self._controller.notified.emit("info", IN_3D)
            return
        self._clicks.append((position, not negative))
        self._controller.notified.emit("status", "The click is kept until the recording is prepared.")

    def _add(self) -> None:
        clicks, self._clicks = self._clicks, []
        view, active = self._controller.view, self._controller.active
        if view is None or not active:
            return
        for position, positive in clicks:
            found = view.pixel_at(position)
            if found is not None:
                add = partial(view.session.add_prompt, PointPrompt(active, *found, positive))
                self._controller.perform(add, "adding a point")
