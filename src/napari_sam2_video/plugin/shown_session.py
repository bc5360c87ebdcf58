"""The session shown in a viewer: its parts, and how it is opened and closed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal  # type: ignore[attr-defined]

from napari_sam2_video.plugin import garbage
from napari_sam2_video.plugin.closing import close_all
from napari_sam2_video.plugin.layer_source import LayerSource
from napari_sam2_video.plugin.layers import axes_of, make_canvas_current, unwrap, while_removing
from napari_sam2_video.plugin.recording_layers import add_recording
from napari_sam2_video.plugin.reported_errors import release_frames
from napari_sam2_video.plugin.session_loader import SessionLoader
from napari_sam2_video.plugin.settings import read_settings
from napari_sam2_video.plugin.summarizer import SessionSummary
from napari_sam2_video.plugin.worker import TaskRunner
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


class ShownSession(QObject):
    """Opens a session in a viewer, and closes it; `Controller` implements what happens in between.

    Signals
    -------
    session_changed
        A session was opened or closed, or is being loaded.
    notified : str, str
        ``"error"``, ``"info"`` or ``"status"``, and a message for the user.
    """

    session_changed = Signal()
    notified = Signal(str, str)

    def __init__(self, viewer: Viewer, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.viewer: Any = unwrap(viewer)
        self.runner = TaskRunner(self)
        self.view: SessionView | None = None
        self.model_settings = ModelSettings()
        self.loader = SessionLoader(self.viewer, self.runner, self)
        self.loader.loaded.connect(self._on_loaded)
        self.loader.failed.connect(self._on_not_loaded)
        self._then: Callable[[], Any] | None = None
        self._closed = False
        self._closers: list[Callable[[], Any]] = []
        self.listen(self.viewer.layers.events.removing, lambda _: make_canvas_current(self.viewer))
        self.listen(self.viewer.layers.events.removing, self._on_removing)

    def opened(self, view: SessionView) -> None:
        """Called when a session is shown, before any signal."""

    def closed(self) -> None:
        """Called when no session is shown any more."""

    def listen(self, event: Any, callback: Callable[..., Any]) -> None:
        """Connect to an event of the viewer until the widget closes."""
        event.connect(callback)
        self.at_close(lambda: event.disconnect(callback))

    def at_close(self, action: Callable[[], Any]) -> None:
        """Call something when the widget disconnects from the viewer."""
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
        """How its frames and pixels map to that layer."""
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
        """Whether a run is under way or about to begin."""
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
        """Make a session from an image layer in the background, then call `then`."""
        if not self.loading:
            self.close_session()
            self._then = then
            self.loader.create(image, choices, read_settings(), self.model_settings)
            self.session_changed.emit()

    def open_session(self, folder: Path, image: Image | None = None, then: Callable[[], Any] | None = None) -> None:
        """Open a session folder in the background; `image` is the layer of its recording if that is not a file."""
        from napari_sam2_video.plugin.reader import axes_of_session

        if not self.loading:
            self.close_session()
            self._then = then
            axes = "" if image is None else axes_of_session(folder, image.ndim) or axes_of(image)
            self.loader.open(folder, None if image is None else LayerSource.of(image, axes), image)
            self.session_changed.emit()

    def attach(self, session: Session, image: Image | None = None) -> None:
        """Show a session in the viewer at once; its recording is added as a layer if `image` is not given."""
        self.close_session()

        def image_of(_: Session) -> Image:
            if image is not None and image in self.viewer.layers:
                return image
            return add_recording(self.viewer, session.recording, session, again=True)

        self._on_loaded(self.loader.show(session, image_of))

    def _on_loaded(self, view: SessionView) -> None:
        self.close_session()
        self.view = view
        garbage.hold()
        self.model_settings = view.session.model_settings
        self.opened(view)
        then, self._then = self._then, None
        if then is not None:
            then()

    def _on_not_loaded(self, error: Sam2VideoError) -> None:
        self._then = None
        self.session_changed.emit()
        self.notified.emit("error", str(error))

    def close_session(self, *, keep_layers: bool = False) -> None:
        """Stop any run and remove the session from the viewer; everything is safe in its folder."""
        view, self.view = self.view, None
        if view is not None:
            view.close(keep_layers=keep_layers)
            self.loader.end(view.session)
            garbage.release()
            self.closed()
            release_frames()

    def _on_removing(self, event: Any) -> None:
        if self._closed:
            return
        removed = event.value if hasattr(event, "value") else self.viewer.layers[event.index]
        with while_removing():
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
            self._report_closed("was given different data")

    def _report_closed(self, why: str) -> None:
        if not self._closed:
            text = f"The image layer {why}, so its session was closed; everything is saved in its folder."
            self.notified.emit("info", text)

    def close(self, *_: Any, window_gone: bool = False) -> None:
        """Disconnect from the viewer without waiting: a run stops within a frame, then the session is closed.

        Parameters
        ----------
        window_gone : bool
            The window no longer exists: nothing in it may be touched, and its layers stay unchanged.
        """
        if self._closed:
            return
        self._closed = True
        if window_gone:
            self.blockSignals(True)
        closers, self._closers = self._closers, []
        session = (self.loader.cancel, self.close_session)
        closers += [partial(action, keep_layers=window_gone) for action in session]
        close_all(closers, window_gone=window_gone)
        self.runner.close(self.loader.end_all)
        # Do not keep parts of a closed window alive.
        self.viewer = None
