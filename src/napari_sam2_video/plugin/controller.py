"""What all panels share: the viewer, one session, its layers, the active object and the work in the background."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer

from napari_sam2_video.plugin.figures import FigureKeeper, Figures
from napari_sam2_video.plugin.history import travel
from napari_sam2_video.plugin.layers import Geometry, axes_of, show_frame, shown_frame, unwrap
from napari_sam2_video.plugin.mask_layers import MaskLayers
from napari_sam2_video.plugin.opening import Opener, add_recording
from napari_sam2_video.plugin.previewing import LivePreview
from napari_sam2_video.plugin.prompt_layers import PromptLayers
from napari_sam2_video.plugin.settings import read_settings
from napari_sam2_video.plugin.signals import Signals
from napari_sam2_video.plugin.source import Choices, LayerSource
from napari_sam2_video.plugin.tracking import TrackRun
from napari_sam2_video.plugin.worker import Job, Runner
from napari_sam2_video.types import ModelSettings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari.layers import Image
    from napari.viewer import Viewer

    from napari_sam2_video.errors import Sam2VideoError
    from napari_sam2_video.frames.recording import Recording
    from napari_sam2_video.session import Session
    from napari_sam2_video.types import CheckSettings, TrackSettings

FILES = "files"


class Controller(Signals):
    """Binds one session to one viewer; the panels are views of it and change it only through these methods."""

    def __init__(self, viewer: Viewer, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.viewer: Any = unwrap(viewer)
        self.runner = Runner(self)
        self.session: Session | None = None
        self.image: Image | None = None
        self.geometry: Geometry | None = None
        self.masks: MaskLayers | None = None
        self.prompts: PromptLayers | None = None
        self.preview: LivePreview | None = None
        self.run: TrackRun | None = None
        self.keeper: FigureKeeper | None = None
        self.active = 0
        self.frame = 0
        self.model_settings = ModelSettings()
        self.session_options: dict[str, Any] = {}
        self.opening = False
        self._opener = Opener()
        self._topics: set[str] = set()
        self._topics_lock = threading.Lock()
        self._closed = False
        self.runner.ticked.connect(self.tell_changes)
        self._closers: list[Callable[[], Any]] = []
        self.listen(self.viewer.dims.events.point, self._on_dims)
        self.listen(self.viewer.layers.events.removing, self._on_removing)

    def listen(self, event: Any, callback: Callable[..., Any]) -> None:
        """Connect to an event of the viewer until the widget closes."""
        event.connect(callback)
        self.at_close(lambda: event.disconnect(callback))

    def at_close(self, action: Callable[[], Any]) -> None:
        """Do something when the widget lets go of the viewer."""
        self._closers.append(action)

    # Sessions

    def start_session(self, image: Image, choices: Choices, then: Callable[[], Any] | None = None) -> None:
        """Make a session of an image layer in the background, then call `then`."""
        source = LayerSource.of(image, choices.axes)
        work = self._opener.making(source, choices, read_settings(), self.model_settings, self.session_options)
        self._open("preparing the recording", work, lambda session: self.attach(session, image), then)

    def open_session(self, folder: Path, image: Image | None = None, then: Callable[[], Any] | None = None) -> None:
        """Open a session folder in the background; `image` is its recording's layer where that is not a file."""
        from napari_sam2_video.plugin.reader import axes_of_session

        source = None if image is None else LayerSource.of(image, axes_of_session(folder, image.ndim) or axes_of(image))
        shown: list[Recording] = []

        def attach(session: Session) -> None:
            self.attach(session, image if image is not None else add_recording(self.viewer, shown[0], session))

        work = self._opener.opening(folder, source, self.session_options, shown)
        self._open("opening the session", work, attach, then)

    def _open(
        self,
        doing: str,
        work: Callable[[Job], Session],
        attach: Callable[[Session], None],
        then: Callable[[], Any] | None,
    ) -> None:
        if self.opening:
            return
        self.opening = True
        self.close_session()

        def done(session: Session) -> None:
            self.opening = False
            self.guarded(lambda: attach(session), doing)
            if self.session is not session:
                self.runner.submit(Job("closing the session", lambda _: self._opener.end(session), failed=self.error))
            elif then is not None:
                then()

        def failed(error: Sam2VideoError) -> None:
            self.opening = False
            self.session_changed.emit()
            self.error(error)

        self.runner.submit(Job(doing, work, done=done, failed=failed, key="open"))
        self.session_changed.emit()

    def attach(self, session: Session, image: Image | None = None) -> None:
        """Show a session in the viewer; its recording is added as a layer where `image` is not given."""
        self.close_session()
        if image is None or image not in self.viewer.layers:
            image = add_recording(self.viewer, session.recording, session, again=True)
        view = session.view
        self._opener.adopt(session)
        self.session = session
        self.image = image
        self.geometry = Geometry.of_view(
            session.recording.axes, session.recording.shape, view.plane_axes, view.settings
        )
        self.masks = MaskLayers(self.viewer, image, self.geometry, session)
        self.prompts = PromptLayers(self.viewer, image, self.geometry, session)
        self.preview = LivePreview(self.runner, session, self.masks)
        self.run = TrackRun(self.runner, session)
        self.keeper = FigureKeeper(self.runner, session)
        self._connect()
        self.model_settings = session.model_settings
        session.on_change.append(self._on_session_change)
        self.frame = shown_frame(self.viewer, image, self.geometry)
        first = next((entry.id for entry in session.objects), 0)
        self.keeper.gather()
        self.session_changed.emit()
        self.set_active(first)

    def _connect(self) -> None:
        assert self.masks is not None
        assert self.prompts is not None
        assert self.preview is not None
        assert self.run is not None
        assert self.keeper is not None
        self.keeper.changed.connect(self.figures_changed)
        self.keeper.failed.connect(self.error)
        self.masks.painted.connect(self._on_painted)
        self.masks.refused.connect(self.error)
        self.masks.selected.connect(self._on_label_selected)
        self.masks.lost.connect(self._on_layers_lost)
        self.prompts.edited.connect(self._on_prompted)
        self.prompts.refused.connect(self.error)
        self.prompts.needs_object.connect(self.new_object)
        self.preview.changed.connect(self.preview_changed)
        self.preview.failed.connect(self.error)
        self.run.started.connect(self.run_changed)
        self.run.progressed.connect(self.run_changed)
        self.run.frames.connect(self._on_frames)
        self.run.ended.connect(self._on_run_ended)

    def close_session(self, *, keep_layers: bool = False) -> None:
        """Take the session off the viewer; a run is stopped and everything is safe in its folder."""
        session = self.session
        if session is None:
            return
        if self.run is not None:
            self.run.stop()
            self.run.close()
        if self.preview is not None:
            self.preview.clear()
        if self.keeper is not None:
            self.keeper.close()
        if self._on_session_change in session.on_change:
            session.on_change.remove(self._on_session_change)
        for layers in (self.prompts, self.masks):
            if layers is not None:
                layers.close(keep_layers=keep_layers)
        self.session = self.image = self.geometry = None
        self.masks = self.prompts = self.preview = self.run = self.keeper = None
        self.active = 0
        if not self._closed:
            self.runner.submit(Job("closing the session", lambda _: self._opener.end(session), failed=self.error))
        self.session_changed.emit()
        self.active_changed.emit(0)

    # The active object and the shown frame

    def set_active(self, object_id: int) -> None:
        """Prompts and paint belong to this object from now on."""
        self.active = object_id
        if self.masks is not None and self.prompts is not None:
            self.masks.set_active(object_id)
            self.prompts.set_active(object_id)
        self.active_changed.emit(object_id)
        self.update_preview()

    def _on_label_selected(self, label: int) -> None:
        if self.session is None or label in (0, self.active):
            return
        if label in {entry.id for entry in self.session.objects}:
            self.set_active(label)
        elif self.masks is not None:
            self.masks.set_active(self.active)
            self.told.emit("info", f"There is no object {label}; press New object to make one.")

    def new_object(self) -> int:
        """Add an object and make it the active one; 0 where there is no session."""
        if self.session is None:
            return 0
        object_id = self.guarded(self.session.add_object, "adding an object") or 0
        if object_id:
            self.tell_changes()
            self.set_active(object_id)
        return int(object_id)

    def go_to(self, frame: int) -> None:
        """Show a frame."""
        if self.image is not None and self.geometry is not None:
            show_frame(self.viewer, self.image, self.geometry, frame)

    def _on_dims(self) -> None:
        if self.image is None or self.geometry is None:
            return
        frame = shown_frame(self.viewer, self.image, self.geometry)
        if frame != self.frame:
            self.frame = frame
            self.frame_changed.emit(frame)
            self.update_preview()

    def update_preview(self) -> None:
        """Preview the active object on the shown frame, if it has new prompts there."""
        if self.preview is None or self._closed:
            return
        if self.active and read_settings().live_preview and not (self.run is not None and self.run.running):
            self.preview.request(self.active, self.frame)
        else:
            self.preview.clear()

    # Prompts, paint, layers

    def _on_prompted(self, object_id: int, frame: int) -> None:
        self.tell_changes()
        if object_id == self.active and frame == self.frame:
            self.update_preview()

    def _on_painted(self) -> None:
        self.tell_changes()
        self.update_preview()

    def _on_layers_lost(self, sentence: str) -> None:
        if self.run is not None and self.run.running:
            self.run.stop()
            sentence = f"{sentence} The run was stopped."
        # napari removes all layers when it closes; nobody has to be told then.
        QTimer.singleShot(0, lambda: self._tell_lost(sentence))

    def _tell_lost(self, sentence: str) -> None:
        if self.session is not None:
            self.told.emit("info", f"{sentence} Press Restore layers to go on.")
            self.layers_lost.emit(sentence)

    def restore_layers(self) -> None:
        """Add the session's layers that are missing in the viewer."""
        if self.masks is not None and self.prompts is not None:
            self.masks.restore()
            self.prompts.restore()
            self.set_active(self.active)
            self.layers_lost.emit("")

    def _on_removing(self, event: Any) -> None:
        if self._closed or self.image is None:
            return
        removed = [event.value] if hasattr(event, "value") else [self.viewer.layers[event.index]]
        if any(layer is self.image for layer in removed):
            self.close_session()
            QTimer.singleShot(0, self._tell_image_gone)

    def _tell_image_gone(self) -> None:
        if not self._closed:
            self.told.emit(
                "info", "The image layer was removed, so its session was closed; everything is safe in its folder."
            )

    # Runs

    def track(self, settings: TrackSettings) -> None:
        """Track in the background."""
        self._start(lambda run: run.start(settings), "starting the run")

    def check(self, settings: CheckSettings) -> None:
        """Compare masks with those found by tracking back, in the background."""
        self._start(lambda run: run.check(settings), "starting the check")

    def _start(self, begin: Callable[[TrackRun], None], doing: str) -> None:
        run = self.run
        if run is not None:
            if self.preview is not None:
                self.preview.clear()
            self.guarded(lambda: begin(run), doing)

    def resume(self) -> None:
        """Go on with the run that was not finished."""
        run = self.run
        if run is not None:
            self.guarded(run.resume, "going on with the run")

    def stop(self) -> None:
        """Stop the run within a frame."""
        if self.run is not None:
            self.run.stop()

    def _on_frames(self, frames: set[int]) -> None:
        if self.masks is None:
            return
        if read_settings().follow_run:
            self.go_to(max(frames))
        if self.frame in frames or self.viewer.dims.ndisplay == 3:
            self.masks.refresh()

    def _on_run_ended(self, how: str, sentence: str) -> None:
        if self.masks is not None:
            self.masks.refresh()
        self.run_changed.emit()
        self.tell_changes()
        if self.keeper is not None:
            self.keeper.gather()
        if how == "failed":
            self.error(sentence)
        self.update_preview()

    # Changes

    def _on_session_change(self, topic: str) -> None:
        """Called by the session, on whichever thread made the change."""
        with self._topics_lock:
            self._topics.add(topic)

    def tell_changes(self) -> None:
        """Pass on what changed in the session since the last time."""
        with self._topics_lock:
            topics, self._topics = self._topics, set()
        if self.session is None or self._closed:
            return
        for topic in sorted(topics):
            if topic == "objects" and self.masks is not None:
                self.masks.show_objects()
                if self.active not in {entry.id for entry in self.session.objects}:
                    self.set_active(next((entry.id for entry in self.session.objects), 0))
            elif topic == "prompts" and self.prompts is not None:
                self.prompts.show()
            self.changed.emit(topic)
        if topics and self.keeper is not None:
            self.keeper.update()

    @property
    def figures(self) -> Figures:
        """The newest figures of the session."""
        return self.keeper.figures if self.keeper is not None else Figures()

    def undo(self) -> None:
        """Take back the last change of the session."""
        travel(self, "undo")

    def redo(self) -> None:
        """Make the change again that was taken back last."""
        travel(self, "redo")

    # The end

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
        self.close_session(keep_layers=window_gone)
        self.runner.close(self._opener.end_all)
        # Nothing of a window that is gone may be kept alive from here.
        self.viewer = None
