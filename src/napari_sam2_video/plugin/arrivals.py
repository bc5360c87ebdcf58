"""From a session that was made or opened in the background to its layers in the viewer, and back again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam2_video.plugin.main_thread_steps import Turns
from napari_sam2_video.plugin.session_view import Shown
from napari_sam2_video.plugin.worker import Job, as_sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari.layers import Image, Layer
    from qtpy.QtCore import QObject

    from napari_sam2_video.errors import Sam2VideoError
    from napari_sam2_video.plugin.opening import Opener
    from napari_sam2_video.plugin.worker import Runner
    from napari_sam2_video.session import Session


class Arrivals:
    """Brings one session at a time; its layers are added in turns, because each takes the main thread a while.

    Parameters
    ----------
    viewer : Viewer
        Where the layers go.
    runner : Runner
        Does the work in the background.
    opener : Opener
        Knows which sessions are open.
    tell : callable
        Called with an error for the person.
    parent : QObject
        Owns the timer of the turns.
    """

    def __init__(
        self, viewer: Any, runner: Runner, opener: Opener, tell: Callable[[Sam2VideoError], Any], parent: QObject
    ) -> None:
        self._viewer = viewer
        self._runner = runner
        self._opener = opener
        self._tell = tell
        self._turns = Turns(parent)
        self._shown: Shown | None = None
        self.busy = False

    def bring(
        self,
        doing: str,
        work: Callable[[Job], Session],
        image_of: Callable[[Session], Image],
        *,
        ready: Callable[[Shown], Any],
        failed: Callable[[Sam2VideoError], Any],
    ) -> None:
        """Get a session in the background and add its layers.

        Parameters
        ----------
        doing : str
            What is done, as it reads after "while".
        work : callable
            Gives the session; runs on another thread.
        image_of : callable
            Gives the image layer of the session's recording.
        ready, failed : callable
            Called when all layers are there, or with the error.
        """
        self.busy = True

        def arrived() -> None:
            self.busy = False
            ready(self._arrived())

        def lost(error: Sam2VideoError) -> None:
            self.busy = False
            failed(error)

        def refused(session: Session, error: Sam2VideoError) -> None:
            self.drop()
            self.end(session)
            lost(error)

        def done(session: Session) -> None:
            self._turns.take(
                self._adding(session, image_of),
                arrived,
                lambda error: refused(session, as_sentence(error, doing)),
            )

        self._runner.submit(Job(doing, work, done=done, failed=lost, key="open"))

    def show(self, session: Session, image_of: Callable[[Session], Image]) -> Shown:
        """Add the layers of a session that is open, all at once."""
        self.drop()
        for _ in self._adding(session, image_of):
            continue
        return self._arrived()

    def _arrived(self) -> Shown:
        assert self._shown is not None
        shown, self._shown = self._shown, None
        return shown

    def _adding(self, session: Session, image_of: Callable[[Session], Image]) -> Iterator[None]:
        self._opener.adopt(session)
        self._shown = Shown(self._viewer, self._runner, session, image_of(session))
        yield
        yield from self._shown.restoring()

    def shows(self, layer: Layer) -> bool:
        """Whether a layer is the image of the session that is being brought."""
        return self._shown is not None and self._shown.image is layer

    def drop(self, *, keep_layers: bool = False) -> None:
        """Bring no more of the session whose layers are being added, and close it."""
        self._turns.stop()
        shown, self._shown = self._shown, None
        if shown is not None:
            self.busy = False
            shown.close(keep_layers=keep_layers)
            self.end(shown.session)

    def end(self, session: Session) -> None:
        """Close a session in the background."""
        self._runner.submit(Job("closing the session", lambda _: self._opener.end(session), failed=self._tell))
