"""State that all panels share: the shown session, the active object, the shown frame and the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Qt, QTimer, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QApplication

from napari_sam2_video.plugin.actions import Actions
from napari_sam2_video.plugin.layers import show_frame, show_plane, shown_frame, shown_point
from napari_sam2_video.plugin.session_loader import warm_up, warm_up_layers
from napari_sam2_video.plugin.settings import read_settings
from napari_sam2_video.plugin.shown_session import ShownSession
from napari_sam2_video.plugin.worker import Job, as_sentence

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.viewer import Viewer

    from napari_sam2_video.plugin.hover import HoverPreview
    from napari_sam2_video.plugin.session_view import SessionView


WARM_UP = "warm-up"


class Controller(ShownSession):
    """Connects one session with one viewer; panels change it only through `actions` and `perform`.

    Signals
    -------
    changed : str
        Something in the session changed; see `SessionView`.
    active_changed, frame_changed : int
        The active object (0 for none), and the shown frame.
    plane_changed
        Another plane of a volume is shown.
    selection_changed
        The selected objects changed; one of them is active.
    preview_changed, run_changed, summary_changed
        `preview`, `run` or `summary` changed.
    model_changed
        Another model, or another way to run it, was chosen.
    layers_lost : str
        A message that layers of the session are missing and can be restored; empty once they are restored.

    Attributes
    ----------
    walks : tuple of str
        Axes along which runs walk a volume; empty for the session's own axis only.
    """

    changed = Signal(str)
    active_changed = Signal(int)
    selection_changed = Signal()
    frame_changed = Signal(int)
    plane_changed = Signal()
    preview_changed = Signal()
    run_changed = Signal()
    summary_changed = Signal()
    model_changed = Signal()
    layers_lost = Signal(str)

    def __init__(self, viewer: Viewer, parent: QObject | None = None) -> None:
        super().__init__(viewer, parent)
        self.active = 0
        self.selected: tuple[int, ...] = ()
        self.frame = 0
        self._place: tuple[str, int] | None = None
        self.walks: tuple[str, ...] = ()
        self.model_missing: Callable[[], str] = str
        self.hover: HoverPreview | None = None
        self.actions = Actions(self)
        self.runner.submit(Job("loading PyTorch", warm_up), WARM_UP)
        self._warm = False
        self.listen(self.viewer.layers.events.inserted, self._warm_up_layers)
        self._warm_up_layers()
        self.runner.ticked.connect(self.deliver)
        self.listen(self.viewer.dims.events.point, self._on_dims)
        self.listen(self.viewer.dims.events.order, self._on_dims)

    def _warm_up_layers(self, *_: Any) -> None:
        if self.viewer.layers and not self._warm:
            self._warm = True
            self.runner.submit(Job("preparing layers", warm_up_layers), WARM_UP)

    def opened(self, view: SessionView) -> None:
        """Show the session at its plane, with its first object active."""
        self._connect(view)
        show_plane(self.viewer, view.image, view.geometry)
        self.frame = shown_frame(self.viewer, view.image, view.geometry)
        view.summary.gather()
        self._on_dims()
        self.session_changed.emit()
        self.set_active(next((entry.id for entry in view.session.objects), 0))
        if view.masks.masks is None:
            self._on_layers_lost("The masks layer was removed while the session was being opened.")

    def closed(self) -> None:
        """Clear the active object."""
        self.active = 0
        self.selected = ()
        self.session_changed.emit()
        self.active_changed.emit(0)

    def _connect(self, view: SessionView) -> None:
        view.changed.connect(self._on_changed)
        view.moved.connect(self._on_dims)
        # napari has not finished setting the new data at this point.
        view.replaced.connect(lambda: QTimer.singleShot(0, lambda: self._on_replaced(view)))
        view.summary.changed.connect(self.summary_changed)
        view.masks.painted.connect(self._on_painted)
        view.masks.selected.connect(self._on_label_selected)
        view.masks.lost.connect(self._on_layers_lost)
        view.prompts.edited.connect(lambda *_: self.perform())
        view.prompts.needs_object.connect(self.actions.new_object)
        view.preview.changed.connect(self.preview_changed)
        for part in (view.summary.failed, view.masks.refused, view.prompts.refused, view.preview.failed):
            part.connect(self.error)
        view.run.started.connect(self.run_changed)
        view.run.progressed.connect(self.run_changed)
        view.run.frames.connect(self._on_frames)
        view.run.ended.connect(self._on_run_ended)

    # The active object and the shown frame

    def set_active(self, object_id: int) -> None:
        """Make this the object that new prompts and paint belong to."""
        self.active = object_id
        if object_id not in self.selected:
            self.selected = (object_id,) if object_id else ()
        if self.view is not None:
            self.view.masks.set_active(object_id)
            self.view.prompts.set_active(object_id)
        self.active_changed.emit(object_id)
        self.update_preview()

    def select(self, objects: tuple[int, ...]) -> None:
        """Select several objects for actions that apply to several; the active one is among them."""
        if objects != self.selected:
            self.selected = objects
            self.selection_changed.emit()

    def _on_label_selected(self, label: int) -> None:
        if self.session is None or self.masks is None or label in (0, self.active):
            return
        if label in {entry.id for entry in self.session.objects}:
            self.set_active(label)
        else:
            self.masks.set_active(self.active)
            self.notified.emit("info", f"There is no object {label}; press New object to make one.")

    def shown_elsewhere(self) -> tuple[str, int] | None:
        """Axis and number of the shown plane, if it is not one of the session's own frames."""
        if self.view is None:
            return None
        axis, plane = self.view.shown_plane()
        return None if axis == self.view.session.planes.axes[0] else (axis, plane)

    def go_to(self, frame: int) -> None:
        """Show a frame, and the planes that are frames where a volume is shown across another axis."""
        if self.view is not None:
            show_plane(self.viewer, self.view.image, self.view.geometry)
            show_frame(self.viewer, self.view.image, self.view.geometry, frame)

    def _on_dims(self) -> None:
        view = self.view
        if view is None:
            return
        view.prompts.look_at(shown_point(self.viewer, view.image))
        frame = shown_frame(self.viewer, view.image, view.geometry)
        place = view.shown_plane()
        moved, self._place = place != self._place, place
        if frame != self.frame:
            self.frame = frame
            self.frame_changed.emit(frame)
            self.update_preview()
        elif moved:
            self.plane_changed.emit()
            self.update_preview()

    def update_preview(self) -> None:
        """Preview the active object on the shown frame if it has new prompts there, and show its window."""
        if self.view is None or self.preview is None or self._closed:
            return
        if self.active and read_settings().live_preview and not self.running and not self.model_missing():
            axis, plane = self.view.shown_plane()
            self.preview.request(axis, self.active, plane)
        else:
            self.preview.clear()
        self.view.window.show(self.active, self.frame)

    # Changes

    def perform(self, action: Callable[[], Any] | None = None, doing: str = "") -> Any:
        """Change the session on the main thread, then show what changed.

        Parameters
        ----------
        action : callable, optional
            The change; None if it was already made.
        doing : str
            What it does, to follow "while" in the message of an unexpected error.

        Returns
        -------
        object
            What `action` returned; None if it failed, after an error message to the user.
        """
        try:
            return action() if action is not None else None
        except Exception as error:
            self.error(as_sentence(error, doing))
            return None
        finally:
            self.deliver()
            if self.running and self.masks is not None:
                # A run only reports its own frames, and would not show this change.
                self.masks.refresh()
            self.update_preview()

    def deliver(self) -> None:
        """Show what changed in the session since the last time."""
        if self.view is not None and not self._closed:
            self.view.deliver()

    def _on_changed(self, topic: str) -> None:
        if topic == "objects" and self.session is not None:
            numbers = [entry.id for entry in self.session.objects]
            if self.active not in numbers:
                self.set_active(numbers[0] if numbers else 0)
            self.select(tuple(number for number in self.selected if number in numbers))
        if topic == "masks" and self.masks is not None and not self.running:
            self.masks.refresh()
        self.changed.emit(topic)

    def _on_painted(self) -> None:
        self.perform()
        self.preview_changed.emit()

    def error(self, error: BaseException | str) -> None:
        """Report an error to the user."""
        self.notified.emit("error", str(error))

    def _on_layers_lost(self, sentence: str) -> None:
        if self.running:
            self.actions.stop()
            sentence = f"{sentence} The run was stopped."
        # napari removes all layers when it closes; no message is needed then.
        QTimer.singleShot(0, lambda: self._report_lost(sentence))

    def _report_lost(self, sentence: str) -> None:
        if self.session is not None:
            self.notified.emit("info", f"{sentence} Press Restore layers to continue.")
            self.layers_lost.emit(sentence)

    # Runs

    def _on_frames(self, frames: set[int]) -> None:
        if self.view is None or self.masks is None:
            return
        # While a mouse button is down, something may be drawn on the shown frame.
        if read_settings().follow_run and QApplication.mouseButtons() == Qt.MouseButton.NoButton:
            show_frame(self.viewer, self.view.image, self.view.geometry, max(frames))
        # Planes across another axis, and 3D views, contain every frame.
        if self.frame in frames or self.viewer.dims.ndisplay == 3 or self.shown_elsewhere() is not None:
            self.masks.refresh()
        if self.frame in frames:
            self.view.window.show(self.active, self.frame)

    def _on_run_ended(self, how: str, sentence: str) -> None:
        if self.view is not None:
            self.view.masks.refresh()
            self.view.summary.gather()
        self.run_changed.emit()
        if how == "failed":
            self.error(sentence)
        self.perform()
