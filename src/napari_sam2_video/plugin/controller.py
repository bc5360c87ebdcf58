"""What all panels share: the viewer, the session that is shown, the active object, the shown frame and the worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal  # type: ignore[attr-defined]

from napari_sam2_video.plugin.actions import Actions
from napari_sam2_video.plugin.layer_source import LayerSource
from napari_sam2_video.plugin.layers import axes_of, show_frame, show_plane, shown_frame, shown_point, unwrap
from napari_sam2_video.plugin.recording_layers import add_recording
from napari_sam2_video.plugin.session_loader import SessionLoader, warm_up
from napari_sam2_video.plugin.session_summary import SessionSummary
from napari_sam2_video.plugin.settings import read_settings
from napari_sam2_video.plugin.worker import Job, Runner, as_sentence
from napari_sam2_video.types import ModelSettings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari.layers import Image
    from napari.viewer import Viewer

    from napari_sam2_video.errors import Sam2VideoError
    from napari_sam2_video.plugin.layer_source import Choices
    from napari_sam2_video.plugin.layers import Geometry
    from napari_sam2_video.plugin.mask_layers import MaskLayers
    from napari_sam2_video.plugin.preview import LivePreview
    from napari_sam2_video.plugin.prompt_layers import PromptLayers
    from napari_sam2_video.plugin.session_view import SessionView
    from napari_sam2_video.plugin.tracking import TrackRun
    from napari_sam2_video.session import Session


class Controller(QObject):
    """Binds one session to one viewer; the panels show it, and change it only through `actions` and `perform`.

    Signals
    -------
    session_changed
        Another session is open, or none, or one is being loaded.
    changed : str
        Something of the session changed; see `SessionView`.
    active_changed, frame_changed : int
        The active object (0 for none), and the shown frame.
    preview_changed, run_changed, summary_changed
        `preview`, `run` or `summary` has something new to show.
    model_changed
        Another model, or another way to run it, was chosen.
    layers_lost : str
        A sentence: layers of the session are gone and can be restored; empty once they are restored.
    notified : str, str
        ``"error"``, ``"info"`` or ``"status"``, and a sentence for the person.
    """

    session_changed = Signal()
    changed = Signal(str)
    active_changed = Signal(int)
    frame_changed = Signal(int)
    preview_changed = Signal()
    run_changed = Signal()
    summary_changed = Signal()
    model_changed = Signal()
    layers_lost = Signal(str)
    notified = Signal(str, str)

    def __init__(self, viewer: Viewer, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.viewer: Any = unwrap(viewer)
        self.runner = Runner(self)
        self.view: SessionView | None = None
        self.active = 0
        self.frame = 0
        self.model_settings = ModelSettings()
        self.model_missing: Callable[[], str] = str
        self.actions = Actions(self)
        self.loader = SessionLoader(self.viewer, self.runner, self)
        self.loader.loaded.connect(self._on_loaded)
        self.loader.failed.connect(self._on_not_loaded)
        self.runner.submit(Job("loading PyTorch", warm_up), "warm-up")
        self._then: Callable[[], Any] | None = None
        self._closed = False
        self._closers: list[Callable[[], Any]] = []
        self.runner.ticked.connect(self.deliver)
        self.listen(self.viewer.dims.events.point, self._on_dims)
        self.listen(self.viewer.layers.events.removing, self._on_removing)

    def listen(self, event: Any, callback: Callable[..., Any]) -> None:
        """Connect to an event of the viewer until the widget closes."""
        event.connect(callback)
        self.at_close(lambda: event.disconnect(callback))

    def at_close(self, action: Callable[[], Any]) -> None:
        """Do something when the widget lets go of the viewer."""
        self._closers.append(action)

    # What is shown

    @property
    def session(self) -> Session | None:
        """The open session."""
        return None if self.view is None else self.view.session

    @property
    def image(self) -> Image | None:
        """The image layer of its recording."""
        return None if self.view is None else self.view.image

    @property
    def geometry(self) -> Geometry | None:
        """How its frames and pixels lie in that layer."""
        return None if self.view is None else self.view.geometry

    @property
    def masks(self) -> MaskLayers | None:
        """Its layers of masks and of the preview."""
        return None if self.view is None else self.view.masks

    @property
    def prompts(self) -> PromptLayers | None:
        """Its layers of prompts."""
        return None if self.view is None else self.view.prompts

    @property
    def preview(self) -> LivePreview | None:
        """Its live preview."""
        return None if self.view is None else self.view.preview

    @property
    def run(self) -> TrackRun | None:
        """Its run, under way or not."""
        return None if self.view is None else self.view.run

    @property
    def running(self) -> bool:
        """Whether a run is under way, or about to begin."""
        return self.view is not None and self.view.run.running

    @property
    def summary(self) -> SessionSummary:
        """The newest summary of the session."""
        return SessionSummary() if self.view is None else self.view.summary.newest

    @property
    def loading(self) -> bool:
        """Whether a session is being made or opened."""
        return self.loader.busy

    # Loading and closing

    def start_session(self, image: Image, choices: Choices, then: Callable[[], Any] | None = None) -> None:
        """Make a session of an image layer in the background, then call `then`."""
        if not self.loading:
            self.close_session()
            self._then = then
            self.loader.create(image, choices, read_settings(), self.model_settings)
            self.session_changed.emit()

    def open_session(self, folder: Path, image: Image | None = None, then: Callable[[], Any] | None = None) -> None:
        """Open a session folder in the background; `image` is its recording's layer where that is not a file."""
        from napari_sam2_video.plugin.reader import axes_of_session

        if not self.loading:
            self.close_session()
            self._then = then
            axes = "" if image is None else axes_of_session(folder, image.ndim) or axes_of(image)
            self.loader.open(folder, None if image is None else LayerSource.of(image, axes), image)
            self.session_changed.emit()

    def attach(self, session: Session, image: Image | None = None) -> None:
        """Show a session in the viewer at once; its recording is added as a layer where `image` is not given."""
        self.close_session()

        def image_of(_: Session) -> Image:
            if image is not None and image in self.viewer.layers:
                return image
            return add_recording(self.viewer, session.recording, session, again=True)

        self._on_loaded(self.loader.show(session, image_of))

    def _on_loaded(self, view: SessionView) -> None:
        self.close_session()
        self.view = view
        self._connect(view)
        self.model_settings = view.session.model_settings
        show_plane(self.viewer, view.image, view.geometry)
        self.frame = shown_frame(self.viewer, view.image, view.geometry)
        view.summary.gather()
        self._on_dims()
        self.session_changed.emit()
        self.set_active(next((entry.id for entry in view.session.objects), 0))
        if view.masks.masks is None:
            self._on_layers_lost("The masks layer was removed while the session was opened.")
        then, self._then = self._then, None
        if then is not None:
            then()

    def _on_not_loaded(self, error: Sam2VideoError) -> None:
        self._then = None
        self.session_changed.emit()
        self.error(error)

    def _connect(self, view: SessionView) -> None:
        view.changed.connect(self._on_changed)
        view.moved.connect(self._on_dims)
        # napari is still in the middle of taking the new data then.
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

    def close_session(self, *, keep_layers: bool = False) -> None:
        """Remove the session from the viewer; a run is stopped and everything is safe in its folder."""
        view, self.view = self.view, None
        if view is not None:
            view.close(keep_layers=keep_layers)
            self.active = 0
            self.loader.end(view.session)
            self.session_changed.emit()
            self.active_changed.emit(0)

    def _on_removing(self, event: Any) -> None:
        if self._closed:
            return
        removed = event.value if hasattr(event, "value") else self.viewer.layers[event.index]
        if self.loader.shows(removed):
            self._then = None
            self.loader.cancel()
            self.session_changed.emit()
        elif self.image is not None and removed is self.image:
            self.close_session()
        else:
            return
        QTimer.singleShot(0, lambda: self._report_closed("was removed"))

    def _on_replaced(self, view: SessionView) -> None:
        if self.view is view:
            self.close_session()
            self._report_closed("was given other data")

    def _report_closed(self, why: str) -> None:
        if not self._closed:
            text = f"The image layer {why}, so its session was closed; everything is safe in its folder."
            self.notified.emit("info", text)

    def close(self, *_: Any, window_gone: bool = False) -> None:
        """Let go of the viewer without waiting: a run stops within a frame, then the session is closed.

        Parameters
        ----------
        window_gone : bool
            The window is no more: nothing in it may be touched, and its layers stay as they are.
        """
        if self._closed:
            return
        self._closed = True
        if window_gone:
            self.blockSignals(True)
        closers, self._closers = self._closers, []
        for action in closers:
            action()
        self.loader.cancel(keep_layers=window_gone)
        self.close_session(keep_layers=window_gone)
        self.runner.close(self.loader.end_all)
        # Nothing of a window that is gone may be kept alive from here.
        self.viewer = None

    # The active object and the shown frame

    def set_active(self, object_id: int) -> None:
        """Prompts and paint belong to this object from now on."""
        self.active = object_id
        if self.view is not None:
            self.view.masks.set_active(object_id)
            self.view.prompts.set_active(object_id)
        self.active_changed.emit(object_id)
        self.update_preview()

    def _on_label_selected(self, label: int) -> None:
        if self.session is None or self.masks is None or label in (0, self.active):
            return
        if label in {entry.id for entry in self.session.objects}:
            self.set_active(label)
        else:
            self.masks.set_active(self.active)
            self.notified.emit("info", f"There is no object {label}; press New object to make one.")

    def go_to(self, frame: int) -> None:
        """Show a frame."""
        if self.view is not None:
            show_frame(self.viewer, self.view.image, self.view.geometry, frame)

    def _on_dims(self) -> None:
        view = self.view
        if view is None:
            return
        view.prompts.look_at(shown_point(self.viewer, view.image))
        frame = shown_frame(self.viewer, view.image, view.geometry)
        if frame != self.frame:
            self.frame = frame
            self.frame_changed.emit(frame)
            self.update_preview()

    def update_preview(self) -> None:
        """Preview the active object on the shown frame, if it has new prompts there."""
        if self.preview is None or self._closed:
            return
        if self.active and read_settings().live_preview and not self.running and not self.model_missing():
            self.preview.request(self.active, self.frame)
        else:
            self.preview.clear()

    # Changes

    def perform(self, action: Callable[[], Any] | None = None, doing: str = "") -> Any:
        """Change the session on the main thread, then show what changed.

        Parameters
        ----------
        action : callable, optional
            The change; none if it was made already.
        doing : str
            What it does, as it reads after "while"; part of the sentence for an unexpected error.

        Returns
        -------
        object
            What `action` returned, None where it failed; the person has been given the reason then.
        """
        try:
            return action() if action is not None else None
        except Exception as error:
            self.error(as_sentence(error, doing))
            return None
        finally:
            self.deliver()
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
        self.changed.emit(topic)

    def _on_painted(self) -> None:
        self.perform()
        self.preview_changed.emit()

    def error(self, error: BaseException | str) -> None:
        """Report what went wrong."""
        self.notified.emit("error", str(error))

    def _on_layers_lost(self, sentence: str) -> None:
        if self.running:
            self.actions.stop()
            sentence = f"{sentence} The run was stopped."
        # napari removes all layers when it closes; nobody needs a message then.
        QTimer.singleShot(0, lambda: self._report_lost(sentence))

    def _report_lost(self, sentence: str) -> None:
        if self.session is not None:
            self.notified.emit("info", f"{sentence} Press Restore layers to continue.")
            self.layers_lost.emit(sentence)

    # Runs

    def _on_frames(self, frames: set[int]) -> None:
        if self.masks is None:
            return
        if read_settings().follow_run:
            self.go_to(max(frames))
        if self.frame in frames or self.viewer.dims.ndisplay == 3:
            self.masks.refresh()

    def _on_run_ended(self, how: str, sentence: str) -> None:
        if self.view is not None:
            self.view.masks.refresh()
            self.view.summary.gather()
        self.run_changed.emit()
        if how == "failed":
            self.error(sentence)
        self.perform()
