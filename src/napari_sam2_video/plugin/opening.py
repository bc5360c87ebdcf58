"""Sessions made, opened and closed on the engine's thread, and the image layer of a recording that has none."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from napari_sam2_video.plugin.layer_source import known_recording, view_of
from napari_sam2_video.plugin.settings import new_session_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari.layers import Image

    from napari_sam2_video.frames.recording import Recording
    from napari_sam2_video.plugin.layer_source import Choices, LayerSource
    from napari_sam2_video.plugin.settings import PluginSettings
    from napari_sam2_video.plugin.worker import Job
    from napari_sam2_video.session import Session
    from napari_sam2_video.types import ModelSettings

    Work = Callable[[Job], Session]


class Opener:
    """Knows every session that is still open, also one that was made and never shown."""

    def __init__(self) -> None:
        self._alive: dict[Session, Callable[[], Any] | None] = {}

    def making(
        self,
        source: LayerSource,
        choices: Choices,
        settings: PluginSettings,
        model: ModelSettings,
        options: dict[str, Any],
    ) -> Work:
        """Work that makes a session of an image layer."""

        def work(_: Job) -> Session:
            _warm_up()
            from napari_sam2_video.session import Session

            recording = source.open()
            try:
                folder = new_session_folder(recording, settings)
                _make(folder.parent)
                session = Session.create(folder, recording, view_of(recording, choices), model, **options)
            except BaseException:
                source.release(recording)
                raise
            self._alive[session] = partial(source.release, recording)
            return session

        return work

    def opening(
        self, folder: Path, source: LayerSource | None, options: dict[str, Any], shown: list[Recording]
    ) -> Work:
        """Work that opens a session; without a `source`, its recording for a layer is added to `shown`."""

        def work(_: Job) -> Session:
            _warm_up()
            from napari_sam2_video.plugin.reader import reopened
            from napari_sam2_video.session import Session

            recording = None if source is None else source.open()
            try:
                session = Session.open(folder, recording=recording, **options)
            except BaseException:
                if source is not None and recording is not None:
                    source.release(recording)
                raise
            release = None if source is None or recording is None else partial(source.release, recording)
            self._alive[session] = release
            if source is None:
                shown.append(reopened(session.recording))
            return session

        return work

    def adopt(self, session: Session) -> None:
        """Close this session too, when the time comes."""
        self._alive.setdefault(session, None)

    def end(self, session: Session) -> None:
        """Close a session and what was opened for it."""
        release = self._alive.pop(session, None)
        session.close()
        if release is not None:
            release()

    def end_all(self) -> None:
        """Close what is still open."""
        for session in tuple(self._alive):
            self.end(session)


def _make(folder: Path) -> None:
    from napari_sam2_video.errors import SessionError

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SessionError(
            f"The folder for new sessions, {folder}, cannot be made ({error.strerror}); choose another one in the "
            "preferences of SAM 2 video tracking."
        ) from error


def layer_of(viewer: Any, recording: Recording) -> Image | None:
    """The layer in which one of the plugin's readers shows the same recording already, if there is one."""
    from napari.layers import Image

    for layer in viewer.layers:
        known = known_recording(layer) if isinstance(layer, Image) else None
        if known is not None and (known.path, known.axes, known.shape) == (
            recording.path,
            recording.axes,
            recording.shape,
        ):
            return layer
    return None


def add_recording(viewer: Any, recording: Recording, session: Session, *, again: bool = False) -> Image:
    """Show a recording as an image layer in the session's window; a file is opened `again` for the layer alone."""
    from napari_sam2_video.plugin.reader import recording_layer, reopened

    is_file = recording.path is not None
    if again and is_file:
        recording = reopened(recording)
    data, arguments, _ = recording_layer(recording, window=session.view.settings.window, close=is_file)
    image: Image = viewer.add_image(data, **arguments)
    return image


def _warm_up() -> None:
    """Import what napari needs for the first layer of a kind, and torch, on a thread that may wait for it.

    While libraries that size are loaded the viewer cannot always draw: better now than in a run.
    """
    import numpy as np
    from napari.layers import Labels, Points, Shapes

    from napari_sam2_video.preload import import_torch

    import_torch()
    Labels(np.zeros((1, 1, 1), np.uint8))
    Points(ndim=3)
    Shapes(ndim=3)
