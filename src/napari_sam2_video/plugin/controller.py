"""What all panels share: the viewer, one session, its layers, the active object and the work in the background."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer

from napari_sam2_video.plugin.arrivals import Arrivals
from napari_sam2_video.plugin.history import travel
from napari_sam2_video.plugin.layer_source import Choices, LayerSource
from napari_sam2_video.plugin.layers import axes_of, show_frame, show_plane, shown_frame, shown_point, unwrap
from napari_sam2_video.plugin.opening import Opener, add_recording, layer_of
from napari_sam2_video.plugin.session_summary import Figures
from napari_sam2_video.plugin.settings import read_settings
from napari_sam2_video.plugin.signals import Signals
from napari_sam2_video.plugin.topics import Topics
from napari_sam2_video.plugin.worker import Runner
from napari_sam2_video.types import ModelSettings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari.layers import Image
    from napari.viewer import Viewer
    from psygnal import EmissionInfo

    from napari_sam2_video.errors import Sam2VideoError
    from napari_sam2_video.frames.recording import Recording
    from napari_sam2_video.plugin.layers import Geometry
    from napari_sam2_video.plugin.mask_layers import MaskLayers
    from napari_sam2_video.plugin.preview import LivePreview
    from napari_sam2_video.plugin.prompt_layers import PromptLayers
    from napari_sam2_video.plugin.session_summary import FigureKeeper
    from napari_sam2_video.plugin.session_view import Shown
    from napari_sam2_video.plugin.tracking import TrackRun
    from napari_sam2_video.plugin.worker import Job
    from napari_sam2_video.session import Session
    from napari_sam2_video.types import CheckSettings, TrackSettings

FILES = "files"


class Controller(Signals):
    """Binds one session to one viewer; the panels are views of it and change it only through these methods."""

    def __init__(self, viewer: Viewer, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.viewer: Any = unwrap(viewer)
        self.runner = Runner(self)
        self._hold(None)
        self.active = 0
        self.frame = 0
        self.model_settings = ModelSettings()
        self.session_options: dict[str, Any] = {}
        self._opener = Opener()
        self._arrivals = Arrivals(self.viewer, self.runner, self._opener, self.error, self)
        self._topics = Topics()
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
        self._open("preparing the recording", work, lambda _: image, then)

    def open_session(self, folder: Path, image: Image | None = None, then: Callable[[], Any] | None = None) -> None:
        """Open a session folder in the background; `image` is its recording's layer where that is not a file."""
        from napari_sam2_video.plugin.reader import axes_of_session

        source = None if image is None else LayerSource.of(image, axes_of_session(folder, image.ndim) or axes_of(image))
        shown: list[Recording] = []

        def image_of(session: Session) -> Image:
            there = image if image is not None else layer_of(self.viewer, shown[0])
            if there is None:
                return add_recording(self.viewer, shown[0], session)
            for recording in shown:
                recording.close()
            return there

        work = self._opener.opening(folder, source, self.session_options, shown)
        self._open("opening the session", work, image_of, then)

    def _open(
        self,
        doing: str,
        work: Callable[[Job], Session],
        image_of: Callable[[Session], Image],
        then: Callable[[], Any] | None,
    ) -> None:
        if self.opening:
            return

        def ready(shown: Shown) -> None:
            self._enter(shown)
            if then is not None:
                then()

        def failed(error: Sam2VideoError) -> None:
            self.session_changed.emit()
            self.error(error)

        self.close_session()
        self._arrivals.bring(doing, work, image_of, ready=ready, failed=failed)
        self.session_changed.emit()

    @property
    def opening(self) -> bool:
        """Whether a session is being made or opened."""
        return self._arrivals.busy

    def attach(self, session: Session, image: Image | None = None) -> None:
        """Show a session in the viewer at once; its recording is added as a layer where `image` is not given."""
        self.close_session()

        def image_of(_: Session) -> Image:
            if image is not None and image in self.viewer.layers:
                return image
            return add_recording(self.viewer, session.recording, session, again=True)

        self._enter(self._arrivals.show(session, image_of))

    def _enter(self, shown: Shown) -> None:
        self.close_session()
        self._hold(shown)
        self._connect(shown)
        self.model_settings = shown.session.model_settings
        shown.session.events.connect(self._on_session_event)
        show_plane(self.viewer, shown.image, shown.geometry)
        self.frame = shown_frame(self.viewer, shown.image, shown.geometry)
        shown.keeper.gather()
        self._on_dims()
        self.session_changed.emit()
        self.set_active(next((entry.id for entry in shown.session.objects), 0))
        if shown.masks.masks is None:
            self._on_layers_lost("The masks layer was removed while the session was opened.")

    def _on_session_event(self, info: EmissionInfo) -> None:
        """Note what changed, on whichever thread it changed."""
        self._topics.add(info.signal.name)

    def _hold(self, shown: Shown | None) -> None:
        self._shown = shown
        self.session: Session | None = None if shown is None else shown.session
        self.image: Image | None = None if shown is None else shown.image
        self.geometry: Geometry | None = None if shown is None else shown.geometry
        self.masks: MaskLayers | None = None if shown is None else shown.masks
        self.prompts: PromptLayers | None = None if shown is None else shown.prompts
        self.preview: LivePreview | None = None if shown is None else shown.preview
        self.run: TrackRun | None = None if shown is None else shown.run
        self.keeper: FigureKeeper | None = None if shown is None else shown.keeper

    def _connect(self, shown: Shown) -> None:
        shown.moved = self._on_dims
        # napari is still in the middle of taking the new data then.
        shown.replaced = lambda: QTimer.singleShot(0, lambda: self._on_replaced(shown))
        shown.keeper.changed.connect(self.figures_changed)
        shown.keeper.failed.connect(self.error)
        shown.masks.painted.connect(self._on_painted)
        shown.masks.refused.connect(self.error)
        shown.masks.selected.connect(self._on_label_selected)
        shown.masks.lost.connect(self._on_layers_lost)
        shown.prompts.edited.connect(self._on_prompted)
        shown.prompts.refused.connect(self.error)
        shown.prompts.needs_object.connect(self.new_object)
        shown.preview.changed.connect(self.preview_changed)
        shown.preview.failed.connect(self.error)
        shown.run.started.connect(self.run_changed)
        shown.run.progressed.connect(self.run_changed)
        shown.run.frames.connect(self._on_frames)
        shown.run.ended.connect(self._on_run_ended)

    def close_session(self, *, keep_layers: bool = False) -> None:
        """Take the session off the viewer; a run is stopped and everything is safe in its folder."""
        shown = self._shown
        if shown is None:
            return
        shown.session.events.disconnect(self._on_session_event)
        shown.close(keep_layers=keep_layers)
        self._hold(None)
        self.active = 0
        self._arrivals.end(shown.session)
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
        if self.prompts is not None:
            self.prompts.look_at(shown_point(self.viewer, self.image))
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
        self.preview_changed.emit()

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
        if self._shown is not None:
            for _ in self._shown.restoring():
                continue
            self.set_active(self.active)
            self.layers_lost.emit("")

    def _on_removing(self, event: Any) -> None:
        if self._closed:
            return
        removed = event.value if hasattr(event, "value") else self.viewer.layers[event.index]
        if self._arrivals.shows(removed):
            self._arrivals.drop()
            self.session_changed.emit()
        elif self.image is not None and removed is self.image:
            self.close_session()
        else:
            return
        QTimer.singleShot(0, self._tell_image_gone)

    def _on_replaced(self, shown: Shown) -> None:
        if self._shown is shown:
            self.close_session()
            self.told.emit(
                "info",
                "The image layer was given other data, so its session was closed; everything is safe in its folder.",
            )

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

    def tell_changes(self) -> None:
        """Pass on what changed in the session since the last time."""
        topics = self._topics.taken()
        if self.session is None or self._closed:
            return
        for topic in topics:
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
        self._arrivals.drop(keep_layers=window_gone)
        self.close_session(keep_layers=window_gone)
        self.runner.close(self._opener.end_all)
        # Nothing of a window that is gone may be kept alive from here.
        self.viewer = None
