"""Load sessions into the viewer: create or open them in the background, then show them layer by layer."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]

from napari_sam2_video.plugin.layer_source import LayerSource, view_of
from napari_sam2_video.plugin.recording_layers import add_recording, layer_of, reopened
from napari_sam2_video.plugin.session_view import SessionView
from napari_sam2_video.plugin.settings import new_session_folder
from napari_sam2_video.plugin.widgets import single_shot
from napari_sam2_video.plugin.worker import Job, as_sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari.layers import Image, Layer

    from napari_sam2_video.errors import Sam2VideoError
    from napari_sam2_video.frames.recording import Recording
    from napari_sam2_video.plugin.layer_source import Choices
    from napari_sam2_video.plugin.settings import PluginSettings
    from napari_sam2_video.plugin.worker import TaskRunner
    from napari_sam2_video.session import Session
    from napari_sam2_video.types import ModelSettings

KEY = "open"


class SessionLoader(QObject):
    """Loads one session at a time, and closes every session it has loaded.

    Files are handled on the engine's thread, while torch is loaded on another (`warm_up`). Layers are added on the main
    thread, one per turn of the event loop, so that the window stays responsive.

    Signals
    -------
    loaded : SessionView
        A session has been loaded with all its layers.
    failed : Sam2VideoError
        It could not be loaded or closed.
    progressed : str
        What is being done now.
    """

    loaded = Signal(object)
    failed = Signal(object)
    progressed = Signal(str)

    def __init__(self, viewer: Any, runner: TaskRunner, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._runner = runner
        self._alive: dict[Session, Callable[[], Any] | None] = {}
        self._view: SessionView | None = None
        self._steps: Iterator[None] = iter(())
        self._timer = single_shot(self, self._take_step)
        self.options: dict[str, Any] = {}
        self.busy = False

    def create(self, image: Image, choices: Choices, settings: PluginSettings, model: ModelSettings) -> None:
        """Make a session from an image layer."""
        source = LayerSource.of(image, choices.axes, axes_known=choices.axes_known, opening=choices.opening)
        options = self.options

        def work(job: Job) -> Session:
            from napari_sam2_video.frames.window import note_contrast
            from napari_sam2_video.session import Session

            job.report("Opening the recording…")
            recording = source.open()
            try:
                folder = new_session_folder(recording, settings)
                _make(folder.parent)
                view = view_of(recording, choices)
                note_contrast(recording, view)
                session = Session.create(folder, recording, view, model, **options)
            except BaseException:
                source.release(recording)
                raise
            self._alive[session] = partial(source.release, recording)
            return session

        self._load("preparing the recording", work, lambda _: image)

    def open(self, folder: Path, source: LayerSource | None = None, image: Image | None = None) -> None:
        """Open a session folder; `source` and `image` belong to its recording if that is not a file."""
        options = self.options
        for_layer: list[Recording] = []

        def work(job: Job) -> Session:
            from napari_sam2_video.session import Session

            job.report("Opening the session…")
            if source is None:
                session = Session.open(folder, **options)
                self._alive[session] = None
                for_layer.append(reopened(session))
                return session
            recording = source.open()
            try:
                session = Session.open(folder, recording=recording, **options)
            except BaseException:
                source.release(recording)
                raise
            self._alive[session] = partial(source.release, recording)
            return session

        def image_of(session: Session) -> Image:
            there = image if image is not None else layer_of(self._viewer, for_layer[0])
            if there is None:
                return add_recording(self._viewer, for_layer[0], session)
            for recording in for_layer:
                recording.close()
            return there

        self._load("opening the session", work, image_of)

    def show(self, session: Session, image_of: Callable[[Session], Image]) -> SessionView:
        """Add the layers of an open session, all at once."""
        self.cancel()
        for _ in self._adding(session, image_of):
            continue
        return self._take_view()

    def shows(self, layer: Layer) -> bool:
        """Whether a layer is the image of the session that is being loaded."""
        return self._view is not None and self._view.image is layer

    def cancel(self, *, keep_layers: bool = False) -> None:
        """Give up the session whose layers are being added."""
        self._timer.stop()
        view, self._view = self._view, None
        if view is not None:
            self.busy = False
            view.close(keep_layers=keep_layers)
            self.end(view.session)

    def end(self, session: Session) -> None:
        """Close a session and what was opened for it, in the background."""
        self._runner.submit(Job("closing the session", lambda _: self._end(session), failed=self.failed.emit))

    def end_all(self) -> None:
        """Close every session that is still open, even one that was never shown; runs on the engine's thread."""
        for session in tuple(self._alive):
            self._end(session)

    def _end(self, session: Session) -> None:
        release = self._alive.pop(session, None)
        session.close()
        if release is not None:
            release()

    def _load(self, doing: str, work: Callable[[Job], Session], image_of: Callable[[Session], Image]) -> None:
        self.busy = True
        self._doing = doing
        self._runner.submit(
            Job(
                doing,
                work,
                done=lambda session: self._begin(session, image_of),
                failed=self._fail,
                reported=self.progressed.emit,
                key=KEY,
            )
        )

    def _begin(self, session: Session, image_of: Callable[[Session], Image]) -> None:
        self.progressed.emit("Adding the layers…")
        self._session: Session | None = session
        self._steps = self._adding(session, image_of)
        self._timer.start(0)

    def _adding(self, session: Session, image_of: Callable[[Session], Image]) -> Iterator[None]:
        self._alive.setdefault(session, None)
        self._view = SessionView(self._viewer, self._runner, session, image_of(session))
        yield
        yield from self._view.restoring()

    def _take_step(self) -> None:
        try:
            next(self._steps)
        except StopIteration:
            self.busy = False
            # Do not keep a session here that is closed later.
            self._session, self._steps = None, iter(())
            self.loaded.emit(self._take_view())
        except Exception as error:
            view, self._view = self._view, None
            if view is not None:
                view.close()
            if self._session is not None:
                self.end(self._session)
            self._fail(as_sentence(error, self._doing))
        else:
            self._timer.start(0)

    def _take_view(self) -> SessionView:
        view, self._view = self._view, None
        assert view is not None
        return view

    def _fail(self, error: Sam2VideoError) -> None:
        self.busy = False
        self.failed.emit(error)


def _make(folder: Path) -> None:
    from napari_sam2_video.errors import SessionError

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SessionError(
            f"The folder for new sessions, {folder}, cannot be made ({error.strerror}); choose another one in the "
            "preferences of SAM 2 video tracking."
        ) from error


def warm_up(_: Job) -> None:
    """Import torch on a background thread.

    The viewer may stutter while such a large library is loaded: better when the widget opens than during a run.
    """
    from napari_sam2_video.preload import import_torch

    import_torch()


def warm_up_layers(_: Job) -> None:
    """Import what napari needs for the first layer of each type, on a background thread.

    Only once the viewer has a layer: napari parses units with pint, whose first use must not happen on two threads at
    once.
    """
    import numpy as np
    from napari.layers import Labels, Points, Shapes

    Labels(np.zeros((1, 1, 1), np.uint8))
    Points(ndim=3)
    Shapes(ndim=3)
